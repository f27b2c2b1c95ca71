/// @file
/// How far the outputs of two implementations are apart.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tensor.h"

namespace aether2onnx::verify {

/// Absolute differences by their power of ten: below 1e-9, [1e-9, 1e-8), …, [1e-1, 1), 1 and above.
inline constexpr std::size_t kHistogramBins = 11;

struct Comparison {
  double max_absolute = 0;
  double mean_absolute = 0;
  double max_relative = 0;          ///< Of elements that aren't 0 in the reference.
  std::vector<std::int64_t> worst;  ///< Position of the element that fails most, or differs most.
  double psnr = 0;            ///< Between the outputs, in dB for a range of 1; infinite if equal.
  std::uint64_t outside = 0;  ///< Elements with |a - b| > atol + rtol * |b|, or not finite.
  std::array<std::uint64_t, kHistogramBins> histogram{};
  bool passed = false;
};

/// Compares a candidate (a) with a reference (b) of the same shape; other shapes fail, and so does
/// every NaN and infinity on either side.
Comparison compare(const FloatTensor& candidate, const DoubleTensor& reference, double atol,
                   double rtol);

}  // namespace aether2onnx::verify
