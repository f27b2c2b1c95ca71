/// @file
/// Functions with which files.cpp reads, writes and renames files. posix_files.cpp and
/// windows_files.cpp implement these functions with calls of the operating system. The functions
/// have the same meaning on every system.
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

/// The result of a call of the operating system: a problem, or none.
struct Outcome {
  enum class Problem { none, missing, exists, full, in_use, read_only, other };
  Problem problem = Problem::none;
  std::string text = {};  ///< The system's error message, or "".

  bool failed() const { return problem != Problem::none; }
};

/// Returns the path for messages, without control characters and not too long (see printable()).
inline std::string shown(const std::filesystem::path& path) {
  return printable(path.string(), 4096);
}

/// The kind of object that a path leads to, through symbolic links. `unknown` if the system does
/// not report the kind.
enum class Kind { missing, unknown, file, folder, other };
Kind kind_of(const std::filesystem::path& path);

/// Returns the path of the file or folder behind the symbolic links at `path`; `path` itself if
/// `path` is no link. Returns nullopt if the links form a circle. If no file or folder is behind
/// the links, Windows returns nullopt, and POSIX returns the path of the missing file.
std::optional<std::filesystem::path> behind_links(const std::filesystem::path& path);

/// Creates a folder. `only_mine` denies access to other users; Windows ignores this argument.
Outcome make_folder(const std::filesystem::path& path, bool only_mine);
/// Removes an empty folder.
void remove_folder(const std::filesystem::path& path) noexcept;
void remove_file(const std::filesystem::path& path) noexcept;

/// A file that is opened for reading.
class OldFile {
 public:
  OldFile() = default;
  OldFile(const OldFile&) = delete;
  OldFile& operator=(const OldFile&) = delete;
  ~OldFile();

  struct Facts {
    Kind kind = Kind::other;
    std::uint64_t size = 0;
    std::int64_t modified = 0;  ///< Time of the last write, in nanoseconds.
  };

  /// Opens a file or folder for reading. Does not wait if `path` is a pipe without a writer.
  Outcome open(const std::filesystem::path& path);
  /// Returns kind, size and time of last write of the open file; nullopt if the system reports
  /// none.
  std::optional<Facts> facts() const;
  /// Fills the start of `out` with bytes of the file from `offset` on. Then shortens `out` to the
  /// part that is still to be filled. Leaves `out` unchanged if the file ends at or before
  /// `offset`. Throws Error(cancelled) if a signal interrupts the call and `cancelled` is true.
  /// `cancelled` may be null.
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

  /// Creates the file. Fails if the path exists.
  Outcome create(const std::filesystem::path& path);
  /// Writes at least one byte from the start of `bytes`. Then shortens `bytes` to the part that is
  /// still to be written. Throws Error(cancelled) if a signal interrupts the call and `cancelled`
  /// is true. `cancelled` may be null.
  Outcome write_some(std::span<const std::byte>& bytes, const std::atomic<bool>* cancelled);
  Outcome close();

 private:
  std::intptr_t handle_ = -1;
};

/// Copies the access rights of the file `old` to the file `made`, if `old` exists. On POSIX, copies
/// the owner too, if the system permits the change. The caller then replaces `old` by `made`.
Outcome take_rights(const std::filesystem::path& made, const std::filesystem::path& old);

/// Checks whether rename() can replace the file at `path`. On Windows, fails if another program has
/// the file open or if the file is marked as read-only. On POSIX, never fails.
Outcome can_be_replaced(const std::filesystem::path& path);

/// Renames the file `from` to `to`. Replaces an existing file at `to` in one step, so that no
/// program finds an incomplete file at `to`.
Outcome rename(const std::filesystem::path& from, const std::filesystem::path& to);

/// Returns the number (PID) of this process.
unsigned long process_number();

}  // namespace aether2onnx::system
