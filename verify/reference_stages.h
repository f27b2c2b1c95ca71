/// @file
/// Computes the parts that the later generations of AetherNet (with keys "stages.*") have in
/// common. Only the reference uses these functions.
#pragma once

#include <string>
#include <vector>

#include "reference_generation.h"

namespace aether2onnx::verify {

/// Selects a variant of the block, because the generations of AetherNet have different blocks.
struct BlockKind {
  bool divides_by_temperature = false;  ///< gate / temperature; if false, gate * temperature.
  bool gelu = false;                 ///< The gate's activation is the exact GELU; if false, SiLU.
  bool linear_attention = false;     ///< Channel attention has Linear layers, not 1 x 1 convs.
  bool attention_bias = false;       ///< The layers of channel attention have biases.
  bool without_temperature = false;  ///< No temperature scales the gate.
  bool branch_biases = false;  ///< Keys lk_conv.bias, sk_conv.bias; if false, lk_bias, sk_bias.
  double res_scale = 1;        ///< The factor of each block's residual branch.
};

/// Computes the norm at `path`: LayerNorm over the channels, or a normalization with stored mean
/// and variance. The result is then multiplied by `path`.weight, and `path`.bias is added. If the
/// stored mean and variance are already folded into weight and bias, only multiplies and adds. Does
/// not pass the output to `w.trace`, which observes the forward pass.
Value normalized(const Weights& w, const std::string& path, const Value& x);

/// Runs the stages (groups of blocks) one after the other, from the input `x`, and returns the
/// output of each stage.
std::vector<Value> run_stages(const Weights& w, const Value& x, const BlockKind& kind,
                              Trace& trace);

/// Applies fusion_convs.i to the output of stage i and concatenates the results along the channels.
Value fusion_convs(const Weights& w, const std::vector<Value>& stages, Trace& trace);

/// Computes the end of the body: adds `shallow`, the output of the first convolution, to `fused`,
/// then applies norm, conv_after_body and the residual sum around these two layers. Returns the
/// input of the upsampler.
Value body_with_inner_norm(const Weights& w, const Value& fused, const Value& shallow,
                           Trace& trace);

/// A convolution of the upsampler and the pixel shuffle that follows.
struct UpsampleStep {
  std::string key;      ///< Key of the convolution's weights, without ".weight".
  std::string conv;     ///< Path with which Trace::block() gets the convolution's output.
  std::string shuffle;  ///< Path with which Trace::block() gets the shuffle's output.
};

/// Computes the upsampler: a convolution and a pixel shuffle for each step. The factor of a pixel
/// shuffle follows from the shapes of the weights; a factor of 1 means no shuffle.
Value upsample(const Weights& w, const std::vector<UpsampleStep>& steps, Value x, Trace& trace);

/// Computes conv_before_upsample.0, LeakyReLU, upsample.blocks and conv_last. Passes the output of
/// each layer except conv_last to `trace`, which observes the forward pass. The caller must first
/// apply the constants `mean` and img_range to the output of conv_last, and then pass the result.
Value tail(const Weights& w, const Value& x, Trace& trace);

}  // namespace aether2onnx::verify
