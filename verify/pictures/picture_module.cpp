// The module that reads pictures: PNG by libpng, JPEG by libjpeg-turbo. It links nothing of the
// program.

#include <png.h>
#include <turbojpeg.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

#include "picture.h"
#include "tensor.h"

namespace aether2onnx::verify {

namespace {

[[noreturn]] void failed(const std::string& why) { throw std::runtime_error(why); }

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

void check_size(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0 || width > kLargestPicture / height) {
    failed(std::to_string(width) + " x " + std::to_string(height) + " pixels are too many");
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

FloatTensor load_png(const std::string& content) {
  PngImage image;
  if (png_image_begin_read_from_memory(image.get(), content.data(), content.size()) == 0) {
    failed(image->message);
  }
  check_size(image->width, image->height);
  image->format = PNG_FORMAT_RGB;
  std::vector<png_byte> bytes(PNG_IMAGE_SIZE(*image.get()));
  constexpr png_color black = {0, 0, 0};
  if (png_image_finish_read(image.get(), &black, bytes.data(), 0, nullptr) == 0) {
    failed(image->message);
  }
  return from_rgb(bytes, image->width, image->height);
}

FloatTensor load_jpeg(const std::string& content) {
  const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  if (decoder == nullptr) failed("there is not enough memory");
  const auto* bytes = reinterpret_cast<const unsigned char*>(content.data());
  int width = 0;
  int height = 0;
  int subsampling = 0;
  int colours = 0;
  if (tjDecompressHeader3(decoder.get(), bytes, content.size(), &width, &height, &subsampling,
                          &colours) != 0) {
    failed(tjGetErrorStr2(decoder.get()));
  }
  check_size(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));
  std::vector<unsigned char> pixels(3 * static_cast<std::size_t>(width) *
                                    static_cast<std::size_t>(height));
  if (tjDecompress2(decoder.get(), bytes, content.size(), pixels.data(), width, 0, height, TJPF_RGB,
                    TJFLAG_ACCURATEDCT) != 0) {
    failed(tjGetErrorStr2(decoder.get()));
  }
  return from_rgb(pixels, static_cast<std::size_t>(width), static_cast<std::size_t>(height));
}

FloatTensor load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) failed("the file does not exist or cannot be opened");
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  if (content.starts_with("\x89PNG")) return load_png(content);
  if (content.starts_with("\xff\xd8\xff")) return load_jpeg(content);
  failed("it is neither PNG nor JPEG");
}

}  // namespace

}  // namespace aether2onnx::verify

extern "C" __attribute__((visibility("default"))) aether2onnx::verify::FloatTensor
aether2onnx_read_picture_1(const std::filesystem::path& path) {
  return aether2onnx::verify::load(path);
}
