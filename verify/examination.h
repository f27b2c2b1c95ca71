/// @file
/// Holds the error of each part of a network against the rounding noise of that part.
///
/// A tolerance that rounding never exceeds hides mistakes that are smaller than the tolerance. The
/// noise of a part is far smaller: each part gets the inputs that the candidate itself computed, so
/// that the errors of earlier parts do not add up. The exact output for these inputs comes from the
/// reference in float64. The noise is the error of the reference in the arithmetic of the model:
/// float32, or float32 with every result rounded to 16 bits.
///
/// The roundings of 16-bit results hide a wrong epsilon or one wrong tap of a kernel. Therefore a
/// 16-bit model is examined a second time, with the roundings of its results left out. What is left
/// are the roundings of its weights. The reference rounds the weights of the checkpoint; the model
/// has the rounded weights that the exporter made of them.
#pragma once

#include <string>
#include <vector>

#include "candidate.h"
#include "formats/onnx/onnx.h"
#include "plain_operations.h"
#include "reference.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// The error and the noise of one part. Sizes are relative: root mean squares to that of the exact
/// output, largest values to its largest magnitude.
struct PartError {
  std::string path;
  double error = 0;
  double noise = 0;
  double largest_error = 0;
  double largest_noise = 0;

  /// How many times the noise the error is.
  double times() const;
  /// Whether the error is too large for noise.
  bool is_suspicious() const;
};

/// The references of an examination.
struct Judges {
  const Reference& exact;     ///< In float64.
  const Reference& rounding;  ///< In `arithmetic`.
  Arithmetic arithmetic = Arithmetic::float32;
  /// In float64 with the weights that the model may have instead; may be null.
  const Reference* other_weights = nullptr;
};

/// Runs the candidate with the outputs of its parts exposed, and measures each part. Parts that no
/// node of the model names belong to the next part. Parts with values that are not finite are left
/// out.
std::vector<PartError> examine(const Candidate& candidate, const onnx::Model& model,
                               const Judges& judges, const FloatTensor& input,
                               Candidate::Results results = Candidate::Results::rounded);

}  // namespace aether2onnx::verify
