/// @file
/// Makes a new network from the modules of another network. Private to the passes.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "network/network.h"

namespace aether2onnx::network {

/// Visits the modules of `source` in their order and makes `result`. `result` has only the
/// parameters that its modules use.
class Rewriter {
 public:
  explicit Rewriter(Network network);

  const Network source;
  Network result;

  /// Calls `rewrite` with each module and the module's value. `rewrite` returns the value of the
  /// result that replaces the module's value, or nullopt to copy the module.
  template <typename Rewrite>
  void run(Rewrite rewrite) {
    for (std::size_t i = 0; i < source.modules.size(); ++i) {
      const std::optional<ValueId> value = rewrite(source.modules[i], i + 1);
      values_.push_back(value ? *value : copy(source.modules[i]));
    }
  }

  /// Returns the value of the result that replaces a value of the source.
  ValueId value(ValueId source_value) const { return values_.at(source_value); }
  /// Returns the module that makes a value of the result; null for the image.
  Module* maker(ValueId result_value) {
    return result_value == 0 ? nullptr : &result.modules.at(result_value - 1);
  }

  /// Copies a parameter to the result at its first use. Returns the parameter's id in the result.
  ParameterId take(ParameterId id);
  /// Adds a parameter with `value` and the name, shape and position of a parameter of the source.
  ParameterId replace(ParameterId id, Expression value);
  /// Copies a module with its parameters.
  ValueId copy(Module module);
  /// Adds an operation that replaces a module. The parameters of the operation are in the result.
  ValueId put(const Module& module, std::string path, Operation operation);

 private:
  std::vector<std::optional<ParameterId>> parameters_;  // by source id: result id
  std::vector<ValueId> values_ = {0};                   // by source value: result value
};

/// A deployment norm as x * weight + bias for each channel.
struct Affine {
  Expression weight;
  Expression bias;
};
Affine affine_of(const Network& network, const DeploymentNorm& norm);

}  // namespace aether2onnx::network
