// The sixth generation of AetherNet (G6.0, G6.1). The fusion layer adds the weight error_comp to
// the output of its convolution fusion_conv. In G3 to G5.2, the fusion layer adds error_comp to the
// input of fusion_conv.

#include <array>

#include "network/scale_tensor.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G6.0", "G6.1"};

constexpr std::array kVariants = {
    Variant{"aether_tiny", 64, 3, 3, 96, 13, 5, true, false},
    Variant{"aether_small", 96, 4, 4, 144, 13, 5, true, false},
    Variant{"aether_medium", 128, 4, 6, 192, 13, 5, true, false},
    Variant{"aether_large", 180, 5, 8, 270, 13, 5, true, true},
};

bool is_likely(const FloatStateDict& file) { return !is_seventh(decide_scale_tensor(file, {})); }

void forward(NetworkWriter& net) {
  const ParameterId mean = image_mean(net);
  const ValueId shallow = enter(net, mean);
  const std::vector<ValueId> outputs = run_stages(net, {}, shallow);
  ValueId x = fuse_and_compensate(net, fusion_convs(net, outputs, true));
  x = body_with_inner_norm(net, {}, x, shallow);
  x = upsample(net, net.d.embed_dim, x);
  leave(net, mean, x);
}

}  // namespace

const Generation kGeneration6 = {
    kNames, kVariants, fits_scale_tensor, is_likely, decide_scale_tensor, measure_stages, forward};

}  // namespace aether2onnx::network
