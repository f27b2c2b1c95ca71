// Parses any bytes as a pickle.

#include "base/error.h"
#include "formats/pickle/pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aether2onnx;
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto document = pickle::Document::parse({bytes.begin(), bytes.end()}, {});
    if (pickle::describe(document, document.root()).empty()) std::abort();
  } catch (const Error& error) {
    if (error.kind == ErrorKind::internal) std::abort();
  }
  return 0;
}
