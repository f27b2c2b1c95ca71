#include <bit>

#include "base/checked.h"
#include "base/error.h"
#include "state_dict/write_formats.h"

namespace aether2onnx::checkpoint {

std::uint64_t size_of(const Tensor& tensor) {
  const auto elements = checked_product(tensor.shape);
  const auto bytes =
      elements ? checked_multiply(static_cast<std::uint64_t>(*elements),
                                  static_cast<std::uint64_t>(aether2onnx::size_of(tensor.dtype)))
               : std::nullopt;
  require(bytes.has_value(), "a weight of over 2^64 bytes");
  return *bytes;
}

Elements::Elements(const Content& content,
                   const std::function<void(std::uint64_t, std::uint64_t)>& progress)
    : progress_(progress) {
  for (const Tensor& tensor : content.tensors) total_ += size_of(tensor);
}

std::span<const std::byte> Elements::load(const Tensor& tensor) {
  const TensorData data = tensor.load();
  bytes_.clear();
  ConversionLoss loss;
  if (is_weight_dtype(tensor.dtype)) {
    loss = convert_elements(data.bytes, data.dtype, tensor.dtype, bytes_);
  } else {
    require(data.dtype == tensor.dtype, "integers of another type than announced");
    bytes_ = data.bytes;
  }
  require(data.shape == tensor.shape && bytes_.size() == size_of(tensor),
          "a weight of another size than announced");
  check_loss(loss, tensor.name, tensor.shape, tensor.dtype,
             tensor.dtype == DType::float16 ? "Write it with --dtype float32."
                                            : "Write it with --dtype float64.");
  written_.weights_subnormal += loss.subnormal;
  written_.weights_flushed_to_zero += loss.flushed_to_zero;
  if constexpr (std::endian::native == std::endian::big) {
    swap_byte_order(bytes_, aether2onnx::size_of(tensor.dtype));
  }
  return bytes_;
}

void Elements::passed_on() {
  done_ += bytes_.size();
  progress_(done_, total_);
}

Written write(const Content& content, CheckpointFormat format, Output& output,
              const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  Elements elements(content, progress);
  const std::uint64_t bytes = format == CheckpointFormat::safetensors
                                  ? write_safetensors(content, elements, output)
                                  : write_torch_zip(content, elements, output);
  Written written = elements.written();
  written.bytes = bytes;
  return written;
}

}  // namespace aether2onnx::checkpoint
