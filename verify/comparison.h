/// @file
/// Measures the difference between the outputs of two implementations.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tensor.h"

namespace aether2onnx::verify {

/// The bins of absolute differences: below 1e-9, [1e-9, 1e-8), …, [1e-1, 1), 1 and above.
inline constexpr std::size_t kHistogramBins = 11;

struct Comparison {
  double max_absolute = 0;
  double mean_absolute = 0;
  double max_relative = 0;          ///< Over the elements that are not 0 in the reference.
  std::vector<std::int64_t> worst;  ///< Position of the element with the largest excess.
  double psnr = 0;                  ///< In dB, for values from 0 to 1; infinite if equal.
  std::uint64_t outside = 0;  ///< Elements with |a - b| > atol + rtol * |b|, and not finite ones.
  std::array<std::uint64_t, kHistogramBins> histogram{};
  bool passed = false;
};

/// Compares a candidate (a) with a reference (b). Different shapes fail. A NaN or infinity on
/// either side fails.
Comparison compare(const FloatTensor& candidate, const DoubleTensor& reference, double atol,
                   double rtol);

}  // namespace aether2onnx::verify
