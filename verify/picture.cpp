#include "picture.h"

#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "modules.h"
#include "port/files.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

namespace {

void append_number(std::string& text, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(number >> shift & 0xffU);
}

void append_chunk(std::string& png, const std::string& type, const std::string& data) {
  const std::string content = type + data;
  append_number(png, static_cast<std::uint32_t>(data.size()));
  png += content;
  append_number(png, libdeflate_crc32(0, content.data(), content.size()));
}

// Predicts a byte from its left, upper and upper left neighbours (PNG specification, 9.4).
int paeth(int left, int up, int corner) {
  const int estimate = left + up - corner;
  const int to_left = std::abs(estimate - left);
  const int to_up = std::abs(estimate - up);
  const int to_corner = std::abs(estimate - corner);
  if (to_left <= to_up && to_left <= to_corner) return left;
  return to_up <= to_corner ? up : corner;
}

// Filters the rows of a picture with PNG's Paeth filter, and returns the rows compressed in zlib's
// format. Each row begins with the number of the Paeth filter, 4.
std::string compressed_rows(const std::vector<unsigned char>& bytes, std::size_t row_bytes,
                            std::size_t pixel_bytes) {
  std::string filtered;
  filtered.reserve(bytes.size() + bytes.size() / row_bytes);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const std::size_t column = at % row_bytes;
    if (column == 0) filtered += '\x04';
    const bool inner = column >= pixel_bytes;
    const int left = inner ? bytes[at - pixel_bytes] : 0;
    const int up = at >= row_bytes ? bytes[at - row_bytes] : 0;
    const int corner = inner && at >= row_bytes ? bytes[at - row_bytes - pixel_bytes] : 0;
    filtered += static_cast<char>(bytes[at] - paeth(left, up, corner));
  }
  constexpr int level = 6;
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(level), libdeflate_free_compressor);
  if (compressor == nullptr) throw std::bad_alloc();
  std::string compressed(libdeflate_zlib_compress_bound(compressor.get(), filtered.size()), '\0');
  compressed.resize(libdeflate_zlib_compress(compressor.get(), filtered.data(), filtered.size(),
                                             compressed.data(), compressed.size()));
  return compressed;
}

}  // namespace

FloatTensor load_picture(const fs::path& path) {
  const PictureModule& module = load_pictures();
  Raster picture;
  try {
    const io::FileInput file(path);
    std::string bytes(to_size(file.size()), '\0');
    file.read(0, std::as_writable_bytes(std::span(bytes)));
    picture = module.read(bytes);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    fail({ErrorKind::io, "verify-picture", path.string()}, "{}: the picture cannot be read: {}.",
         printable(path.string(), 4096), printable(error.what()));
  }
  FloatTensor tensor{
      {1, 3, static_cast<std::int64_t>(picture.height), static_cast<std::int64_t>(picture.width)},
      std::vector<float>(3 * picture.height * picture.width)};
  const std::size_t pixels = picture.height * picture.width;
  const auto largest = static_cast<float>(picture.largest());
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const std::size_t first = pixel * static_cast<std::size_t>(picture.channels);
    const auto colours = static_cast<std::size_t>(picture.colours());
    const float alpha =
        picture.has_alpha() ? static_cast<float>(picture.sample(first + colours)) / largest : 1.0F;
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const std::size_t at = first + std::min(channel, colours - 1);
      tensor.values[channel * pixels + pixel] =
          static_cast<float>(picture.sample(at)) / largest * alpha;
    }
  }
  return tensor;
}

FloatTensor to_grey(const FloatTensor& picture) {
  require(picture.shape.size() == 4 && picture.shape[0] == 1 && picture.shape[1] == 3,
          "a picture of another shape than (1, 3, H, W)");
  const std::size_t pixels = picture.values.size() / 3;
  FloatTensor grey{{1, 1, picture.shape[2], picture.shape[3]}, std::vector<float>(pixels)};
  for (std::size_t i = 0; i < pixels; ++i) {
    grey.values[i] = 0.299F * picture.values[i] + 0.587F * picture.values[pixels + i] +
                     0.114F * picture.values[2 * pixels + i];
  }
  return grey;
}

std::string encode_png(const FloatTensor& picture) {
  require(picture.shape.size() == 4 && picture.shape[0] == 1 &&
              (picture.shape[1] == 3 || picture.shape[1] == 1),
          "a picture of another shape than (1, 3, H, W)");
  const auto channels = static_cast<std::size_t>(picture.shape[1]);
  const auto pixels = static_cast<std::size_t>(picture.shape[2] * picture.shape[3]);
  std::vector<unsigned char> bytes(pixels * channels);
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t channel = 0; channel < channels; ++channel) {
      const float value = picture.values[channel * pixels + pixel];
      const float clamped = std::isnan(value) ? 0.0F : std::clamp(value, 0.0F, 1.0F);
      bytes[pixel * channels + channel] = static_cast<unsigned char>(std::lround(clamped * 255.0F));
    }
  }
  std::string header;
  append_number(header, static_cast<std::uint32_t>(picture.shape[3]));
  append_number(header, static_cast<std::uint32_t>(picture.shape[2]));
  // These five bytes mean: 8 bits per channel, colour type (2 is RGB, 0 is grey), compression with
  // deflate, adaptive filters, no interlacing.
  header += std::string{8, static_cast<char>(channels == 3 ? 2 : 0), 0, 0, 0};
  std::string png = "\x89PNG\r\n\x1a\n";
  append_chunk(png, "IHDR", header);
  append_chunk(
      png, "IDAT",
      compressed_rows(bytes, static_cast<std::size_t>(picture.shape[3]) * channels, channels));
  append_chunk(png, "IEND", "");
  return png;
}

}  // namespace aether2onnx::verify
