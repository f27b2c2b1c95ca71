// The pass fold(): folds modules into the weights of convolutions, so that the modules disappear.
// `source` is the old network, and `result` is the new network. A value is a feature map. Each
// weight has an expression, which tells how to compute the weight's elements (network.h).

#include <algorithm>
#include <map>
#include <set>

#include "network/passes/passes.h"
#include "network/passes/rewriter.h"

namespace aether2onnx::network {

namespace {

using Kind = Expression::Kind;

// Folds a module into the convolution before the module, or into the convolutions after the module.
class Fold {
 public:
  explicit Fold(Network network) : net_(std::move(network)) {
    consumers_.resize(net_.source.modules.size() + 1);
    for (const Module& module : net_.source.modules) {
      for (const ValueId input : module.inputs) consumers_.at(input).push_back(&module);
    }
  }

  Folded run() {
    net_.run([&](const Module& module, ValueId value) { return rewrite(module, value); });
    folded_.network = std::move(net_.result);
    return std::move(folded_);
  }

 private:
  // A shift or scale that waits for the convolutions that read its output. copy_with_waiting()
  // copies these convolutions, and then folds the shift or scale into the copies.
  struct Waiting {
    std::optional<Expression> shift;
    std::optional<Scale> scale;
  };

  // Folds the module if possible. Returns the feature map of `result` that replaces the module's
  // output. Returns nullopt if the module cannot be folded; then Rewriter::run() copies the module.
  std::optional<ValueId> rewrite(const Module& module, ValueId value) {
    bool folded = false;
    if (const auto* shift = std::get_if<ChannelShift>(&module.operation)) {
      folded = fold(module, *shift, value);
    } else if (const auto* scale = std::get_if<Scale>(&module.operation)) {
      folded = fold(module, *scale, value);
    } else if (const auto* affine = std::get_if<ChannelAffine>(&module.operation)) {
      folded = fold(module, {source_value(affine->weight), source_value(affine->bias)});
    } else if (const auto* norm = std::get_if<DeploymentNorm>(&module.operation)) {
      folded = fold(module, affine_of(net_.source, *norm));
      if (!folded) return as_affine(module, *norm);
    } else if (std::holds_alternative<Conv2d>(module.operation)) {
      return copy_with_waiting(module);
    }
    if (!folded) return std::nullopt;
    return net_.value(module.inputs[0]);
  }

  // --- expressions of weights ---

  // Returns the expression of a weight as a fused checkpoint stores the weight: a computed weight
  // is rounded. fold() starts with the rounded weights, so that the fused and the unfused
  // checkpoint give the same ONNX file.
  static Expression as_in_checkpoint(Expression value) {
    return value.kind == Kind::stored ? value : Expression::of(Kind::rounded, std::move(value));
  }

  Expression source_value(ParameterId id) const {
    return as_in_checkpoint(net_.source.parameters.at(id).value);
  }

  // Returns the expression of the weight `id` of `result`. If fold() has not changed the weight,
  // as_in_checkpoint() rounds the weight. If fold() has changed the weight, the expression already
  // contains this rounding.
  Expression result_value(ParameterId id) const {
    const Expression& value = net_.result.parameters.at(id).value;
    return changed_.contains(id) ? value : as_in_checkpoint(value);
  }

  // Sets the weight `id` of `result` to `kind`(a, b). a is the old weight, and b is `operand`.
  void change(ParameterId id, Kind kind, Expression operand) {
    Expression value = Expression::of(kind, result_value(id), std::move(operand));
    changed_.insert(id);
    net_.result.parameters.at(id).value = std::move(value);
  }

  void multiply(ParameterId id, const Scale& scale, bool invert = false) {
    change(id, scale.divide != invert ? Kind::divide : Kind::multiply,
           scale.parameter ? source_value(*scale.parameter) : Expression::constant(scale.number));
  }

  void add_to_bias(Conv2d& conv, const std::string& path, Expression value) {
    if (conv.bias) {
      change(*conv.bias, Kind::add, std::move(value));
      return;
    }
    const auto channels = net_.result.parameters.at(conv.weight).shape.front();
    conv.bias = net_.result.add_parameter(path + ".bias", {channels}, std::move(value));
    changed_.insert(*conv.bias);
  }

  // --- folding of one module ---

  // Returns the convolution of `result` that makes the input of `module`. Returns null if a module
  // of another kind makes the input, or if another module also reads the input.
  Module* conv_before(const Module& module) {
    if (consumers_.at(module.inputs[0]).size() != 1) return nullptr;
    Module* before = net_.maker(net_.value(module.inputs[0]));
    const bool is_conv = before != nullptr && std::holds_alternative<Conv2d>(before->operation);
    return is_conv ? before : nullptr;
  }

  bool fold(const Module& module, const ChannelShift& shift, ValueId value) {
    Expression addend = source_value(shift.value);
    if (shift.subtract) {
      addend = Expression::of(Kind::multiply, std::move(addend), Expression::constant(-1));
    }
    if (Module* before = conv_before(module)) {
      add_to_bias(std::get<Conv2d>(before->operation), before->path, std::move(addend));
    } else if (may_wait(value, true)) {
      waiting_[value].shift = std::move(addend);
    } else {
      return false;
    }
    ++folded_.shifts;
    return true;
  }

  bool fold(const Module& module, const Scale& scale, ValueId value) {
    if (!fold_backward(module, scale)) {
      if (!may_wait(value, false)) return false;
      waiting_[value].scale = scale;
    }
    ++(scale.parameter ? folded_.temperatures : folded_.factors);
    return true;
  }

  // Folds a scale into the convolution before the scale. If the scale is a positive number,
  // attention may come between the convolution and the scale. The means and maxima that the
  // attention computes are then scaled too. The attention's first weight is divided by the scale,
  // so that the attention's sigmoids get the same inputs as before.
  bool fold_backward(const Module& module, const Scale& scale) {
    std::vector<ParameterId> compensated;
    ValueId at = module.inputs[0];
    while (consumers_.at(at).size() == 1 && net_.value(at) != 0) {
      Module& before = *net_.maker(net_.value(at));
      if (auto* conv = std::get_if<Conv2d>(&before.operation)) {
        multiply(conv->weight, scale);
        if (conv->bias) multiply(*conv->bias, scale);
        for (const ParameterId weight : compensated) multiply(weight, scale, true);
        return true;
      }
      if (scale.parameter || !(scale.number > 0)) return false;
      if (const auto* channels = std::get_if<ChannelAttention>(&before.operation)) {
        compensated.push_back(channels->reduce_weight);
      } else if (const auto* pixels = std::get_if<SpatialAttention>(&before.operation)) {
        compensated.push_back(pixels->weight);
      } else {
        return false;
      }
      // Continues with the input of the attention. fold() copies every attention, so `before` is
      // the attention's copy. In `source`, the attention is the module with the index `at` - 1,
      // which makes the feature map `at`. (If fold() had already folded a Scale between the
      // attention and `module`, this index would be the index of the folded Scale. But no network
      // has two Scales after an attention.)
      at = net_.source.modules.at(at - 1).inputs[0];
    }
    return false;
  }

  bool fold(const Module& module, Affine affine) {
    Module* before = conv_before(module);
    if (before == nullptr) return false;
    auto& conv = std::get<Conv2d>(before->operation);
    change(conv.weight, Kind::scale_rows, affine.weight);
    if (conv.bias) change(*conv.bias, Kind::multiply, affine.weight);
    add_to_bias(conv, before->path, std::move(affine.bias));
    ++folded_.norms;
    return true;
  }

  // Returns whether the shift or scale that makes the feature map `value` can be folded into the
  // modules that read `value`. All these modules must be convolutions. For a shift, `points` is
  // true, and the convolutions must be 1 x 1 and have no groups. (Larger convolutions pad their
  // input with zeros, and a shift does not change these zeros.)
  bool may_wait(ValueId value, bool points) const {
    const auto& consumers = consumers_.at(value);
    const bool is_output = value == net_.source.modules.size();
    if (consumers.empty() || is_output) return false;
    return std::all_of(consumers.begin(), consumers.end(), [&](const Module* consumer) {
      const auto* conv = std::get_if<Conv2d>(&consumer->operation);
      return conv != nullptr && (!points || (conv->kernel == 1 && conv->groups == 1));
    });
  }

  ValueId copy_with_waiting(const Module& module) {
    const ValueId value = net_.copy(module);
    const auto waiting = waiting_.find(module.inputs[0]);
    if (waiting == waiting_.end()) return value;
    auto& conv = std::get<Conv2d>(net_.maker(value)->operation);
    if (waiting->second.scale) multiply(conv.weight, *waiting->second.scale);
    if (waiting->second.shift) {
      // W (x + e) = W x + W e: a shift e of the input is the same as adding W e to the bias.
      add_to_bias(conv, module.path,
                  Expression::of(Kind::apply, result_value(conv.weight), *waiting->second.shift));
    }
    return value;
  }

  ValueId as_affine(const Module& module, const DeploymentNorm& norm) {
    Affine affine = affine_of(net_.source, norm);
    const ParameterId weight = net_.replace(norm.weight, std::move(affine.weight));
    const ParameterId bias = net_.replace(norm.bias, std::move(affine.bias));
    return net_.put(module, module.path, ChannelAffine{weight, bias});
  }

  Rewriter net_;
  Folded folded_;
  std::set<ParameterId> changed_;                      // weights of the result that fold() changed
  std::vector<std::vector<const Module*>> consumers_;  // modules that read each source value
  std::map<ValueId, Waiting> waiting_;                 // shift or scale that makes each value
};

}  // namespace

Folded fold(Network network) { return Fold(std::move(network)).run(); }

}  // namespace aether2onnx::network
