/// @file
/// Measures the difference between the output of the ONNX model and the output of the reference.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tensor.h"

namespace aether2onnx::verify {

/// Bins of the histogram of absolute differences: < 1e-9, [1e-9, 1e-8), …, [1e-1, 1), >= 1.
inline constexpr std::size_t kHistogramBins = 11;

struct Comparison {
  double max_absolute = 0;
  double mean_absolute = 0;
  double max_relative = 0;          ///< Of elements whose reference value is not 0.
  std::vector<std::int64_t> worst;  ///< Index with the largest difference minus tolerance.
  double psnr = 0;                  ///< In dB, for the peak value 1; infinite if equal.
  std::uint64_t outside = 0;        ///< Elements outside of the tolerance, NaN or infinite.
  std::array<std::uint64_t, kHistogramBins> histogram{};
  bool passed = false;
};

/// Compares the ONNX model's output (a) with the reference's output (b). The comparison fails if an
/// element has |a - b| > atol + rtol * |b|, is NaN or infinite, or if the shapes differ.
Comparison compare(const FloatTensor& candidate, const DoubleTensor& reference, double atol,
                   double rtol);

}  // namespace aether2onnx::verify
