// Prints what the program makes of each file that standard input names, for the comparisons with
// PyTorch.
//
// Without an option, for differential.py: the tensors at the root of the file.
//
//   FILE <path>
//   TENSOR <dtype> <sizes with commas> <SHA-256 of the elements> <name in hex>
//   PROBLEM <what there is in place of a tensor>
//   ERROR <kind>
//
// With --scan, for oracle.py: the scan's verdict, then the state dict that a conversion chooses.
// Texts from the file are in hex. A hash is "-" if the tensor is too large to be read here.
//
//   FILE <path>
//   SCAN clean|unclear|found
//   CODE <code of a finding that makes the result worse than clean> <the finding>
//   NAME <module.name>
//   CHOICE <wrapper of the chosen state dict>
//   OTHER <wrapper of another state dict>
//   KEY <key at the root of the file>
//   FACT <path> <value>
//   TENSOR <dtype> <sizes with commas> <SHA-256 of the elements> <name>
//   PROBLEM <name> <what there is in place of a tensor>
//   ERROR <kind> <code>

#include <aether2onnx/scan.h>
#include <fmt/format.h>

#include <iostream>
#include <string>
#include <string_view>

#include "base/sha256.h"
#include "base/text.h"
#include "state_dict/state_dict.h"

namespace {

using namespace aether2onnx;

// Larger tensors are not read with --scan: a small file may expand one element into very many.
constexpr std::uint64_t kLargest = 16U << 20U;

std::string hex(const std::string& text) {
  std::string digits;
  for (const char c : text) digits += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return digits;
}

std::string hash_of(const std::vector<std::byte>& bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

void dump(const std::string& path) {
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
      lines += fmt::format("TENSOR {} {} {} {}\n", to_string(data.dtype), join(data.shape),
                           hash_of(data.bytes), hex(state_dict.prefix() + entry.name));
    }
  } catch (const Error& error) {
    lines = fmt::format("ERROR {}\n", to_string(error.kind));
  }
  fmt::print("FILE {}\n{}", path, lines);
}

std::string scan_lines(const Input& input) {
  const ScanReport report = scan(input);
  std::string lines = fmt::format("SCAN {}\n", to_string(report.result));
  for (const ScanReport::Finding& finding : report.findings) {
    if (finding.weight != ScanResult::clean) {
      lines += fmt::format("CODE {} {}\n", finding.code, finding.what);
    }
  }
  for (const ScanReport::Global& global : report.globals) {
    lines += fmt::format("NAME {}\n", hex(global.name));
  }
  return lines;
}

std::string tensor_line(const state_dict::StateDict& state_dict, const state_dict::Entry& entry) {
  const std::string name = hex(state_dict.prefix() + entry.name);
  if (!entry.tensor) return fmt::format("PROBLEM {} {}\n", name, printable(entry.problem));
  const auto elements = static_cast<std::uint64_t>(entry.tensor->elements);
  if (elements > kLargest) {
    return fmt::format("TENSOR {} {} - {}\n",
                       entry.tensor->is_quantized() ? "float32" : to_string(entry.tensor->dtype),
                       join(entry.tensor->shape), name);
  }
  const TensorData data = state_dict.read(entry);
  return fmt::format("TENSOR {} {} {} {}\n", to_string(data.dtype), join(data.shape),
                     hash_of(data.bytes), name);
}

std::string conversion_lines(const Input& input) {
  std::string lines;
  try {
    const auto state_dict = state_dict::StateDict::open(input, {}, {});
    lines += fmt::format("CHOICE {}\n", hex(state_dict.wrapper()));
    for (const std::string& wrapper : state_dict.other_wrappers()) {
      lines += fmt::format("OTHER {}\n", hex(wrapper));
    }
    for (const std::string& key : state_dict.root_keys()) {
      lines += fmt::format("KEY {}\n", hex(key));
    }
    for (const auto& [name, text] : state_dict.metadata()) {
      lines += fmt::format("FACT {} {}\n", hex(name), hex(text));
    }
    for (const state_dict::Entry& entry : state_dict.entries()) {
      lines += tensor_line(state_dict, entry);
    }
  } catch (const Error& error) {
    lines = fmt::format("ERROR {} {}\n", to_string(error.kind), error.diagnostic.code);
  }
  return lines;
}

void dump_with_scan(const std::string& path) {
  const std::unique_ptr<Input> input = open_file(path);
  fmt::print("FILE {}\n{}{}", path, scan_lines(*input), conversion_lines(*input));
}

}  // namespace

int main(int argc, char** argv) {
  const bool with_scan = argc > 1 && std::string_view(argv[1]) == "--scan";
  for (std::string path; std::getline(std::cin, path);) {
    if (with_scan) {
      dump_with_scan(path);
    } else {
      dump(path);
    }
  }
  return 0;
}
