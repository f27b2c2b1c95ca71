// Prints what the reader makes of each file that standard input names, a line each, for the
// comparison with PyTorch in differential.py:
//
//   FILE <path>
//   TENSOR <dtype> <sizes with commas> <SHA-256 of the elements> <name in hex>
//   PROBLEM <what there is in place of a tensor>
//   ERROR <kind>

#include <fmt/format.h>

#include <iostream>
#include <string>

#include "base/sha256.h"
#include "base/text.h"
#include "state_dict/state_dict.h"

namespace {

std::string hex(const std::string& text) {
  std::string digits;
  for (const char c : text) digits += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return digits;
}

void dump(const std::string& path) {
  using namespace aether2onnx;
  std::string lines;
  try {
    const std::unique_ptr<Input> input = open_file(path);
    const auto state_dict = state_dict::StateDict::open(*input, {"/", nullptr}, {});
    for (const state_dict::Entry& entry : state_dict.entries()) {
      if (!entry.tensor) {
        lines += fmt::format("PROBLEM {}\n", printable(entry.problem));
        continue;
      }
      const TensorData data = state_dict.read(entry);
      Sha256 hash;
      hash.update(data.bytes);
      lines += fmt::format("TENSOR {} {} {} {}\n", to_string(data.dtype), join(data.shape),
                           hash.finish(), hex(state_dict.prefix() + entry.name));
    }
  } catch (const Error& error) {
    lines = fmt::format("ERROR {}\n", to_string(error.kind));
  }
  fmt::print("FILE {}\n{}", path, lines);
}

}  // namespace

int main() {
  for (std::string path; std::getline(std::cin, path);) dump(path);
  return 0;
}
