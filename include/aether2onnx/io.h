/// @file
/// The interfaces Input and Output, through which the library reads and writes bytes of files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include <aether2onnx/api.h>

namespace aether2onnx {

/// Random access to the bytes of a file.
class AETHER2ONNX_API Input {
 public:
  Input() = default;
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  virtual ~Input();

  /// Returns the length in bytes, which must not change.
  virtual std::uint64_t size() const = 0;
  /// Fills `out` with the bytes from `offset` on. The library calls read() only if offset +
  /// out.size() <= size(). Throws Error(io) if some of the bytes can't be read.
  virtual void read(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

/// An Input in memory. The caller owns the bytes.
struct AETHER2ONNX_API MemoryInput final : Input {
  explicit MemoryInput(std::span<const std::byte> all) : bytes(all) {}
  std::uint64_t size() const override { return bytes.size(); }
  void read(std::uint64_t offset, std::span<std::byte> out) const override;

  std::span<const std::byte> bytes;
};

/// Opens a file for reading. Throws Error(io) if `path` isn't a regular file or can't be opened.
AETHER2ONNX_API std::unique_ptr<Input> open_file(const std::filesystem::path& path);

/// Receives the bytes of a file in order, from the first to the last.
class AETHER2ONNX_API Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  virtual ~Output();

  /// Appends `bytes` to the file. Throws Error(io) if `bytes` can't be written.
  virtual void write(std::span<const std::byte> bytes) = 0;
};

/// The destinations to which convert() writes a model.
struct OutputFiles {
  /// Receives the ONNX file.
  Output* model = nullptr;
  /// Receives the weights if the model is larger than ConvertOptions::external_data_threshold. If
  /// null, a model of this size is refused with Error(limit).
  Output* external_data = nullptr;
  /// The name by which the ONNX file refers to the external data: a file name without a folder.
  std::string external_data_name;
};

}  // namespace aether2onnx
