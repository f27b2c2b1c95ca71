// Bytes in, bytes out: converts the checkpoint on standard input, called NAME, to an ONNX file on
// standard output with the default options. The core under WebAssembly is shown with it.

#include <aether2onnx/aether2onnx.h>

#include <cstdio>
#include <vector>

namespace {

class StandardOutput final : public aether2onnx::Output {
 public:
  void write(std::span<const std::byte> bytes) override {
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size()) std::abort();
  }
};

std::vector<std::byte> standard_input() {
  std::vector<std::byte> bytes;
  std::size_t size = 0;
  do {
    bytes.resize(size + (1U << 20U));
    size += std::fread(bytes.data() + size, 1, bytes.size() - size, stdin);
  } while (size == bytes.size());
  bytes.resize(size);
  return bytes;
}

}  // namespace

int main(int count, char** values) {
  if (count != 2) {
    std::fputs("Usage: convert NAME <CHECKPOINT >MODEL\n", stderr);
    return 2;
  }
  const std::vector<std::byte> bytes = standard_input();
  try {
    aether2onnx::ConvertOptions options;
    options.source_name = values[1];
    StandardOutput output;
    aether2onnx::convert(aether2onnx::MemoryInput(bytes), {&output, nullptr, ""}, options);
  } catch (const aether2onnx::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
