// Computes the cost of one run of a network: the number of multiply-adds, and the number of
// elements in memory. Also computes the network's receptive field.

#include <algorithm>
#include <cmath>
#include <variant>

#include "network/network.h"

namespace aether2onnx::network {

namespace {

// The size of a feature map of one image.
struct Extent {
  double channels = 0;
  double factor = 1;  // height and width of the feature map / those of the image
  double per_pixel() const { return channels * factor * factor; }
};

Extent extent_after(const Network& network, const Module& module, const Extent& input,
                    const std::vector<Extent>& extents) {
  const auto rows = [&](ParameterId id) {
    return static_cast<double>(network.parameters.at(id).shape.front());
  };
  Extent result = input;
  if (const auto* conv = std::get_if<Conv2d>(&module.operation)) {
    result.channels = rows(conv->weight);
  } else if (const auto* linear = std::get_if<Linear>(&module.operation)) {
    result.channels = rows(linear->weight);
  } else if (std::holds_alternative<Concat>(module.operation)) {
    result.channels = 0;
    for (const ValueId part : module.inputs) result.channels += extents.at(part).channels;
  } else if (const auto* shuffle = std::get_if<PixelShuffle>(&module.operation)) {
    const auto factor = static_cast<double>(shuffle->factor);
    result.channels /= factor * factor;
    result.factor *= factor;
  }
  return result;
}

std::vector<Extent> extents_of(const Network& network) {
  std::vector<Extent> extents = {{static_cast<double>(network.facts.input_channels), 1}};
  for (const Module& module : network.modules) {
    extents.push_back(extent_after(network, module, extents.at(module.inputs.at(0)), extents));
  }
  return extents;
}

bool rearranges(const Module& module) {
  return std::holds_alternative<Conv2d>(module.operation) ||
         std::holds_alternative<ReparameterizedConv2d>(module.operation) ||
         std::holds_alternative<LayerNorm>(module.operation);
}

double elements_of(const Parameter& parameter) {
  double elements = 1;
  for (const std::int64_t size : parameter.shape) elements *= static_cast<double>(size);
  return elements;
}

// Returns the number of multiply-adds for one pixel of the module's output.
double multiply_adds_of(const Network& network, const Module& module) {
  const auto elements = [&](ParameterId weight) {
    return elements_of(network.parameters.at(weight));
  };
  if (const auto* conv = std::get_if<Conv2d>(&module.operation)) return elements(conv->weight);
  if (const auto* linear = std::get_if<Linear>(&module.operation)) return elements(linear->weight);
  if (const auto* pair = std::get_if<ReparameterizedConv2d>(&module.operation)) {
    return elements(pair->large_weight) + elements(pair->small_weight);
  }
  if (const auto* pixels = std::get_if<SpatialAttention>(&module.operation)) {
    return elements(pixels->weight);
  }
  // Only convolutions and Linear layers count. The Linear layers or convolutions of channel
  // attention do not count, because they run once per image, not once per pixel.
  return 0;
}

void count_live(const Network& network, const std::vector<Extent>& extents, Cost& cost) {
  std::vector<std::size_t> last_use(extents.size(), 0);
  for (std::size_t i = 0; i < network.modules.size(); ++i) {
    for (const ValueId input : network.modules[i].inputs) last_use.at(input) = i;
  }
  double live = extents.front().per_pixel();
  cost.live_elements = live;
  cost.live_elements_with_copies = live;
  for (std::size_t i = 0; i < network.modules.size(); ++i) {
    const Module& module = network.modules[i];
    const double made = extents[i + 1].per_pixel();
    // A ReparameterizedConv2d adds the outputs of two convolutions. Before this addition, both
    // outputs are in memory.
    const bool pair = std::holds_alternative<ReparameterizedConv2d>(module.operation);
    const double within = pair ? made : 0;
    const double copies = rearranges(module) ? extents.at(module.inputs[0]).per_pixel() + made : 0;
    cost.live_elements = std::max(cost.live_elements, live + made + within);
    cost.live_elements_with_copies =
        std::max(cost.live_elements_with_copies, live + made + within + copies);
    live += made;
    std::vector<ValueId> ended = module.inputs;
    std::sort(ended.begin(), ended.end());
    ended.erase(std::unique(ended.begin(), ended.end()), ended.end());
    for (const ValueId input : ended) {
      if (last_use[input] == i) live -= extents[input].per_pixel();
    }
  }
}

// Returns the radius of an operation: the largest distance, in pixels, from an output pixel to an
// input pixel that contributes to this output pixel. A 3 x 3 convolution has the radius 1.
double radius_of(const Operation& operation, const Network& network) {
  const auto half = [](std::int64_t kernel) {
    const std::int64_t pixels = (kernel - 1) / 2;
    return static_cast<double>(pixels);
  };
  if (const auto* conv = std::get_if<Conv2d>(&operation)) return half(conv->kernel);
  if (const auto* pair = std::get_if<ReparameterizedConv2d>(&operation)) {
    return half(network.parameters.at(pair->large_weight).shape.back());
  }
  const auto* pixels = std::get_if<SpatialAttention>(&operation);
  return pixels == nullptr ? 0 : half(pixels->kernel);
}

}  // namespace

Reach reach_of(const Network& network) {
  const std::vector<Extent> extents = extents_of(network);
  Reach reach;
  std::vector<double> pixels = {0};  // by feature map: the radius in pixels of the input picture
  for (const Module& module : network.modules) {
    double most = 0;
    for (const ValueId input : module.inputs) most = std::max(most, pixels.at(input));
    pixels.push_back(most +
                     radius_of(module.operation, network) / extents.at(module.inputs.at(0)).factor);
    reach.whole_picture =
        reach.whole_picture || std::holds_alternative<ChannelAttention>(module.operation);
  }
  // Adds one pixel to the sum of the operations' radii. A pixel shuffle makes several output pixels
  // from one input pixel. The sum ignores where in the input pixel the output pixel lies, so on one
  // side the sum may be one input pixel too small.
  constexpr double rounding = 1;
  reach.pixels = static_cast<std::int64_t>(std::ceil(pixels.back() + rounding));
  return reach;
}

Cost cost_of(const Network& network) {
  const std::vector<Extent> extents = extents_of(network);
  Cost cost;
  for (const Parameter& parameter : network.parameters) cost.parameters += elements_of(parameter);
  for (std::size_t i = 0; i < network.modules.size(); ++i) {
    const double factor = extents[i + 1].factor;
    cost.multiply_adds += multiply_adds_of(network, network.modules[i]) * factor * factor;
  }
  count_live(network, extents, cost);
  cost.input_elements = extents.front().per_pixel();
  cost.output_elements = extents.back().per_pixel();
  return cost;
}

}  // namespace aether2onnx::network
