/// @file
/// The header of a safetensors file, and the storages of one or several files. Private to this
/// folder.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "formats/tensors.h"

namespace aether2onnx::safetensors {

/// A tensor of a header. The reader has checked that the tensor's bytes lie within the file, belong
/// to no other tensor, and are as many as type and shape state.
struct Tensor {
  std::string name;
  std::string dtype;  ///< As in the file, "F16".
  std::vector<std::int64_t> shape;
  std::int64_t elements = 0;
  std::uint64_t offset = 0;  ///< From the start of the file.
  std::uint64_t bytes = 0;
};

struct Header {
  std::vector<Tensor> tensors;  ///< In the order of the header.
  formats::Notes metadata;      ///< __metadata__.
};

/// Reads and checks the header.
Header read_header(const Input& input, const Context& context);

/// The tensor as a record. Its type may be a type that isn't read.
formats::Record record_of(const Tensor& tensor);

/// The format's name of a type, "F16".
std::string_view type_name(DType dtype);

/// The bytes of tensors. A storage's key is the tensor's name.
class TensorBytes final : public formats::Storages {
 public:
  /// Adds a tensor; its name must be new.
  void add(const Tensor& tensor, const Input& file);
  /// Keeps `file` open until the end of this object.
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
