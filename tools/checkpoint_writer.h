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

/// How a quantized tensor's integers stand for numbers: (integer - zero point) * scale.
struct Quantization {
  std::vector<double> scales;
  std::vector<double> zero_points;  ///< Whole numbers.
  /// Of the scales (per_channel_affine); none: one scale for all (per_tensor_affine).
  std::optional<std::int64_t> axis;
  bool channels_last = false;  ///< Strides of a tensor of rank 4 as in NHWC.
};

/// What a state dict has under a name.
enum class EntryKind {
  tensor,      ///< Of CheckpointLayout::type, or an integer or quantized one.
  none,        ///< None, as a quantized convolution without a bias has it.
  qint8_type,  ///< torch.qint8, as "….._packed_params.dtype" is.
  /// A tuple of the quantized weight, which the tensor is, and the bias, as
  /// "….._packed_params._packed_params" is.
  packed_linear,
};

/// A tensor to write: row-major values.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<double> values;
  /// int64 in the file, whatever CheckpointLayout::type is.
  bool integer = false;
  /// qint8 in the file; `values` are its integers, -128 to 127.
  std::optional<Quantization> quantization = {};
  EntryKind kind = EntryKind::tensor;
  /// Of a packed_linear; empty: None.
  std::vector<double> packed_bias = {};
};

/// A value of Python, as checkpoints hold them beside their tensors.
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
  /// The key under which the state dict lies; empty: at the root.
  std::string wrapper;
  /// Put before every name.
  std::string prefix;
  bool big_endian = false;
  bool deflate = false;
  /// Beside the state dict, under "optimizer", what Adam keeps of each tensor: so many copies of
  /// it. Only with a wrapper.
  int optimizer_copies = 0;
  /// What else stands at the root behind the state dict, "arch_config" or "metadata" for example.
  /// Only with a wrapper.
  PythonDict beside;
  /// Names of the network's modules, "" that of the network itself: the `_metadata` that a state
  /// dict has as an attribute where it is what state_dict() gave. None: no such attribute.
  std::vector<std::string> module_names;
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
/// Throws std::invalid_argument for what the format has no place for: quantized tensors, and
/// entries that are no tensors.
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
