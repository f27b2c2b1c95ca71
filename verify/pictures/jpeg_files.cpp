// Reads and writes JPEG with libjpeg-turbo.

#include <turbojpeg.h>

#include <memory>
#include <utility>

#include "formats.h"
#include "jpeg_markers.h"

namespace aether2onnx::verify::pictures {

namespace {

using Turbo = std::unique_ptr<void, int (*)(tjhandle)>;

struct JpegHeader {
  int width = 0;
  int height = 0;
  bool is_grey = false;
};

JpegHeader read_header(tjhandle decoder, std::string_view file) {
  JpegHeader header;
  int subsampling = 0;
  int colours = 0;
  if (tjDecompressHeader3(decoder, reinterpret_cast<const unsigned char*>(file.data()), file.size(),
                          &header.width, &header.height, &subsampling, &colours) != 0) {
    failed(tjGetErrorStr2(decoder));
  }
  if (colours == TJCS_CMYK || colours == TJCS_YCCK) {
    failed("it is a JPEG in the colours of print (CMYK); save the picture in RGB");
  }
  header.is_grey = colours == TJCS_GRAY;
  return header;
}

Turbo make_decoder() {
  Turbo decoder(tjInitDecompress(), tjDestroy);
  if (decoder == nullptr) throw std::bad_alloc();
  return decoder;
}

bool is_on_its_side(int orientation) { return orientation >= 5; }

// Rotates and mirrors a stored picture so that the picture becomes upright. `orientation` is the
// value of the EXIF tag 274 (Orientation), from 1 (already upright) to 8. Source: EXIF 2.32.
void turn_upright(Raster& picture, int orientation) {
  if (orientation == 1) return;
  const bool swapped = is_on_its_side(orientation);
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 ||
                          orientation == 8;  // reads the stored columns from the last to the first
  const bool from_bottom =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Raster turned;
  turned.width = swapped ? picture.height : picture.width;
  turned.height = swapped ? picture.width : picture.height;
  turned.channels = picture.channels;
  turned.bits = picture.bits;
  turned.allocate();
  const auto channels = static_cast<std::size_t>(picture.channels);
  for (std::size_t y = 0; y < turned.height; ++y) {
    for (std::size_t x = 0; x < turned.width; ++x) {
      const std::size_t column = swapped ? y : x;
      const std::size_t row = swapped ? x : y;
      const std::size_t from_x = from_right ? picture.width - 1 - column : column;
      const std::size_t from_y = from_bottom ? picture.height - 1 - row : row;
      for (std::size_t channel = 0; channel < channels; ++channel) {
        turned.bytes[(y * turned.width + x) * channels + channel] =
            picture.bytes[(from_y * picture.width + from_x) * channels + channel];
      }
    }
  }
  picture.width = turned.width;
  picture.height = turned.height;
  picture.bytes = std::move(turned.bytes);
}

unsigned to_8_bits(const Raster& picture, std::size_t at) {
  const unsigned value = picture.sample(at);
  return picture.bits == 8 ? value : (value * 255 + 32767) / 65535;
}

// Returns the pixels as JPEG needs them: 8 bits per colour, and transparent pixels on white.
std::vector<unsigned char> opaque_bytes(const Raster& picture) {
  const int colours = picture.colours();
  std::vector<unsigned char> bytes;
  bytes.reserve(picture.width * picture.height * static_cast<std::size_t>(colours));
  for (std::size_t pixel = 0; pixel < picture.width * picture.height; ++pixel) {
    const std::size_t first = pixel * static_cast<std::size_t>(picture.channels);
    const unsigned alpha =
        picture.has_alpha() ? to_8_bits(picture, first + static_cast<std::size_t>(colours)) : 255;
    for (int colour = 0; colour < colours; ++colour) {
      const unsigned value = to_8_bits(picture, first + static_cast<std::size_t>(colour));
      bytes.push_back(
          static_cast<unsigned char>((value * alpha + 255 * (255 - alpha) + 127) / 255));
    }
  }
  return bytes;
}

}  // namespace

PictureHeader describe_jpeg(std::string_view file) {
  const JpegHeader header = read_header(make_decoder().get(), file);
  PictureHeader result;
  result.format = PictureFormat::jpeg;
  result.width = static_cast<std::uint64_t>(header.width);
  result.height = static_cast<std::uint64_t>(header.height);
  result.channels = header.is_grey ? 1 : 3;
  if (is_on_its_side(read_markers(file).orientation)) std::swap(result.width, result.height);
  return result;
}

Raster read_jpeg(std::string_view file) {
  const Turbo decoder = make_decoder();
  const JpegHeader header = read_header(decoder.get(), file);
  check_size(static_cast<std::uint64_t>(header.width), static_cast<std::uint64_t>(header.height));
  Raster picture;
  picture.width = static_cast<std::size_t>(header.width);
  picture.height = static_cast<std::size_t>(header.height);
  picture.channels = header.is_grey ? 1 : 3;
  picture.allocate();
  // A small file can have thousands of scans, and libjpeg-turbo goes through the whole picture for
  // each scan. TJFLAG_LIMITSCANS limits the number of scans, and so the time for decoding.
  if (tjDecompress2(decoder.get(), reinterpret_cast<const unsigned char*>(file.data()), file.size(),
                    picture.bytes.data(), header.width, 0, header.height,
                    header.is_grey ? TJPF_GRAY : TJPF_RGB,
                    TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS) != 0) {
    if (tjGetErrorCode(decoder.get()) != TJERR_WARNING) failed(tjGetErrorStr2(decoder.get()));
    picture.warning = tjGetErrorStr2(decoder.get());
  }
  JpegMarkers markers = read_markers(file);
  picture.colour.icc_profile = std::move(markers.icc_profile);
  turn_upright(picture, markers.orientation);
  return picture;
}

void write_jpeg(const Raster& picture, int quality, const PictureSink& sink) {
  constexpr std::size_t largest_side = 65500;  // JPEG_MAX_DIMENSION of libjpeg
  if (picture.width > largest_side || picture.height > largest_side) {
    failed("a JPEG has at most 65500 pixels a side; save a PNG");
  }
  const std::vector<unsigned char> bytes = opaque_bytes(picture);
  const Turbo encoder(tjInitCompress(), tjDestroy);
  if (encoder == nullptr) throw std::bad_alloc();
  unsigned char* made = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg-turbo's type
  const bool is_grey = picture.colours() == 1;
  const int result =
      tjCompress2(encoder.get(), bytes.data(), static_cast<int>(picture.width), 0,
                  static_cast<int>(picture.height), is_grey ? TJPF_GRAY : TJPF_RGB, &made, &size,
                  is_grey ? TJSAMP_GRAY : TJSAMP_444, quality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner(made, tjFree);
  if (result != 0) failed(tjGetErrorStr2(encoder.get()));
  sink(with_profile({reinterpret_cast<const char*>(made), size}, picture.colour.icc_profile));
}

}  // namespace aether2onnx::verify::pictures
