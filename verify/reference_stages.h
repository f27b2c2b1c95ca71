/// @file
/// What the later generations ("stages.*") share, as the specification has it once for all of them.
/// Private to the reference.
#pragma once

#include <string>
#include <vector>

#include "reference_generation.h"

namespace aether2onnx::verify {

/// How the blocks of a generation differ from the others'.
struct BlockKind {
  bool divides_by_temperature = false;  ///< The gate by it; else it is a factor.
  bool gelu = false;                    ///< Exact GELU of the gate; else SiLU.
  bool linear_attention = false;        ///< Channel attention of Linear layers; else 1 x 1 convs.
  bool attention_bias = false;          ///< Those have biases.
  bool branch_biases = false;           ///< Biases of the branches are keys of the convolutions.
  double res_scale = 1;                 ///< The factor of what each block adds.
};

/// The body norm or a block's: LayerNorm2d, or statistics and an affine. Not shown.
at::Tensor normalized(const Weights& w, const std::string& path, const at::Tensor& x);

/// What each stage puts out, one after the other, from what the first one takes.
std::vector<at::Tensor> run_stages(const Weights& w, const at::Tensor& x, const BlockKind& kind,
                                   Trace& trace);

/// fusion_convs.i of each stage's output, beside each other.
at::Tensor fusion_convs(const Weights& w, const std::vector<at::Tensor>& stages, Trace& trace);

/// From what the fusion makes to what the upsampler takes: the sum with `shallow`, what the first
/// convolution makes; norm, conv_after_body, and the sum with what those took.
at::Tensor body_with_inner_norm(const Weights& w, const at::Tensor& fused,
                                const at::Tensor& shallow, Trace& trace);

/// A convolution of the upsampler and the pixel shuffle behind it.
struct UpsampleStep {
  std::string key;      ///< Of the convolution's weights.
  std::string conv;     ///< Path of the convolution.
  std::string shuffle;  ///< Path of the shuffle.
};

/// The upsampler; each shuffle's factor follows from the shapes, 1 is none.
at::Tensor upsample(const Weights& w, const std::vector<UpsampleStep>& steps, at::Tensor x,
                    Trace& trace);

/// conv_before_upsample.0, LeakyReLU, upsample.blocks and conv_last, which isn't shown as a block.
at::Tensor tail(const Weights& w, const at::Tensor& x, Trace& trace);

}  // namespace aether2onnx::verify
