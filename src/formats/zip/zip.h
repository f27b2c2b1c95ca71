/// @file
/// Reads zip archives, and finds every contradiction between the records (directory, headers, end
/// record) of an archive.
///
/// This code knows nothing about the content of entries. Source: PKWARE's APPNOTE.TXT 6.3.10.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::zip {

/// One entry of an archive.
struct Entry {
  std::string name;
  std::uint64_t size = 0;    ///< Bytes of the data after decompression.
  std::uint64_t packed = 0;  ///< Bytes of the data in the archive.
  std::uint64_t offset = 0;  ///< Position of the first byte of the data in the file.
  std::uint32_t crc = 0;     ///< CRC-32 of the decompressed data; 0 means "not computed".
  bool stored = true;        ///< The data are not compressed.
};

/// How an irregularity in an archive affects the programs that read the archive.
enum class Severity {
  note,           ///< No effect: programs agree about every entry.
  damage,         ///< The class Archive refuses the file. Attacks cannot use this damage.
  unsupported,    ///< The class Archive refuses the file. Other programs may read it.
  contradiction,  ///< The class Archive refuses the file. Programs may see different entries.
};

/// A place in an archive that contradicts another place, or that programs read differently.
struct Irregularity {
  Severity severity = Severity::contradiction;
  Diagnostic diagnostic;  ///< `text` has one line. `subject` is the name of an entry, or empty.
};

/// The result of audit(): what is wrong with an archive, and the entries of the archive.
struct Audit {
  bool has_end = false;  ///< The file has the end record, which ends every zip archive.
  std::vector<Irregularity> irregularities;
  /// The entries that the directory lists come first, in the directory's order. Entries that the
  /// directory does not list follow. The names are from the local headers. All data lie within the
  /// file.
  std::vector<Entry> entries;
};

/// Compares the directory with the end record and the local headers. Looks for overlapping entries,
/// and for entries and bytes that the directory does not list. Does not read the data of entries.
/// Throws Error(limit) if the directory is too large. Throws the errors of Input::read().
Audit audit(const Input& input, const Context& context);

/// Returns whether any program that reads zip archives may find a directory with at least one entry
/// in `input`. The first bytes of `input` do not matter, because programs search from the end.
bool has_directory(const Input& input);

/// A zip archive whose records agree. An entry's CRC is checked when the entry is first read.
class Archive {
 public:
  /// `input` must outlive the archive. `context` is copied. Throws Error(malformed) if the archive
  /// is truncated or contradicts itself, Error(unsupported) if an entry is encrypted or uses a
  /// compression method other than deflate.
  Archive(const Input& input, const Context& context);
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;
  ~Archive();

  const std::vector<Entry>& entries() const;
  /// Returns the index of the entry with exactly this name; nullopt if no entry has the name.
  std::optional<std::size_t> find(std::string_view name) const;

  /// Reads the whole entry. Throws Error(limit) if the decompressed entry has over `limit` bytes.
  std::vector<std::byte> read_all(std::size_t entry, std::uint64_t limit) const;

  /// Fills `out` with the bytes of the entry from byte `offset` on. Requires that the entry has
  /// offset + out.size() bytes or more. The first call for an entry reads the whole entry to check
  /// the CRC, unless Entry::crc is 0 ("not computed"). For a stored entry, this check needs little
  /// memory. A deflated entry is inflated into memory as a whole. Its content stays there until
  /// another deflated entry is read.
  void read(std::size_t entry, std::uint64_t offset, std::span<std::byte> out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx::zip
