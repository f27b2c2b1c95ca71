// Reads any bytes after the magic number of PyTorch's legacy stream. The checkpoint fuzzer takes
// whole files, but its mutations rarely keep the magic number.

#include <string>

#include "reading.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string file = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  const bool whole =
      size >= file.size() &&
      file.compare(0, file.size(), reinterpret_cast<const char*>(data), file.size()) == 0;
  if (whole) file.clear();
  file.append(reinterpret_cast<const char*>(data), size);
  aether2onnx::fuzz::open_and_read(aether2onnx::MemoryInput(std::as_bytes(std::span(file))));
  return 0;
}
