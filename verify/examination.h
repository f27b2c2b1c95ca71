/// @file
/// Compares the error of each part of a network with the rounding noise of that part.
///
/// A tolerance that rounding never exceeds hides mistakes that are smaller than the tolerance. The
/// noise of a part is far smaller than this tolerance: each part gets the inputs that the candidate
/// itself computed, so that the errors of earlier parts do not add up. The exact output for these
/// inputs comes from the reference in float64. The noise is the error of the reference in the
/// arithmetic of the model: float32, or float32 with every result rounded to 16 bits.
///
/// The roundings of 16-bit results hide a wrong epsilon or one wrong weight of a kernel. Therefore
/// a 16-bit model is examined a second time, without the roundings of its results. Only the
/// roundings of its weights remain: the reference rounds the checkpoint's weights, and the model
/// has the weights that the exporter rounded.
#pragma once

#include <string>
#include <vector>

#include "candidate.h"
#include "formats/onnx/onnx.h"
#include "plain_operations.h"
#include "reference.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// The error and the noise of one part, relative to the exact output. `error` and `noise` are
/// ratios of root mean squares, `largest_error` and `largest_noise` are ratios of largest
/// magnitudes.
struct PartError {
  std::string path;
  double error = 0;
  double noise = 0;
  double largest_error = 0;
  double largest_noise = 0;

  /// error / noise; 0 if the noise is 0.
  double times() const;
  /// Whether the error is too large to be noise.
  bool is_suspicious() const;
};

/// The references with which examine() compares the candidate.
struct Judges {
  const Reference& exact;     ///< Computes in float64.
  const Reference& rounding;  ///< Computes in `arithmetic`.
  Arithmetic arithmetic = Arithmetic::float32;
  /// Computes in float64 with other weights that the model may have instead; may be null.
  const Reference* other_weights = nullptr;
};

/// Runs the candidate, and measures the error and the noise of each part. A part that no node of
/// the model names is measured together with the next part. Parts whose noise is not finite are
/// left out.
std::vector<PartError> examine(const Candidate& candidate, const onnx::Model& model,
                               const Judges& judges, const FloatTensor& input,
                               Candidate::Results results = Candidate::Results::rounded);

}  // namespace aether2onnx::verify
