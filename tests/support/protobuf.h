/// @file
/// Protobuf's wire format by hand, to forge files.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace aether2onnx::test {

inline std::string varint(std::uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7U) bytes += static_cast<char>(number | 0x80U);
  return bytes + static_cast<char>(number);
}

inline std::string number_field(std::uint64_t field, std::uint64_t number) {
  return varint(field << 3U) + varint(number);
}

inline std::string field(std::uint64_t number, const std::string& content) {
  return varint(number << 3U | 2U) + varint(content.size()) + content;
}

inline std::string fixed32(float number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

}  // namespace aether2onnx::test
