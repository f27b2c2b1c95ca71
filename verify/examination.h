/// @file
/// Compares the error of each part of a network with the rounding noise of that part. A part is a
/// block, or a layer outside of the blocks. Rounding noise is the error that rounding alone causes.
///
/// The tolerance for the model's output must be larger than the rounding errors of the whole
/// network. A tolerance of this size hides small mistakes. The noise of one part is far smaller:
/// each part of the reference gets the inputs that the ONNX model computed, so that errors of
/// earlier parts do not add up. The error of a part is the difference between the model and a
/// reference in float64. The noise is the difference between a second reference and the reference
/// in float64. The second reference computes in the number type of the model: in float32, or in
/// float32 with every result rounded to 16 bits.
///
/// Rounding results to 16 bits hides a wrong epsilon or one wrong weight of a kernel. Therefore a
/// 16-bit model is examined a second time, without the rounding of results. Then only the weights
/// are rounded: the reference rounds its weights, and the exporter has rounded the model's weights.
#pragma once

#include <string>
#include <vector>

#include "candidate.h"
#include "formats/onnx/onnx.h"
#include "network/network.h"
#include "plain_operations.h"
#include "reference.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// The error and the rounding noise of a part of the network (a block or layer), relative to the
/// exact output of this part. `error` and `noise` are root mean squares, divided by the root mean
/// square of the exact output. `largest_error` and `largest_noise` are maxima, divided by the
/// largest magnitude of the exact output.
struct PartError {
  std::string path;
  double error = 0;
  double noise = 0;
  double largest_error = 0;
  double largest_noise = 0;

  /// Returns the error as a multiple of the noise: 0 if the error is 0, else infinite if the noise
  /// is 0.
  double times() const;
  /// Returns whether the error is too large to come from rounding.
  bool is_suspicious() const;
};

/// The reference implementations with which examine() compares the ONNX model.
struct Judges {
  const Reference& exact;     ///< Computes in float64.
  const Reference& rounding;  ///< Computes in `arithmetic`.
  Arithmetic arithmetic = Arithmetic::float32;
  /// Computes in float64, with slightly different weights than `exact`, for example with unrounded
  /// weights. An exporter may have rounded the model's weights in another way than `exact`, so the
  /// difference between the outputs of `exact` and `other_weights` also counts as noise. May be
  /// null.
  const Reference* other_weights = nullptr;
};

/// Returns whether an exporter may combine weights of the checkpoint with other values before the
/// exporter rounds the weights. The other values are a norm's variance, a second kernel, a
/// quantization's scale, or a factor such as res_scale or ffn.temperature. Then the rounding errors
/// of the model's weights are unknown.
bool may_combine_weights(const network::Network& network);

/// Runs the candidate (the ONNX model) on `input`, and returns the error and the rounding noise of
/// each part (block or layer) of the network. If no node name contains a part's path, measures this
/// part together with the next part. Leaves out parts whose noise is NaN or infinite.
std::vector<PartError> examine(const Candidate& candidate, const onnx::Model& model,
                               const Judges& judges, const FloatTensor& input,
                               Candidate::Results results = Candidate::Results::rounded);

}  // namespace aether2onnx::verify
