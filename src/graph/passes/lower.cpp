// What older opsets lack.

#include <array>
#include <numbers>

#include "base/error.h"
#include "formats/onnx/onnx.h"

namespace aether2onnx::onnx {

namespace {

using graph::AttributeValue;
using graph::Graph;
using graph::Node;
using graph::ValueId;

constexpr int kOpsetWithGelu = 20;
constexpr int kOpsetWithLayerNormalization = 17;
// From here on ReduceMean and ReduceMax have their axes as an input.
constexpr int kOpsetWithAxesInput = 18;

class Lowerer {
 public:
  Lowerer(const Graph& source, int opset) : source_(source), opset_(opset) {}

  Graph run() {
    target_.name = source_.name;
    target_.scale = source_.scale;
    moved_.assign(source_.values().size(), graph::kNoInput);
    for (const ValueId id : source_.inputs()) {
      const graph::Value& value = source_.value(id);
      moved_[id] = target_.add_input(value.name, value.dtype, value.shape);
    }
    for (const graph::Initializer& initializer : source_.initializers()) {
      const bool is_axes = !source_.value(initializer.value).integers.empty();
      if (!is_axes || opset_ >= kOpsetWithAxesInput) take(initializer);
    }
    for (const Node& node : source_.nodes()) moved_[node.output] = lower(node);
    for (const ValueId id : source_.outputs()) {
      target_.set_output(moved_[id], source_.value(id).name);
    }
    return std::move(target_);
  }

 private:
  void take(const graph::Initializer& initializer) {
    moved_[initializer.value] = graph::copy_initializer(
        source_, initializer, source_.value(initializer.value).dtype, target_);
  }

  ValueId lower(const Node& node) {
    path_ = &node.path;
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(moved_[id]);
    if (node.op == graph::kChannelNormalization) {
      return channel_normalization(inputs, std::get<float>(node.attributes.at("epsilon")));
    }
    if (node.op == "ReduceMax" || node.op == "ReduceMean") {
      return reduce(node.op, inputs[0], source_.value(node.inputs.at(1)).integers.at(0));
    }
    if (node.op == "Gelu" && opset_ < kOpsetWithGelu) return gelu(inputs[0]);
    if (node.op == "LayerNormalization" && opset_ < kOpsetWithLayerNormalization) {
      return layer_normalization(inputs, std::get<float>(node.attributes.at("epsilon")));
    }
    return target_.add_node(node.path, node.op, std::move(inputs), node.attributes);
  }

  ValueId add(const std::string& op, std::vector<ValueId> inputs,
              std::map<std::string, AttributeValue> attributes = {}) {
    return target_.add_node(*path_, op, std::move(inputs), std::move(attributes));
  }

  ValueId constant(ValueId like, double number) {
    return target_.add_constant(target_.value(like).dtype, number);
  }

  // x * (1 + erf(x / sqrt 2)) * 0.5, in the order of operators by which TensorRT and ONNX Runtime
  // recognise it.
  ValueId gelu(ValueId x) {
    const ValueId scaled = add("Div", {x, constant(x, std::numbers::sqrt2)});
    const ValueId erf = add("Erf", {scaled});
    const ValueId shifted = add("Add", {erf, constant(x, 1)});
    const ValueId product = add("Mul", {x, shifted});
    return add("Mul", {product, constant(x, 0.5)});
  }

  ValueId cast(ValueId value, DType dtype) {
    if (target_.value(value).dtype == dtype) return value;
    return add("Cast", {value}, {{"to", graph::cast_type(dtype)}});
  }

  ValueId reduce(const std::string& op, ValueId x, std::int64_t axis) {
    std::map<std::string, AttributeValue> attributes = {{"keepdims", std::int64_t{1}}};
    if (opset_ >= kOpsetWithAxesInput) {
      return add(op, {x, target_.add_axes({axis})}, std::move(attributes));
    }
    attributes.emplace("axes", std::vector<std::int64_t>{axis});
    return add(op, {x}, std::move(attributes));
  }

  ValueId mean(ValueId x, std::int64_t axis) { return reduce("ReduceMean", x, axis); }

  // Over the last axis, statistics in float32 as with stash_type 1: only the normalized value is
  // cast back before scale and bias.
  ValueId layer_normalization(const std::vector<ValueId>& inputs, float epsilon) {
    const DType dtype = target_.value(inputs[0]).dtype;
    const ValueId x = cast(inputs[0], DType::float32);
    const ValueId centred = add("Sub", {x, mean(x, -1)});
    const ValueId squared = add("Pow", {centred, constant(x, 2)});
    return scaled(centred, mean(squared, -1), epsilon, dtype, inputs);
  }

  // The same over the channels of (N, C, H, W). The square is a product and not a Pow: NVIDIA's
  // AutoCast takes the chain with Pow for a LayerNormalization and then normalizes over C, H and W.
  ValueId channel_normalization(const std::vector<ValueId>& inputs, float epsilon) {
    const DType dtype = target_.value(inputs[0]).dtype;
    const ValueId x = cast(inputs[0], DType::float32);
    const ValueId centred = add("Sub", {x, mean(x, 1)});
    const ValueId squared = add("Mul", {centred, centred});
    return scaled(centred, mean(squared, 1), epsilon, dtype, inputs);
  }

  ValueId scaled(ValueId centred, ValueId variance, float epsilon, DType dtype,
                 const std::vector<ValueId>& inputs) {
    const ValueId stable = add("Add", {variance, constant(variance, epsilon)});
    const ValueId deviation = add("Sqrt", {stable});
    const ValueId normalized = cast(add("Div", {centred, deviation}), dtype);
    const ValueId product = add("Mul", {normalized, inputs[1]});
    return add("Add", {product, inputs[2]});
  }

  const Graph& source_;
  int opset_;
  Graph target_;
  std::vector<ValueId> moved_;
  const std::string* path_ = nullptr;
};

}  // namespace

int ir_version(int opset) {
  struct Row {
    int opset;
    int ir;
  };
  constexpr std::array rows = {Row{11, 6},  Row{12, 7},  Row{15, 8}, Row{19, 9},
                               Row{21, 10}, Row{23, 11}, Row{24, 12}};
  int version = rows.front().ir;
  for (const Row& row : rows) {
    if (opset >= row.opset) version = row.ir;
  }
  return version;
}

Graph lower(const Graph& graph, int opset) {
  require(opset >= kMinOpset && opset <= kMaxOpset, "an opset out of range");
  return Lowerer(graph, opset).run();
}

}  // namespace aether2onnx::onnx
