/// @file
/// Makes a new network from the modules of another one. Private to the passes.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "network/network.h"

namespace aether2onnx::network {

/// Goes through the modules of `source` in their order and makes `result`. Parameters that no
/// module of the result uses drop out.
class Rewriter {
 public:
  explicit Rewriter(Network network);

  const Network source;
  Network result;

  /// Calls `rewrite` with each module and its value. It returns the value of the result that stands
  /// for the module's value, or nullopt to copy the module.
  template <typename Rewrite>
  void run(Rewrite rewrite) {
    for (std::size_t i = 0; i < source.modules.size(); ++i) {
      const std::optional<ValueId> value = rewrite(source.modules[i], i + 1);
      values_.push_back(value ? *value : copy(source.modules[i]));
    }
  }

  /// The value of the result that stands for a value of the source.
  ValueId value(ValueId source_value) const { return values_.at(source_value); }
  /// The module that makes a value of the result; null for the image.
  Module* maker(ValueId result_value) {
    return result_value == 0 ? nullptr : &result.modules.at(result_value - 1);
  }

  /// Copies a parameter to the result when it is first used. Returns its id there.
  ParameterId take(ParameterId id);
  /// Adds a parameter with the name, shape and position of a parameter of the source.
  ParameterId replace(ParameterId id, Expression value);
  /// Copies a module with its parameters.
  ValueId copy(Module module);
  /// Adds an operation in the place of a module. Its parameters are those of the result.
  ValueId put(const Module& module, std::string path, Operation operation);

 private:
  std::vector<std::optional<ParameterId>> parameters_;  // of the source, as ids of the result
  std::vector<ValueId> values_ = {0};                   // of the source, as values of the result
};

/// A deployment norm as x * weight + bias for each channel.
struct Affine {
  Expression weight;
  Expression bias;
};
Affine affine_of(const Network& network, const DeploymentNorm& norm);

}  // namespace aether2onnx::network
