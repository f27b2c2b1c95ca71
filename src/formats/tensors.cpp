#include "formats/tensors.h"

#include <bit>

#include "base/checked.h"
#include "base/error.h"

namespace aether2onnx::formats {

std::uint64_t byte_count(const NewTensor& tensor) {
  const auto elements = checked_product(tensor.shape);
  const auto bytes = elements ? checked_multiply<std::uint64_t>(
                                    static_cast<std::uint64_t>(*elements), size_of(tensor.dtype))
                              : std::nullopt;
  require(bytes.has_value(), "a tensor to be written has over 2^64 bytes");
  return *bytes;
}

std::vector<std::byte> load_little_endian(const NewTensor& tensor) {
  TensorData data = tensor.load();
  require(data.dtype == tensor.dtype && data.shape == tensor.shape &&
              data.bytes.size() == byte_count(tensor),
          "the data from NewTensor::load differ from the tensor in type, shape or size");
  if constexpr (std::endian::native == std::endian::big) {
    swap_byte_order(data.bytes, size_of(tensor.dtype));
  }
  return std::move(data.bytes);
}

}  // namespace aether2onnx::formats
