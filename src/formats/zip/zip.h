/// @file
/// Reads zip archives and finds every contradiction between the parts of an archive.
///
/// The reader knows nothing of the entries' content. Source: PKWARE's APPNOTE.TXT 6.3.10.
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
  std::uint64_t size = 0;    ///< Bytes after decompression.
  std::uint64_t packed = 0;  ///< Bytes in the archive.
  std::uint64_t offset = 0;  ///< Position of the first byte in the archive.
  std::uint32_t crc = 0;     ///< CRC-32 after decompression; 0 means "not computed".
  bool stored = true;        ///< Not compressed.
};

/// How an irregularity affects readers of the archive.
enum class Severity {
  note,           ///< No effect: readers agree about every entry.
  damage,         ///< Archive refuses the file. No attack uses the damage.
  unsupported,    ///< Archive refuses the file. Other programs may read the file.
  contradiction,  ///< Archive refuses the file. Readers may see different entries.
};

/// A place where an archive contradicts itself, or where readers are known to differ.
struct Irregularity {
  Severity severity = Severity::contradiction;
  Diagnostic diagnostic;  ///< `text` is one line, `subject` an entry's name or empty.
};

/// What audit() finds in a file.
struct Audit {
  bool has_end = false;  ///< The file has the record that ends a zip archive.
  std::vector<Irregularity> irregularities;
  /// The directory's entries in their order, then entries that the directory does not list. The
  /// names are from the local headers. The bytes of every entry lie within the file.
  std::vector<Entry> entries;
};

/// Compares the directory, the local headers and the bytes between them; reads no entry's data.
/// Throws what Input::read() throws, and Error(limit) if the directory exceeds the limits.
Audit audit(const Input& input, const Context& context);

/// Returns whether any reader of zip archives finds a directory with at least one entry. Readers
/// search from the end of `input`, so the first bytes do not matter.
bool has_directory(const Input& input);

/// A zip archive whose parts agree. An entry's CRC is checked when the entry is first read.
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
  /// Returns the index of the entry with exactly this name; nullopt if there is none.
  std::optional<std::size_t> find(std::string_view name) const;

  /// Reads the whole entry. Throws Error(limit) if the entry is larger than `limit` bytes.
  std::vector<std::byte> read_all(std::size_t entry, std::uint64_t limit) const;

  /// Fills `out` with the entry's bytes from `offset` on. Requires offset + out.size() <= size.
  /// The first read of an entry goes through the whole entry to check its CRC. A stored entry needs
  /// one buffer for the check. A deflated entry is inflated into memory and stays there until
  /// another deflated entry is read.
  void read(std::size_t entry, std::uint64_t offset, std::span<std::byte> out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx::zip
