#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "port/files.h"

namespace aether2onnx {

Input::~Input() = default;
Output::~Output() = default;

void MemoryInput::read(std::uint64_t offset, std::span<std::byte> out) const {
  require(offset <= bytes.size() && out.size() <= bytes.size() - offset,
          "read beyond the end of the input");
  if (!out.empty()) std::memcpy(out.data(), bytes.data() + offset, out.size());
}

namespace io {

Siblings::~Siblings() = default;

std::string sha256_of(std::span<const Input* const> inputs,
                      const std::function<void(std::uint64_t)>& progress) {
  Sha256 hash;
  std::uint64_t done = 0;
  std::vector<std::byte> chunk;
  for (const Input* input : inputs) {
    const std::uint64_t size = input->size();
    for (std::uint64_t offset = 0; offset < size; offset += chunk.size()) {
      chunk.resize(to_size(std::min<std::uint64_t>(size - offset, limits::kChunkBytes)));
      input->read(offset, chunk);
      hash.update(chunk);
      done += chunk.size();
      progress(done);
    }
  }
  return hash.finish();
}

std::string sha256_of(const Input& input, const std::function<void(std::uint64_t)>& progress) {
  const Input* const inputs[] = {&input};
  return sha256_of(inputs, progress);
}

}  // namespace io
}  // namespace aether2onnx
