/// @file
/// The calls of the operating system that files.cpp is made of, with the same meaning on every
/// system. posix_files.cpp and windows_files.cpp implement them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "base/text.h"

namespace aether2onnx::system {

/// How a call ended.
struct Outcome {
  enum class Problem { none, missing, exists, full, in_use, read_only, other };
  Problem problem = Problem::none;
  std::string text = {};  ///< The system's sentence, "" without a problem.

  bool failed() const { return problem != Problem::none; }
};

/// A path for messages.
inline std::string shown(const std::filesystem::path& path) {
  return printable(path.string(), 4096);
}

/// What a path leads to, behind symbolic links. `unknown` if the system doesn't say.
enum class Kind { missing, unknown, file, folder, other };
Kind kind_of(const std::filesystem::path& path);

/// The file or folder that the symbolic links at `path` lead to; it may be missing. Nullopt if the
/// links lead nowhere.
std::optional<std::filesystem::path> behind_links(const std::filesystem::path& path);

/// `only_mine`: other users may not look into the folder.
Outcome make_folder(const std::filesystem::path& path, bool only_mine);
/// Removes an empty folder.
void remove_folder(const std::filesystem::path& path) noexcept;
void remove_file(const std::filesystem::path& path) noexcept;

/// A file that is read.
class OldFile {
 public:
  OldFile() = default;
  OldFile(const OldFile&) = delete;
  OldFile& operator=(const OldFile&) = delete;
  ~OldFile();

  struct Facts {
    Kind kind = Kind::other;
    std::uint64_t size = 0;
    std::int64_t modified = 0;  ///< In nanoseconds.
  };

  /// Opens a file or folder. Opening a pipe doesn't wait for its other end.
  Outcome open(const std::filesystem::path& path);
  /// Nullopt if the system doesn't say.
  std::optional<Facts> facts() const;
  /// Reads the first bytes of `out` from `offset` on and drops them from `out`. Reads none at the
  /// end of the file. `cancelled` as in NewFile.
  Outcome read_some(std::uint64_t offset, std::span<std::byte>& out,
                    const std::atomic<bool>* cancelled) const;

 private:
  std::intptr_t handle_ = -1;
};

/// A file that this program creates and fills.
class NewFile {
 public:
  NewFile() = default;
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  /// Creates the file. Fails if there is one.
  Outcome create(const std::filesystem::path& path);
  /// Writes the first bytes of `bytes`, at least one, and drops them from `bytes`. Throws
  /// Error(cancelled) if a signal interrupts the call and `cancelled`, which may be null, is true.
  Outcome write_some(std::span<const std::byte>& bytes, const std::atomic<bool>* cancelled);
  Outcome close();

 private:
  std::intptr_t handle_ = -1;
};

/// Gives the file at `made` the rights of the file at `old`, if that exists, and its owner if the
/// system permits that. `made` takes the place of `old` next.
Outcome take_rights(const std::filesystem::path& made, const std::filesystem::path& old);

/// Whether the system would replace the file at `path`: another program may have it open, and on
/// Windows a file may be marked as read-only.
Outcome can_be_replaced(const std::filesystem::path& path);

/// Renames a file. Replaces a file at `to` as a whole.
Outcome rename(const std::filesystem::path& from, const std::filesystem::path& to);

/// The number of this process.
unsigned long process_number();

}  // namespace aether2onnx::system
