/// @file
/// Stage "archive": what kind of file this is, and the entries of a zip archive.
///
/// Owns the knowledge of containers and of libzip. Knows nothing of what is in the entries.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::archive {

/// What a file is, told by its first bytes alone (a file's name says nothing about its content).
enum class FileKind {
  empty,
  zip,
  zip_spanned,   ///< A zip without any entry, or one part of a split one.
  torch_legacy,  ///< PyTorch's stream of pickles, from before 1.6.
  torch_tar,     ///< PyTorch's tar file, from before 0.1.10 (2016).
  tar,
  safetensors,
  pickle,  ///< A pickle, but not as PyTorch writes them.
  onnx,
  gzip,
  seven_zip,
  xz,
  zstd,
  rar,
  bzip2,
  hdf5,
  gguf,
  image,
  html,
  json,
  git_lfs_pointer,
  tensorrt_engine,
  text,
  unknown,
};

FileKind sniff(const Input& input);

/// The name of the file inside a gzip file, as its header states it; "" where it doesn't.
/// Source: RFC 1952, section 2.3.
std::string gzip_name(const Input& input);

/// One entry of an archive.
struct Entry {
  std::string name;
  std::uint64_t size = 0;  ///< Bytes after decompression, as the central directory states them.
  bool stored = true;      ///< Not compressed.
  std::uint32_t crc = 0;   ///< CRC-32 of the bytes; 0 means "not computed".
};

/// Where the parts of a zip archive contradict each other, or say what readers take differently.
struct ZipIrregularity {
  std::string code;  ///< Stable: "local-name".
  std::string what;  ///< One line.
  /// False where readers agree about every entry all the same, as on bytes that belong to none.
  bool contradicts = true;
};

/// What is called an entry somewhere in a zip archive.
struct ZipPart {
  std::string name;          ///< As its local header has it.
  std::uint64_t offset = 0;  ///< Of its first byte.
  std::uint64_t size = 0;    ///< Bytes in the archive.
  bool stored = true;        ///< Not compressed.
};

/// A zip archive looked at byte by byte, without libzip and whatever is wrong with it.
struct ZipAudit {
  bool has_end = false;  ///< There is the record that ends a zip archive.
  std::vector<ZipIrregularity> irregularities;
  /// What the directory lists, in its order, and then what lies between, as far as it can be found.
  std::vector<ZipPart> parts;
};

/// Holds directory, local headers and the bytes between them against each other. Throws what
/// Input::read() throws, and Error(limit) for a directory beyond the limits.
ZipAudit audit_zip(const Input& input, const Context& context);

/// A zip archive, read through libzip and audit_zip(). Consistency of the central directory with
/// the local headers is checked when it is opened, an entry's CRC the first time the entry is read.
/// Bytes that aren't compressed are read from where they lie, past libzip.
class ZipArchive {
 public:
  /// `input` must outlive the archive. Throws Error(malformed) where the archive is truncated or
  /// contradicts itself, Error(unsupported) where an entry is encrypted or compressed in a way
  /// that is not read.
  ZipArchive(const Input& input, const Context& context);
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;
  ~ZipArchive();

  const std::vector<Entry>& entries() const;
  /// Index of the entry of that exact name.
  std::optional<std::size_t> find(std::string_view name) const;

  /// The whole entry. Throws Error(limit) where it is larger than `limit` bytes.
  std::vector<std::byte> read_all(std::size_t entry, std::uint64_t limit) const;

  /// Fills `out` with the entry's bytes from `offset` on; offset + out.size() <= the entry's size.
  /// The first read of an entry goes through all of it, to check its CRC; memory stays at `out`
  /// and one buffer.
  void read(std::size_t entry, std::uint64_t offset, std::span<std::byte> out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx::archive
