// Makes the summary (Outline) of ONNX graphs that PyTorch's exporter or aether2onnx has written.

#include "network/onnx_outline.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/limits.h"
#include "base/text.h"

namespace aether2onnx::network {

namespace {

using Ints = std::vector<std::int64_t>;
using StepKind = OutlineStep::Kind;

// The summary (Outline) of a graph leaves out these operators, because exporters may write the same
// network with different operators of this list. The operators compute shapes, means and maxima, do
// arithmetic on single elements, or copy and rearrange elements.
constexpr std::string_view kSilent =
    "Add Cast Clip Concat Constant ConstantOfShape Div Equal Expand Flatten Gather "
    "GlobalAveragePool Identity Mod Mul Pow Range Shape ReduceMax Reciprocal ReduceMean Reshape "
    "Slice Squeeze Sub Transpose Unsqueeze QuantizeLinear DequantizeLinear";

template <typename T>
T attribute_or(const onnx::Node& node, const char* name, T fallback) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end() || !std::holds_alternative<T>(found->second)) return fallback;
  return std::get<T>(found->second);
}

bool is_all(const Ints& numbers, std::int64_t wanted) {
  return std::all_of(numbers.begin(), numbers.end(),
                     [wanted](std::int64_t number) { return number == wanted; });
}

// A weight of the ONNX file: its name and its shape.
struct Weight {
  std::string_view name;
  Ints shape;
};

class Outliner {
 public:
  explicit Outliner(const onnx::Model& model) {
    for (const onnx::Tensor& tensor : model.initializers) weights_[tensor.name] = tensor.dims;
    // An exporter may leave out the elements of the weights. Then the weights are graph inputs.
    for (const onnx::ValueInfo& input : model.inputs) {
      if (auto shape = fixed_shape(input)) weights_.emplace(input.name, std::move(*shape));
    }
    for (const onnx::Node& node : model.nodes) {
      if (node.outputs.size() == 1) makers_.emplace(node.outputs[0], &node);
    }
    if (!model.inputs.empty()) weights_.erase(model.inputs.front().name);
    for (const onnx::Node& node : model.nodes) take(node);
  }

  Outline result() { return std::move(outline_); }

 private:
  static std::optional<Ints> fixed_shape(const onnx::ValueInfo& value) {
    Ints shape;
    for (const std::string& dim : value.dims) {
      constexpr std::size_t digits = 9;
      if (!only_digits(dim) || dim.size() > digits) return std::nullopt;
      shape.push_back(std::stoll(dim));
    }
    return shape;
  }

  // Returns the weight that reaches an operator's input, perhaps through casts, transpositions and
  // quantizations. Returns nullopt if the input does not come from a weight.
  std::optional<Weight> weight(std::string_view name) const {
    bool transposed = false;
    for (int followed = 0; followed < 4; ++followed) {
      if (const auto known = weights_.find(name); known != weights_.end()) {
        Weight result{known->first, known->second};
        if (transposed) std::reverse(result.shape.begin(), result.shape.end());
        return result;
      }
      const auto maker = makers_.find(name);
      if (maker == makers_.end() || maker->second->inputs.empty()) return std::nullopt;
      const onnx::Node& node = *maker->second;
      const bool quantizes = node.op_type == "DequantizeLinear" || node.op_type == "QuantizeLinear";
      if (node.inputs.size() != 1 && !quantizes) return std::nullopt;
      if (quantizes) {
        name = node.inputs[0];
        continue;
      }
      if (node.op_type == "Transpose") {
        if (attribute_or(node, "perm", Ints{}) != Ints{1, 0}) return std::nullopt;
        transposed = !transposed;
      } else if (node.op_type != "Cast" && node.op_type != "Identity") {
        return std::nullopt;
      }
      name = node.inputs[0];
    }
    return std::nullopt;
  }

  void take(const onnx::Node& node) {
    if (node.op_type == "Conv") {
      take_convolution(node);
    } else if (node.op_type == "MatMul" || node.op_type == "Gemm") {
      take_projection(node);
    } else if (node.op_type == "LeakyRelu") {
      outline_.steps.push_back({StepKind::leaky_relu, {}, {}, 1, 1});
    } else if (node.op_type == "DepthToSpace") {
      // CRD is the order of channels in PyTorch, and so in AetherNet. For another order, the step
      // in the graph's summary gets the factor 0, which no AetherNet has. So recognise() finds no
      // network.
      const bool as_pytorch = attribute_or(node, "mode", std::string("DCR")) == "CRD";
      const std::int64_t factor =
          as_pytorch ? attribute_or(node, "blocksize", std::int64_t{0}) : std::int64_t{0};
      outline_.steps.push_back({StepKind::pixel_shuffle, {}, {}, 1, factor});
    } else if (node.op_type == "Gelu" || node.op_type == "Erf") {
      ++outline_.gelus;
    } else if (node.op_type == "Relu") {
      ++outline_.relus;
    } else if (node.op_type == "Sigmoid") {
      ++outline_.sigmoids;
    } else if (node.op_type == "LayerNormalization" || node.op_type == "Sqrt") {
      ++outline_.layer_norms;
    } else if (!is_one_of(kSilent, node.op_type)) {
      take_unknown();
    }
  }

  // Adds a step that the summary of an AetherNet never contains, so that recognise() finds no
  // network in this graph.
  void take_unknown() { outline_.steps.push_back({}); }

  void take_convolution(const onnx::Node& node) {
    const auto kernel = node.inputs.size() < 2 ? std::nullopt : weight(node.inputs[1]);
    if (!kernel || kernel->shape.size() != 4 || !is_all(attribute_or(node, "strides", Ints{}), 1) ||
        !is_all(attribute_or(node, "dilations", Ints{}), 1)) {
      return take_unknown();
    }
    const Ints pads = attribute_or(node, "pads", Ints(4, 0));
    const std::int64_t height_pad = kernel->shape[2] / 2;
    const std::int64_t width_pad = kernel->shape[3] / 2;
    const auto groups = attribute_or(node, "group", std::int64_t{1});
    if (pads != Ints{height_pad, width_pad, height_pad, width_pad}) {
      return take_part(node, *kernel, pads, groups);
    }
    outline_.steps.push_back(
        {StepKind::convolution, std::string(kernel->name), kernel->shape, groups, 1});
  }

  // ConvertOptions::split_kernels_over splits a large depthwise convolution into several Conv nodes
  // with the same input. take_part() reads one of these nodes. Only the first node adds a step to
  // the summary, and this step stands for the large convolution. The first node's kernel is the top
  // left corner of the large kernel. The first node's padding is half the large kernel's size,
  // rounded down. So the padding shows the large kernel's size.
  void take_part(const onnx::Node& node, const Weight& part, const Ints& pads,
                 std::int64_t groups) {
    const Ints& shape = part.shape;
    const auto is_size = [](std::int64_t size) { return size >= 0 && size <= limits::kLayerWidth; };
    if (groups < 2 || pads.size() != 4 || !std::all_of(pads.begin(), pads.end(), is_size) ||
        !std::all_of(shape.begin(), shape.end(), is_size) || pads[0] + pads[2] != shape[2] - 1 ||
        pads[1] + pads[3] != shape[3] - 1) {
      return take_unknown();
    }
    const auto [known, is_new] = in_parts_.emplace(node.inputs[0], groups);
    if (!is_new && known->second == groups) return;
    const std::int64_t size = 2 * pads[0] + 1;
    const std::string_view name = part.name.substr(0, part.name.find('/'));
    outline_.steps.push_back(
        {StepKind::convolution, std::string(name), {shape[0], shape[1], size, size}, groups, 1});
  }

  void take_projection(const onnx::Node& node) {
    auto matrix = node.inputs.size() < 2 ? std::nullopt : weight(node.inputs[1]);
    if (!matrix || matrix->shape.size() != 2) return take_unknown();
    const bool rows_are_outputs =
        node.op_type == "Gemm" && attribute_or(node, "transB", std::int64_t{0}) != 0;
    if (!rows_are_outputs) std::reverse(matrix->shape.begin(), matrix->shape.end());
    outline_.steps.push_back(
        {StepKind::projection, std::string(matrix->name), std::move(matrix->shape), 1, 1});
  }

  std::unordered_map<std::string_view, Ints> weights_;
  std::unordered_map<std::string_view, const onnx::Node*> makers_;
  std::unordered_map<std::string_view, std::int64_t> in_parts_;  // by input of split Convs: groups
  Outline outline_;
};

}  // namespace

Outline outline_of(const onnx::Model& model) { return Outliner(model).result(); }

}  // namespace aether2onnx::network
