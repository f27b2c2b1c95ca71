/// @file
/// Tensors as plain records: how files describe the tensors in them, and tensors to be written.
///
/// Owns the records that all formats with tensors share. Knows nothing of any one format, nor of
/// the tensors' purpose.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/tensor.h"

namespace aether2onnx::formats {

struct Quantizer;

/// The place of a tensor's elements in a storage. Readers check each record: the sizes multiply
/// without overflow, every element lies within the storage, and the tensor has at most
/// limits::kExpandedElements more elements than the storage.
struct Tensor {
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< In elements.
  std::int64_t storage_offset = 0;    ///< In elements.
  std::int64_t elements = 0;
  std::string storage;  ///< The storage's key.
  /// Of a quantized tensor; null otherwise.
  std::shared_ptr<const Quantizer> quantizer;

  bool is_quantized() const { return quantizer != nullptr; }
  /// The type of the elements once they are read: float32 for a quantized tensor.
  DType read_dtype() const { return is_quantized() ? DType::float32 : dtype; }
};

/// The values of a quantized tensor's integers: (element - zero_point) * scale. Scale and zero
/// point are numbers for the whole tensor, or tensors with one number for each index of an axis.
struct Quantizer {
  double scale = 1;
  std::int64_t zero_point = 0;
  std::optional<std::size_t> axis;    ///< If set, the tensors below count.
  std::optional<Tensor> scales;       ///< Rank 1, float64 or float32.
  std::optional<Tensor> zero_points;  ///< Rank 1, int64 or int32.
};

/// A named item of a file. An item that is no well-formed tensor is no error by itself, since a
/// network may not need the item.
struct Record {
  std::string name;
  std::optional<Tensor> tensor;
  std::string problem;       ///< Without a tensor: the reason, "is None" for example.
  std::string problem_code;  ///< The reason's stable code.
};

/// The bytes of a file's storages.
class Storages {
 public:
  Storages() = default;
  Storages(const Storages&) = delete;
  Storages& operator=(const Storages&) = delete;
  virtual ~Storages() = default;

  /// Bytes of the storage; nullopt if there is no storage of that key.
  virtual std::optional<std::uint64_t> size(std::string_view key) const = 0;
  /// Fills `out` from byte `offset` of the storage on, within size().
  virtual void read(std::string_view key, std::uint64_t offset, std::span<std::byte> out) const = 0;
  /// Whether the elements' bytes are stored most significant first.
  virtual bool big_endian() const { return false; }
};

/// Texts beside the tensors, by name.
using Notes = std::vector<std::pair<std::string, std::string>>;

/// A tensor to be written.
struct NewTensor {
  std::string name;  ///< Valid UTF-8; each name occurs once.
  std::vector<std::int64_t> shape;
  DType dtype = DType::float32;
  TensorLoader load;  ///< Returns the elements.
};

/// The content of a file to be written.
struct Content {
  std::vector<NewTensor> tensors;
  /// Names are letters and underscores. Readers find the notes in the file's metadata.
  Notes notes;
};

/// Bytes of the tensor in the file.
std::uint64_t byte_count(const NewTensor& tensor);

/// Calls `tensor.load`, which must return the tensor's shape and type. Returns the elements as
/// files store them: row-major, least significant byte first.
std::vector<std::byte> load_little_endian(const NewTensor& tensor);

/// Contradictions in a file that can be opened.
struct Audit {
  /// Tensors that contradict themselves or their storage: the place of each of the first 20 in the
  /// pickle, and a sentence, "is a tensor …".
  std::vector<std::pair<std::uint64_t, std::string>> contradictions;
  /// Keys of the first 20 storages that no tensor refers to.
  std::vector<std::string> unused_storages;
  /// The first byte that a loader doesn't read.
  std::uint64_t end = 0;
};

}  // namespace aether2onnx::formats
