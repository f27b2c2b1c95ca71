/// @file
/// Writes checkpoints as torch.save does (zip container, pickle protocol 2), for samples and tests.
/// Shares no code with the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace aether2onnx::tools {

/// A tensor to write: row-major values.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};

enum class StorageType { float32, float16, bfloat16, float64 };

struct CheckpointLayout {
  StorageType type = StorageType::float32;
  std::string root = "archive";
  /// The key under which the state dict lies; empty: at the root.
  std::string wrapper;
  /// Put before every name.
  std::string prefix;
  bool big_endian = false;
  bool deflate = false;
};

/// The file's bytes; the same arguments give the same bytes.
std::vector<std::byte> write_checkpoint(const std::vector<NamedTensor>& tensors,
                                        const CheckpointLayout& layout = {});

/// An entry of a zip archive.
struct ZipEntry {
  std::string name;
  std::string content;
  bool deflate = false;
};

/// A zip archive of any entries.
std::vector<std::byte> write_zip(const std::vector<ZipEntry>& entries);

/// The pickle of a state dict, as it stands in data.pkl; storage i has the key "i".
std::string pickle_state_dict(const std::vector<NamedTensor>& tensors,
                              const CheckpointLayout& layout);

}  // namespace aether2onnx::tools
