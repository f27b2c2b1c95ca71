// Tiles, and how far a network looks.

#include <gtest/gtest.h>

#include <cmath>

#include "interpolation.h"
#include "tiles.h"

namespace aether2onnx::tiles_test {
namespace {

TEST(Tiles, CoverEachPixelOnceAndKeepTheirDistance) {
  for (std::int64_t size = 1; size <= 70; ++size) {
    for (std::int64_t length = 1; length <= 40; ++length) {
      for (std::int64_t overlap = 0; 2 * overlap < length; ++overlap) {
        std::int64_t at = 0;
        for (const verify::Tile& tile : verify::cut(size, length, overlap)) {
          ASSERT_EQ(tile.from, at) << size << ' ' << length << ' ' << overlap;
          ASSERT_GT(tile.to, tile.from);
          at = tile.to;
          ASSERT_GE(tile.begin, 0);
          ASSERT_LE(tile.end, size);
          ASSERT_EQ(tile.end - tile.begin, std::min(size, length));
          ASSERT_TRUE(tile.begin == 0 || tile.from - tile.begin >= overlap);
          ASSERT_TRUE(tile.end == size || tile.end - tile.to >= overlap);
        }
        ASSERT_EQ(at, size);
      }
    }
  }
}

TEST(Tiles, MirrorsAtTheEnds) {
  std::vector<std::int64_t> positions;
  for (std::int64_t at = 0; at < 8; ++at) positions.push_back(verify::mirrored(at, 3));
  EXPECT_EQ(positions, (std::vector<std::int64_t>{0, 1, 2, 2, 1, 0, 0, 1}));
  EXPECT_EQ(verify::mirrored(5, 1), 0);
}

TEST(Bicubic, KeepsPixelsAtFactorOneAndRampsAtOthers) {
  verify::Raster ramp;
  ramp.width = 9;
  ramp.height = 2;
  ramp.channels = 1;
  ramp.bits = 16;
  ramp.allocate();
  for (std::size_t i = 0; i < ramp.samples(); ++i) {
    ramp.set_sample(i, static_cast<unsigned>(1000 * (i % 9)));
  }
  const verify::Bicubic same(ramp, 1);
  EXPECT_EQ(same.at(4, 1, 0), 4000U);
  // Inside, a straight line stays one: pixel x of 3 times the size is at (x + 0.5) / 3 - 0.5.
  const verify::Bicubic three(ramp, 3);
  for (std::size_t x = 8; x < 18; ++x) {
    const double expected = 1000 * ((static_cast<double>(x) + 0.5) / 3 - 0.5);
    EXPECT_NEAR(three.at(x, 3, 0), expected, 1) << x;
  }
}

}  // namespace
}  // namespace aether2onnx::tiles_test
