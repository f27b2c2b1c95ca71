#include "fusion/fusion.h"

#include <span>

#include "base/error.h"

namespace aether2onnx::fusion {

using network::Conv2d;
using network::Expression;
using network::Module;
using network::Network;
using network::Parameter;
using network::ParameterId;
using network::ReparameterizedConv2d;

namespace {

// Rewrites a network's modules one by one, taking over the parameters they use.
class Fuser {
 public:
  explicit Fuser(Network& source) : source_(source) {}

  Fusion run() {
    result_.network.facts = source_.facts;
    moved_.assign(source_.parameters.size(), kNotMoved);
    for (Module& module : source_.modules) {
      if (const auto* pair = std::get_if<ReparameterizedConv2d>(&module.operation)) {
        module.operation = fused(*pair);
        module.path = pair_path_;
        ++result_.convolutions;
      } else {
        std::visit([this](auto& operation) { take_parameters(operation); }, module.operation);
      }
      result_.network.modules.push_back(std::move(module));
    }
    return std::move(result_);
  }

 private:
  static constexpr ParameterId kNotMoved = ~ParameterId{0};

  ParameterId take(ParameterId id) {
    if (moved_[id] == kNotMoved) {
      Parameter& parameter = source_.parameters[id];
      moved_[id] = result_.network.add_parameter(
          std::move(parameter.name), std::move(parameter.shape), std::move(parameter.value));
    }
    return moved_[id];
  }

  template <typename Operation>
  void take_parameters(Operation& operation) {
    if constexpr (requires { operation.weight; }) {
      operation.weight = take(operation.weight);
      operation.bias = take(operation.bias);
    }
  }

  Conv2d fused(const ReparameterizedConv2d& pair) {
    pair_path_ = pair.fused_path;
    Parameter& large = source_.parameters[pair.large_weight];
    Parameter& small = source_.parameters[pair.small_weight];
    Parameter& large_bias = source_.parameters[pair.large_bias];
    Parameter& small_bias = source_.parameters[pair.small_bias];
    Conv2d conv;
    conv.kernel = large.shape.back();
    conv.groups = large.shape.front();
    conv.weight = result_.network.add_parameter(
        pair_path_ + ".weight", large.shape,
        Expression::centred_add(std::move(large.value), std::move(small.value)));
    conv.bias = result_.network.add_parameter(
        pair_path_ + ".bias", large_bias.shape,
        Expression::add(std::move(large_bias.value), std::move(small_bias.value)));
    return conv;
  }

  Network& source_;
  Fusion result_;
  std::vector<ParameterId> moved_;
  std::string pair_path_;
};

// --- arithmetic on weights --------------------------------------------------------------------

struct Numbers {
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};

Numbers compute(const Expression& expression, const state_dict::StateDict& state_dict);

const state_dict::Entry& entry_of(const Expression& expression,
                                  const state_dict::StateDict& state_dict) {
  const state_dict::Entry* entry = state_dict.find(expression.key);
  if (entry == nullptr || !entry->tensor) defect("a weight that isn't in the state dict");
  return *entry;
}

TensorData stored(const Expression& expression, const state_dict::StateDict& state_dict) {
  return state_dict.read(entry_of(expression, state_dict));
}

Numbers add(Numbers a, const Numbers& b) {
  require(a.shape == b.shape, "a sum of tensors of two shapes");
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
  return a;
}

// W[o, i, y, x] += w[o, i, y - c, x - c] with c = (K - k) / 2.
Numbers centred_add(Numbers large, const Numbers& small) {
  require(large.shape.size() == 4 && small.shape.size() == 4 && large.shape[0] == small.shape[0] &&
              large.shape[1] == small.shape[1],
          "a sum of kernels of different layers");
  const auto outer = static_cast<std::size_t>(large.shape[2]);
  const auto inner = static_cast<std::size_t>(small.shape[2]);
  require(large.shape[3] == large.shape[2] && small.shape[3] == small.shape[2] && inner <= outer &&
              (outer - inner) % 2 == 0,
          "a sum of kernels without a common middle");
  const std::size_t begin = (outer - inner) / 2;
  const auto planes = static_cast<std::size_t>(large.shape[0] * large.shape[1]);
  for (std::size_t plane = 0; plane < planes; ++plane) {
    for (std::size_t y = 0; y < inner; ++y) {
      for (std::size_t x = 0; x < inner; ++x) {
        large.values[(plane * outer + begin + y) * outer + begin + x] +=
            small.values[(plane * inner + y) * inner + x];
      }
    }
  }
  return large;
}

Numbers compute(const Expression& expression, const state_dict::StateDict& state_dict) {
  switch (expression.kind) {
    case Expression::Kind::stored: {
      TensorData data = stored(expression, state_dict);
      return {std::move(data.shape), to_doubles(data.bytes, data.dtype)};
    }
    case Expression::Kind::add:
      return add(compute(expression.operands.at(0), state_dict),
                 compute(expression.operands.at(1), state_dict));
    case Expression::Kind::centred_add:
      return centred_add(compute(expression.operands.at(0), state_dict),
                         compute(expression.operands.at(1), state_dict));
  }
  defect("an expression of an unknown kind");
}

}  // namespace

Fusion fuse(Network network) { return Fuser(network).run(); }

DType stored_dtype(const Expression& expression, const state_dict::StateDict& state_dict) {
  if (expression.kind == Expression::Kind::stored) {
    return entry_of(expression, state_dict).tensor->dtype;
  }
  DType widest = stored_dtype(expression.operands.at(0), state_dict);
  for (const Expression& operand : expression.operands) {
    const DType dtype = stored_dtype(operand, state_dict);
    if (size_of(dtype) > size_of(widest)) {
      widest = dtype;
    } else if (size_of(dtype) == size_of(widest) && dtype != widest) {
      widest = DType::float32;
    }
  }
  return widest;
}

TensorData evaluate(const Expression& expression, const state_dict::StateDict& state_dict) {
  if (expression.kind == Expression::Kind::stored) return stored(expression, state_dict);
  Numbers numbers = compute(expression, state_dict);
  TensorData data{DType::float64, std::move(numbers.shape), {}};
  const auto bytes = std::as_bytes(std::span(numbers.values));
  if (stored_dtype(expression, state_dict) != DType::float64) {
    const ConversionLoss loss = convert_elements(bytes, DType::float64, DType::float32, data.bytes);
    if (loss.overflows == 0) {
      data.dtype = DType::float32;
      return data;
    }
  }
  data.bytes.assign(bytes.begin(), bytes.end());
  return data;
}

}  // namespace aether2onnx::fusion
