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
  /// Beside the state dict, under "optimizer", what Adam keeps of each tensor: so many copies of
  /// it. Only with a wrapper.
  int optimizer_copies = 0;
};

/// The file's bytes; the same arguments give the same bytes.
std::vector<std::byte> write_checkpoint(const std::vector<NamedTensor>& tensors,
                                        const CheckpointLayout& layout = {});

/// The same tensors in PyTorch's legacy stream, from before 1.6. Of the layout `root`, `deflate`
/// and `big_endian` mean nothing there.
std::vector<std::byte> write_legacy_checkpoint(const std::vector<NamedTensor>& tensors,
                                               const CheckpointLayout& layout = {});

/// A legacy stream of any parts, so that tests can forge each.
struct LegacyParts {
  std::string magic;     ///< The first pickle.
  std::string protocol;  ///< And so on.
  std::string system;
  std::string object;
  std::string keys;
  std::string storages;  ///< For each key the count of elements in 64 bits, and the elements.
};
LegacyParts legacy_parts(const std::vector<NamedTensor>& tensors,
                         const CheckpointLayout& layout = {});
std::vector<std::byte> join_legacy(const LegacyParts& parts);

/// The same tensors as safetensors. Of the layout only `type` and `prefix` mean anything there.
std::vector<std::byte> write_safetensors(const std::vector<NamedTensor>& tensors,
                                         const CheckpointLayout& layout = {});

/// A safetensors file of any header and data.
std::vector<std::byte> join_safetensors(const std::string& header, const std::string& data);

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
