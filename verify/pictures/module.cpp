// The picture module, a shared library: reads and writes PNG with libpng, and JPEG with
// libjpeg-turbo. The module links no code of the program, so picture_module.h contains all code
// that the module and the program share.

#include "formats.h"

namespace aether2onnx::verify::pictures {

namespace {

using namespace std::string_view_literals;

// Returns a text for an error message, such as "it is a GIF", about a file that is neither PNG nor
// JPEG. The first bytes of the file show the format.
std::string other_format(std::string_view file) {
  if (file.empty()) return "it is empty";
  if (file.starts_with("RIFF") && file.substr(0, 12).ends_with("WEBP")) return "it is a WebP";
  if (file.starts_with("GIF8")) return "it is a GIF";
  if (file.starts_with("BM")) return "it is a BMP";
  if (file.starts_with("II*\0"sv) || file.starts_with("MM\0*"sv)) return "it is a TIFF";
  if (file.substr(0, 12).ends_with("ftypavif") || file.substr(0, 12).ends_with("ftypheic")) {
    return "it is an AVIF or HEIC";
  }
  if (file.starts_with("\xff\x0a") || file.starts_with("\0\0\0\x0cJXL "sv)) {
    return "it is a JPEG XL";
  }
  return "it is neither PNG nor JPEG";
}

bool is_png(std::string_view file) { return file.starts_with("\x89PNG\r\n\x1a\n"); }
bool is_jpeg(std::string_view file) { return file.starts_with("\xff\xd8\xff"); }

[[noreturn]] void unknown(std::string_view file) {
  const std::string what = other_format(file);
  failed(what.ends_with("JPEG") || what.ends_with("empty") ? what : what + ", not PNG or JPEG");
}

PictureHeader describe(std::string_view file) {
  if (is_png(file)) return describe_png(file);
  if (is_jpeg(file)) return describe_jpeg(file);
  unknown(file);
}

Raster read(std::string_view file) {
  if (is_png(file)) return read_png(file);
  if (is_jpeg(file)) return read_jpeg(file);
  unknown(file);
}

constexpr PictureModule kModule = {describe, read, write_png, write_jpeg};

}  // namespace

}  // namespace aether2onnx::verify::pictures

extern "C" __attribute__((visibility("default"))) const aether2onnx::verify::PictureModule*
aether2onnx_pictures_2() {
  return &aether2onnx::verify::pictures::kModule;
}
