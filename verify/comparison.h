/// @file
/// Inputs to compare two implementations on, and how far their outputs are apart.
#pragma once

#include <cstdint>
#include <vector>

#include "onnxruntime.h"

namespace aether2onnx::verify {

/// Uniform noise in [0, 1]; the same seed and shape give the same on every machine.
FloatTensor make_noise(const std::vector<std::int64_t>& shape, std::uint64_t seed);

/// Something like a picture in [0, 1]: gradients and edges.
FloatTensor make_picture(const std::vector<std::int64_t>& shape);

struct Comparison {
  double max_absolute = 0;
  double mean_absolute = 0;
  double max_relative = 0;          ///< Of elements that aren't 0 in the reference.
  std::vector<std::int64_t> worst;  ///< Position of the element that fails most, or differs most.
  double psnr = 0;            ///< Between the outputs, in dB for a range of 1; infinite if equal.
  std::uint64_t outside = 0;  ///< Elements with |a - b| > atol + rtol * |b|, or not finite.
  bool passed = false;
};

/// Compares a candidate with a reference of the same shape; other shapes fail.
Comparison compare(const FloatTensor& candidate, const FloatTensor& reference, double atol,
                   double rtol);

}  // namespace aether2onnx::verify
