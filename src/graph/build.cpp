// Translates the modules of a network into the ONNX operators of a graph.

#include "base/error.h"
#include "graph/graph.h"
#include "network/evaluate.h"

namespace aether2onnx::graph {

namespace {

using network::Module;
using network::Network;
using network::Parameter;
using network::ParameterId;

Dim dim_of(const Axis& axis, Symbol symbol) {
  return axis.dynamic ? Dim{symbol, 1} : Dim::fixed(axis.opt);
}

class Builder {
 public:
  Builder(const Network& network, const state_dict::StateDict& state_dict, GraphForm form)
      : network_(network), state_dict_(state_dict), form_(form) {}

  Graph build(const InputShape& shape) {
    graph_.name = fmt::format("{}_x{}", network_.facts.model_type, network_.facts.scale);
    graph_.scale = network_.facts.scale;
    values_.push_back(graph_.add_input(
        "input", DType::float32,
        {dim_of(shape.batch, Symbol::batch), Dim::fixed(network_.facts.input_channels),
         dim_of(shape.height, Symbol::height), dim_of(shape.width, Symbol::width)}));
    for (const Module& module : network_.modules) {
      module_ = &module;
      values_.push_back(
          std::visit([this](const auto& operation) { return add(operation); }, module.operation));
    }
    graph_.set_output(values_.back(), "output");
    return std::move(graph_);
  }

 private:
  ValueId input(std::size_t index) const { return values_.at(module_->inputs.at(index)); }

  ValueId node(const std::string& op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return graph_.add_node(module_->path, op, std::move(inputs), std::move(attributes));
  }

  // Adds a weight to the graph. If the weight has fewer than `rank` axes, appends axes of size 1:
  // (O, I) of a Linear layer becomes (O, I, 1, 1) for a Conv.
  ValueId weight(ParameterId id, std::size_t rank) {
    const Parameter& parameter = network_.parameters.at(id);
    std::vector<std::int64_t> shape = parameter.shape;
    if (shape.size() < rank) shape.resize(rank, 1);
    return add_weight(id, shape);
  }

  ValueId add_weight(ParameterId id, const std::vector<std::int64_t>& shape) {
    const Parameter& parameter = network_.parameters.at(id);
    return graph_.add_parameter(parameter.name, DType::float32, shape,
                                [expression = parameter.value, &state_dict = state_dict_] {
                                  return network::evaluate(expression, state_dict);
                                });
  }

  ValueId convolution(ParameterId weights, std::optional<ParameterId> bias, std::int64_t kernel,
                      std::int64_t groups) {
    return convolution(module_->path, input(0), weights, bias, kernel, groups);
  }

  ValueId convolution(const std::string& path, ValueId x, ParameterId weights,
                      std::optional<ParameterId> bias, std::int64_t kernel, std::int64_t groups) {
    const std::int64_t pad = kernel / 2;
    std::vector<ValueId> inputs = {x, weight(weights, 4)};
    if (bias) inputs.push_back(weight(*bias, 1));
    return graph_.add_node(path, "Conv", std::move(inputs),
                           {{"dilations", std::vector<std::int64_t>{1, 1}},
                            {"group", groups},
                            {"kernel_shape", std::vector<std::int64_t>{kernel, kernel}},
                            {"pads", std::vector<std::int64_t>{pad, pad, pad, pad}},
                            {"strides", std::vector<std::int64_t>{1, 1}}});
  }

  ValueId add(const network::Shift& shift) {
    if (shift.value < 0) {
      return node("Sub", {input(0), graph_.add_constant(DType::float32, -shift.value)});
    }
    return node("Add", {input(0), graph_.add_constant(DType::float32, shift.value)});
  }

  ValueId add(const network::ChannelShift& shift) {
    return node(shift.subtract ? "Sub" : "Add", {input(0), weight(shift.value, 1)});
  }

  ValueId add(const network::Scale& scale) {
    const ValueId factor = scale.parameter ? weight(*scale.parameter, 0)
                                           : graph_.add_constant(DType::float32, scale.number);
    return node(scale.divide ? "Div" : "Mul", {input(0), factor});
  }

  ValueId add(const network::Conv2d& conv) {
    return convolution(conv.weight, conv.bias, conv.kernel, conv.groups);
  }

  ValueId add(const network::ReparameterizedConv2d& /*conv*/) {
    defect("the network is not fused");
  }

  ValueId add(const network::DeploymentNorm& /*norm*/) { defect("the network is not fused"); }

  ValueId add(const network::ChannelAffine& affine) {
    const ValueId scaled = node("Mul", {input(0), channel_weight(affine.weight)});
    return node("Add", {scaled, channel_weight(affine.bias)});
  }

  // Adds a weight with one element for each channel, in the shape (1, C, 1, 1).
  ValueId channel_weight(ParameterId id) {
    const Parameter& parameter = network_.parameters.at(id);
    if (parameter.shape.size() != 1) return weight(id, 1);
    return add_weight(id, {1, parameter.shape.front(), 1, 1});
  }

  // With GraphForm::standard, the operator LayerNormalization normalizes over the last axis (NHWC).
  // For older opsets, lower() replaces LayerNormalization by basic operators. TensorRT and ONNX
  // Runtime recognise these operators as a LayerNormalization, unless ONNX Runtime has moved a
  // Transpose between the operators (docs/performance.md). With GraphForm::channels_first, the
  // operator ChannelNormalization normalizes over axis 1 (NCHW), and the graph needs no Transpose.
  ValueId add(const network::LayerNorm& norm) {
    if (form_ == GraphForm::channels_first) {
      const ValueId each = weight(norm.weight, 3);
      return node(kChannelNormalization, {input(0), each, weight(norm.bias, 3)},
                  {{"epsilon", static_cast<float>(norm.epsilon)}});
    }
    const ValueId channels_last =
        node("Transpose", {input(0)}, {{"perm", std::vector<std::int64_t>{0, 2, 3, 1}}});
    const ValueId scale = weight(norm.weight, 1);
    const ValueId normalized =
        node("LayerNormalization", {channels_last, scale, weight(norm.bias, 1)},
             {{"axis", std::int64_t{-1}},
              {"epsilon", static_cast<float>(norm.epsilon)},
              {"stash_type", std::int64_t{1}}});  // statistics in float32
    return node("Transpose", {normalized}, {{"perm", std::vector<std::int64_t>{0, 3, 1, 2}}});
  }

  // A Linear layer at each pixel equals a 1 x 1 convolution, which also adds the bias.
  ValueId add(const network::Linear& linear) {
    return convolution(linear.weight, linear.bias, 1, 1);
  }

  ValueId add(const network::Gelu& /*gelu*/) {
    return node("Gelu", {input(0)}, {{"approximate", std::string("none")}});
  }

  ValueId add(const network::Silu& /*silu*/) {
    return node("Mul", {input(0), node("Sigmoid", {input(0)})});
  }

  ValueId add(const network::ChannelAttention& attention) {
    const ValueId mean = node("GlobalAveragePool", {input(0)});
    const ValueId reduced = convolution(attention.reduce_path, mean, attention.reduce_weight,
                                        attention.reduce_bias, 1, 1);
    const ValueId expanded = convolution(attention.expand_path, node("Relu", {reduced}),
                                         attention.expand_weight, attention.expand_bias, 1, 1);
    return node("Mul", {input(0), node("Sigmoid", {expanded})});
  }

  ValueId add(const network::SpatialAttention& attention) {
    const ValueId channel_axis = graph_.add_axes({1});
    const ValueId largest =
        node("ReduceMax", {input(0), channel_axis}, {{"keepdims", std::int64_t{1}}});
    const ValueId mean =
        node("ReduceMean", {input(0), channel_axis}, {{"keepdims", std::int64_t{1}}});
    const ValueId both = node("Concat", {largest, mean}, {{"axis", std::int64_t{1}}});
    const ValueId seen =
        convolution(attention.conv_path, both, attention.weight, std::nullopt, attention.kernel, 1);
    return node("Mul", {input(0), node("Sigmoid", {seen})});
  }

  ValueId add(const network::LeakyRelu& activation) {
    return node("LeakyRelu", {input(0)}, {{"alpha", static_cast<float>(activation.slope)}});
  }

  // The mode CRD (column-row-depth) is the order of channels in PyTorch's PixelShuffle.
  ValueId add(const network::PixelShuffle& shuffle) {
    return node("DepthToSpace", {input(0)},
                {{"blocksize", shuffle.factor}, {"mode", std::string("CRD")}});
  }

  ValueId add(const network::Add& /*add*/) { return node("Add", {input(0), input(1)}); }

  ValueId add(const network::Multiply& /*multiply*/) { return node("Mul", {input(0), input(1)}); }

  ValueId add(const network::Concat& /*concat*/) {
    if (module_->inputs.size() == 1) return input(0);
    std::vector<ValueId> parts;
    for (std::size_t i = 0; i < module_->inputs.size(); ++i) parts.push_back(input(i));
    return node("Concat", std::move(parts), {{"axis", std::int64_t{1}}});
  }

  const Network& network_;
  const state_dict::StateDict& state_dict_;
  GraphForm form_;
  Graph graph_;
  std::vector<ValueId> values_;
  const Module* module_ = nullptr;
};

}  // namespace

Graph build(const Network& network, const state_dict::StateDict& state_dict,
            const InputShape& shape, GraphForm form) {
  return Builder(network, state_dict, form).build(shape);
}

}  // namespace aether2onnx::graph
