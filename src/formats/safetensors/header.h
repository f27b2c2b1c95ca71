/// @file
/// Reads the header of a safetensors file, and the bytes of tensors in one or several files.
/// Private to this folder.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "formats/tensors.h"

namespace aether2onnx::safetensors {

/// A tensor in the header of a safetensors file. read_header() checks that the tensor's bytes lie
/// within the file and belong to no other tensor. read_header() also checks that the number of
/// bytes fits the type and the shape.
struct Tensor {
  std::string name;
  std::string dtype;  ///< The type's name in the file, for example "F16".
  std::vector<std::int64_t> shape;
  std::int64_t elements = 0;
  std::uint64_t offset = 0;  ///< Position of the tensor's first byte in the file.
  std::uint64_t bytes = 0;
};

struct Header {
  std::vector<Tensor> tensors;  ///< In the order of the header.
  formats::Notes metadata;      ///< The names and texts in __metadata__.
};

/// Reads and checks the header. Throws Error(malformed) or Error(limit).
Header read_header(const Input& input, const Context& context);

/// Returns the tensor as a record. If the tensor's type is not supported, the record has no tensor,
/// only the name, the reason (`problem`) and the code of the reason (`problem_code`).
formats::Record record_of(const Tensor& tensor);

/// Returns the name that safetensors has for a type, for example "F16".
std::string_view type_name(DType dtype);

/// Reads the bytes of tensors. A storage is a block of bytes in a file. In safetensors, each tensor
/// has a storage of its own, and the storage's key is the tensor's name.
class TensorBytes final : public formats::Storages {
 public:
  /// Adds a tensor of `file`. No earlier tensor may have the same name.
  void add(const Tensor& tensor, const Input& file);
  /// Keeps `file` open as long as this object exists.
  void keep(std::unique_ptr<Input> file) { kept_.push_back(std::move(file)); }

  std::optional<std::uint64_t> size(std::string_view key) const override;
  void read(std::string_view key, std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  struct Range {
    const Input* file;
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  std::unordered_map<std::string, Range> ranges_;
  std::vector<std::unique_ptr<Input>> kept_;
};

}  // namespace aether2onnx::safetensors
