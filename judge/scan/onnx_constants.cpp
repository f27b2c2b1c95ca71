// Bounds the constants that ONNX Runtime computes while it loads a model. ONNX Runtime replaces a
// node whose inputs are all constant by the node's result (constant folding), so a small file could
// need much memory and time.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "judge/scan/scan.h"

namespace aether2onnx::judge::scan {

namespace {

using Dims = std::vector<std::int64_t>;

// An upper bound for the elements of a constant, and its shape if the shape is known.
struct Constant {
  double elements = 0;
  std::optional<Dims> dims = {};
  const onnx::Tensor* tensor = nullptr;  // null for the result of a node
};

constexpr double kUnbounded = std::numeric_limits<double>::infinity();

// Operators whose output has not more elements than their first input, apart from small factors.
constexpr std::string_view kLikeFirst =
    "Reshape Squeeze Unsqueeze Transpose Cast CastLike Identity Slice Flatten Clip Shape Size Neg "
    "Abs "
    "Floor Ceil Sqrt Reciprocal Exp Log Sign Not Round Split Dropout ReduceSum ReduceMean "
    "ReduceMax "
    "ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare ArgMax "
    "ArgMin "
    "TopK NonZero Unique Compress CumSum Scatter ScatterND ScatterElements Trilu QuantizeLinear "
    "DequantizeLinear BatchNormalization InstanceNormalization LayerNormalization "
    "GroupNormalization "
    "Softmax LogSoftmax Hardmax Erf Tanh Sigmoid HardSigmoid HardSwish Relu LeakyRelu Elu Selu "
    "Celu "
    "Gelu Mish Softplus Softsign ThresholdedRelu Shrink IsNaN IsInf BitwiseNot Cos Sin Tan Acos "
    "Asin "
    "Atan Cosh Sinh Acosh Asinh Atanh DepthToSpace SpaceToDepth";

// Operators with numpy's broadcasting.
constexpr std::string_view kElementwise =
    "Add Sub Mul Div Pow Min Max Mod And Or Xor Equal Less Greater LessOrEqual GreaterOrEqual "
    "Where "
    "PRelu BitwiseAnd BitwiseOr BitwiseXor BitShift";

// Operators whose output has at most as many elements as the product of their inputs' elements.
constexpr std::string_view kProducts = "MatMul Gemm GatherElements GatherND";

// Returns the number of elements. A size of 0 counts as 1, because an operator such as ReduceSum
// can remove the empty axis. The result then has all elements of the other axes.
double count_of(const Dims& dims) {
  double count = 1;
  for (const std::int64_t size : dims)
    count *= static_cast<double>(std::max<std::int64_t>(1, size));
  return count;
}

template <typename Number>
std::vector<double> numbers_of(const TensorData& data) {
  std::vector<double> result;
  for (std::size_t at = 0; at + sizeof(Number) <= data.bytes.size(); at += sizeof(Number)) {
    Number number{};
    std::memcpy(&number, data.bytes.data() + at, sizeof(Number));
    result.push_back(static_cast<double>(number));
  }
  return result;
}

// Returns the elements of a tensor as double. Returns nullopt for a type other than int32, int64,
// float32 and float64, because exporters write sizes only in these types.
std::optional<std::vector<double>> to_numbers(const TensorData& data) {
  if (data.dtype == DType::int64) return numbers_of<std::int64_t>(data);
  if (data.dtype == DType::int32) return numbers_of<std::int32_t>(data);
  if (data.dtype == DType::float32) return numbers_of<float>(data);
  if (data.dtype == DType::float64) return numbers_of<double>(data);
  return std::nullopt;
}

class Constants {
 public:
  Constants(const onnx::Model& model, const File& file)
      : model_(model), reader_(file.input, file.siblings) {
    model.each_tensor([&](const onnx::Tensor& tensor) {
      const double count = count_of(tensor.dims);
      stored_ += std::min(count, static_cast<double>(file.input.size()));
      if (!tensor.name.empty())
        known_.insert_or_assign(tensor.name, Constant{count, tensor.dims, &tensor});
    });
  }

  // Adds up the elements of all constants that nodes compute. Returns the first node with which the
  // sum exceeds `most`, the limit for the file; null if there is no such node.
  const onnx::Node* first_excess() {
    const double most = 16 * stored_ + (1 << 24);
    const onnx::Node* excess = nullptr;
    double sum = 0;
    // Each round goes through all nodes. Exporters write each node after the nodes that make its
    // inputs, so one round finds every constant. Other orders can need a round for each node. After
    // `most_rounds`, first_excess() gives up and returns the next node.
    constexpr int most_rounds = 20;
    bool changed = true;
    for (int round = 0; changed && excess == nullptr; ++round) {
      changed = false;
      model_.each_node([&](const onnx::Node& node) {
        if (excess != nullptr || !is_foldable(node) || known_.contains(node.outputs[0])) return;
        if (round == most_rounds) excess = &node;
        Constant result = result_of(node);
        sum += result.elements * static_cast<double>(node.outputs.size());
        if (!(sum <= most)) excess = &node;
        for (const std::string& output : node.outputs) known_.insert_or_assign(output, result);
        changed = true;
      });
    }
    return excess;
  }

 private:
  bool is_foldable(const onnx::Node& node) const {
    if (is_one_of("If Loop Scan", node.op_type))
      return false;  // their graphs have nodes of their own
    bool any = false;
    for (const std::string& input : node.inputs) {
      if (input.empty()) continue;
      if (!known_.contains(input)) return false;
      any = true;
    }
    return any && !node.outputs.empty();
  }

  const Constant* input(const onnx::Node& node, std::size_t i) const {
    if (i >= node.inputs.size()) return nullptr;
    const auto found = known_.find(node.inputs[i]);
    return found == known_.end() ? nullptr : &found->second;
  }

  double elements(const onnx::Node& node, std::size_t i) const {
    const Constant* constant = input(node, i);
    return constant == nullptr ? 1 : constant->elements;
  }

  // Returns the numbers of a stored tensor of few elements; nullopt for any other input.
  std::optional<std::vector<double>> numbers(const onnx::Node& node, std::size_t i) {
    constexpr double most = 64;
    const Constant* constant = input(node, i);
    if (constant == nullptr || constant->tensor == nullptr || !(constant->elements <= most)) {
      return std::nullopt;
    }
    try {
      return to_numbers(reader_.read(*constant->tensor));
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  static double product(const std::optional<std::vector<double>>& numbers) {
    if (!numbers) return kUnbounded;
    double result = 1;
    for (const double number : *numbers) result *= std::max(1.0, number);
    return result;
  }

  Constant result_of(const onnx::Node& node) {
    const std::string& op = node.op_type;
    if (!onnx::is_onnx_domain(node.domain)) return {kUnbounded};
    if (op == "ConstantOfShape") return {product(numbers(node, 0))};
    if (op == "Expand") return {elements(node, 0) * product(numbers(node, 1))};
    if (op == "Tile") return {elements(node, 0) * product(numbers(node, 1))};
    if (op == "OneHot") return {elements(node, 0) * product(numbers(node, 1))};
    if (op == "Range") return {range(node)};
    if (is_one_of(kLikeFirst, op)) return {8 * std::max(8.0, elements(node, 0))};
    if (op == "Gather") return {gathered(node)};
    if (op == "Concat") {
      double sum = 0;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) sum += elements(node, i);
      return {sum};
    }
    return joined(node);
  }

  double gathered(const onnx::Node& node) const {
    const Constant* data = input(node, 0);
    // Each index selects one element of a vector, or a slice of any other tensor. A slice has at
    // most as many elements as the tensor.
    const bool is_vector = data != nullptr && data->dims && data->dims->size() <= 1;
    return is_vector ? std::max(1.0, elements(node, 1)) : elements(node, 0) * elements(node, 1);
  }

  double range(const onnx::Node& node) {
    const auto start = numbers(node, 0);
    const auto limit = numbers(node, 1);
    const auto delta = numbers(node, 2);
    if (!start || !limit || !delta || start->size() != 1 || limit->size() != 1 ||
        delta->size() != 1) {
      return kUnbounded;
    }
    return std::max(0.0, std::ceil(((*limit)[0] - (*start)[0]) / (*delta)[0]));
  }

  // Returns an upper bound for the elements of the output of an operator with several inputs. The
  // bound is infinite for operators that are neither in kElementwise nor in kProducts.
  Constant joined(const onnx::Node& node) const {
    if (is_one_of(kElementwise, node.op_type)) return broadcast(node);
    if (!is_one_of(kProducts, node.op_type)) return {kUnbounded};
    return {product_of_inputs(node)};
  }

  double product_of_inputs(const onnx::Node& node) const {
    double product = 1;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) product *= elements(node, i);
    return product;
  }

  Constant broadcast(const onnx::Node& node) const {
    Dims dims;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Constant* constant = input(node, i);
      if (constant == nullptr || !constant->dims) return {product_of_inputs(node)};
      const Dims& other = *constant->dims;
      if (other.size() > dims.size()) dims.insert(dims.begin(), other.size() - dims.size(), 1);
      for (std::size_t axis = 0; axis < other.size(); ++axis) {
        std::int64_t& size = dims[dims.size() - other.size() + axis];
        size = std::max(size, other[axis]);
      }
    }
    const double count = count_of(dims);
    return {count, std::move(dims)};
  }

  const onnx::Model& model_;
  onnx::TensorReader reader_;
  std::map<std::string, Constant> known_;
  double stored_ = 0;
};

}  // namespace

void judge_constants(const onnx::Model& model, const File& file) {
  const onnx::Node* node = Constants(model, file).first_excess();
  if (node == nullptr) return;
  file.collector.unclear("constants",
                         "while ONNX Runtime loads the file, the operator {} makes constants that "
                         "may be much larger than the file",
                         printable(node->op_type, 60));
}

}  // namespace aether2onnx::judge::scan
