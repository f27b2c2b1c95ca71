// What can be computed ahead of a run, taken into the weights of convolutions.

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "network/passes/affine.h"
#include "network/passes/passes.h"

namespace aether2onnx::fusion {

namespace {

using network::ChannelAffine;
using network::ChannelAttention;
using network::ChannelShift;
using network::Conv2d;
using network::DeploymentNorm;
using network::Expression;
using network::Module;
using network::Network;
using network::ParameterId;
using network::Scale;
using network::SpatialAttention;
using network::ValueId;
using Kind = Expression::Kind;

// Copies the modules one by one; what can be folded changes weights of modules that are there
// already, or waits for those that come.
class Folder {
 public:
  explicit Folder(Network& source) : source_(source) {}

  Folding run() {
    Network& result = result_.network;
    result.facts = source_.facts;
    result.buffers = std::move(source_.buffers);
    result.warnings = std::move(source_.warnings);
    moved_.assign(source_.parameters.size(), kNotMoved);
    count_uses();
    values_ = {0};
    for (std::size_t i = 0; i < source_.modules.size(); ++i) {
      const Module& module = source_.modules[i];
      const auto folded = fold(module, i + 1);
      values_.push_back(folded ? *folded : copy(module));
    }
    return std::move(result_);
  }

 private:
  static constexpr ParameterId kNotMoved = ~ParameterId{0};

  // What a value is changed by before its consumers, all convolutions, take it.
  struct Waiting {
    std::optional<Expression> shift;
    std::optional<Scale> scale;
  };

  void count_uses() {
    consumers_.resize(source_.modules.size() + 1);
    for (std::size_t i = 0; i < source_.modules.size(); ++i) {
      for (const ValueId input : source_.modules[i].inputs) consumers_.at(input).push_back(i);
    }
  }

  bool is_output(ValueId value) const { return value == source_.modules.size(); }

  // --- parameters ---

  ParameterId take(ParameterId id) {
    if (moved_[id] == kNotMoved) {
      moved_[id] = result_.network.parameters.size();
      result_.network.parameters.push_back(source_.parameters[id]);
    }
    return moved_[id];
  }

  // A value as it goes into further arithmetic: what a fused checkpoint would hold, rounded as
  // there.
  static Expression as_in_checkpoint(Expression value) {
    return value.kind == Kind::stored ? value : Expression::of(Kind::rounded, std::move(value));
  }

  Expression source_value(ParameterId id) const {
    return as_in_checkpoint(source_.parameters.at(id).value);
  }

  // Replaces the value of a parameter of the result by what `change` makes of it.
  template <typename Change>
  void change(ParameterId id, Change change) {
    Expression& value = result_.network.parameters.at(id).value;
    if (changed_.insert(id).second) value = as_in_checkpoint(std::move(value));
    value = change(std::move(value));
  }

  void multiply(ParameterId id, const Scale& scale, bool invert = false) {
    const Expression factor =
        scale.parameter ? source_value(*scale.parameter) : Expression::constant(scale.number);
    const Kind kind = scale.divide != invert ? Kind::divide : Kind::multiply;
    change(id, [&](Expression value) { return Expression::of(kind, std::move(value), factor); });
  }

  // --- what is there already ---

  // The module that makes a value of the result; null for the image.
  Module* maker(ValueId value) {
    return value == 0 ? nullptr : &result_.network.modules.at(value - 1);
  }

  // The convolution that makes the only input of a module, where the module alone takes that.
  Conv2d* conv_before(const Module& module) {
    if (consumers_.at(module.inputs[0]).size() != 1) return nullptr;
    Module* before = maker(values_.at(module.inputs[0]));
    return before == nullptr ? nullptr : std::get_if<Conv2d>(&before->operation);
  }

  void add_to_bias(Conv2d& conv, const std::string& path, Expression value) {
    if (conv.bias) {
      change(*conv.bias, [&](Expression bias) {
        return Expression::of(Kind::add, std::move(bias), std::move(value));
      });
      return;
    }
    const auto channels = result_.network.parameters.at(conv.weight).shape.front();
    conv.bias = result_.network.add_parameter(path + ".bias", {channels}, std::move(value));
    changed_.insert(*conv.bias);
  }

  // --- folding ---

  // The value of the result that stands for the module's, where the module was folded.
  std::optional<ValueId> fold(const Module& module, ValueId value) {
    bool folded = false;
    if (const auto* shift = std::get_if<ChannelShift>(&module.operation)) {
      folded = fold(module, *shift, value);
    } else if (const auto* scale = std::get_if<Scale>(&module.operation)) {
      folded = fold(module, *scale, value);
    } else if (const auto* affine = std::get_if<ChannelAffine>(&module.operation)) {
      folded = fold(module, {source_value(affine->weight), source_value(affine->bias)});
    } else if (const auto* norm = std::get_if<DeploymentNorm>(&module.operation)) {
      folded = fold(module, affine_of(source_, *norm));
    }
    if (!folded) return std::nullopt;
    return values_.at(module.inputs[0]);
  }

  bool fold(const Module& module, const ChannelShift& shift, ValueId value) {
    Expression addend = source_value(shift.value);
    if (shift.subtract) {
      addend = Expression::of(Kind::multiply, std::move(addend), Expression::constant(-1));
    }
    if (Conv2d* conv = conv_before(module)) {
      add_to_bias(*conv, maker(values_.at(module.inputs[0]))->path, std::move(addend));
    } else if (may_wait(value, true)) {
      waiting_[value].shift = std::move(addend);
    } else {
      return false;
    }
    ++result_.shifts;
    return true;
  }

  bool fold(const Module& module, const Scale& scale, ValueId value) {
    if (!fold_backward(module, scale)) {
      if (!may_wait(value, false)) return false;
      waiting_[value].scale = scale;
    }
    ++(scale.parameter ? result_.temperatures : result_.factors);
    return true;
  }

  // Into the convolution before, through attention where there is some: with x scaled by r > 0, the
  // means and maxima that attention sees are scaled by r, too.
  bool fold_backward(const Module& module, const Scale& scale) {
    std::vector<ParameterId> compensated;
    ValueId at = module.inputs[0];
    while (consumers_.at(at).size() == 1 && values_.at(at) != 0) {
      Module& before = *maker(values_.at(at));
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
      // Attention is never folded itself, so that its input is that of the module in the source.
      at = source_.modules.at(at - 1).inputs[0];
    }
    return false;
  }

  bool fold(const Module& module, Affine affine) {
    Conv2d* conv = conv_before(module);
    if (conv == nullptr) return false;
    change(conv->weight, [&](Expression weight) {
      return Expression::of(Kind::scale_rows, std::move(weight), affine.weight);
    });
    if (conv->bias) {
      change(*conv->bias, [&](Expression bias) {
        return Expression::of(Kind::multiply, std::move(bias), affine.weight);
      });
    }
    add_to_bias(*conv, maker(values_.at(module.inputs[0]))->path, std::move(affine.bias));
    ++result_.norms;
    return true;
  }

  // Whether all who take the value are convolutions; where `points`, of 1 x 1 and not in groups.
  bool may_wait(ValueId value, bool points) const {
    const auto& consumers = consumers_.at(value);
    if (consumers.empty() || is_output(value)) return false;
    return std::all_of(consumers.begin(), consumers.end(), [&](std::size_t index) {
      const auto* conv = std::get_if<Conv2d>(&source_.modules[index].operation);
      return conv != nullptr && (!points || (conv->kernel == 1 && conv->groups == 1));
    });
  }

  ValueId copy(Module module) {
    if (const auto* norm = std::get_if<DeploymentNorm>(&module.operation)) {
      module.operation = as_affine(*norm);
    } else {
      network::for_each_parameter(module.operation, [this](ParameterId& id) { id = take(id); });
    }
    if (auto* conv = std::get_if<Conv2d>(&module.operation)) {
      const auto waiting = waiting_.find(module.inputs[0]);
      if (waiting != waiting_.end()) apply(waiting->second, *conv, module.path);
    }
    for (ValueId& input : module.inputs) input = values_.at(input);
    return result_.network.add(std::move(module.path), std::move(module.operation),
                               std::move(module.inputs));
  }

  void apply(const Waiting& waiting, Conv2d& conv, const std::string& path) {
    if (waiting.scale) multiply(conv.weight, *waiting.scale);
    if (waiting.shift) {
      // W (x + e) = W x + W e.
      Expression weight = result_.network.parameters.at(conv.weight).value;
      if (!changed_.contains(conv.weight)) weight = as_in_checkpoint(std::move(weight));
      add_to_bias(conv, path, Expression::of(Kind::apply, std::move(weight), *waiting.shift));
    }
  }

  ChannelAffine as_affine(const DeploymentNorm& norm) {
    const Affine affine = affine_of(source_, norm);
    const ChannelAffine result{take(norm.weight), take(norm.bias)};
    result_.network.parameters.at(result.weight).value = affine.weight;
    result_.network.parameters.at(result.bias).value = affine.bias;
    return result;
  }

  Network& source_;
  Folding result_;
  std::vector<ParameterId> moved_;
  std::set<ParameterId> changed_;                    // of the result's parameters
  std::vector<std::vector<std::size_t>> consumers_;  // of the source's values
  std::vector<ValueId> values_;                      // of the source, as those of the result
  std::map<ValueId, Waiting> waiting_;               // of the source's values
};

}  // namespace

Folding fold(Network network) { return Folder(network).run(); }

}  // namespace aether2onnx::fusion
