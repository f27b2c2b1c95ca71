/// @file
/// Cuts an axis of a picture into overlapping tiles.
#pragma once

#include <cstdint>
#include <vector>

namespace aether2onnx::verify {

/// A tile along one axis, in pixels of the input. The network gets [begin, end). Of its output,
/// [from, to) counts. The ranges of all tiles together are the whole axis, each pixel once.
struct Tile {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t from = 0;
  std::int64_t to = 0;
  friend bool operator==(const Tile&, const Tile&) = default;
};

/// Cuts `size` pixels into tiles of `length` pixels each, whose counting ranges end at least
/// `overlap` pixels before an end of the tile that is not an end of the axis. An axis that is not
/// longer than a tile is one tile. `length` must be above 2 * `overlap`.
///
/// No tile reaches beyond the axis: at the ends of the picture, a network that pads with zeros pads
/// a tile as it pads the picture.
std::vector<Tile> cut(std::int64_t size, std::int64_t length, std::int64_t overlap);

/// The position in [0, size) that position `at` of a longer axis copies: the axis is mirrored at
/// its ends, again and again.
std::int64_t mirrored(std::int64_t at, std::int64_t size);

}  // namespace aether2onnx::verify
