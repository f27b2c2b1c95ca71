#include "comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace aether2onnx::verify {

namespace {

std::size_t count_elements(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  return count;
}

std::vector<std::int64_t> position(std::size_t index, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> result(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    const auto size = static_cast<std::size_t>(shape[axis]);
    result[axis] = static_cast<std::int64_t>(index % size);
    index /= size;
  }
  return result;
}

}  // namespace

FloatTensor make_noise(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  FloatTensor tensor{shape, std::vector<float>(count_elements(shape))};
  for (float& value : tensor.values) {
    value = static_cast<float>(static_cast<double>(generator() >> 40U) * 0x1p-24);
  }
  return tensor;
}

FloatTensor make_picture(const std::vector<std::int64_t>& shape) {
  FloatTensor tensor{shape, std::vector<float>(count_elements(shape))};
  const auto height = static_cast<std::size_t>(shape[2]);
  const auto width = static_cast<std::size_t>(shape[3]);
  for (std::size_t i = 0; i < tensor.values.size(); ++i) {
    const std::size_t plane = i / (height * width);
    const std::size_t y = i / width % height;
    const std::size_t x = i % width;
    const double gradient = static_cast<double>(x + y + 1) / static_cast<double>(width + height);
    const double wave =
        0.2 * std::sin(0.15 * static_cast<double>((plane + 1) * x) + 0.23 * static_cast<double>(y));
    const bool edge = (x / 8 + y / 8 + plane) % 2 == 0;
    tensor.values[i] =
        static_cast<float>(std::clamp(0.7 * gradient + wave + (edge ? 0.15 : 0.0), 0.0, 1.0));
  }
  return tensor;
}

Comparison compare(const FloatTensor& candidate, const FloatTensor& reference, double atol,
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
