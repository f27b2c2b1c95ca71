/// @file
/// Writes checkpoints as torch.save does (zip container, pickle protocol 2), for samples and tests.
/// Shares no code with the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace aether2onnx::tools {

/// The quantization of a tensor. An integer has the value (integer - zero point) * scale.
struct Quantization {
  std::vector<double> scales;
  std::vector<double> zero_points;  ///< Whole numbers.
  /// The axis of the scales (per_channel_affine). Unset: one scale for all (per_tensor_affine).
  std::optional<std::int64_t> axis;
  bool channels_last = false;  ///< Whether a tensor of rank 4 has the strides of NHWC.
};

/// The kind of a value in a state dict.
enum class EntryKind {
  tensor,      ///< A tensor of CheckpointLayout::type, of integers, or quantized.
  none,        ///< None, for a quantized convolution without a bias.
  qint8_type,  ///< torch.qint8, the value of "…._packed_params.dtype".
  /// A tuple of the quantized weight (the tensor itself) and the bias, the value of
  /// "…._packed_params._packed_params".
  packed_linear,
};

/// An entry of a state dict to write. `values` are row-major.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<double> values;
  /// Whether the file has int64 instead of CheckpointLayout::type.
  bool integer = false;
  /// If set, the file has qint8, and `values` are the integers, -128 to 127.
  std::optional<Quantization> quantization = {};
  EntryKind kind = EntryKind::tensor;
  /// The bias of a packed_linear entry; empty for None.
  std::vector<double> packed_bias = {};
};

/// A Python value that checkpoints hold beside their tensors.
struct PythonValue;
struct PythonList {
  std::vector<PythonValue> items;
};
struct PythonTuple {
  std::vector<PythonValue> items;
};
struct PythonDict {
  std::vector<std::pair<std::string, PythonValue>> items;
};
struct PythonValue {
  std::variant<std::monostate, bool, std::int64_t, double, std::string, PythonList, PythonTuple,
               PythonDict>
      value;

  PythonValue() = default;  ///< None.
  PythonValue(bool flag) : value(flag) {}
  PythonValue(int number) : value(std::int64_t{number}) {}
  PythonValue(std::int64_t number) : value(number) {}
  PythonValue(double number) : value(number) {}
  PythonValue(const char* text) : value(std::string(text)) {}
  PythonValue(std::string text) : value(std::move(text)) {}
  PythonValue(PythonList list) : value(std::move(list)) {}
  PythonValue(PythonTuple tuple) : value(std::move(tuple)) {}
  PythonValue(PythonDict dict) : value(std::move(dict)) {}
};

enum class StorageType { float32, float16, bfloat16, float64 };

struct CheckpointLayout {
  StorageType type = StorageType::float32;
  std::string root = "archive";
  /// The key of the state dict at the root; empty if the state dict is the root.
  std::string wrapper;
  /// A prefix for every name.
  std::string prefix;
  bool big_endian = false;
  bool deflate = false;
  /// The number of copies of each tensor that are stored under "optimizer", like the state of Adam.
  /// Requires a wrapper.
  int optimizer_copies = 0;
  /// Further items at the root, after the state dict, for example "arch_config" or "metadata".
  /// Requires a wrapper.
  PythonDict beside;
  /// The paths of the network's modules, "" for the network itself. They become the keys of
  /// `_metadata`, the attribute that state_dict() gives to a state dict. Empty: no such attribute.
  std::vector<std::string> module_names;
};

/// Returns the bytes of the file. The same arguments give the same bytes.
std::vector<std::byte> write_checkpoint(const std::vector<NamedTensor>& tensors,
                                        const CheckpointLayout& layout = {});

/// Returns the same tensors in PyTorch's legacy stream, from before 1.6. Ignores `root` and
/// `deflate` of the layout. `big_endian` changes only a flag, not the order of the bytes.
std::vector<std::byte> write_legacy_checkpoint(const std::vector<NamedTensor>& tensors,
                                               const CheckpointLayout& layout = {});

/// The parts of a legacy stream. Tests can forge each part.
struct LegacyParts {
  std::string magic;     ///< The first pickle.
  std::string protocol;  ///< The second pickle; the next three fields are pickles, too.
  std::string system;
  std::string object;
  std::string keys;
  std::string storages;  ///< For each key: the number of elements (64 bits), the elements.
};
LegacyParts legacy_parts(const std::vector<NamedTensor>& tensors,
                         const CheckpointLayout& layout = {});
std::vector<std::byte> join_legacy(const LegacyParts& parts);

/// Returns the same tensors as a safetensors file. Uses only `type` and `prefix` of the layout.
/// Throws std::invalid_argument for entries that the format does not support: quantized tensors,
/// and entries that are no tensors.
std::vector<std::byte> write_safetensors(const std::vector<NamedTensor>& tensors,
                                         const CheckpointLayout& layout = {});

/// Returns a safetensors file with the given header and data, valid or not.
std::vector<std::byte> join_safetensors(const std::string& header, const std::string& data);

/// An entry of a zip archive.
struct ZipEntry {
  std::string name;
  std::string content;
  bool deflate = false;
};

/// Returns a zip archive of the given entries.
std::vector<std::byte> write_zip(const std::vector<ZipEntry>& entries);

/// Returns the pickle of a state dict, the content of data.pkl. Storage i has the key "i".
std::string pickle_state_dict(const std::vector<NamedTensor>& tensors,
                              const CheckpointLayout& layout);

}  // namespace aether2onnx::tools
