#include "base/crc32.h"

#include <libdeflate.h>

namespace aether2onnx {

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) noexcept {
  // The pointer of an empty span may be null. For a null pointer, libdeflate_crc32() ignores
  // `before` and returns 0.
  return bytes.empty() ? before : libdeflate_crc32(before, bytes.data(), bytes.size());
}

}  // namespace aether2onnx
