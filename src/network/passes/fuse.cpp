// The pass fuse(): merges each pair of parallel convolutions into one convolution, and merges the
// stored mean and variance of a norm into the norm's weight and bias.

#include <algorithm>

#include "network/passes/passes.h"
#include "network/passes/rewriter.h"

namespace aether2onnx::network {

namespace {

using Kind = Expression::Kind;
using WhenFused = DeploymentNorm::WhenFused;

ValueId fuse(Rewriter& net, const Module& module, const ReparameterizedConv2d& pair) {
  const auto& parameters = net.source.parameters;
  const Parameter& large = parameters.at(pair.large_weight);
  const Parameter& large_bias = parameters.at(pair.large_bias);
  // A fused checkpoint lists the weights in the order of the PyTorch class (Parameter::position).
  // The fused weight and bias take the position of the large convolution's weight or bias,
  // whichever comes first.
  const std::size_t position = std::min(large.position, large_bias.position);
  const auto add = [&](const char* name, const Parameter& big, ParameterId small, Kind kind) {
    const ParameterId id =
        net.result.add_parameter(pair.fused_path + name, big.shape,
                                 Expression::of(kind, big.value, parameters.at(small).value));
    net.result.parameters[id].position = position;
    return id;
  };
  Conv2d conv;
  conv.kernel = large.shape.back();
  conv.groups = large.shape.front();
  conv.weight = add(".weight", large, pair.small_weight, Kind::centred_add);
  conv.bias = add(".bias", large_bias, pair.small_bias, Kind::add);
  return net.put(module, pair.fused_path, conv);
}

ValueId fuse(Rewriter& net, const Module& module, const DeploymentNorm& norm) {
  Affine affine = affine_of(net.source, norm);
  if (norm.when_fused == WhenFused::folded_with_statistics) {
    for (const ParameterId id : {norm.running_mean, norm.running_var}) {
      const Parameter& statistics = net.source.parameters.at(id);
      net.result.buffers.push_back(
          {statistics.name, statistics.value.key, statistics.shape, statistics.position});
    }
  }
  const ParameterId weight = net.replace(norm.weight, std::move(affine.weight));
  const ParameterId bias = net.replace(norm.bias, std::move(affine.bias));
  return net.put(module, module.path, ChannelAffine{weight, bias});
}

}  // namespace

Fused fuse(Network network) {
  Rewriter net(std::move(network));
  Fused fused;
  net.run([&](const Module& module, ValueId /*value*/) -> std::optional<ValueId> {
    if (const auto* pair = std::get_if<ReparameterizedConv2d>(&module.operation)) {
      ++fused.convolutions;
      return fuse(net, module, *pair);
    }
    if (const auto* norm = std::get_if<DeploymentNorm>(&module.operation);
        norm != nullptr && norm->when_fused != WhenFused::kept) {
      ++fused.norms;
      return fuse(net, module, *norm);
    }
    return std::nullopt;
  });
  fused.network = std::move(net.result);
  return fused;
}

}  // namespace aether2onnx::network
