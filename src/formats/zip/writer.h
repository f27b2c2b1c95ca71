/// @file
/// Writes a zip archive of stored (uncompressed) entries from front to back. An entry is complete
/// before the next entry begins, so the caller needs only one entry (one tensor) in memory. The
/// writer never changes earlier bytes. It can therefore write to an Output (io.h), which only
/// appends bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/zip/zip.h"

namespace aether2onnx::zip {

/// The smallest numbers that the writer puts into zip64 fields, because the usual fields are too
/// small. Source: PKWARE's APPNOTE.TXT, sections 4.4.8 and 4.4.21.
struct Thresholds {
  std::uint64_t number = 0xffffffff;  ///< For sizes and offsets, in bytes.
  std::uint64_t entries = 0xffff;     ///< For the number of entries.
};

/// Writes one archive. Every entry has the time 1 January 1980, so that the same entries always
/// give the same bytes. The data of an entry begin at a multiple of 64 bytes, as in the files of
/// torch.save, so that tensors are aligned if PyTorch maps the file into memory.
class Writer {
 public:
  /// `output` must outlive the writer. Tests lower the `thresholds` to write small zip64 archives.
  explicit Writer(Output& output, Thresholds thresholds = {})
      : output_(output), thresholds_(thresholds) {}

  /// Appends an entry. `name` is UTF-8.
  void add(const std::string& name, std::span<const std::byte> content);
  /// Writes the directory and returns the archive's size in bytes. No other call may follow.
  std::uint64_t finish();

 private:
  void put(std::span<const std::byte> bytes);
  void put(const std::string& bytes) { put(std::as_bytes(std::span(bytes))); }
  std::string common_fields(const Entry& entry, std::size_t extra_size, bool zip64) const;
  std::string directory_entry(const Entry& entry, std::uint64_t begin) const;
  std::string end(std::uint64_t directory, std::uint64_t directory_size) const;
  /// Returns `number`, or 0xffffffff if `number` must go into a zip64 field.
  std::uint64_t short_form(std::uint64_t number) const;

  Output& output_;
  Thresholds thresholds_;
  std::vector<Entry> entries_;
  std::vector<std::uint64_t> begins_;  // the offsets of the local headers
  std::uint64_t position_ = 0;
};

}  // namespace aether2onnx::zip
