// Computes the elements of a network's weights from the tensors of a checkpoint. The arithmetic is
// in float64 and without fused multiply-add (see src/CMakeLists.txt), so that a conversion writes
// the same bytes on every machine.

#include "network/evaluate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <span>

#include "base/error.h"

namespace aether2onnx::network {

using Kind = Expression::Kind;

namespace {

struct Numbers {
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};

Numbers compute(const Expression& expression, const state_dict::StateDict& state_dict);

const state_dict::Entry& entry_of(const Expression& expression,
                                  const state_dict::StateDict& state_dict) {
  const state_dict::Entry* entry = state_dict.find(expression.key);
  if (entry == nullptr || !entry->tensor) defect("a weight is not in the state dict");
  return *entry;
}

TensorData stored(const Expression& expression, const state_dict::StateDict& state_dict) {
  return state_dict.read(entry_of(expression, state_dict));
}

// Computes combined(a, b) for each element of `a` and the element of `b` with the same index. If
// `b` has only one element, uses this element for all elements of `a`.
template <typename Operator>
Numbers combine(Numbers a, const Numbers& b, Operator combined) {
  const bool single = b.values.size() == 1;
  require(single || a.values.size() == b.values.size(),
          "arithmetic needs two tensors of the same size");
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    a.values[i] = combined(a.values[i], b.values[single ? 0 : i]);
  }
  return a;
}

Numbers scale_rows(Numbers weight, const Numbers& factors) {
  const std::size_t rows = factors.values.size();
  require(!weight.shape.empty() && weight.shape.front() == static_cast<std::int64_t>(rows),
          "a weight needs one factor for each row");
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
          "the vector must have one element for each column of the matrix");
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

// Rounds all numbers of a weight to float32, the type of the weight in a fused checkpoint. If one
// number is beyond float32's range, leaves all numbers unchanged. The code that writes the ONNX
// file then reports this number in an error.
Numbers rounded(Numbers numbers) {
  if (std::all_of(numbers.values.begin(), numbers.values.end(), fits_float32)) {
    for (double& value : numbers.values) value = static_cast<double>(static_cast<float>(value));
  }
  return numbers;
}

// Adds the small kernel w (O, I, k, k) to the middle of the large kernel W (O, I, K, K):
// W[o, i, y + c, x + c] += w[o, i, y, x] with c = (K - k) / 2.
Numbers centred_add(Numbers large, const Numbers& small) {
  require(large.shape.size() == 4 && small.shape.size() == 4 && large.shape[0] == small.shape[0] &&
              large.shape[1] == small.shape[1],
          "the two kernels have different numbers of channels");
  const auto outer = static_cast<std::size_t>(large.shape[2]);
  const auto inner = static_cast<std::size_t>(small.shape[2]);
  require(large.shape[3] == large.shape[2] && small.shape[3] == small.shape[2] && inner <= outer &&
              (outer - inner) % 2 == 0,
          "the small kernel can't be centred in the large kernel");
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
  defect("the expression has an unknown kind");
}

}  // namespace

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

}  // namespace aether2onnx::network
