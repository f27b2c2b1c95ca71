// Reads and writes PNG with libpng.

#include <png.h>

#include <algorithm>
#include <bit>
#include <csetjmp>
#include <exception>

#include "formats.h"

namespace aether2onnx::verify::pictures {

namespace {

// The reason of a failure: the message of libpng, or the exception of the PictureSink (the function
// that gets the written bytes). libpng reports an error with longjmp(), which jumps back to
// setjmp() and skips destructors. So local objects with destructors must not be in a function that
// calls setjmp(), or in a function that longjmp() jumps out of. But a caller of a function with
// setjmp() may have local objects with destructors.
struct Failure {
  std::string message;
  std::exception_ptr of_sink;
};

void on_error(png_structp png, png_const_charp message) {
  auto* failure = static_cast<Failure*>(png_get_error_ptr(png));
  failure->message = message;
  png_longjmp(png, 1);
}

void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}

[[noreturn]] void fail_with(const Failure& failure) {
  if (failure.of_sink) std::rethrow_exception(failure.of_sink);
  failed(failure.message.empty() ? "the PNG is damaged" : failure.message);
}

// --- reading ----------------------------------------------------------------------------------

// The largest chunk that is read, in bytes. A limit is needed, because profiles and texts are
// compressed: a small file can hold gigabytes.
constexpr png_alloc_size_t kLargestChunk = 8U << 20U;

struct Source {
  std::string_view rest;
};

void take_bytes(png_structp png, png_bytep bytes, std::size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (source->rest.size() < count) png_error(png, "the file ends too early");
  std::copy_n(source->rest.data(), count, bytes);
  source->rest.remove_prefix(count);
}

class Reader {
 public:
  explicit Reader(std::string_view file) : source_{file} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure_, on_error, on_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      throw std::bad_alloc();
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  // Reads the header. A palette is read as 3 colour channels. Allocates no memory for the pixels.
  PictureHeader header() {
    PictureHeader header;
    // NOLINTNEXTLINE(cert-err52-cpp): libpng's way to report an error
    if (setjmp(png_jmpbuf(png_)) != 0) fail_with(failure_);
    png_set_read_fn(png_, &source_, take_bytes);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(png_, kLargestChunk);
    png_set_benign_errors(png_, 1);
    png_read_info(png_, info_);
    const int type = png_get_color_type(png_, info_);
    const bool has_alpha =
        (type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(png_, info_, PNG_INFO_tRNS) != 0;
    header.width = png_get_image_width(png_, info_);
    header.height = png_get_image_height(png_, info_);
    header.channels = ((type & PNG_COLOR_MASK_COLOR) != 0 ? 3 : 1) + (has_alpha ? 1 : 0);
    header.bits = png_get_bit_depth(png_, info_) == 16 ? 16 : 8;
    return header;
  }

  void pixels(Raster& picture) {
    std::vector<png_bytep> rows(picture.height);
    const std::size_t row_bytes = picture.bytes.size() / picture.height;
    for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = picture.bytes.data() + y * row_bytes;
    read_rows(rows.data(), row_bytes);
  }

  ColourSpace colour() {
    ColourSpace colour;
    png_charp name = nullptr;
    png_bytep profile = nullptr;
    int compression = 0;
    png_uint_32 length = 0;
    if (png_get_iCCP(png_, info_, &name, &compression, &profile, &length) != 0) {
      colour.icc_profile.assign(reinterpret_cast<const char*>(profile), length);
    }
    int intent = 0;
    if (png_get_sRGB(png_, info_, &intent) != 0) colour.srgb_intent = intent;
    png_fixed_point gamma = 0;
    if (png_get_gAMA_fixed(png_, info_, &gamma) != 0) colour.gamma = gamma;
    std::array<png_fixed_point, 8> c{};
    if (png_get_cHRM_fixed(png_, info_, c.data(), &c[1], &c[2], &c[3], &c[4], &c[5], &c[6],
                           &c[7]) != 0) {
      auto& target = colour.chromaticities.emplace();
      std::copy(c.begin(), c.end(), target.begin());
    }
    return colour;
  }

 private:
  void read_rows(png_bytepp rows, std::size_t row_bytes) {
    // NOLINTNEXTLINE(cert-err52-cpp): libpng's way to report an error
    if (setjmp(png_jmpbuf(png_)) != 0) fail_with(failure_);
    png_set_expand(png_);  // palettes to RGB, 1 to 4 bits to 8, transparent colours to alpha
    if constexpr (std::endian::native == std::endian::little) png_set_swap(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != row_bytes) png_error(png_, "unexpected row length");
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
  }

  Failure failure_;
  Source source_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// --- writing ----------------------------------------------------------------------------------

struct Target {
  const PictureSink& sink;
  Failure& failure;
};

void put_bytes(png_structp png, png_bytep bytes, std::size_t count) {
  auto* target = static_cast<Target*>(png_get_io_ptr(png));
  try {
    target->sink({reinterpret_cast<const char*>(bytes), count});
  } catch (...) {
    target->failure.of_sink = std::current_exception();
  }
  if (target->failure.of_sink) png_error(png, "the bytes cannot be written");
}

void flush_nothing(png_structp /*png*/) {}

class Writer {
 public:
  explicit Writer(const PictureSink& sink) : target_{sink, failure_} {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure_, on_error, on_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_write_struct(&png_, &info_);
      throw std::bad_alloc();
    }
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { png_destroy_write_struct(&png_, &info_); }

  void write(const Raster& picture) {
    const std::size_t row_bytes = picture.bytes.size() / picture.height;
    // NOLINTNEXTLINE(cert-err52-cpp): libpng's way to report an error
    if (setjmp(png_jmpbuf(png_)) != 0) fail_with(failure_);
    png_set_write_fn(png_, &target_, put_bytes, flush_nothing);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    // Makes libpng treat a profile that does not fit the picture as a warning, not as an error.
    // libpng then leaves out the profile, and still writes the picture.
    png_set_benign_errors(png_, 1);
    constexpr std::array types = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                  PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(picture.width),
                 static_cast<png_uint_32>(picture.height), picture.bits,
                 types.at(static_cast<std::size_t>(picture.channels) - 1), PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    describe_colours(picture.colour);
    png_write_info(png_, info_);
    if constexpr (std::endian::native == std::endian::little) png_set_swap(png_);
    for (std::size_t y = 0; y < picture.height; ++y) {
      png_write_row(png_, picture.bytes.data() + y * row_bytes);
    }
    png_write_end(png_, nullptr);
  }

 private:
  void describe_colours(const ColourSpace& colour) {
    if (colour.chromaticities) {
      const auto& c = *colour.chromaticities;
      png_set_cHRM_fixed(png_, info_, c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]);
    }
    if (colour.gamma) png_set_gAMA_fixed(png_, info_, *colour.gamma);
    if (colour.srgb_intent) png_set_sRGB(png_, info_, *colour.srgb_intent);
    if (colour.icc_profile.empty()) return;
    png_set_iCCP(png_, info_, "icc", PNG_COMPRESSION_TYPE_BASE,
                 reinterpret_cast<png_const_bytep>(colour.icc_profile.data()),
                 static_cast<png_uint_32>(colour.icc_profile.size()));
  }

  Failure failure_;
  Target target_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

PictureHeader describe_png(std::string_view file) { return Reader(file).header(); }

Raster read_png(std::string_view file) {
  Reader reader(file);
  const PictureHeader header = reader.header();
  check_size(header.width, header.height);
  Raster picture;
  picture.width = header.width;
  picture.height = header.height;
  picture.channels = header.channels;
  picture.bits = header.bits;
  picture.colour = reader.colour();
  picture.allocate();
  reader.pixels(picture);
  return picture;
}

void write_png(const Raster& picture, const PictureSink& sink) {
  constexpr std::size_t largest_side = PNG_UINT_31_MAX;
  if (picture.width > largest_side || picture.height > largest_side) {
    failed("a PNG has at most 2147483647 pixels a side");
  }
  Writer(sink).write(picture);
}

}  // namespace aether2onnx::verify::pictures
