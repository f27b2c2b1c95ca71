#include "tiles.h"

#include "base/error.h"

namespace aether2onnx::verify {

std::vector<Tile> cut(std::int64_t size, std::int64_t length, std::int64_t overlap) {
  if (size <= length) return {{0, size, 0, size}};
  const std::int64_t step = length - 2 * overlap;
  require(step > 0, "the overlap fills the whole tile");
  std::vector<Tile> tiles;
  for (std::int64_t begin = 0; tiles.empty() || tiles.back().end < size; begin += step) {
    const std::int64_t place = begin + length > size ? size - length : begin;
    if (!tiles.empty()) tiles.back().to = place + overlap;
    tiles.push_back({place, place + length, tiles.empty() ? 0 : place + overlap, size});
  }
  return tiles;
}

std::int64_t mirrored(std::int64_t at, std::int64_t size) {
  const std::int64_t within = at % (2 * size);
  return within < size ? within : 2 * size - 1 - within;
}

}  // namespace aether2onnx::verify
