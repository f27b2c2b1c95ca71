// Any bytes as a zip archive: looked at, listed, every entry read whole and in part.

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "formats/zip/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aether2onnx;
  const MemoryInput input(std::as_bytes(std::span(data, size)));
  try {
    for (const archive::ZipPart& part : archive::audit_zip(input, {}).parts) {
      if (part.offset > size || part.size > size - part.offset) std::abort();
    }
    archive::gzip_name(input);
    const archive::ZipArchive zip(input, {});
    for (std::size_t i = 0; i < zip.entries().size(); ++i) {
      const archive::Entry& entry = zip.entries()[i];
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
