// The pass lower(): replaces the operators that older opsets do not have.

#include <numbers>

#include "base/error.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace aether2onnx::graph {

namespace {

constexpr int kOpsetWithLayerNormalization = 17;
// From this opset on, the axes of ReduceMean and ReduceMax are an input, not an attribute.
constexpr int kOpsetWithAxesInput = 18;

class Lowerer {
 public:
  Lowerer(const Graph& source, int opset, GeluForm gelu)
      : rewriter_(source), opset_(opset), gelu_(gelu) {}

  Graph run() {
    const Graph& source = rewriter_.source;
    for (const Initializer& initializer : source.initializers()) {
      const Value& value = source.value(initializer.value);
      const bool is_axes = !value.integers.empty();
      if (is_axes && opset_ < kOpsetWithAxesInput) continue;
      rewriter_.use(initializer.value, value.dtype, value.name);
    }
    return rewriter_.run([this](const Node& node) { return replace(node); });
  }

 private:
  ValueId replace(const Node& node) {
    path_ = &node.path;
    if (node.op == kChannelNormalization) return channel_normalization(node);
    if (node.op == "ReduceMax" || node.op == "ReduceMean") {
      const Value& axes = rewriter_.source.value(node.inputs.at(1));
      return reduce(node.op, input(node, 0), axes.integers.at(0));
    }
    if (node.op == "Gelu" && gelu_ == GeluForm::erf) return gelu(input(node, 0));
    if (node.op == "LayerNormalization" && opset_ < kOpsetWithLayerNormalization) {
      return layer_normalization(node);
    }
    return rewriter_.copy(node);
  }

  ValueId input(const Node& node, std::size_t index) {
    const ValueId id = node.inputs.at(index);
    return rewriter_.use(id, rewriter_.source.value(id).dtype, node.path);
  }

  ValueId add(const std::string& op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return rewriter_.target.add_node(*path_, op, std::move(inputs), std::move(attributes));
  }

  ValueId constant(ValueId like, double number) {
    return rewriter_.target.add_constant(rewriter_.target.value(like).dtype, number);
  }

  // Writes Gelu as x * (1 + erf(x / sqrt 2)) * 0.5, because TensorRT and ONNX Runtime recognise the
  // operators in this order.
  ValueId gelu(ValueId x) {
    const ValueId scaled = add("Div", {x, constant(x, std::numbers::sqrt2)});
    const ValueId erf = add("Erf", {scaled});
    const ValueId shifted = add("Add", {erf, constant(x, 1)});
    const ValueId product = add("Mul", {x, shifted});
    return add("Mul", {product, constant(x, 0.5)});
  }

  ValueId reduce(const std::string& op, ValueId x, std::int64_t axis) {
    Attributes attributes = {{"keepdims", std::int64_t{1}}};
    if (opset_ >= kOpsetWithAxesInput) {
      return add(op, {x, rewriter_.target.add_axes({axis})}, std::move(attributes));
    }
    attributes.emplace("axes", std::vector<std::int64_t>{axis});
    return add(op, {x}, std::move(attributes));
  }

  // Writes LayerNormalization over the last axis as basic operators.
  ValueId layer_normalization(const Node& node) {
    const ValueId centred = centre(node, -1);
    return scale(node, centred, add("Pow", {centred, constant(centred, 2)}), -1);
  }

  // Normalizes over the channels of (N, C, H, W). Computes the square with Mul, not with Pow:
  // NVIDIA's AutoCast mistakes operators around a Pow for a LayerNormalization over C, H and W, and
  // would replace these operators.
  ValueId channel_normalization(const Node& node) {
    const ValueId centred = centre(node, 1);
    return scale(node, centred, add("Mul", {centred, centred}), 1);
  }

  // Subtracts the mean, in float32, as LayerNormalization does with the attribute stash_type 1.
  ValueId centre(const Node& node, std::int64_t axis) {
    const ValueId x = rewriter_.cast(input(node, 0), DType::float32, node.path);
    return add("Sub", {x, reduce("ReduceMean", x, axis)});
  }

  // Divides `centred` by the standard deviation, which is the root of the mean of `squared`. Casts
  // the quotient to the node's type, and then applies the node's scale and bias.
  ValueId scale(const Node& node, ValueId centred, ValueId squared, std::int64_t axis) {
    const ValueId variance = reduce("ReduceMean", squared, axis);
    const auto epsilon = std::get<float>(node.attributes.at("epsilon"));
    const ValueId stable = add("Add", {variance, constant(variance, epsilon)});
    const ValueId deviation = add("Sqrt", {stable});
    const DType dtype = rewriter_.source.value(node.output).dtype;
    const ValueId normalized = rewriter_.cast(add("Div", {centred, deviation}), dtype, node.path);
    const ValueId product = add("Mul", {normalized, input(node, 1)});
    return add("Add", {product, input(node, 2)});
  }

  Rewriter rewriter_;
  int opset_;
  GeluForm gelu_;
  const std::string* path_ = nullptr;
};

}  // namespace

Graph lower(const Graph& graph, int opset, GeluForm gelu) {
  require(opset >= kMinOpset && opset <= kMaxOpset, "the opset is out of range");
  require(gelu == GeluForm::erf || opset >= kMinOpsetOfGelu, "the opset has no Gelu");
  return Lowerer(graph, opset, gelu).run();
}

}  // namespace aether2onnx::graph
