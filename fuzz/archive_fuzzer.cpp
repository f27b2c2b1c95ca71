// Treats any bytes as a zip archive: audits and opens it, reads every entry whole and in part.

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "formats/file_kind.h"
#include "formats/zip/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aether2onnx;
  const MemoryInput input(std::as_bytes(std::span(data, size)));
  try {
    for (const zip::Entry& entry : zip::audit(input, {}).entries) {
      if (entry.offset > size || entry.packed > size - entry.offset) std::abort();
    }
    formats::gzip_name(input);
    const zip::Archive zip(input, {});
    for (std::size_t i = 0; i < zip.entries().size(); ++i) {
      const zip::Entry& entry = zip.entries()[i];
      if (zip.find(entry.name) != i) std::abort();
      try {
        const auto whole = zip.read_all(i, 1U << 22U);
        std::vector<std::byte> part(std::min<std::size_t>(whole.size() / 2, 100));
        zip.read(i, whole.size() / 3, part);
        if (!std::equal(part.begin(), part.end(),
                        whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 3))) {
          std::abort();
        }
      } catch (const Error& error) {
        if (error.kind == ErrorKind::internal) std::abort();
      }
    }
  } catch (const Error& error) {
    if (error.kind == ErrorKind::internal) std::abort();
  }
  return 0;
}
