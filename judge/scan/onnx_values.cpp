#include "judge/scan/onnx_values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/text.h"

namespace aether2onnx::judge::scan {

namespace {

using Inputs = std::span<const Constant* const>;
using Numbers = std::optional<std::vector<double>>;

constexpr double kUnbounded = std::numeric_limits<double>::infinity();
constexpr std::size_t kMostNumbers = 64;

// Operators whose output has not more elements than their first input, apart from small factors.
constexpr std::string_view kLikeFirst =
    "Cast CastLike Identity Clip Neg Abs Floor Ceil Sqrt Reciprocal Exp Log Sign Not Round Dropout "
    "CumSum Trilu QuantizeLinear DequantizeLinear BatchNormalization InstanceNormalization "
    "LayerNormalization GroupNormalization Softmax LogSoftmax Hardmax Erf Tanh Sigmoid HardSigmoid "
    "HardSwish Relu LeakyRelu Elu Selu Celu Gelu Mish Softplus Softsign ThresholdedRelu Shrink "
    "IsNaN IsInf BitwiseNot Cos Sin Tan Acos Asin Atan Cosh Sinh Acosh Asinh Atanh "
    "Reshape Squeeze Unsqueeze Transpose Slice Flatten Shape Size Split ReduceSum ReduceMean "
    "ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp "
    "ReduceSumSquare ArgMax ArgMin TopK NonZero Unique Compress Scatter ScatterND ScatterElements "
    "DepthToSpace SpaceToDepth";

// Operators with numpy's broadcasting.
constexpr std::string_view kElementwise =
    "Add Sub Mul Div Pow Min Max Mod And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual "
    "Where PRelu BitwiseAnd BitwiseOr BitwiseXor BitShift";

// Operators whose output has at most as many elements as the product of their inputs' elements.
constexpr std::string_view kProducts = "MatMul Gemm GatherElements GatherND";

// Operators that keep the elements of their first input, and their order.
constexpr std::string_view kSameElements = "Identity Squeeze Unsqueeze Reshape Flatten";

double elements(Inputs inputs, std::size_t i) {
  return i < inputs.size() && inputs[i] != nullptr ? inputs[i]->elements : 1;
}

Numbers numbers(Inputs inputs, std::size_t i) {
  return i < inputs.size() && inputs[i] != nullptr ? inputs[i]->numbers : std::nullopt;
}

double product(const Numbers& numbers) {
  if (!numbers) return kUnbounded;
  double result = 1;
  for (const double number : *numbers) result *= std::max(1.0, number);
  return result;
}

double product_of_inputs(Inputs inputs) {
  double result = 1;
  for (std::size_t i = 0; i < inputs.size(); ++i) result *= elements(inputs, i);
  return result;
}

// Returns the value of an attribute; null if there is none of this type. In a function, the value
// can be an attribute of the call, see onnx::Node::references.
template <typename Type>
const Type* attribute(const onnx::Node& node, std::string_view name,
                      const onnx::Node* caller = nullptr) {
  if (const auto found = node.attributes.find(std::string(name)); found != node.attributes.end()) {
    return std::get_if<Type>(&found->second);
  }
  for (const auto& [own, reference] : node.references) {
    if (own == name && caller != nullptr) return attribute<Type>(*caller, reference);
  }
  return nullptr;
}

double range(Inputs inputs) {
  const Numbers start = numbers(inputs, 0);
  const Numbers limit = numbers(inputs, 1);
  const Numbers delta = numbers(inputs, 2);
  if (!start || !limit || !delta || start->size() != 1 || limit->size() != 1 ||
      delta->size() != 1) {
    return kUnbounded;
  }
  return std::max(0.0, std::ceil(((*limit)[0] - (*start)[0]) / (*delta)[0]));
}

Constant vector_of(std::vector<double> numbers) {
  const auto size = static_cast<std::int64_t>(numbers.size());
  return {static_cast<double>(size), Dims{size}, std::move(numbers)};
}

Constant concatenated(Inputs inputs) {
  double sum = 0;
  Numbers all = std::vector<double>{};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    sum += elements(inputs, i);
    const bool is_vector = inputs[i] != nullptr && inputs[i]->dims && inputs[i]->dims->size() == 1;
    const Numbers more = is_vector ? numbers(inputs, i) : std::nullopt;
    if (!more || !all || all->size() + more->size() > kMostNumbers) {
      all.reset();
    } else {
      all->insert(all->end(), more->begin(), more->end());
    }
  }
  return all ? vector_of(std::move(*all)) : Constant{sum};
}

Constant gathered(Inputs inputs) {
  if (inputs.size() < 2 || inputs[0] == nullptr || inputs[1] == nullptr) return {kUnbounded};
  const Constant& data = *inputs[0];
  const Constant& indices = *inputs[1];
  // One index takes at most all elements but those along its axis.
  const bool is_vector = data.dims && data.dims->size() <= 1;
  Constant result{is_vector ? std::max(1.0, indices.elements) : data.elements * indices.elements};
  if (!is_vector || !data.numbers || !indices.numbers) return result;
  std::vector<double> chosen;
  for (double index : *indices.numbers) {
    if (index < 0) index += static_cast<double>(data.numbers->size());
    if (!(index >= 0 && index < static_cast<double>(data.numbers->size()))) return result;
    chosen.push_back((*data.numbers)[static_cast<std::size_t>(index)]);
  }
  result.dims = indices.dims;
  result.numbers = std::move(chosen);
  return result;
}

// Whole numbers up to this limit are exact in int32, int64, float32 and float64.
constexpr double kLargestExact = 1 << 24;

bool is_exact(double number) {
  return std::abs(number) <= kLargestExact && std::trunc(number) == number;
}

// Computes one element of an operator with broadcasting, for the operators with which exporters
// compute sizes.
std::optional<double> computed(std::string_view op, std::span<const double> x) {
  if (op == "Where" && x.size() == 3) return x[0] != 0 ? x[1] : x[2];
  if (x.size() != 2) return std::nullopt;
  const double a = x[0];
  const double b = x[1];
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  if (op == "Div" && b != 0) return a / b;
  if (op == "Mod" && a >= 0 && b > 0) return std::fmod(a, b);
  if (op == "Min") return std::min(a, b);
  if (op == "Max") return std::max(a, b);
  if (op == "Equal") return a == b ? 1 : 0;
  return std::nullopt;
}

// Computes the elements of an operator with broadcasting, for vectors and scalars of known numbers.
Numbers computed(std::string_view op, Inputs inputs, std::size_t count) {
  std::vector<double> result;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<double> x;
    for (const Constant* input : inputs) {
      const bool fits = input != nullptr && input->numbers && input->dims &&
                        input->dims->size() <= 1 &&
                        (input->numbers->size() == 1 || input->numbers->size() == count);
      if (!fits) return std::nullopt;
      x.push_back((*input->numbers)[input->numbers->size() == 1 ? 0 : i]);
    }
    if (!std::all_of(x.begin(), x.end(), is_exact)) return std::nullopt;
    const auto number = computed(op, x);
    if (!number || !is_exact(*number)) return std::nullopt;
    result.push_back(*number);
  }
  return result;
}

Constant broadcast(std::string_view op, Inputs inputs) {
  Dims dims;
  for (const Constant* input : inputs) {
    if (input == nullptr || !input->dims) return {product_of_inputs(inputs)};
    const Dims& other = *input->dims;
    if (other.size() > dims.size()) dims.insert(dims.begin(), other.size() - dims.size(), 1);
    for (std::size_t axis = 0; axis < other.size(); ++axis) {
      std::int64_t& size = dims[dims.size() - other.size() + axis];
      size = std::max(size, other[axis]);
    }
  }
  Constant result{count_of(dims), dims};
  if (dims.size() <= 1 && result.elements <= kMostNumbers) {
    result.numbers = computed(op, inputs, static_cast<std::size_t>(result.elements));
  }
  return result;
}

// Reshape and similar operators: the elements keep their order. The shape is known if the result is
// a vector or a scalar.
Constant with_same_elements(const onnx::Node& node, Inputs inputs) {
  Constant result = *inputs[0];
  if (node.op_type == "Identity") return result;
  const bool is_vector = result.dims && result.dims->size() == 1;
  const bool is_scalar = result.dims && result.dims->empty();
  result.dims.reset();
  const Numbers shape = node.op_type == "Reshape" ? numbers(inputs, 1) : std::nullopt;
  if (!result.numbers) return result;
  if ((node.op_type == "Unsqueeze" && is_scalar) || (shape && shape->size() == 1)) {
    result.dims = Dims{static_cast<std::int64_t>(result.numbers->size())};
  } else if ((node.op_type == "Squeeze" && is_vector && result.elements == 1) ||
             (shape && shape->empty())) {
    result.dims = Dims{};
  }
  return result;
}

Constant filled(const Numbers& shape, std::optional<double> number) {
  Constant result{product(shape)};
  if (!shape) return result;
  Dims dims;
  for (const double size : *shape) {
    if (!(std::abs(size) < 1e15)) return result;
    dims.push_back(static_cast<std::int64_t>(size));
  }
  result.dims = std::move(dims);
  if (number && shape->size() <= 1 && result.elements <= kMostNumbers) {
    const bool is_empty = !shape->empty() && shape->front() < 1;
    result.numbers =
        std::vector<double>(is_empty ? 0 : static_cast<std::size_t>(result.elements), *number);
  }
  return result;
}

// Cast keeps whole numbers that are not large if the new type is float32, int32, int64 or float64.
bool keeps_numbers(const onnx::Node& node, const Numbers& numbers) {
  const auto* type = attribute<std::int64_t>(node, "to");
  return type != nullptr && (*type == 1 || *type == 6 || *type == 7 || *type == 11) && numbers &&
         std::all_of(numbers->begin(), numbers->end(), is_exact);
}

}  // namespace

double count_of(const Dims& dims) {
  double count = 1;
  for (const std::int64_t size : dims) {
    count *= static_cast<double>(std::max<std::int64_t>(1, size));
  }
  return count;
}

Constant merged(const Constant& a, const Constant& b) {
  Constant result{std::max(a.elements, b.elements)};
  if (a.dims == b.dims) result.dims = a.dims;
  if (a.numbers == b.numbers) result.numbers = a.numbers;
  return result;
}

Constant result_of(const onnx::Node& node, Inputs inputs, std::optional<double> fill) {
  const std::string& op = node.op_type;
  if (!onnx::is_onnx_domain(node.domain)) return {kUnbounded};
  if (op == "ConstantOfShape") return filled(numbers(inputs, 0), fill);
  if (op == "Expand" || op == "Tile" || op == "OneHot") {
    return {elements(inputs, 0) * product(numbers(inputs, 1))};
  }
  if (op == "Range") return {range(inputs)};
  if (op == "Gather") return gathered(inputs);
  if (op == "Concat") return concatenated(inputs);
  if (is_one_of(kLikeFirst, op)) {
    const bool is_given = !inputs.empty() && inputs[0] != nullptr;
    if (is_given && is_one_of(kSameElements, op)) return with_same_elements(node, inputs);
    if (is_given && op == "Cast" && keeps_numbers(node, inputs[0]->numbers)) return *inputs[0];
    if (is_given && op == "Shape" && inputs[0]->dims && node.attributes.empty()) {
      const Dims& dims = *inputs[0]->dims;
      if (dims.size() <= kMostNumbers) return vector_of({dims.begin(), dims.end()});
    }
    return {8 * std::max(8.0, elements(inputs, 0))};
  }
  if (is_one_of(kElementwise, op)) return broadcast(op, inputs);
  if (is_one_of(kProducts, op)) return {product_of_inputs(inputs)};
  return {kUnbounded};  // an operator that is not known here may have an output of any size
}

Constant constant_of(const onnx::Node& node, const onnx::Node* caller, double most) {
  if (const auto* number = attribute<std::int64_t>(node, "value_int", caller)) {
    return {1, Dims{}, std::vector<double>{static_cast<double>(*number)}};
  }
  const auto* real = attribute<float>(node, "value_float", caller);
  if (real != nullptr && !std::isnan(*real)) return {1, Dims{}, std::vector<double>{*real}};
  if (const auto* list = attribute<std::vector<std::int64_t>>(node, "value_ints", caller)) {
    if (list->size() <= kMostNumbers) return vector_of({list->begin(), list->end()});
    return {static_cast<double>(list->size()), Dims{static_cast<std::int64_t>(list->size())}};
  }
  const bool is_scalar =
      std::any_of(node.references.begin(), node.references.end(), [](const auto& reference) {
        return is_one_of("value_int value_float value_string", reference.first);
      });
  return {is_scalar ? 1 : most};
}

}  // namespace aether2onnx::judge::scan
