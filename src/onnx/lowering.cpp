// What older opsets lack.

#include <array>
#include <numbers>

#include "base/error.h"
#include "onnx/onnx.h"

namespace aether2onnx::onnx {

namespace {

using graph::AttributeValue;
using graph::Graph;
using graph::Node;
using graph::ValueId;

constexpr int kOpsetWithGelu = 20;
constexpr int kOpsetWithLayerNormalization = 17;

// TensorProto.DataType, for Cast.
constexpr std::int64_t kFloat = 1;
constexpr std::int64_t kFloat16 = 10;

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
    for (const graph::Initializer& initializer : source_.initializers()) take(initializer);
    for (const Node& node : source_.nodes()) moved_[node.output] = lower(node);
    for (const ValueId id : source_.outputs()) {
      target_.set_output(moved_[id], source_.value(id).name);
    }
    return std::move(target_);
  }

 private:
  void take(const graph::Initializer& initializer) {
    const graph::Value& value = source_.value(initializer.value);
    if (initializer.is_parameter) {
      std::vector<std::int64_t> shape;
      for (const graph::Dim& dim : value.shape) shape.push_back(dim.value);
      moved_[initializer.value] =
          target_.add_parameter(value.name, value.dtype, shape, initializer.load);
    } else {
      const double number = to_doubles(initializer.load().bytes, DType::float64).at(0);
      moved_[initializer.value] = target_.add_constant(value.dtype, number);
    }
  }

  ValueId lower(const Node& node) {
    path_ = &node.path;
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(moved_[id]);
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

  // Over the last axis, statistics in float32 as with stash_type 1: only the normalized value is
  // cast back before scale and bias.
  ValueId layer_normalization(const std::vector<ValueId>& inputs, float epsilon) {
    const bool half = target_.value(inputs[0]).dtype == DType::float16;
    const std::map<std::string, AttributeValue> over_channels = {
        {"axes", std::vector<std::int64_t>{-1}}, {"keepdims", std::int64_t{1}}};
    const ValueId x = half ? add("Cast", {inputs[0]}, {{"to", kFloat}}) : inputs[0];
    const ValueId mean = add("ReduceMean", {x}, over_channels);
    const ValueId centred = add("Sub", {x, mean});
    const ValueId squared = add("Pow", {centred, constant(x, 2)});
    const ValueId variance = add("ReduceMean", {squared}, over_channels);
    const ValueId stable = add("Add", {variance, constant(x, epsilon)});
    const ValueId deviation = add("Sqrt", {stable});
    ValueId normalized = add("Div", {centred, deviation});
    if (half) normalized = add("Cast", {normalized}, {{"to", kFloat16}});
    const ValueId scaled = add("Mul", {normalized, inputs[1]});
    return add("Add", {scaled, inputs[2]});
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
