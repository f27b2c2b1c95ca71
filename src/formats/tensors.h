/// @file
/// Describes the tensors that a reader finds in a file, and the tensors that a writer puts into a
/// file.
///
/// The readers and writers of all checkpoint formats use the structs in this file. The structs that
/// describe tensors therefore contain nothing that only one format has. They also contain nothing
/// about the purpose of a tensor in a network.
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

/// A tensor in a file: its type, its shape, and where its elements lie in a storage (a block of
/// bytes in the file). Before a reader returns a Tensor, the reader checks that the sizes multiply
/// without overflow and that every element lies within the storage. A tensor can use elements of
/// the storage repeatedly (torch.Tensor.expand). The reader therefore also checks that the tensor
/// has at most limits::kExpandedElements more elements than the storage.
struct Tensor {
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< In elements.
  std::int64_t storage_offset = 0;    ///< In elements.
  std::int64_t elements = 0;
  std::string storage;  ///< The key of the storage that contains the elements.
  /// Says how to compute the values of a quantized tensor. Null for any other tensor.
  std::shared_ptr<const Quantizer> quantizer;

  bool is_quantized() const { return quantizer != nullptr; }
  /// The type of the elements after reading: float32 for a quantized tensor, else `dtype`.
  DType read_dtype() const { return is_quantized() ? DType::float32 : dtype; }
};

/// How to compute the values of a quantized tensor from its integers: value = (integer -
/// zero_point) * scale. Scale and zero point are numbers for the whole tensor, or tensors with one
/// number for each index of an axis.
struct Quantizer {
  double scale = 1;
  std::int64_t zero_point = 0;
  std::optional<std::size_t> axis;    ///< If set: `scales` and `zero_points` replace the numbers.
  std::optional<Tensor> scales;       ///< Rank 1, float64, contiguous.
  std::optional<Tensor> zero_points;  ///< Rank 1, int64, contiguous.
};

/// A named item of a file: a tensor, or the reason why the item is no well-formed tensor. An item
/// without a tensor is no error by itself, because a network may not need the item.
struct Record {
  std::string name;
  std::optional<Tensor> tensor;
  std::string problem;       ///< If `tensor` is empty: the reason, for example "is None".
  std::string problem_code;  ///< If `tensor` is empty: a stable code for the reason.
};

/// Reads the bytes of the storages in a file.
class Storages {
 public:
  Storages() = default;
  Storages(const Storages&) = delete;
  Storages& operator=(const Storages&) = delete;
  virtual ~Storages() = default;

  /// Returns the size of the storage in bytes; nullopt if no storage has the key.
  virtual std::optional<std::uint64_t> size(std::string_view key) const = 0;
  /// Fills `out` with the storage's bytes from `offset` on. Requires offset + out.size() <= size().
  virtual void read(std::string_view key, std::uint64_t offset, std::span<std::byte> out) const = 0;
  /// Returns whether the most significant byte of each element comes first in the file.
  virtual bool big_endian() const { return false; }
};

/// Texts that a file contains in addition to tensors: pairs of a name and a text.
using Notes = std::vector<std::pair<std::string, std::string>>;

/// A tensor that a writer puts into a file.
struct NewTensor {
  std::string name;  ///< Valid UTF-8; each name occurs once.
  std::vector<std::int64_t> shape;
  DType dtype = DType::float32;
  TensorLoader load;  ///< A function that returns the elements.
};

/// The content of a file to be written.
struct Content {
  std::vector<NewTensor> tensors;
  /// Texts for the file's metadata. The names of the texts consist of letters and underscores.
  Notes notes;
};

/// Returns the size of the tensor's elements in the file, in bytes.
std::uint64_t byte_count(const NewTensor& tensor);

/// Calls `tensor.load`, which must return elements with the shape and type of `tensor`. Returns
/// these elements row-major, with the least significant byte of each element first.
std::vector<std::byte> load_little_endian(const NewTensor& tensor);

/// The result of state_dict::audit(), which checks all tensors of a file, and all references to
/// storages, against the bytes in the file.
struct Audit {
  /// The first 20 contradictions. Each contradiction is about one object in the pickle: a tensor or
  /// a reference to a storage. The object's data contradict each other or the storages of the file.
  /// Each pair has the object's byte offset, and a text for messages. The offset counts from the
  /// start of the file, or of the zip entry with the pickle. The text continues a sentence that
  /// begins with "an object that": "is a sparse tensor with an index outside the tensor".
  std::vector<std::pair<std::uint64_t, std::string>> contradictions;
  /// Keys of the first 20 storages that the pickle does not refer to.
  std::vector<std::string> unused_storages;
  /// The offset behind the last byte that a loader (torch.load, safetensors) reads. scan() reports
  /// all bytes from this offset on.
  std::uint64_t end = 0;
  /// True if the file says that its elements are big-endian. Old loaders ignore this statement.
  bool big_endian = false;
};

}  // namespace aether2onnx::formats
