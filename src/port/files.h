/// @file
/// Stage "file bytes": reading the checkpoint's file, and putting finished files in place.
///
/// Owns every call of the operating system in the core library; they are all in one source file a
/// platform (posix.cpp). A build without a file system (WebAssembly) leaves that file out and
/// uses MemoryInput and an Output of its own.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace aether2onnx::io {

/// The SHA-256 of the bytes of all `inputs`, one after the other, lower-case hex. `progress` is
/// called with the number of bytes hashed so far.
std::string sha256_of(std::span<const Input* const> inputs,
                      const std::function<void(std::uint64_t)>& progress);
std::string sha256_of(const Input& input, const std::function<void(std::uint64_t)>& progress);

/// Opens the files that lie beside a checkpoint: the shards of a sharded one.
class Siblings {
 public:
  Siblings() = default;
  Siblings(const Siblings&) = delete;
  Siblings& operator=(const Siblings&) = delete;
  virtual ~Siblings();

  /// The file `name`, a file name without a folder; null where there is none. Throws Error(io)
  /// where it is no regular file or can't be opened.
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

/// Throws Error(io) where the model can't go to `target` whatever is in it: it is a folder or
/// another thing that isn't a regular file, or it is `source` itself. Changes nothing. `example` is
/// a file name that messages suggest.
void check_target(const std::filesystem::path& target, const std::filesystem::path& source,
                  const char* example);

/// The folders that were missing above a file that is to be written. They are removed again, as far
/// as they are empty, unless keep() was called.
class CreatedFolders {
 public:
  CreatedFolders() = default;
  /// Creates `folder` and what is missing above it. Throws Error(io), naming `target`, the file or
  /// folder that was asked for.
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

/// Files on their way to their place. They are written into a folder of their own beside the
/// target, under their final names (so that the model finds its external data there), and renamed
/// by commit(). Without commit() the destructor removes them, and every folder that was created.
class StagedFiles {
 public:
  /// Creates the missing folders above `target` and the folder for the files under way.
  explicit StagedFiles(const std::filesystem::path& target);
  StagedFiles(const StagedFiles&) = delete;
  StagedFiles& operator=(const StagedFiles&) = delete;
  ~StagedFiles();

  /// Takes the model file's bytes.
  Output& model();
  /// Takes the external data's bytes; the file exists only if something is written to it.
  Output& external_data();
  /// File name of the external data, without a folder: that of the target with ".data" behind it.
  std::string external_data_name() const;
  /// Another program writes the model, to candidate(). It is removed or put in place as if it had
  /// been written here.
  void leave_to_another_program();
  /// Ends writing; the model lies at candidate() from now on, complete.
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
