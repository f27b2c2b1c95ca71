// Computes the elements of an operator's output (at most kMostNumbers) from known elements of the
// inputs, for the operators with which exporters compute sizes of tensors. If arithmetic gives an
// element that would be inexact in any type that the operator can have here (int32, int64, float32,
// float64), the output's elements are unknown.

#include "judge/scan/onnx_numbers.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "judge/scan/onnx_shapes.h"

namespace aether2onnx::judge::scan {

namespace {

using Numbers = std::vector<double>;

constexpr std::size_t kMostAxes = 8;

bool are_exact(const Numbers& numbers, bool is_integer) {
  return std::all_of(numbers.begin(), numbers.end(),
                     [=](double number) { return is_exact(number, is_integer); });
}

// Operators whose output has all elements of the first input in unchanged order.
constexpr std::string_view kSameOrder = "Identity Squeeze Unsqueeze Reshape Flatten";

// Calls `visit` with the index along each axis, for each element in row-major order.
template <typename Visit>
void each_index(const Dims& dims, Visit visit) {
  Dims index(dims.size(), 0);
  const auto count = static_cast<std::size_t>(count_of(dims));
  for (std::size_t i = 0; i < count; ++i) {
    visit(std::as_const(index));
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      if (++index[axis] < dims[axis]) break;
      index[axis] = 0;
    }
  }
}

// Returns the position, in row-major order, of the element at `index` in a tensor with the shape
// `dims`. For broadcasting and Tile, `index` may belong to a larger tensor: the function ignores
// additional first axes of `index`, and takes the index along each axis modulo the axis's size.
std::size_t place_of(const Dims& index, const Dims& dims) {
  if (index.size() < dims.size() || std::find(dims.begin(), dims.end(), 0) != dims.end()) return 0;
  std::size_t place = 0;
  for (std::size_t axis = 0; axis < dims.size(); ++axis) {
    const std::int64_t at = index[index.size() - dims.size() + axis] % dims[axis];
    place = place * static_cast<std::size_t>(dims[axis]) + static_cast<std::size_t>(at);
  }
  return place;
}

// Returns the output's elements of Expand, Tile, Transpose or Slice. These operators copy elements
// of the first input to other places.
std::optional<Numbers> moved(const Operation& operation, const Dims& dims) {
  const std::string_view op = operation.node.op_type;
  const Dims& from = *operation.dims(0);
  const Numbers& numbers = *operation.numbers(0);
  Numbers result;
  if (op == "Expand" || op == "Tile") {
    each_index(dims, [&](const Dims& index) { result.push_back(numbers[place_of(index, from)]); });
    return result;
  }
  if (op == "Transpose") {
    const Dims* order = operation.list("perm");
    each_index(dims, [&](const Dims& index) {
      Dims source(from.size());
      for (std::size_t i = 0; i < from.size(); ++i) {
        const std::size_t axis =
            order == nullptr ? from.size() - 1 - i : static_cast<std::size_t>((*order)[i]);
        source[axis] = index[i];
      }
      result.push_back(numbers[place_of(source, from)]);
    });
    return result;
  }
  const auto slices = slices_of(operation);
  if (op != "Slice" || !slices) return std::nullopt;
  each_index(dims, [&](const Dims& index) {
    Dims source(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      source[i] = slices->starts[i] + index[i] * slices->steps[i];
    }
    result.push_back(numbers[place_of(source, from)]);
  });
  return result;
}

std::optional<Numbers> gathered(const Operation& operation, const Dims& dims) {
  const Dims& from = *operation.dims(0);
  const auto axis = axis_of(operation.integer("axis", 0), from.size());
  const Dims* rows = operation.dims(1);
  const Numbers* chosen = operation.numbers(1);
  if (!axis || rows == nullptr || chosen == nullptr) return std::nullopt;
  Numbers places;
  for (const double number : *chosen) {
    const double place = number < 0 ? number + static_cast<double>(from[*axis]) : number;
    if (!(place >= 0 && place < static_cast<double>(from[*axis]))) return std::nullopt;
    places.push_back(place);
  }
  Numbers result;
  each_index(dims, [&](const Dims& index) {
    const auto middle = index.begin() + static_cast<std::ptrdiff_t>(*axis);
    const auto end = middle + static_cast<std::ptrdiff_t>(rows->size());
    Dims source(index.begin(), middle);
    source.push_back(static_cast<std::int64_t>(places[place_of(Dims(middle, end), *rows)]));
    source.insert(source.end(), end, index.end());
    result.push_back((*operation.numbers(0))[place_of(source, from)]);
  });
  return result;
}

std::optional<Numbers> joined(const Operation& operation, const Dims& dims) {
  const auto axis = axis_of(operation.integer("axis", 0), dims.size());
  for (std::size_t i = 0; i < operation.inputs.size(); ++i) {
    if (operation.numbers(i) == nullptr) return std::nullopt;
  }
  if (!axis) return std::nullopt;
  Numbers result;
  each_index(dims, [&](const Dims& index) {
    Dims source = index;
    std::size_t input = 0;
    while (source[*axis] >= (*operation.dims(input))[*axis]) {
      source[*axis] -= (*operation.dims(input))[*axis];
      ++input;
    }
    result.push_back((*operation.numbers(input))[place_of(source, *operation.dims(input))]);
  });
  return result;
}

std::optional<double> quotient(double a, double b, bool is_integer) {
  if (b == 0) return std::nullopt;
  const double result = a / b;
  if (is_integer) return std::trunc(result);
  return std::fma(result, b, -a) == 0 ? std::optional(result) : std::nullopt;
}

std::optional<double> computed(std::string_view op, const Numbers& x, bool is_integer) {
  if (op == "Where" && x.size() == 3) return x[0] != 0 ? x[1] : x[2];
  if (x.size() == 1) {
    if (op == "Floor") return std::floor(x[0]);
    if (op == "Ceil") return std::ceil(x[0]);
    if (op == "Neg") return -x[0];
    if (op == "Abs") return std::abs(x[0]);
    if (op == "Not") return x[0] == 0 ? 1 : 0;
  }
  if (x.size() != 2) return std::nullopt;
  if (op == "Add") return x[0] + x[1];
  if (op == "Sub") return x[0] - x[1];
  if (op == "Mul") return x[0] * x[1];
  if (op == "Div") return quotient(x[0], x[1], is_integer);
  if (op == "Mod" && x[0] >= 0 && x[1] > 0) return std::fmod(x[0], x[1]);
  if (op == "Min") return std::min(x[0], x[1]);
  if (op == "Max") return std::max(x[0], x[1]);
  if (op == "Equal") return x[0] == x[1] ? 1 : 0;
  if (op == "Less") return x[0] < x[1] ? 1 : 0;
  if (op == "Greater") return x[0] > x[1] ? 1 : 0;
  if (op == "LessOrEqual") return x[0] <= x[1] ? 1 : 0;
  if (op == "GreaterOrEqual") return x[0] >= x[1] ? 1 : 0;
  if (op == "And") return x[0] != 0 && x[1] != 0 ? 1 : 0;
  if (op == "Or") return x[0] != 0 || x[1] != 0 ? 1 : 0;
  return std::nullopt;
}

// Computes each element from one element of each input, with broadcasting. Returns nullopt if some
// inputs are integers and others are not (the condition of Where may differ). Also returns nullopt
// if is_exact() is false for an element, except for Where, because Where only copies elements.
std::optional<Numbers> elementwise(const Operation& operation, const Dims& dims) {
  const std::string_view op = operation.node.op_type;
  const bool selects = op == "Where";
  const std::size_t first = selects ? 1 : 0;
  const std::size_t count = operation.inputs.size();
  if (count <= first || (count > 1 && is_one_of("Floor Ceil Neg Abs Not", op))) return std::nullopt;
  for (std::size_t i = 0; i < count; ++i) {
    const Value* input = operation.input(i);
    const bool is_fine = operation.numbers(i) != nullptr &&
                         (selects || are_exact(*input->numbers, input->is_integer)) &&
                         (i < first || input->is_integer == operation.input(first)->is_integer);
    if (!is_fine) return std::nullopt;
  }
  const bool is_integer = operation.input(first)->is_integer;
  Numbers result;
  bool is_known = true;
  each_index(dims, [&](const Dims& index) {
    Numbers x;
    for (std::size_t i = 0; i < count; ++i) {
      x.push_back((*operation.numbers(i))[place_of(index, *operation.dims(i))]);
    }
    const auto number = computed(op, x, is_integer);
    is_known = is_known && number && (selects || is_exact(*number, is_integer));
    result.push_back(number.value_or(0));
  });
  return is_known ? std::optional(std::move(result)) : std::nullopt;
}

// Cast; the numbers of TensorProto.DataType.
void cast(const Operation& operation, Value& output) {
  enum Type : std::int64_t { kFloat = 1, kInt32 = 6, kInt64 = 7, kBool = 9, kDouble = 11 };
  const std::int64_t to = operation.integer("to", 0).value_or(0);
  const Value& input = *operation.input(0);
  const bool is_real = to == kFloat || to == kDouble;
  const bool is_integer = to == kInt32 || to == kInt64;
  if ((!is_real && !is_integer && to != kBool) || !are_exact(*input.numbers, input.is_integer))
    return;
  Numbers result = *input.numbers;
  for (double& number : result) {
    if (to == kBool) number = number != 0 ? 1 : 0;
    if (is_integer) number = std::trunc(number);
  }
  output.numbers = std::move(result);
  output.is_integer = !is_real;
}

// Computes a reduction (see kReductions) of all elements to one. Returns nullopt if the output has
// several elements.
std::optional<Numbers> reduced(std::string_view op, const Value& input, const Dims& dims) {
  const Numbers& x = *input.numbers;
  if (count_of(dims) != 1 || x.empty()) return std::nullopt;
  if (!are_exact(x, input.is_integer)) return std::nullopt;
  double result = x[0];
  for (std::size_t i = 1; i < x.size(); ++i) {
    if (op == "ReduceProd") result *= x[i];
    if (op == "ReduceSum") result += x[i];
    if (op == "ReduceMax") result = std::max(result, x[i]);
    if (op == "ReduceMin") result = std::min(result, x[i]);
    if (!is_exact(result, input.is_integer)) return std::nullopt;
  }
  return Numbers{result};
}

constexpr std::string_view kReductions = "ReduceProd ReduceSum ReduceMax ReduceMin";
constexpr std::string_view kComparisons =
    "Equal Less Greater LessOrEqual GreaterOrEqual And Or Not";

std::optional<Numbers> range(const Operation& operation, const Dims& dims) {
  Numbers result;
  for (std::int64_t i = 0; i < dims.front(); ++i) {
    result.push_back(operation.numbers(0)->front() +
                     static_cast<double>(i) * operation.numbers(2)->front());
  }
  if (!are_exact(result, operation.input(0)->is_integer)) return std::nullopt;
  return result;
}

// The operators that elementwise() computes.
constexpr std::string_view kElementwise =
    "Where Floor Ceil Neg Abs Not Add Sub Mul Div Mod Min Max Equal Less Greater LessOrEqual "
    "GreaterOrEqual And Or";

std::optional<Numbers> elements_of(const Operation& operation, const Dims& dims) {
  const std::string_view op = operation.node.op_type;
  if (is_one_of(kSameOrder, op)) return *operation.numbers(0);
  if (is_one_of(kReductions, op)) return reduced(op, *operation.input(0), dims);
  if (op == "Range") return range(operation, dims);
  if (op == "Concat") return joined(operation, dims);
  if (op == "Gather") return gathered(operation, dims);
  if (is_one_of("Expand Tile Transpose Slice", op)) return moved(operation, dims);
  return is_one_of(kElementwise, op) ? elementwise(operation, dims) : std::nullopt;
}

}  // namespace

bool is_exact(double number, bool is_integer) {
  constexpr double largest = 1 << 24;
  constexpr double finest = 1 << 20;
  if (!(std::abs(number) <= largest)) return false;
  if (std::trunc(number) == number) return true;
  return !is_integer && std::trunc(number * finest) == number * finest &&
         static_cast<double>(static_cast<float>(number)) == number;
}

void compute_numbers(const Operation& operation, const Value* fill, Value& output) {
  const std::string_view op = operation.node.op_type;
  const Dims& dims = *output.dims;
  const bool is_empty = std::find(dims.begin(), dims.end(), 0) != dims.end();
  if (dims.size() > kMostAxes || count_of(dims) > kMostNumbers) return;
  if (op == "ConstantOfShape") {
    if (fill == nullptr || !fill->numbers || fill->numbers->size() != 1) return;
    const auto count = is_empty ? 0 : static_cast<std::size_t>(count_of(dims));
    output.numbers = Numbers(count, fill->numbers->front());
    output.is_integer = fill->is_integer;
    return;
  }
  if (operation.numbers(0) == nullptr || operation.dims(0)->size() > kMostAxes) return;
  const Value* typed = operation.input(op == "Where" ? 1 : 0);
  output.is_integer = typed != nullptr && typed->is_integer;
  if (op == "Cast") return cast(operation, output);
  if (is_one_of(kComparisons, op)) output.is_integer = true;
  if (is_empty) {
    output.numbers = Numbers();
    return;
  }
  for (std::size_t i = 1; i < operation.inputs.size(); ++i) {
    if (operation.dims(i) != nullptr && operation.dims(i)->size() > kMostAxes) return;
  }
  output.numbers = elements_of(operation, dims);
  const auto count = static_cast<std::size_t>(count_of(dims));
  if (output.numbers && output.numbers->size() != count) output.numbers.reset();
}

}  // namespace aether2onnx::judge::scan
