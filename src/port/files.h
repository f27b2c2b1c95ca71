/// @file
/// Files: reading a checkpoint, asking about paths, putting finished files in place.
///
/// No other folder asks the file system. One source file a platform implements these functions
/// (posix.cpp). The build for WebAssembly leaves that file out: its callers use MemoryInput and an
/// Output of their own.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace aether2onnx::io {

// --- questions --------------------------------------------------------------------------------

// These functions follow symbolic links. None throws: a path that the system cannot look up counts
// as missing.

bool exists(const std::filesystem::path& path);
/// Whether `path` is a regular file.
bool is_file(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);
/// Whether both paths lead to the same existing file.
bool are_same(const std::filesystem::path& one, const std::filesystem::path& other);
/// Returns nullopt if `path` is not a file.
std::optional<std::uint64_t> file_size(const std::filesystem::path& path);
std::filesystem::path absolute(const std::filesystem::path& path);
/// The absolute path without links, "." and "..". Two paths to the same file have equal results,
/// except for hard links. The file itself may be missing.
std::filesystem::path without_links(const std::filesystem::path& path);

struct Listing {
  std::vector<std::filesystem::path> paths;  ///< Files and folders, sorted.
  std::string problem;                       ///< Why `paths` is incomplete; "" if it is complete.
};

/// Lists one folder, without the contents of the folders in it.
Listing list_folder(const std::filesystem::path& folder);

// --- reading ----------------------------------------------------------------------------------

/// The SHA-256 of the bytes of all `inputs`, one after the other, in lower-case hex. Calls
/// `progress` with the number of bytes hashed so far.
std::string sha256_of(std::span<const Input* const> inputs,
                      const std::function<void(std::uint64_t)>& progress);
std::string sha256_of(const Input& input, const std::function<void(std::uint64_t)>& progress);

/// A file. Reads at a position do not disturb each other, so several threads may read.
class FileInput final : public Input {
 public:
  /// Throws Error(io) if `path` isn't a regular file or can't be opened.
  explicit FileInput(const std::filesystem::path& path);
  ~FileInput() override;
  std::uint64_t size() const override { return size_; }
  void read(std::uint64_t offset, std::span<std::byte> out) const override;
  /// Throws Error(io) if the file's size or time of modification changed since it was opened.
  void check_unchanged() const;

 private:
  std::filesystem::path path_;
  std::uint64_t size_ = 0;
  std::int64_t modified_ = 0;  // in nanoseconds
  int descriptor_ = -1;
};

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
  explicit FolderSiblings(const std::filesystem::path& path) : folder_(path.parent_path()) {}
  std::unique_ptr<Input> open(const std::string& name) const override;

 private:
  std::filesystem::path folder_;
};

// --- writing ----------------------------------------------------------------------------------

/// Throws Error(io) if no file can be saved as `target`: the path is a folder, another thing that
/// isn't a regular file, or `source` itself. Changes nothing. Messages suggest the file name
/// `example`.
void check_target(const std::filesystem::path& target, const std::filesystem::path& source,
                  const char* example);

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
class StagedFiles {
 public:
  /// Creates the missing folders above `target` and the temporary folder.
  explicit StagedFiles(const std::filesystem::path& target);
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
  /// Renames the files into place.
  void commit();

 private:
  class File;
  std::filesystem::path target_;
  std::unique_ptr<CreatedFolders> created_folders_;
  std::filesystem::path folder_;
  std::unique_ptr<File> model_;
  std::unique_ptr<File> external_data_;
};

}  // namespace aether2onnx::io
