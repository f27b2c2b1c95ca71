/// @file
/// Makes a new network from the modules of another network, for passes. Private to this folder.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "network/network.h"

namespace aether2onnx::network {

/// Makes the network `result` from the modules of the network `source`, in their order. `result`
/// has only the weights that its modules use.
class Rewriter {
 public:
  explicit Rewriter(Network network);

  const Network source;
  Network result;

  /// Calls `rewrite` with each module of `source` and the id of the module's output. `rewrite`
  /// returns the value of `result` that replaces this output, or nullopt to copy the module.
  template <typename Rewrite>
  void run(Rewrite rewrite) {
    for (std::size_t i = 0; i < source.modules.size(); ++i) {
      const std::optional<ValueId> value = rewrite(source.modules[i], i + 1);
      values_.push_back(value ? *value : copy(source.modules[i]));
    }
  }

  /// Returns the value of `result` that replaces the value `source_value` of `source`.
  ValueId value(ValueId source_value) const { return values_.at(source_value); }
  /// Returns the module of `result` that makes the value `result_value`; null for the input image.
  Module* maker(ValueId result_value) {
    return result_value == 0 ? nullptr : &result.modules.at(result_value - 1);
  }

  /// Copies the weight `id` of `source` to `result` at its first use. Returns its id in `result`.
  ParameterId take(ParameterId id);
  /// Adds a weight to `result`: the formula `value`; name, shape and position of `id` in `source`.
  ParameterId replace(ParameterId id, Expression value);
  /// Copies a module of `source`, with its weights, to `result`. Returns the id of its output.
  ValueId copy(Module module);
  /// Adds `operation` (with weights of `result`) in place of `module`. Returns the output's id.
  ValueId put(const Module& module, std::string path, Operation operation);

 private:
  std::vector<std::optional<ParameterId>> parameters_;  // by id in `source`: id in `result`
  std::vector<ValueId> values_ = {0};                   // by value of `source`: value of `result`
};

/// The formulas of weight and bias if a deployment norm is written as x * weight + bias.
struct Affine {
  Expression weight;
  Expression bias;
};
Affine affine_of(const Network& network, const DeploymentNorm& norm);

}  // namespace aether2onnx::network
