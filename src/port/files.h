/// @file
/// Files: reading a checkpoint, asking about paths, putting finished files in place.
///
/// No other folder asks the file system. files.cpp has the part that all systems share,
/// posix_files.cpp and windows_files.cpp the rest. The build for WebAssembly leaves these files
/// out: its callers use MemoryInput and an Output of their own.
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

// --- questions --------------------------------------------------------------------------------

// These functions follow symbolic links. None throws: a path that the system cannot look up counts
// as missing.

bool exists(const std::filesystem::path& path);
/// Whether `path` is a regular file.
bool is_file(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);
/// Returns nullopt if `path` is not a file.
std::optional<std::uint64_t> file_size(const std::filesystem::path& path);
/// When the file was last written, in local time: "12:31" for today, else "2026-11-28 12:31".
/// Returns "" if `path` is not a file.
std::string time_written(const std::filesystem::path& path);
std::filesystem::path absolute(const std::filesystem::path& path);

/// Why the system can't hold a file or folder with this name: on Windows '<', '"' and others, a dot
/// at the end, the names of devices. Returns "" if the system can.
std::string name_problem(const std::string& name);

/// Tells files apart. Paths that lead to the same file have equal identities: by symbolic links, by
/// hard links, in other letters where the file system ignores their case. A missing file has the
/// identity of its folder and its name.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  std::string name;  ///< "" for a file that exists.
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the comparison's 0 for a pointer
  friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};
FileIdentity identity_of(const std::filesystem::path& path);

struct Listing {
  std::vector<std::filesystem::path> paths;  ///< Files and folders, sorted.
  std::string problem;                       ///< Why `paths` is incomplete; "" if it is complete.
};

/// Lists one folder, without the contents of the folders in it.
Listing list_folder(const std::filesystem::path& folder);

/// The files that a task reads. Whoever writes a file asks here first, once the folders of the
/// output exist: no output replaces a file of the list.
class FilesRead {
 public:
  FilesRead() = default;
  explicit FilesRead(std::span<const std::filesystem::path> paths);

  void add(const std::filesystem::path& path);
  /// Throws Error(io) if `target` leads to one of the files. Messages suggest the file name
  /// `example`.
  void check(const std::filesystem::path& target, const char* example) const;

 private:
  std::vector<std::pair<FileIdentity, std::filesystem::path>> files_;
};

// --- reading ----------------------------------------------------------------------------------

/// The SHA-256 of the bytes of all `inputs`, one after the other, in lower-case hex. Calls
/// `progress` with the number of bytes hashed so far.
std::string sha256_of(std::span<const Input* const> inputs,
                      const std::function<void(std::uint64_t)>& progress);
std::string sha256_of(const Input& input, const std::function<void(std::uint64_t)>& progress);

/// A file. Reads at a position do not disturb each other, so several threads may read.
class FileInput final : public Input {
 public:
  /// Throws Error(io) if `path` isn't a regular file or can't be opened. If `cancelled` becomes
  /// true, a read that a signal interrupts throws Error(cancelled). `cancelled` may be null.
  explicit FileInput(const std::filesystem::path& path,
                     const std::atomic<bool>* cancelled = nullptr);
  ~FileInput() override;
  std::uint64_t size() const override { return size_; }
  void read(std::uint64_t offset, std::span<std::byte> out) const override;
  /// Throws Error(io) if the file's size or time of modification changed since it was opened.
  void check_unchanged() const;

 private:
  std::filesystem::path path_;
  std::unique_ptr<system::OldFile> file_;
  std::uint64_t size_ = 0;
  std::int64_t modified_ = 0;  // in nanoseconds
  const std::atomic<bool>* cancelled_;
};

/// The bytes of a stream.
struct StreamBytes {
  std::string bytes;
  bool too_long = false;  ///< There are more bytes; `bytes` has the first of them.
  std::string problem;    ///< Why the stream can't be read; "" if it was read.

  /// Adds bytes as long as there are at most `most`. Returns false once there are more.
  bool append(std::string_view more, std::size_t most);
};

/// Reads a file, a pipe or a device to its end, at most `most` bytes. Throws Error(cancelled) as
/// soon as `cancelled`, which may be null, becomes true, even while no bytes come.
StreamBytes read_stream(const std::filesystem::path& path, std::size_t most,
                        const std::atomic<bool>* cancelled);

/// Opens the files beside a checkpoint: the shards of a sharded one.
class Siblings {
 public:
  Siblings() = default;
  Siblings(const Siblings&) = delete;
  Siblings& operator=(const Siblings&) = delete;
  virtual ~Siblings();

  /// Opens the file `name`, a file name without a folder. Returns null if there is no such file.
  /// Throws Error(io) if the file isn't a regular file or can't be opened.
  virtual std::unique_ptr<Input> open(const std::string& name) const = 0;
};

/// The files in the folder of `path`.
class FolderSiblings final : public Siblings {
 public:
  /// `cancelled` as for FileInput.
  explicit FolderSiblings(const std::filesystem::path& path,
                          const std::atomic<bool>* cancelled = nullptr)
      : folder_(path.parent_path()), cancelled_(cancelled) {}
  std::unique_ptr<Input> open(const std::string& name) const override;
  /// The files that were opened. A file may occur several times.
  const std::vector<std::filesystem::path>& opened() const { return opened_; }

 private:
  std::filesystem::path folder_;
  const std::atomic<bool>* cancelled_;
  mutable std::vector<std::filesystem::path> opened_;
};

// --- writing ----------------------------------------------------------------------------------

/// Throws Error(io) if no file can be saved as `target`: the system can't hold the name, the path
/// is a folder, another thing that isn't a regular file, one of the files `read`, or a file that
/// another program keeps from being replaced. Changes nothing. Messages suggest the file
/// name `example`.
void check_target(const std::filesystem::path& target, const FilesRead& read, const char* example);

/// The missing folders above a new file. The destructor removes the empty ones again unless keep()
/// was called.
class CreatedFolders {
 public:
  CreatedFolders() = default;
  /// Creates `folder` and the missing folders above it. Throws Error(io), which names `target`, the
  /// file or folder that the user asked for.
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

/// Files on their way to their place. They are written to a temporary folder beside the target,
/// under their final names, so that the model finds its external data there. commit() renames them.
/// Without commit() the destructor removes the files and every created folder.
///
/// A file that replaces another gets the mode of the old file, and its owner and group if the
/// system permits that.
class StagedFiles {
 public:
  /// Creates the missing folders above `target` and the temporary folder. Throws Error(io) if the
  /// target then leads to one of the files `read`. `cancelled` as for FileInput.
  StagedFiles(const std::filesystem::path& target, FilesRead read,
              const std::atomic<bool>* cancelled = nullptr);
  StagedFiles(const StagedFiles&) = delete;
  StagedFiles& operator=(const StagedFiles&) = delete;
  ~StagedFiles();

  /// Takes the model file's bytes.
  Output& model();
  /// Takes the external data's bytes. The file exists only if bytes are written to it.
  Output& external_data();
  /// The file name of the external data, without a folder: the target's name and ".data".
  std::string external_data_name() const;
  /// Announces that another program writes the model, to candidate(). The model is removed or put
  /// in place like a model written through model().
  void leave_to_another_program();
  /// Ends writing. From now on candidate() is the complete model.
  void close();
  std::filesystem::path candidate() const;
  /// Renames the files into place. Throws Error(io) if a place leads to one of the files `read`.
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
