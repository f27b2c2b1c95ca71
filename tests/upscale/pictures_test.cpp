// What the module for pictures keeps of a file, and which files it refuses.

#include <gtest/gtest.h>

#include "base/crc32.h"
#include "modules.h"
#include "raster_of.h"
#include "support.h"

namespace aether2onnx::pictures_test {
namespace {

using verify::PictureModule;
using verify::Raster;
using verify::raster_of;

const PictureModule& pictures() { return verify::load_pictures(); }

std::string png_of(const Raster& picture) {
  std::string bytes;
  pictures().write_png(picture, [&](std::string_view more) { bytes += more; });
  return bytes;
}

std::string jpeg_of(const Raster& picture, int quality) {
  std::string bytes;
  pictures().write_jpeg(picture, quality, [&](std::string_view more) { bytes += more; });
  return bytes;
}

std::string why_refused(const std::string& file) {
  try {
    pictures().read(file);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

// Parts of PNG files, for files that no encoder writes.
std::string number(std::uint32_t value) {
  return {static_cast<char>(value >> 24U), static_cast<char>(value >> 16U),
          static_cast<char>(value >> 8U), static_cast<char>(value)};
}
std::string chunk(const std::string& type, const std::string& data) {
  const std::string content = type + data;
  return number(static_cast<std::uint32_t>(data.size())) + content +
         number(crc32(std::as_bytes(std::span(content))));
}
std::string header(std::uint32_t width, std::uint32_t height, int bits, int type) {
  return "\x89PNG\r\n\x1a\n" +
         chunk("IHDR", number(width) + number(height) +
                           std::string{static_cast<char>(bits), static_cast<char>(type), 0, 0, 0});
}
std::string deflated(const std::string& data) {
  // Stored blocks: a valid stream without compression.
  std::string stream = "\x78\x01";
  for (std::size_t at = 0; at < data.size() || at == 0; at += 65535) {
    const std::string part = data.substr(at, 65535);
    const auto size = static_cast<unsigned>(part.size());
    stream += static_cast<char>(at + part.size() >= data.size());
    stream += {static_cast<char>(size & 0xffU), static_cast<char>(size >> 8U),
               static_cast<char>(~size & 0xffU), static_cast<char>(~size >> 8U)};
    stream += part;
  }
  std::uint32_t a = 1;
  std::uint32_t b = 0;
  for (const char c : data) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return stream + number(b << 16U | a);
}

TEST(Pictures, EveryFormOfPngComesBack) {
  for (const int channels : {1, 2, 3, 4}) {
    for (const int bits : {8, 16}) {
      const Raster picture = raster_of(7, 5, channels, bits);
      const std::string file = png_of(picture);
      const Raster read = pictures().read(file);
      EXPECT_EQ(read.width, 7U);
      EXPECT_EQ(read.channels, channels);
      EXPECT_EQ(read.bits, bits);
      EXPECT_EQ(read.bytes, picture.bytes);
      const verify::PictureHeader described = pictures().describe(file);
      EXPECT_EQ(described.channels, channels);
      EXPECT_EQ(described.bits, bits);
      EXPECT_EQ(described.height, 5U);
    }
  }
}

TEST(Pictures, PalettesAndFewBitsBecomeEightBits) {
  // Two pixels of a palette whose second colour is half transparent.
  const std::string palette = header(2, 1, 8, 3) + chunk("PLTE", "\x01\x02\x03\x0a\x0b\x0c") +
                              chunk("tRNS", "\xff\x80") + chunk("IDAT", deflated({"\0\0\1", 3})) +
                              chunk("IEND", "");
  const Raster colours = pictures().read(palette);
  EXPECT_EQ(colours.channels, 4);
  EXPECT_EQ(colours.bytes, (std::vector<std::uint8_t>{1, 2, 3, 255, 10, 11, 12, 128}));
  EXPECT_EQ(pictures().describe(palette).channels, 4);
  // One bit a pixel: black, white.
  const Raster bits = pictures().read(header(2, 1, 1, 0) + chunk("IDAT", deflated({"\0\x40", 2})) +
                                      chunk("IEND", ""));
  EXPECT_EQ(bits.channels, 1);
  EXPECT_EQ(bits.bytes, (std::vector<std::uint8_t>{0, 255}));
}

TEST(Pictures, TheMeaningOfColoursIsKept) {
  Raster picture = raster_of(4, 4, 3, 8);
  picture.colour.gamma = 45455;
  picture.colour.chromaticities = {31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000};
  const Raster read = pictures().read(png_of(picture));
  EXPECT_EQ(read.colour.gamma, picture.colour.gamma);
  EXPECT_EQ(read.colour.chromaticities, picture.colour.chromaticities);
  EXPECT_TRUE(read.colour.icc_profile.empty());
  // A profile that is too long for one segment of a JPEG.
  picture.colour = {};
  picture.colour.icc_profile = std::string(150000, 'p');
  EXPECT_EQ(pictures().read(jpeg_of(picture, 90)).colour.icc_profile, picture.colour.icc_profile);
  // PNG checks profiles: a damaged one is left out, and the picture stays.
  EXPECT_EQ(pictures().read(png_of(picture)).bytes, picture.bytes);
}

TEST(Pictures, JpegIsTurnedUprightByExif) {
  // 16 x 8 pixels: the left half is black, the right half white.
  Raster picture = raster_of(16, 8, 1, 8);
  for (std::size_t y = 0; y < 8; ++y) {
    for (std::size_t x = 0; x < 16; ++x)
      picture.set_sample(picture.position(x, y, 0), x < 8 ? 0 : 255);
  }
  const std::string plain = jpeg_of(picture, 100);
  const auto turned = [&](char orientation, bool big_endian) {
    const std::string tiff =
        big_endian ? std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19) +
                         orientation + std::string("\0\0\0\0\0\0", 6)
                   : std::string("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18) +
                         orientation + std::string("\0\0\0\0\0\0\0", 7);
    const std::string exif = std::string("Exif\0\0", 6) + tiff;
    const auto length = static_cast<unsigned>(exif.size() + 2);
    return pictures().read(plain.substr(0, 2) + "\xff\xe1" + static_cast<char>(length >> 8U) +
                           static_cast<char>(length & 0xffU) + exif + plain.substr(2));
  };
  const auto corner = [](const Raster& read, std::size_t x, std::size_t y) {
    return read.sample(read.position(x, y, 0)) > 127;
  };
  for (const bool big_endian : {false, true}) {
    const Raster upright = turned(1, big_endian);
    EXPECT_EQ(upright.width, 16U);
    EXPECT_FALSE(corner(upright, 0, 0));
    const Raster half_turn = turned(3, big_endian);
    EXPECT_TRUE(corner(half_turn, 0, 0));
    // 6: the stored left edge is the top. 8: the stored left edge is the bottom.
    const Raster right = turned(6, big_endian);
    EXPECT_EQ(right.width, 8U);
    EXPECT_EQ(right.height, 16U);
    EXPECT_FALSE(corner(right, 3, 1));
    EXPECT_TRUE(corner(right, 3, 14));
    const Raster left = turned(8, big_endian);
    EXPECT_TRUE(corner(left, 3, 1));
    EXPECT_FALSE(corner(left, 3, 14));
  }
  // Nonsense in EXIF is left out.
  EXPECT_EQ(turned(77, false).width, 16U);
}

TEST(Pictures, AlphaIsComposedOnWhiteInJpeg) {
  Raster picture = raster_of(8, 8, 4, 8);
  for (std::size_t i = 3; i < picture.samples(); i += 4) picture.set_sample(i, 0);
  const Raster read = pictures().read(jpeg_of(picture, 100));
  EXPECT_EQ(read.channels, 3);
  EXPECT_EQ(read.bytes, std::vector<std::uint8_t>(8 * 8 * 3, 255));
}

TEST(Pictures, OtherAndDamagedFilesAreNamed) {
  EXPECT_EQ(why_refused(""), "it is empty");
  EXPECT_EQ(why_refused("hello, this is text"), "it is neither PNG nor JPEG");
  EXPECT_EQ(why_refused(std::string("RIFF\0\0\0\0WEBPVP8 ", 16)), "it is a WebP, not PNG or JPEG");
  EXPECT_EQ(why_refused("GIF89a"), "it is a GIF, not PNG or JPEG");
  const std::string png = png_of(raster_of(64, 64, 3, 8));
  EXPECT_NE(why_refused(png.substr(0, png.size() / 2)), "");
  std::string damaged = png;
  damaged[png.size() / 2] ^= 1;
  EXPECT_NE(why_refused(damaged), "");
  EXPECT_NE(why_refused("\xff\xd8\xff\xe0 and nothing more"), "");
  // A cut JPEG is decoded as far as it goes, with a warning.
  const std::string jpeg = jpeg_of(raster_of(64, 64, 3, 8), 90);
  EXPECT_NE(pictures().read(jpeg.substr(0, jpeg.size() / 2)).warning, "");
  // No prefix of a file makes the decoders read beyond its end.
  for (std::size_t size = 0; size < 400; ++size) {
    why_refused(png.substr(0, size));
    why_refused(jpeg.substr(0, size));
  }
}

TEST(Pictures, HugeClaimsCostNothing) {
  const std::string end = chunk("IDAT", deflated("")) + chunk("IEND", "");
  EXPECT_NE(why_refused(header(0x7fffffff, 0x7fffffff, 16, 6) + end).find("too many"),
            std::string::npos);
  EXPECT_NE(why_refused(header(1U << 15U, 1U << 14U, 8, 0) + end).find("too many"),
            std::string::npos);
  EXPECT_NE(why_refused(header(0, 7, 8, 0) + end), "");
  EXPECT_EQ(pictures().describe(header(0x7fffffff, 0x7fffffff, 16, 6) + end).width, 0x7fffffffU);
}

}  // namespace
}  // namespace aether2onnx::pictures_test
