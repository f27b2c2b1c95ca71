#include <libdeflate.h>

#include <memory>
#include <new>
#include <span>
#include <stdexcept>

#include "checkpoint_writer.h"

namespace aether2onnx::tools {

namespace {

struct Freer {
  void operator()(libdeflate_compressor* compressor) const noexcept {
    libdeflate_free_compressor(compressor);
  }
};

std::string little(std::uint64_t number, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>((number >> (8 * i)) & 0xffU);
  return bytes;
}

std::string deflated(const std::string& content) {
  constexpr int level = 6;
  const std::unique_ptr<libdeflate_compressor, Freer> compressor(
      libdeflate_alloc_compressor(level));
  if (!compressor) throw std::bad_alloc();
  std::string packed(libdeflate_deflate_compress_bound(compressor.get(), content.size()), '\0');
  packed.resize(libdeflate_deflate_compress(compressor.get(), content.data(), content.size(),
                                            packed.data(), packed.size()));
  if (packed.empty()) throw std::runtime_error("an entry can't be deflated");
  return packed;
}

bool is_ascii(const std::string& name) {
  for (const char c : name) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

}  // namespace

// Source of all numbers: PKWARE's APPNOTE.TXT 6.3.10, section 4.3.
std::vector<std::byte> write_zip(const std::vector<ZipEntry>& entries) {
  std::string file;
  std::string directory;
  for (const ZipEntry& entry : entries) {
    const std::string packed = entry.deflate ? deflated(entry.content) : entry.content;
    const std::uint32_t crc = libdeflate_crc32(0, entry.content.data(), entry.content.size());
    std::string fields = little(entry.deflate ? 20 : 10, 2);  // the version that a reader needs
    fields += little((entry.deflate ? 2U : 0U) | (is_ascii(entry.name) ? 0U : 0x800U), 2);
    fields += little(entry.deflate ? 8 : 0, 2) + little(0, 2) + little(33, 2);  // 1 January 1980
    fields += little(crc, 4) + little(packed.size(), 4) + little(entry.content.size(), 4);
    fields += little(entry.name.size(), 2) + little(0, 2);   // no extra fields
    directory += "PK\x01\x02" + little(0x033f, 2) + fields;  // made by version 6.3 on Unix
    directory += little(0, 6);                               // no comment, disk 0, no attributes
    directory += little(0100666U << 16U, 4);                 // a regular file, mode 0666
    directory += little(file.size(), 4) + entry.name;
    file += "PK\x03\x04" + fields;
    file += entry.name + packed;
  }
  if (file.size() > 0xffffffff || entries.size() > 0xfffe) {
    throw std::invalid_argument("zip64 is not written");
  }
  const std::string end = "PK\x05\x06" + little(0, 4) + little(entries.size(), 2) +
                          little(entries.size(), 2) + little(directory.size(), 4) +
                          little(file.size(), 4) + little(0, 2);
  file += directory + end;
  const auto bytes = std::as_bytes(std::span(file));
  return {bytes.begin(), bytes.end()};
}

}  // namespace aether2onnx::tools
