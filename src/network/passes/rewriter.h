/// @file
/// The passes fuse() and fold() use the class Rewriter to make a changed copy of a network. Private
/// to this folder.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "network/network.h"

namespace aether2onnx::network {

/// Makes the network `result` from the modules of the network `source`, in the order of these
/// modules. `result` has only the weights that the modules of `result` use.
class Rewriter {
 public:
  explicit Rewriter(Network network);

  const Network source;
  Network result;

  /// Calls `rewrite` with each module of `source` and the id of the module's output. If `rewrite`
  /// returns the id of a feature map in `result`, this feature map replaces the module's output. If
  /// `rewrite` returns nullopt, run() copies the module.
  template <typename Rewrite>
  void run(Rewrite rewrite) {
    for (std::size_t i = 0; i < source.modules.size(); ++i) {
      const std::optional<ValueId> value = rewrite(source.modules[i], i + 1);
      values_.push_back(value ? *value : copy(source.modules[i]));
    }
  }

  /// Returns the id of the feature map in `result` that replaces feature map `source_value` of
  /// `source`.
  ValueId value(ValueId source_value) const { return values_.at(source_value); }
  /// Returns the module of `result` that makes the feature map `result_value`. Returns null for the
  /// input image.
  Module* maker(ValueId result_value) {
    return result_value == 0 ? nullptr : &result.modules.at(result_value - 1);
  }

  /// Copies the weight `id` of `source` to `result`, unless an earlier call has copied the weight.
  /// Returns the weight's id in `result`.
  ParameterId take(ParameterId id);
  /// Adds a weight to `result` and returns the new weight's id. The formula `value` computes this
  /// weight from the checkpoint's tensors. Copies name, shape and position (see struct Parameter)
  /// from the weight `id` of `source`.
  ParameterId replace(ParameterId id, Expression value);
  /// Copies a module of `source`, with its weights, to `result`. Returns the id of the new module's
  /// output.
  ValueId copy(Module module);
  /// Adds a module with `path` and `operation` to `result`, in place of the module `module` of
  /// `source`. The weights of `operation` must be in `result`. Returns the id of the output.
  ValueId put(const Module& module, std::string path, Operation operation);

 private:
  // parameters_[id of a weight in `source`] is the weight's id in `result`.
  std::vector<std::optional<ParameterId>> parameters_;
  // values_[id of a feature map in `source`] is the id of its replacement in `result`.
  std::vector<ValueId> values_ = {0};
};

/// A DeploymentNorm of x equals x * weight + bias. The members are the formulas that compute this
/// weight and this bias from the norm's four weights.
struct Affine {
  Expression weight;
  Expression bias;
};
Affine affine_of(const Network& network, const DeploymentNorm& norm);

}  // namespace aether2onnx::network
