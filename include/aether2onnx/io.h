/// @file
/// Where bytes come from and go to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include <aether2onnx/api.h>

namespace aether2onnx {

/// Random access to the bytes of a checkpoint.
class AETHER2ONNX_API Input {
 public:
  Input() = default;
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  virtual ~Input();

  /// Length in bytes; must not change.
  virtual std::uint64_t size() const = 0;
  /// Fills `out` with the bytes from `offset` on. Called only with offset + out.size() <= size().
  /// Throws Error(io) where that can't be done in full.
  virtual void read(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

/// Bytes in memory; does not own them.
class AETHER2ONNX_API MemoryInput final : public Input {
 public:
  explicit MemoryInput(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  void read(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  std::span<const std::byte> bytes_;
};

/// A file, read through the operating system's positional read.
class AETHER2ONNX_API FileInput final : public Input {
 public:
  /// Throws Error(io) where `path` isn't a regular file that can be opened.
  explicit FileInput(const std::filesystem::path& path);
  ~FileInput() override;
  std::uint64_t size() const override { return size_; }
  void read(std::uint64_t offset, std::span<std::byte> out) const override;
  /// Throws Error(io) where the file was written to since it was opened, as far as its size and its
  /// time of modification tell.
  void check_unchanged() const;

 private:
  std::filesystem::path path_;
  std::uint64_t size_ = 0;
  std::int64_t modified_ = 0;  // in nanoseconds
  int descriptor_ = -1;
};

/// Takes the bytes of a file that is being written, in order.
class AETHER2ONNX_API Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  virtual ~Output();

  /// Throws Error(io) where the bytes can't be taken.
  virtual void write(std::span<const std::byte> bytes) = 0;
};

/// Where a model goes.
struct OutputFiles {
  /// Takes the ONNX file.
  Output* model = nullptr;
  /// Takes the weights of a model beyond Options::external_data_threshold. If null, such a model
  /// is refused with Error(limit).
  Output* external_data = nullptr;
  /// The name by which the ONNX file refers to the external data: a file name without a folder.
  std::string external_data_name;
};

}  // namespace aether2onnx
