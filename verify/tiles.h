/// @file
/// Cuts an axis of a picture into overlapping tiles.
#pragma once

#include <cstdint>
#include <vector>

namespace aether2onnx::verify {

/// A tile along one axis, in pixels of the input. The network gets the pixels [begin, end). Only
/// the output for [from, to) is used. The ranges [from, to) of all tiles cover the axis, each pixel
/// once.
struct Tile {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t from = 0;
  std::int64_t to = 0;
  friend bool operator==(const Tile&, const Tile&) = default;
};

/// Cuts `size` pixels into tiles of `length` pixels each. The used range [from, to) begins and ends
/// at least `overlap` pixels inside of the tile, except at the ends of the axis. An axis that is
/// not longer than `length` is one tile. `length` must be above 2 * `overlap`.
///
/// No tile reaches beyond the axis. So at the ends of the picture, a network that pads with zeros
/// pads a tile in the same way as the picture.
std::vector<Tile> cut(std::int64_t size, std::int64_t length, std::int64_t overlap);

/// Returns which pixel, from 0 to `size` - 1, is at position `at` of an axis that is extended by
/// mirroring. With a size of 3, the extended axis has the pixels 0 1 2 2 1 0 0 1 2 and so on.
std::int64_t mirrored(std::int64_t at, std::int64_t size);

}  // namespace aether2onnx::verify
