/// @file
/// The formats behind write(), and what they share. Private to this stage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "state_dict/write.h"

namespace aether2onnx::checkpoint {

/// Bytes of a tensor in the file.
std::uint64_t size_of(const Tensor& tensor);

/// The tensors' bytes on their way to the file, one tensor at a time.
class Elements {
 public:
  Elements(const Content& content,
           const std::function<void(std::uint64_t, std::uint64_t)>& progress);

  /// The elements as they stand in the file: row-major, least significant byte first. Valid until
  /// the next call. Throws Error(precision) as write() does.
  std::span<const std::byte> load(const Tensor& tensor);

  /// Tells the progress; to be called when what load() gave has been passed on.
  void passed_on();

  const Written& written() const { return written_; }

 private:
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  std::vector<std::byte> bytes_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  Written written_;
};

/// Each writes the whole file and gives the count of its bytes.
std::uint64_t write_torch_zip(const Content& content, Elements& elements, Output& output);
std::uint64_t write_safetensors(const Content& content, Elements& elements, Output& output);

}  // namespace aether2onnx::checkpoint
