#include "network/passes/passes.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <span>

#include "base/error.h"
#include "network/passes/affine.h"

namespace aether2onnx::fusion {

using network::ChannelAffine;
using network::Conv2d;
using network::DeploymentNorm;
using network::Expression;
using network::Module;
using network::Network;
using network::Parameter;
using network::ParameterId;
using network::ReparameterizedConv2d;

namespace {

using Kind = Expression::Kind;

// Rewrites a network's modules one by one, taking over the parameters they use.
class Fuser {
 public:
  explicit Fuser(Network& source) : source_(source) {}

  Fusion run() {
    Network& result = result_.network;
    result.facts = source_.facts;
    result.buffers = std::move(source_.buffers);
    result.warnings = std::move(source_.warnings);
    moved_.assign(source_.parameters.size(), kNotMoved);
    for (Module& module : source_.modules) {
      if (const auto* pair = std::get_if<ReparameterizedConv2d>(&module.operation)) {
        module.operation = fused(*pair);
        module.path = pair_path_;
        ++result_.convolutions;
      } else if (const auto* norm = std::get_if<DeploymentNorm>(&module.operation);
                 norm != nullptr && norm->when_fused != DeploymentNorm::WhenFused::kept) {
        module.operation = fused(*norm);
        ++result_.norms;
      } else {
        network::for_each_parameter(module.operation, [this](ParameterId& id) { id = take(id); });
      }
      result.modules.push_back(std::move(module));
    }
    return std::move(result_);
  }

 private:
  static constexpr ParameterId kNotMoved = ~ParameterId{0};

  ParameterId take(ParameterId id) {
    if (moved_[id] == kNotMoved) {
      moved_[id] = result_.network.parameters.size();
      result_.network.parameters.push_back(std::move(source_.parameters[id]));
    }
    return moved_[id];
  }

  ParameterId add(Parameter parameter) {
    result_.network.parameters.push_back(std::move(parameter));
    return result_.network.parameters.size() - 1;
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
    // Where the first of them was.
    const std::size_t position = std::min(large.position, large_bias.position);
    conv.weight =
        add({pair_path_ + ".weight", large.shape,
             Expression::of(Kind::centred_add, std::move(large.value), std::move(small.value)),
             position});
    conv.bias =
        add({pair_path_ + ".bias", large_bias.shape,
             Expression::of(Kind::add, std::move(large_bias.value), std::move(small_bias.value)),
             position});
    return conv;
  }

  ChannelAffine fused(const DeploymentNorm& norm) {
    const Affine affine = affine_of(source_, norm);
    if (norm.when_fused == DeploymentNorm::WhenFused::folded_with_statistics) {
      for (const ParameterId id : {norm.running_mean, norm.running_var}) {
        const Parameter& statistics = source_.parameters[id];
        result_.network.buffers.push_back(
            {statistics.name, statistics.value.key, statistics.shape, statistics.position});
      }
    }
    const auto changed = [&](ParameterId id, const Expression& value) {
      const Parameter& parameter = source_.parameters[id];
      return add({parameter.name, parameter.shape, value, parameter.position});
    };
    const ParameterId weight = changed(norm.weight, affine.weight);
    return {weight, changed(norm.bias, affine.bias)};
  }

  Network& source_;
  Fusion result_;
  std::vector<ParameterId> moved_;
  std::string pair_path_;
};

}  // namespace

// weight / sqrt(running_var + epsilon), and bias - running_mean * that.
Affine affine_of(const Network& network, const DeploymentNorm& norm) {
  const auto value = [&](ParameterId id) { return network.parameters.at(id).value; };
  const auto of = [](Kind kind, Expression a, Expression b) {
    return Expression::of(kind, std::move(a), std::move(b));
  };
  Expression deviation = Expression::of(Kind::square_root, of(Kind::add, value(norm.running_var),
                                                              Expression::constant(norm.epsilon)));
  Affine affine;
  affine.weight = of(Kind::divide, value(norm.weight), std::move(deviation));
  affine.bias = of(Kind::subtract, value(norm.bias),
                   of(Kind::multiply, value(norm.running_mean), affine.weight));
  return affine;
}

namespace {

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

// Element by element; a single element of `b` counts for all.
template <typename Operator>
Numbers combine(Numbers a, const Numbers& b, Operator combined) {
  const bool single = b.values.size() == 1;
  require(single || a.values.size() == b.values.size(), "arithmetic on tensors of two sizes");
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    a.values[i] = combined(a.values[i], b.values[single ? 0 : i]);
  }
  return a;
}

Numbers scale_rows(Numbers weight, const Numbers& factors) {
  const std::size_t rows = factors.values.size();
  require(!weight.shape.empty() && weight.shape.front() == static_cast<std::int64_t>(rows),
          "factors for other rows than a weight has");
  const std::size_t row = rows == 0 ? 0 : weight.values.size() / rows;
  std::size_t at = 0;
  for (const double factor : factors.values) {
    for (std::size_t i = 0; i < row; ++i) weight.values.at(at++) *= factor;
  }
  return weight;
}

Numbers apply(const Numbers& matrix, const Numbers& vector) {
  const std::size_t columns = vector.values.size();
  require(matrix.shape.size() >= 2 && matrix.shape[1] == static_cast<std::int64_t>(columns) &&
              matrix.values.size() == static_cast<std::size_t>(matrix.shape[0]) * columns,
          "a matrix times a vector of another size");
  Numbers product{{matrix.shape[0]}, {}};
  auto at = matrix.values.begin();
  for (std::int64_t row = 0; row < matrix.shape[0]; ++row) {
    double sum = 0;
    for (const double element : vector.values) sum += *at++ * element;
    product.values.push_back(sum);
  }
  return product;
}

bool fits_float32(double value) {
  return !(std::abs(value) > static_cast<double>(std::numeric_limits<float>::max())) ||
         std::isinf(value);
}

// As a checkpoint holds it. What is beyond float32's range stays, for the writer to tell.
Numbers rounded(Numbers numbers) {
  if (std::all_of(numbers.values.begin(), numbers.values.end(), fits_float32)) {
    for (double& value : numbers.values) value = static_cast<double>(static_cast<float>(value));
  }
  return numbers;
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
  const auto operand = [&](std::size_t index) {
    return compute(expression.operands.at(index), state_dict);
  };
  switch (expression.kind) {
    case Kind::stored: {
      TensorData data = stored(expression, state_dict);
      return {std::move(data.shape), to_doubles(data.bytes, data.dtype)};
    }
    case Kind::constant:
      return {{}, {expression.number}};
    case Kind::add:
      return combine(operand(0), operand(1), std::plus<>());
    case Kind::subtract:
      return combine(operand(0), operand(1), std::minus<>());
    case Kind::multiply:
      return combine(operand(0), operand(1), std::multiplies<>());
    case Kind::divide:
      return combine(operand(0), operand(1), std::divides<>());
    case Kind::square_root: {
      Numbers numbers = operand(0);
      for (double& value : numbers.values) value = std::sqrt(value);
      return numbers;
    }
    case Kind::centred_add:
      return centred_add(operand(0), operand(1));
    case Kind::scale_rows:
      return scale_rows(operand(0), operand(1));
    case Kind::apply:
      return apply(operand(0), operand(1));
    case Kind::rounded:
      if (stored_dtype(expression, state_dict) == DType::float64) return operand(0);
      return rounded(operand(0));
  }
  defect("an expression of an unknown kind");
}

}  // namespace

Fusion fuse(Network network) { return Fuser(network).run(); }

DType stored_dtype(const Expression& expression, const state_dict::StateDict& state_dict) {
  if (expression.kind == Kind::stored) {
    return entry_of(expression, state_dict).tensor->read_dtype();
  }
  std::optional<DType> widest;
  for (const Expression& operand : expression.operands) {
    if (operand.kind == Kind::constant) continue;
    const DType dtype = stored_dtype(operand, state_dict);
    if (!widest || size_of(dtype) > size_of(*widest)) {
      widest = dtype;
    } else if (size_of(dtype) == size_of(*widest) && dtype != *widest) {
      widest = DType::float32;
    }
  }
  return widest.value_or(DType::float32);
}

TensorData evaluate(const Expression& expression, const state_dict::StateDict& state_dict) {
  if (expression.kind == Kind::stored) return stored(expression, state_dict);
  Numbers numbers = compute(expression, state_dict);
  TensorData data{DType::float64, std::move(numbers.shape), {}};
  const auto bytes = std::as_bytes(std::span(numbers.values));
  if (stored_dtype(expression, state_dict) != DType::float64) {
    const ConversionLoss loss = convert_elements(bytes, DType::float64, DType::float32, data.bytes);
    if (loss.overflows == 0) {
      data.dtype = DType::float32;
      return data;
    }
    data.bytes.clear();
  }
  data.bytes.assign(bytes.begin(), bytes.end());
  return data;
}

}  // namespace aether2onnx::fusion
