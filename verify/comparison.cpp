#include "comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace aether2onnx::verify {

namespace {

std::vector<std::int64_t> position(std::size_t index, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> result(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    const auto size = static_cast<std::size_t>(shape[axis]);
    result[axis] = static_cast<std::int64_t>(index % size);
    index /= size;
  }
  return result;
}

std::size_t histogram_bin(double difference) {
  static constexpr std::array<double, kHistogramBins - 1> limits = {1e-9, 1e-8, 1e-7, 1e-6, 1e-5,
                                                                    1e-4, 1e-3, 1e-2, 1e-1, 1};
  const auto* above = std::upper_bound(limits.begin(), limits.end(), difference);
  return static_cast<std::size_t>(above - limits.begin());
}

}  // namespace

Comparison compare(const FloatTensor& candidate, const DoubleTensor& reference, double atol,
                   double rtol) {
  Comparison result;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (candidate.shape != reference.shape) {
    result.max_absolute = result.mean_absolute = result.max_relative = infinity;
    result.outside = reference.values.size();
    return result;
  }
  double sum = 0;
  double squares = 0;
  double worst_excess = -infinity;
  std::size_t worst = 0;
  for (std::size_t i = 0; i < reference.values.size(); ++i) {
    const double a = candidate.values[i];
    const double b = reference.values[i];
    const bool finite = std::isfinite(a) && std::isfinite(b);
    const double difference = finite ? std::abs(a - b) : infinity;
    const double excess = finite ? difference - (atol + rtol * std::abs(b)) : infinity;
    if (!(excess <= 0)) ++result.outside;
    if (excess > worst_excess) {
      worst_excess = excess;
      worst = i;
    }
    result.max_absolute = std::max(result.max_absolute, difference);
    if (b != 0) result.max_relative = std::max(result.max_relative, difference / std::abs(b));
    ++result.histogram.at(histogram_bin(difference));
    sum += difference;
    squares += difference * difference;
  }
  const auto count = static_cast<double>(reference.values.size());
  result.mean_absolute = sum / count;
  result.psnr = squares == 0 ? infinity : 10 * std::log10(count / squares);
  result.worst = position(worst, reference.shape);
  result.passed = result.outside == 0 && !reference.values.empty();
  return result;
}

}  // namespace aether2onnx::verify
