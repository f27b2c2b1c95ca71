#include "picture.h"

#include <png.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::verify {

namespace {

// libpng's simplified interface, freed at the end.
class PngImage {
 public:
  PngImage() { image_.version = PNG_IMAGE_VERSION; }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
  ~PngImage() { png_image_free(&image_); }
  png_image* operator->() { return &image_; }
  png_image* get() { return &image_; }

 private:
  png_image image_{};
};

[[noreturn]] void failed(const std::filesystem::path& path, const char* what, PngImage& image) {
  fail(ErrorKind::io, "{}: the picture can't be {}: {}.", printable(path.string(), 4096), what,
       image->message);
}

}  // namespace

FloatTensor load_png(const std::filesystem::path& path) {
  PngImage image;
  if (png_image_begin_read_from_file(image.get(), path.c_str()) == 0) failed(path, "read", image);
  image->format = PNG_FORMAT_RGB;
  std::vector<png_byte> bytes(PNG_IMAGE_SIZE(*image.get()));
  constexpr png_color black = {0, 0, 0};
  if (png_image_finish_read(image.get(), &black, bytes.data(), 0, nullptr) == 0) {
    failed(path, "read", image);
  }
  const std::size_t height = image->height;
  const std::size_t width = image->width;
  FloatTensor picture{{1, 3, static_cast<std::int64_t>(height), static_cast<std::int64_t>(width)},
                      std::vector<float>(3 * height * width)};
  for (std::size_t pixel = 0; pixel < height * width; ++pixel) {
    for (std::size_t channel = 0; channel < 3; ++channel) {
      picture.values[channel * height * width + pixel] =
          static_cast<float>(bytes[pixel * 3 + channel]) / 255.0F;
    }
  }
  return picture;
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

void save_png(const FloatTensor& picture, const std::filesystem::path& path) {
  require(picture.shape.size() == 4 && picture.shape[0] == 1 &&
              (picture.shape[1] == 3 || picture.shape[1] == 1),
          "a picture of another shape than (1, 3, H, W)");
  const auto channels = static_cast<std::size_t>(picture.shape[1]);
  const auto pixels = static_cast<std::size_t>(picture.shape[2] * picture.shape[3]);
  std::vector<png_byte> bytes(pixels * channels);
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t channel = 0; channel < channels; ++channel) {
      const float value = std::clamp(picture.values[channel * pixels + pixel], 0.0F, 1.0F);
      bytes[pixel * channels + channel] = static_cast<png_byte>(std::lround(value * 255.0F));
    }
  }
  PngImage image;
  image->format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  image->height = static_cast<png_uint_32>(picture.shape[2]);
  image->width = static_cast<png_uint_32>(picture.shape[3]);
  if (png_image_write_to_file(image.get(), path.c_str(), 0, bytes.data(), 0, nullptr) == 0) {
    failed(path, "written", image);
  }
}

}  // namespace aether2onnx::verify
