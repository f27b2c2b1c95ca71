/// @file
/// The header of a safetensors file, and the tensors of one or several. Private to this stage.
/// Source: the format's description and reader (huggingface/safetensors, README, tensor.rs).
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "state_dict/state_dict.h"

namespace aether2onnx::state_dict {

/// One tensor of a header. Checked: its bytes lie within the file, shared with no other tensor, and
/// are as many as type and shape say.
struct SafetensorsTensor {
  std::string name;
  std::string dtype;  ///< As the file has it, "F16".
  std::vector<std::int64_t> shape;
  std::int64_t elements = 0;
  std::uint64_t offset = 0;  ///< From the start of the file.
  std::uint64_t bytes = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsTensor> tensors;                     ///< In the order of the header.
  std::vector<std::pair<std::string, std::string>> metadata;  ///< __metadata__.
};

/// Reads and checks the header. Throws Error(malformed) for everything that the format forbids:
/// holes or overlaps between tensors, bytes behind the last, names that stand there twice.
SafetensorsHeader read_safetensors_header(const Input& input, const Context& context);

/// Tensors of safetensors files; a storage's key is the tensor's name.
class SafetensorsStorages final : public StorageSource {
 public:
  /// Adds the tensor to find under its name, which must be new.
  void add(const SafetensorsTensor& tensor, const Input& file);
  /// Keeps `file` open as long as the storages are there.
  void keep(std::unique_ptr<Input> file) { kept_.push_back(std::move(file)); }

  std::optional<std::uint64_t> size(std::string_view key) const override;
  void read(std::string_view key, std::uint64_t offset, std::span<std::byte> out) const override;
  bool big_endian() const override { return false; }

 private:
  struct Range {
    const Input* file;
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  std::unordered_map<std::string, Range> ranges_;
  std::vector<std::unique_ptr<Input>> kept_;
};

/// The tensor as an entry of a state dict.
Entry safetensors_entry(const SafetensorsTensor& tensor);

/// Chooses the names by OpenOptions::params_key, which can only be what names begin with, and
/// cleans them.
void finish_safetensors(StateDict::Parts& parts, const OpenOptions& options,
                        const Context& context);

}  // namespace aether2onnx::state_dict
