#include "network/outline_reader.h"

#include <algorithm>

#include "base/limits.h"

namespace aether2onnx::network {

using Kind = OutlineStep::Kind;
using Shape = std::vector<std::int64_t>;

bool OutlineReader::within_limits() const {
  return std::all_of(steps_.begin(), steps_.end(), [](const OutlineStep& step) {
    return std::all_of(step.shape.begin(), step.shape.end(),
                       [](std::int64_t size) { return size > 0 && size <= limits::kLayerWidth; });
  });
}

bool OutlineReader::is_conv(std::size_t at, const Shape& shape, std::int64_t groups) const {
  return at < left() && step(at).kind == Kind::convolution && step(at).shape == shape &&
         step(at).groups == groups;
}

bool OutlineReader::is_projection(std::size_t at, std::int64_t out, std::int64_t in) const {
  if (at >= left()) return false;
  return (step(at).kind == Kind::projection && step(at).shape == Shape{out, in}) ||
         is_conv(at, {out, in, 1, 1}, 1);
}

bool OutlineReader::is_depthwise(std::size_t at, std::int64_t channels) const {
  if (at >= left()) return false;
  const OutlineStep& s = step(at);
  return s.kind == Kind::convolution && s.shape.size() == 4 && s.shape[0] == channels &&
         s.shape[1] == 1 && s.groups == channels && s.shape[2] == s.shape[3] && s.shape[2] % 2 == 1;
}

bool OutlineReader::is_ffn(std::size_t at, std::int64_t channels) const {
  if (left() < at + 3 || step(at).shape.empty()) return false;
  const std::int64_t hidden_dim = step(at).shape[0];
  return is_projection(at, hidden_dim, channels) && is_projection(at + 1, hidden_dim, channels) &&
         is_projection(at + 2, channels, hidden_dim);
}

std::size_t OutlineReader::depthwise(std::int64_t channels, std::int64_t& large_kernel,
                                     std::int64_t& small_kernel) const {
  if (!is_depthwise(0, channels)) return 0;
  const bool fused = !is_depthwise(1, channels) || is_ffn(1, channels);
  const std::int64_t first = step(0).shape[2];
  const std::int64_t second = fused ? 0 : step(1).shape[2];
  large_kernel = std::max(first, second);
  small_kernel = std::min(first, second);
  const std::size_t convolutions = fused ? 1 : 2;
  return is_ffn(convolutions, channels) ? convolutions : 0;
}

void OutlineReader::take_block(std::size_t convolutions, std::size_t steps) {
  const bool second_is_larger = convolutions == 2 && step(1).shape[2] > step(0).shape[2];
  names_.push_back(step(second_is_larger ? 1 : 0).name);
  advance(steps);
}

bool OutlineReader::take_first(std::int64_t& embed_dim, std::int64_t& channels) {
  if (at_end() || step(0).shape.size() != 4) return false;
  embed_dim = step(0).shape[0];
  channels = step(0).shape[1];
  if (!is_conv(0, {embed_dim, channels, 3, 3}, 1)) return false;
  advance(1);
  return true;
}

bool OutlineReader::take_last(std::int64_t channels, std::int64_t width) {
  if (!is_conv(0, {channels, width, 3, 3}, 1)) return false;
  advance(1);
  return true;
}

}  // namespace aether2onnx::network
