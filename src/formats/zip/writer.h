/// @file
/// A zip archive of stored entries, written from front to back. Private to this stage.
///
/// libzip isn't used here: it takes all entries first and writes them when the archive is closed,
/// to a target in which it can seek back, and can't align an entry's data. Here each entry leaves
/// at once, so that one tensor is in memory at a time and an Output, which only takes bytes in
/// order, is enough.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace aether2onnx::checkpoint {

/// Where numbers stop to fit the fields of the archive and go to zip64's.
/// Source: PKWARE's APPNOTE.TXT, sections 4.4.8 and 4.4.21.
struct ZipLimits {
  std::uint64_t number = 0xffffffff;  ///< Sizes and offsets from here on.
  std::uint64_t entries = 0xffff;     ///< Counts of entries from here on.
};

/// Every entry has the same time, 1 January 1980, so that the same entries give the same bytes. An
/// entry's data begins at a multiple of 64 bytes, as PyTorch has it for mapping files into memory.
class ZipWriter {
 public:
  /// `limits` is for tests of zip64 with small archives.
  explicit ZipWriter(Output& output, ZipLimits limits = {}) : output_(output), limits_(limits) {}

  /// Appends an entry. `name` is UTF-8.
  void add(const std::string& name, std::span<const std::byte> content);
  /// Writes the directory; nothing may follow. Gives the archive's size.
  std::uint64_t finish();

 private:
  struct Entry {
    std::string name;
    std::uint32_t crc = 0;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
  };

  void put(std::span<const std::byte> bytes);
  void put(const std::string& bytes) { put(std::as_bytes(std::span(bytes))); }
  std::string directory_entry(const Entry& entry) const;
  std::string end(std::uint64_t directory_offset, std::uint64_t directory_size) const;
  /// The number, or what stands in its place where it is in the zip64 field.
  std::uint64_t short_form(std::uint64_t number) const;

  Output& output_;
  ZipLimits limits_;
  std::vector<Entry> entries_;
  std::uint64_t position_ = 0;
};

}  // namespace aether2onnx::checkpoint
