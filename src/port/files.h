/// @file
/// Looks up paths, reads checkpoints, and saves finished files under their final names.
///
/// Only this folder calls the file system. files.cpp has the code for all systems, posix_files.cpp
/// for POSIX systems, and windows_files.cpp for Windows. The build for WebAssembly omits these
/// three files, because a program with this build has the checkpoint in memory (MemoryInput), and
/// receives the ONNX file through its own class derived from Output. Both classes are in io.h.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <atomic>
#include <compare>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aether2onnx::system {
class OldFile;
}

namespace aether2onnx::io {

// --- paths ------------------------------------------------------------------------------------

// The functions in this section follow symbolic links and do not throw. They treat a path that the
// system cannot look up as missing.

bool exists(const std::filesystem::path& path);
/// Returns whether `path` is a regular file.
bool is_file(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);
/// Returns the size in bytes; nullopt if `path` is not a file.
std::optional<std::uint64_t> file_size(const std::filesystem::path& path);
/// Returns the time of the last write to the file, in local time: "12:31" for today, else
/// "2026-11-28 12:31". Returns "" if the time is unknown, for example because the file does not
/// exist.
std::string time_written(const std::filesystem::path& path);
std::filesystem::path absolute(const std::filesystem::path& path);

/// Returns why the system forbids this name for a file or folder, or "" if the name is allowed.
/// Windows forbids some characters ('<', '"', …), a dot or space at the end, and device names.
std::string name_problem(const std::string& name);

/// Identifies a file. All paths to one file have equal identities: paths through symbolic links,
/// hard links, and paths in another letter case if the file system ignores case. The identity of a
/// missing file consists of its folder's `device` and `number`, and of the file's `name`.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  std::string name;  ///< Name of a missing file. Else "", or on ReFS "#" and a number.
  // The generated function compares the result of <=> with 0, and clang-tidy 14 takes this 0 for a
  // null pointer. NOLINTNEXTLINE(modernize-use-nullptr)
  friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};
FileIdentity identity_of(const std::filesystem::path& path);

struct Listing {
  std::vector<std::filesystem::path> paths;  ///< Files and folders, sorted.
  std::string problem;                       ///< Why the list is incomplete; "" if complete.
};

/// Lists the files and folders that are directly in `folder`. Does not list what is in subfolders.
Listing list_folder(const std::filesystem::path& folder);

/// The list of files that a task (for example a conversion) reads. No output may replace a file in
/// the list. Before a task writes an output, the task creates the output's folders and then calls
/// check(), because the system can follow a path such as "new/../net.pth" only if the folder "new"
/// exists.
class FilesRead {
 public:
  FilesRead() = default;
  explicit FilesRead(std::span<const std::filesystem::path> paths);

  void add(const std::filesystem::path& path);
  /// Throws Error(io) if `target`, the path of an output, leads to a file in the list, because the
  /// output would overwrite this input file. The message suggests `example` as another file name.
  void check(const std::filesystem::path& target, const char* example) const;

 private:
  std::vector<std::pair<FileIdentity, std::filesystem::path>> files_;
};

// --- reading ----------------------------------------------------------------------------------

/// Returns the SHA-256 of the bytes of all `inputs`, one after the other, in lower-case hex. Calls
/// `progress` with the number of bytes hashed so far.
std::string sha256_of(std::span<const Input* const> inputs,
                      const std::function<void(std::uint64_t)>& progress);
std::string sha256_of(const Input& input, const std::function<void(std::uint64_t)>& progress);

/// A file that is open for reading. Several threads may call read() at the same time.
class FileInput final : public Input {
 public:
  /// Throws Error(io) if `path` isn't a regular file or can't be opened. If `cancelled` is true
  /// when a signal interrupts read(), read() throws Error(cancelled). `cancelled` may be null.
  explicit FileInput(const std::filesystem::path& path,
                     const std::atomic<bool>* cancelled = nullptr);
  ~FileInput() override;
  std::uint64_t size() const override { return size_; }
  void read(std::uint64_t offset, std::span<std::byte> out) const override;
  /// Throws Error(io) if the file's size or time of modification changed after the file was opened.
  void check_unchanged() const;

 private:
  std::filesystem::path path_;
  std::unique_ptr<system::OldFile> file_;
  std::uint64_t size_ = 0;
  std::int64_t modified_ = 0;  // in nanoseconds
  const std::atomic<bool>* cancelled_;
};

/// The bytes that were read from a stream.
struct StreamBytes {
  std::string bytes;
  bool too_long = false;  ///< Whether the stream has more bytes than `bytes`.
  std::string problem;    ///< Why reading failed; "" if there was no error.

  /// Appends `more` to `bytes`, but stops when `bytes` has `most` bytes. If a part of `more` does
  /// not fit, sets `too_long` and returns false.
  bool append(std::string_view more, std::size_t most);
};

/// Reads a file, a pipe or a device to its end, at most `most` bytes. Throws Error(cancelled) as
/// soon as `cancelled` becomes true, even while no bytes arrive. `cancelled` may be null.
StreamBytes read_stream(const std::filesystem::path& path, std::size_t most,
                        const std::atomic<bool>* cancelled);

/// Opens files that are in the same folder as an input: the shards of a checkpoint, or the external
/// data of an ONNX model.
class Siblings {
 public:
  Siblings() = default;
  Siblings(const Siblings&) = delete;
  Siblings& operator=(const Siblings&) = delete;
  virtual ~Siblings();

  /// Opens the file `name`, a file name without a folder. Returns null if the file does not exist.
  /// Throws Error(io) if the file isn't a regular file or can't be opened.
  virtual std::unique_ptr<Input> open(const std::string& name) const = 0;
};

/// Opens files by name in one folder on disk. This folder contains the file `path`, which is an
/// argument of the constructor.
class FolderSiblings final : public Siblings {
 public:
  /// Each opened FileInput gets `cancelled`, the flag that stops reading. `cancelled` may be null.
  explicit FolderSiblings(const std::filesystem::path& path,
                          const std::atomic<bool>* cancelled = nullptr)
      : folder_(path.parent_path()), cancelled_(cancelled) {}
  std::unique_ptr<Input> open(const std::string& name) const override;
  /// Returns the files that open() opened. A file may occur several times.
  const std::vector<std::filesystem::path>& opened() const { return opened_; }

 private:
  std::filesystem::path folder_;
  const std::atomic<bool>* cancelled_;
  mutable std::vector<std::filesystem::path> opened_;
};

// --- writing ----------------------------------------------------------------------------------

/// Throws Error(io) if no file can be saved as `target`: the system forbids the name, the path is a
/// folder or another object that isn't a regular file, the file is one of the files in `read`, or
/// the file can't be replaced (read-only, or in use by another program). Changes nothing. Messages
/// suggest `example` as another file name.
void check_target(const std::filesystem::path& target, const FilesRead& read, const char* example);

/// Creates the missing parent folders of a new file. The destructor removes the created folders
/// that are empty, unless keep() was called.
class CreatedFolders {
 public:
  CreatedFolders() = default;
  /// Creates `folder` and its missing parent folders. Throws Error(io) if this fails. The message
  /// names `target`, the file or folder that the user asked for.
  CreatedFolders(const std::filesystem::path& folder, const std::filesystem::path& target);
  CreatedFolders(const CreatedFolders&) = delete;
  CreatedFolders& operator=(const CreatedFolders&) = delete;
  ~CreatedFolders();

  void keep() { kept_ = true; }

 private:
  void undo();

  std::vector<std::filesystem::path> created_;  // innermost first
  bool kept_ = false;
};

/// Writes a model file to the path `target`, and external data to a second file beside `target`.
/// Until commit(), both files are in a temporary folder beside `target`. The files have their final
/// names there, because the model file contains the name of the second file. commit() moves both
/// files to the folder of `target`. Without commit(), the destructor removes both files and every
/// created folder.
///
/// A file that replaces an old file gets the access rights of the old file. If the system permits
/// the change, the new file also gets the owner and group of the old file.
class StagedFiles {
 public:
  /// Creates missing parent folders of `target`. Calls check_target(), which throws Error(io) if
  /// `target` can't be saved or is in the list `read`. Creates the temporary folder. If `cancelled`
  /// is true when a signal interrupts a write to a file, the write throws Error(cancelled).
  StagedFiles(const std::filesystem::path& target, FilesRead read,
              const std::atomic<bool>* cancelled = nullptr);
  StagedFiles(const StagedFiles&) = delete;
  StagedFiles& operator=(const StagedFiles&) = delete;
  ~StagedFiles();

  /// Returns the object that receives the bytes of the model file.
  Output& model();
  /// Returns the object that receives the external data. The file is created only if bytes are
  /// written.
  Output& external_data();
  /// Returns the file name of the external data, without a folder: the target's name and ".data".
  std::string external_data_name() const;
  /// Prepares commit() for a file that another program (trtexec, for example) writes at the path
  /// candidate(). Then write nothing to model(). commit() renames the file to its final path. If
  /// commit() is not called, the destructor removes the file.
  void leave_to_another_program();
  /// Closes both files. From now on the file at candidate() is the complete model.
  void close();
  std::filesystem::path candidate() const;
  /// Renames the files to their final paths. Throws Error(io) if the file at a final path is in the
  /// constructor's list `read`, or if the file can't be replaced.
  void commit();

 private:
  class File;
  std::filesystem::path target_;
  FilesRead read_;
  std::unique_ptr<CreatedFolders> created_folders_;
  std::filesystem::path folder_;
  std::unique_ptr<File> model_;
  std::unique_ptr<File> external_data_;
};

}  // namespace aether2onnx::io
