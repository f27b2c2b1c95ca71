/// @file
/// The module with libpng and libjpeg-turbo, libaether2onnx_pictures.so, which reads and writes
/// pictures. The program loads the module if it is installed. The module links nothing of the
/// program.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::verify {

/// The largest picture that is read, in pixels.
inline constexpr std::uint64_t kLargestPicture = 1U << 28U;

enum class PictureFormat { png, jpeg };

/// The colour information in a file: how to interpret the file's samples.
struct ColourSpace {
  std::string icc_profile;  ///< Empty if the file has none.
  // Chunks of PNG, as libpng returns them. Integers are in units of 1/100000.
  std::optional<int> srgb_intent;
  std::optional<std::int32_t> gamma;
  std::optional<std::array<std::int32_t, 8>> chromaticities;
};

/// The facts in the header of a picture. Width and height are those of the shown picture: EXIF's
/// orientation is applied.
struct PictureHeader {
  PictureFormat format = PictureFormat::png;
  std::uint64_t width = 0;
  std::uint64_t height = 0;
  int channels = 3;  ///< 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
  int bits = 8;      ///< Bits of a sample: 8 or 16.
};

/// A decoded picture: rows of pixels, and all samples of a pixel together. A 16-bit sample has the
/// machine's byte order. Alpha is the last channel; the colours are not multiplied by alpha.
struct Raster {
  std::size_t width = 0;
  std::size_t height = 0;
  int channels = 3;  ///< As in PictureHeader.
  int bits = 8;
  std::vector<std::uint8_t> bytes;
  ColourSpace colour;
  /// The warning of a decoder that decoded the picture nevertheless; "" if there is no warning.
  std::string warning;

  bool has_alpha() const { return channels == 2 || channels == 4; }
  int colours() const { return channels < 3 ? 1 : 3; }
  unsigned largest() const { return bits == 8 ? 255 : 65535; }
  std::size_t samples() const { return width * height * static_cast<std::size_t>(channels); }
  std::size_t position(std::size_t x, std::size_t y, int channel) const {
    return (y * width + x) * static_cast<std::size_t>(channels) + static_cast<std::size_t>(channel);
  }
  unsigned sample(std::size_t at) const {
    if (bits == 8) return bytes[at];
    std::uint16_t value = 0;
    std::memcpy(&value, bytes.data() + 2 * at, sizeof value);
    return value;
  }
  void set_sample(std::size_t at, unsigned value) {
    if (bits == 8) {
      bytes[at] = static_cast<std::uint8_t>(value);
    } else {
      const auto two = static_cast<std::uint16_t>(value);
      std::memcpy(bytes.data() + 2 * at, &two, sizeof two);
    }
  }
  /// Allocates the memory for all samples.
  void allocate() { bytes.assign(samples() * static_cast<std::size_t>(bits / 8), 0); }
};

/// Receives the bytes of a file in their order.
using PictureSink = std::function<void(std::string_view bytes)>;

/// The functions of the module, which its exported function returns. Program and module are built
/// together: the exported function's name changes with the interface. All functions throw
/// std::exception with the reason of a failure.
struct PictureModule {
  /// Reads the header of a file. The first bytes decide the format.
  PictureHeader (*describe)(std::string_view file) = nullptr;
  /// Decodes a file. Palettes become RGB, 1, 2 and 4 bits become 8, transparent colours become
  /// alpha.
  Raster (*read)(std::string_view file) = nullptr;
  void (*write_png)(const Raster& picture, const PictureSink& sink) = nullptr;
  /// Writes a JPEG. Alpha is composed on white, 16 bits become 8. `quality` is 1 to 100.
  void (*write_jpeg)(const Raster& picture, int quality, const PictureSink& sink) = nullptr;
};

extern "C" {
using GetPictureModule = const PictureModule* (*)();
}
inline constexpr const char* kPictureModuleSymbol = "aether2onnx_pictures_2";

}  // namespace aether2onnx::verify
