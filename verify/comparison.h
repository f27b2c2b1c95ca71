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
  double max_relative = 0;          ///< Only of elements whose reference value is not 0.
  std::vector<std::int64_t> worst;  ///< Index of the element that exceeds its tolerance most.
  double psnr = 0;                  ///< In dB, for values from 0 to 1; infinite if equal.
  std::uint64_t outside = 0;  ///< Elements with |a - b| > atol + rtol * |b| or not finite values.
  std::array<std::uint64_t, kHistogramBins> histogram{};
  bool passed = false;
};

/// Compares a candidate (a) with a reference (b). The comparison fails if the shapes differ, or if
/// any value is NaN or infinite.
Comparison compare(const FloatTensor& candidate, const DoubleTensor& reference, double atol,
                   double rtol);

}  // namespace aether2onnx::verify
