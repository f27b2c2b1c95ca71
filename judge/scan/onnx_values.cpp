#include "judge/scan/onnx_values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "base/text.h"
#include "judge/scan/onnx_numbers.h"
#include "judge/scan/onnx_shapes.h"

namespace aether2onnx::judge::scan {

namespace {

constexpr double kUnbounded = std::numeric_limits<double>::infinity();

// Operators whose output has at most a small multiple of the first input's number of elements.
// bound() uses the factor 8.
constexpr std::string_view kLikeFirst =
    "Cast CastLike Identity Clip Neg Abs Floor Ceil Sqrt Reciprocal Exp Log Sign Not Round Dropout "
    "CumSum Trilu QuantizeLinear DequantizeLinear BatchNormalization InstanceNormalization "
    "LayerNormalization GroupNormalization Softmax LogSoftmax Hardmax Erf Tanh Sigmoid HardSigmoid "
    "HardSwish Relu LeakyRelu Elu Selu Celu Gelu Mish Softplus Softsign ThresholdedRelu Shrink "
    "IsNaN IsInf BitwiseNot Cos Sin Tan Acos Asin Atan Cosh Sinh Acosh Asinh Atanh "
    "Reshape Squeeze Unsqueeze Transpose Slice Flatten Split ReduceSum ReduceMean "
    "ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp "
    "ReduceSumSquare ArgMax ArgMin TopK NonZero Unique Compress Scatter ScatterND ScatterElements "
    "DepthToSpace SpaceToDepth";

// Operators with numpy's broadcasting, matrix products, and operators that gather elements. The
// product of all inputs' numbers of elements is an upper bound for the output's number of elements.
constexpr std::string_view kProducts =
    "Add Sub Mul Div Pow Min Max Mod And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual "
    "Where PRelu BitwiseAnd BitwiseOr BitwiseXor BitShift MatMul Gemm Gather GatherElements "
    "GatherND";

// Operators that can read an input's element many times. work_of() counts their multiplications.
constexpr std::string_view kHeavy =
    "MatMul Gemm Conv ConvTranspose AveragePool LpPool MaxPool Einsum GridSample LRN";

// Operators that do not read all elements of their inputs. For these operators, work_of() counts
// only the elements of the outputs.
constexpr std::string_view kPicks = "Gather GatherElements GatherND Slice Split Shape Size";

double elements(const Operation& operation, std::size_t i) {
  return operation.input(i) == nullptr ? 1 : operation.input(i)->elements;
}

// Returns the number of elements that the operator Range makes.
double most_of_range(const Operation& operation) {
  double numbers[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto* given = operation.numbers(i);
    if (given == nullptr || given->size() != 1) return kUnbounded;
    numbers[i] = given->front();
  }
  const double count = (numbers[1] - numbers[0]) / numbers[2];
  return std::isnan(count) ? kUnbounded : 1 + std::max(0.0, std::ceil(count));
}

double product(const std::vector<double>* numbers) {
  if (numbers == nullptr) return kUnbounded;
  double result = 1;
  for (const double number : *numbers) result *= std::max(1.0, number);
  return result;
}

// Returns the largest number of elements that an output of `operation` can have. All inputs must be
// constants. results_of() calls this function if the shape of the output is unknown.
double bound(const Operation& operation) {
  const std::string& op = operation.node.op_type;
  if (op == "ConstantOfShape") return product(operation.numbers(0));
  if (op == "Range") return most_of_range(operation);
  if (op == "Expand" || op == "Tile" || op == "OneHot") {
    return elements(operation, 0) * product(operation.numbers(1));
  }
  if (is_one_of(kLikeFirst, op)) return 8 * std::max(8.0, elements(operation, 0));
  double result = op == "Concat" ? 0 : 1;
  for (std::size_t i = 0; i < operation.inputs.size(); ++i) {
    result = op == "Concat" ? result + elements(operation, i) : result * elements(operation, i);
  }
  if (op == "Concat" || is_one_of(kProducts, op)) return result;
  return kUnbounded;  // an operator that is not known here may have an output of any size
}

// Returns the value of the attribute `name`; null if the attribute is missing or has another type.
// If `node` is in a function, the value can be in an attribute of `caller`, the node that calls the
// function (see onnx::Node::references).
template <typename Type>
const Type* attribute(const onnx::Node& node, std::string_view name, const onnx::Node* caller) {
  if (const auto found = node.attributes.find(std::string(name)); found != node.attributes.end()) {
    return std::get_if<Type>(&found->second);
  }
  for (const auto& [own, reference] : node.references) {
    if (own == name && caller != nullptr) return attribute<Type>(*caller, reference, nullptr);
  }
  return nullptr;
}

Value scalar(double number, bool is_integer) {
  return {true, 1, Dims{}, std::vector<double>{number}, is_integer};
}

Value vector_of(std::vector<double> numbers) {
  const auto size = static_cast<std::int64_t>(numbers.size());
  return {true, static_cast<double>(size), Dims{size}, std::move(numbers), true};
}

// Returns the result of the operator Shape or Size. If ONNX Runtime knows the input's shape, ONNX
// Runtime computes this result while loading the model. Therefore the returned value is always a
// constant. Its elements are unknown if this function cannot compute the elements.
Value size_of(const Operation& operation) {
  constexpr double most_exact = 1LL << 53;
  Value unknown{true, static_cast<double>(kMostNumbers)};
  const Dims* dims = operation.dims(0);
  if (dims == nullptr || !operation.node.references.empty()) return unknown;
  const auto axes = static_cast<std::int64_t>(dims->size());
  const auto start = operation.integer("start", 0);
  const auto end = operation.integer("end", axes);
  if (!start || !end) return unknown;
  if (operation.node.op_type == "Size") {
    double count = 1;
    for (const std::int64_t size : *dims) count *= static_cast<double>(size);
    return count < most_exact ? scalar(count, true) : unknown;
  }
  const auto place = [&](std::int64_t number) {
    return std::clamp<std::int64_t>(number < 0 ? number + axes : number, 0, axes);
  };
  const std::int64_t first = place(*start);
  const std::int64_t last = std::max(first, place(*end));
  return vector_of({dims->begin() + first, dims->begin() + last});
}

}  // namespace

const Dims* Operation::dims(std::size_t i) const {
  const Value* value = input(i);
  return value != nullptr && value->dims ? &*value->dims : nullptr;
}

const std::vector<double>* Operation::numbers(std::size_t i) const {
  const Value* value = input(i);
  return value != nullptr && value->numbers ? &*value->numbers : nullptr;
}

std::optional<std::int64_t> Operation::integer(std::string_view name, std::int64_t absent) const {
  const auto found = node.attributes.find(std::string(name));
  if (found == node.attributes.end()) return absent;
  const auto* number = std::get_if<std::int64_t>(&found->second);
  return number == nullptr ? std::nullopt : std::optional(*number);
}

const Dims* Operation::list(std::string_view name) const {
  const auto found = node.attributes.find(std::string(name));
  return found == node.attributes.end() ? nullptr : std::get_if<Dims>(&found->second);
}

double count_of(const Dims& dims) {
  double count = 1;
  for (const std::int64_t size : dims) {
    count *= static_cast<double>(std::max<std::int64_t>(1, size));
  }
  return count;
}

Value merged(const Value& a, const Value& b) {
  Value result{a.is_constant || b.is_constant, std::max(a.elements, b.elements)};
  if (a.dims != b.dims) return result;
  result.dims = a.dims;
  if (a.numbers == b.numbers && a.is_integer == b.is_integer) {
    result.numbers = a.numbers;
    result.is_integer = a.is_integer;
  }
  return result;
}

std::vector<Value> results_of(const Operation& operation, const Value* fill) {
  const onnx::Node& node = operation.node;
  std::vector<Value> results(node.outputs.size());
  const bool is_known = onnx::is_onnx_domain(node.domain);
  if (is_known && !results.empty() && (node.op_type == "Shape" || node.op_type == "Size")) {
    results[0] = size_of(operation);
    return results;
  }
  const auto is_given = [](const Value* input) { return input != nullptr; };
  const auto is_fixed = [](const Value* input) { return input == nullptr || input->is_constant; };
  const auto& inputs = operation.inputs;
  const bool is_constant = std::any_of(inputs.begin(), inputs.end(), is_given) &&
                           std::all_of(inputs.begin(), inputs.end(), is_fixed);
  std::vector<Shape> shapes = is_known ? shapes_of(operation) : std::vector<Shape>(results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    Value& result = results[i];
    result.dims = std::move(shapes[i]);
    result.is_constant = is_constant;
    if (!is_constant) continue;
    if (result.dims) {
      result.elements = count_of(*result.dims);
    } else {
      result.elements = is_known ? bound(operation) : kUnbounded;
    }
    if (i == 0 && result.dims) compute_numbers(operation, fill, result);
  }
  return results;
}

double work_of(const Operation& operation, const std::vector<Value>& results) {
  const std::string& op = operation.node.op_type;
  double work = 0;
  bool has_shape = true;
  for (const Value& result : results) {
    work += result.is_constant ? result.elements : 0;
    has_shape = has_shape && result.dims;
  }
  if (work == 0 || is_one_of(kPicks, op)) return work;
  for (std::size_t i = 0; i < operation.inputs.size(); ++i) {
    work = std::max(work, elements(operation, i));
  }
  if (!has_shape || !is_one_of(kHeavy, op)) return work;
  const Dims* first = operation.dims(0);
  const Dims* second = operation.dims(1);
  if (is_one_of("MatMul Gemm", op) && first != nullptr && !first->empty()) {
    const bool turns =
        op == "Gemm" && operation.integer("transA", 0) != std::optional<std::int64_t>(0);
    return work * static_cast<double>(turns ? first->front() : first->back());
  }
  if (op == "Conv" && second != nullptr) {
    return work * elements(operation, 1) / std::max(1.0, static_cast<double>(second->front()));
  }
  for (std::size_t i = 0; i < operation.inputs.size(); ++i) work *= elements(operation, i);
  return work;
}

Value constant_of(const onnx::Node& node, const onnx::Node* caller, double most) {
  if (const auto* number = attribute<std::int64_t>(node, "value_int", caller)) {
    return scalar(static_cast<double>(*number), true);
  }
  const auto* real = attribute<float>(node, "value_float", caller);
  if (real != nullptr && !std::isnan(*real)) return scalar(*real, false);
  if (const auto* list = attribute<Dims>(node, "value_ints", caller)) {
    if (list->size() <= kMostNumbers) return vector_of({list->begin(), list->end()});
    return {true, static_cast<double>(list->size()), Dims{static_cast<std::int64_t>(list->size())}};
  }
  const bool is_scalar =
      std::any_of(node.references.begin(), node.references.end(), [](const auto& reference) {
        return is_one_of("value_int value_float value_string", reference.first);
      });
  return {true, is_scalar ? 1 : most};
}

}  // namespace aether2onnx::judge::scan
