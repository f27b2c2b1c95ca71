// Reads any bytes as a safetensors file: once unchanged, once with the correct header length.

#include <algorithm>
#include <cstring>
#include <string>

#include "reading.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aether2onnx;
  fuzz::open_and_read(MemoryInput(std::as_bytes(std::span(data, size))));
  // The header ends at the last brace. The stored length may be wrong after a mutation.
  std::string file(8, '\0');
  file.append(reinterpret_cast<const char*>(data) + std::min<std::size_t>(size, 8),
              size - std::min<std::size_t>(size, 8));
  const std::size_t brace = file.rfind('}');
  const std::uint64_t length = brace == std::string::npos || brace < 8 ? 0 : brace - 7;
  std::memcpy(file.data(), &length, sizeof length);
  fuzz::open_and_read(MemoryInput(std::as_bytes(std::span(file))));
  return 0;
}
