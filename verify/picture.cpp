#include "picture.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void failed(const fs::path& path, const char* what, const std::string& why) {
  fail({ErrorKind::io, "verify-picture", path.string()}, "{}: the picture cannot be {}: {}.",
       printable(path.string(), 4096), what, printable(why));
}

// An image of libpng's simplified interface, which the destructor frees.
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

void check_size(const fs::path& path, std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0 || width > kLargestPicture / height) {
    failed(path, "read", fmt::format("{} x {} pixels are too many", width, height));
  }
}

// Interleaved 8-bit RGB to planes in [0, 1].
FloatTensor from_rgb(const std::vector<unsigned char>& bytes, std::size_t width,
                     std::size_t height) {
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

FloatTensor load_png(const fs::path& path, const std::string& content) {
  PngImage image;
  if (png_image_begin_read_from_memory(image.get(), content.data(), content.size()) == 0) {
    failed(path, "read", image->message);
  }
  check_size(path, image->width, image->height);
  image->format = PNG_FORMAT_RGB;
  std::vector<png_byte> bytes(PNG_IMAGE_SIZE(*image.get()));
  constexpr png_color black = {0, 0, 0};
  if (png_image_finish_read(image.get(), &black, bytes.data(), 0, nullptr) == 0) {
    failed(path, "read", image->message);
  }
  return from_rgb(bytes, image->width, image->height);
}

FloatTensor load_jpeg(const fs::path& path, const std::string& content) {
  const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  if (decoder == nullptr) failed(path, "read", "there is not enough memory");
  const auto* bytes = reinterpret_cast<const unsigned char*>(content.data());
  int width = 0;
  int height = 0;
  int subsampling = 0;
  int colours = 0;
  if (tjDecompressHeader3(decoder.get(), bytes, content.size(), &width, &height, &subsampling,
                          &colours) != 0) {
    failed(path, "read", tjGetErrorStr2(decoder.get()));
  }
  check_size(path, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));
  std::vector<unsigned char> pixels(3 * static_cast<std::size_t>(width) *
                                    static_cast<std::size_t>(height));
  if (tjDecompress2(decoder.get(), bytes, content.size(), pixels.data(), width, 0, height, TJPF_RGB,
                    TJFLAG_ACCURATEDCT) != 0) {
    failed(path, "read", tjGetErrorStr2(decoder.get()));
  }
  return from_rgb(pixels, static_cast<std::size_t>(width), static_cast<std::size_t>(height));
}

}  // namespace

FloatTensor load_picture(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) failed(path, "read", "the file does not exist or cannot be opened");
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  if (content.starts_with("\x89PNG")) return load_png(path, content);
  if (content.starts_with("\xff\xd8\xff")) return load_jpeg(path, content);
  failed(path, "read", "it is neither PNG nor JPEG");
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
  std::vector<png_byte> bytes(pixels * channels);
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t channel = 0; channel < channels; ++channel) {
      const float value = picture.values[channel * pixels + pixel];
      const float clamped = std::isnan(value) ? 0.0F : std::clamp(value, 0.0F, 1.0F);
      bytes[pixel * channels + channel] = static_cast<png_byte>(std::lround(clamped * 255.0F));
    }
  }
  PngImage image;
  image->format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  image->height = static_cast<png_uint_32>(picture.shape[2]);
  image->width = static_cast<png_uint_32>(picture.shape[3]);
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(*image.get());
  std::string content(size, '\0');
  if (png_image_write_to_memory(image.get(), content.data(), &size, 0, bytes.data(), 0, nullptr) ==
      0) {
    fail({ErrorKind::io, "verify-picture"}, "A picture cannot be compressed: {}.", image->message);
  }
  content.resize(size);
  return content;
}

void save_png(const FloatTensor& picture, const fs::path& path) {
  const std::string content = encode_png(picture);
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file.flush()) failed(path, "written", "the file cannot be created, or the disk is full");
}

}  // namespace aether2onnx::verify
