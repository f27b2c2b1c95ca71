/// @file
/// The interface of the picture module, libaether2onnx_pictures.so, which reads and writes pictures
/// with libpng and libjpeg-turbo. The program loads the module if it is installed. The module links
/// no code of the program.
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

/// The largest number of pixels in a picture that the module reads.
inline constexpr std::uint64_t kLargestPicture = 1U << 28U;

enum class PictureFormat { png, jpeg };

/// The colour information in a picture file: how to interpret the samples (values) of its pixels.
struct ColourSpace {
  std::string icc_profile;  ///< Empty if the file has no profile.
  // The values of the PNG chunks sRGB, gAMA and cHRM, as libpng returns them. The values of gAMA
  // and cHRM have the unit 1/100000.
  std::optional<int> srgb_intent;
  std::optional<std::int32_t> gamma;
  std::optional<std::array<std::int32_t, 8>> chromaticities;
};

/// The content of a picture file's header. Width and height are those of the upright picture, after
/// the rotation that EXIF's orientation asks for.
struct PictureHeader {
  PictureFormat format = PictureFormat::png;
  std::uint64_t width = 0;
  std::uint64_t height = 0;
  int channels = 3;  ///< 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
  int bits = 8;      ///< Bits of a sample: 8 or 16.
};

/// A decoded picture: the rows of pixels, with all samples (channel values) of a pixel together. A
/// 16-bit sample has the machine's byte order. Alpha is the last channel; the colours are not
/// multiplied by alpha.
struct Raster {
  std::size_t width = 0;
  std::size_t height = 0;
  int channels = 3;  ///< 1 to 4, as in PictureHeader.
  int bits = 8;
  std::vector<std::uint8_t> bytes;
  ColourSpace colour;
  /// The decoder's warning if the file is damaged, but was decoded nevertheless; otherwise "".
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
  /// Allocates `bytes` for all samples, and sets them to 0.
  void allocate() { bytes.assign(samples() * static_cast<std::size_t>(bits / 8), 0); }
};

/// A function that the module calls with the bytes of the picture file that the module writes. The
/// module may call the function several times, each time with the next bytes of the file.
using PictureSink = std::function<void(std::string_view bytes)>;

/// The functions of the picture module. All functions throw std::exception with the reason of a
/// failure. The module exports only one function, which returns this struct. If this interface
/// changes, the exported function gets a new name (kPictureModuleSymbol). So the program cannot use
/// a module of another version.
struct PictureModule {
  /// Reads the header of a picture file. The first bytes of the file show its format.
  PictureHeader (*describe)(std::string_view file) = nullptr;
  /// Decodes a picture file. Converts palettes to RGB, samples of 1, 2 or 4 bits to 8 bits, and
  /// transparent colours to an alpha channel.
  Raster (*read)(std::string_view file) = nullptr;
  void (*write_png)(const Raster& picture, const PictureSink& sink) = nullptr;
  /// Writes a JPEG. Puts transparent pixels on white, and converts samples of 16 bits to 8 bits.
  /// `quality` is 1 to 100.
  void (*write_jpeg)(const Raster& picture, int quality, const PictureSink& sink) = nullptr;
};

extern "C" {
using GetPictureModule = const PictureModule* (*)();
}
inline constexpr const char* kPictureModuleSymbol = "aether2onnx_pictures_2";

}  // namespace aether2onnx::verify
