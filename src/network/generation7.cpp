// The seventh and last published generation of AetherNet (G7a to G7d). G7 normalizes the output of
// the fusion layer, and then adds the output of conv_first. (G3 to G6 add first, and then normalize
// the sum.) G7 divides the image by img_range, and then subtracts the mean. G7a has a weight
// ffn.temperature in each block, but does not use this weight.

#include <array>

#include "network/scale_tensor.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G7a", "G7b", "G7c", "G7d"};

constexpr std::array kVariants = {
    Variant{"aether_mobile", 64, 4, 2, 96, 7, 3, false, false},
    Variant{"aether_tiny", 64, 3, 3, 96, 13, 5, true, false},
    Variant{"aether_small", 96, 4, 4, 144, 13, 5, true, false},
    Variant{"aether_medium", 128, 4, 6, 192, 13, 5, true, false},
    Variant{"aether_large", 180, 5, 8, 270, 13, 5, true, true},
    Variant{"aether_pro", 192, 5, 8, 336, 15, 5, true, true},
    Variant{"aether_extreme", 256, 5, 12, 512, 21, 5, true, true},
};

bool is_likely(const FloatStateDict& file) { return is_seventh(decide_scale_tensor(file, {})); }

Decision decide(const FloatStateDict& file, const ReadOptions& options) {
  Decision decision = decide_scale_tensor(file, options);
  decision.settings.norms_when_fused = DeploymentNorm::WhenFused::folded_without_statistics;
  const bool first = decision.name == kNames.front();
  decision.settings.without_temperature = first;
  // The training of int8 networks did not use the weight error_comp, except in G7a. So an int8
  // network of G7b to G7d must run without error_comp, although the file contains this weight.
  decision.settings.without_error_comp = file.quantization() == Quantization::int8 && !first;
  return decision;
}

void forward(NetworkWriter& net) {
  const std::int64_t width = net.d.embed_dim;
  const ParameterId mean = image_mean(net);
  ValueId x = net.divide_by_range("img_range_in", kImage);
  x = net.add("mean_sub", ChannelShift{mean, true}, {x});
  const ValueId shallow = net.conv("conv_first", width, net.d.channels, 3, x);
  const std::vector<ValueId> outputs = run_stages(net, {}, shallow);
  x = fuse_and_compensate(net, fusion_convs(net, outputs, true));
  x = norm(net, {}, "norm", x);
  const ValueId body = net.add("shortcut", Add{}, {x, shallow});
  x = net.conv("conv_after_body", width, width, 3, body);
  x = net.add("body_residual", Add{}, {x, body});
  x = upsample(net, width, x);
  x = net.conv("conv_last", net.d.channels, net.d.last_width, 3, x);
  x = net.add("mean_add", ChannelShift{mean, false}, {x});
  net.multiply_by_range("img_range_out", x);
}

}  // namespace

const Generation kGeneration7 = {kNames,         kVariants, fits_scale_tensor, is_likely, decide,
                                 measure_stages, forward};

}  // namespace aether2onnx::network
