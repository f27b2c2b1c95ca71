// Writes the checkpoints that are measured: first-generation networks x2 of random weights.

#include <algorithm>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "sample_networks.h"

namespace {

using namespace aether2onnx::tools;

constexpr const char* kUsage =
    "Usage: make_checkpoints FOLDER NAME...\n"
    "Writes FOLDER/NAME. A name is VARIANT_STATE_TYPE.CONTAINER, for example\n"
    "aether_large_fused_fp32.pth, with\n"
    "  VARIANT    aether_small, aether_medium, aether_large\n"
    "  STATE      fused, unfused\n"
    "  TYPE       fp32, fp16\n"
    "  CONTAINER  pth, legacy, safetensors\n";

// Takes the last part of the name off, "fp32" of "aether_large_fused_fp32" for the separator '_'.
std::string take_last(std::string& name, char separator) {
  const std::size_t at = name.rfind(separator);
  if (at == std::string::npos) throw std::invalid_argument(kUsage);
  std::string last = name.substr(at + 1);
  name.resize(at);
  return last;
}

bool is_first(std::string_view value, std::string_view first, std::string_view second) {
  if (value != first && value != second) throw std::invalid_argument(kUsage);
  return value == first;
}

NetworkShape variant(std::string_view name, bool fused) {
  if (name == "aether_small") return aether_small(2, fused);
  if (name == "aether_medium") return aether_medium(2, fused);
  if (name == "aether_large") return aether_large(2, fused);
  throw std::invalid_argument(kUsage);
}

std::vector<std::byte> make_checkpoint(std::string name) {
  const std::string container = take_last(name, '.');
  CheckpointLayout layout;
  layout.type =
      is_first(take_last(name, '_'), "fp32", "fp16") ? StorageType::float32 : StorageType::float16;
  const bool fused = is_first(take_last(name, '_'), "fused", "unfused");
  std::vector<NamedTensor> tensors = make_tensors(variant(name, fused));
  fill_random(tensors, 1);
  if (container == "safetensors") return write_safetensors(tensors, layout);
  return is_first(container, "pth", "legacy") ? write_checkpoint(tensors, layout)
                                              : write_legacy_checkpoint(tensors, layout);
}

void save(const std::filesystem::path& path, const std::vector<std::byte>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw std::runtime_error("error: can't write " + path.string() + '\n');
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + std::min(count, 1), values + count);
  try {
    if (arguments.size() < 2) throw std::invalid_argument(kUsage);
    const std::filesystem::path folder = arguments[0];
    for (std::size_t i = 1; i < arguments.size(); ++i) {
      save(folder / arguments[i], make_checkpoint(arguments[i]));
    }
  } catch (const std::invalid_argument& error) {
    std::cerr << error.what();
    return 2;
  } catch (const std::exception& error) {
    std::cerr << error.what();
    return 1;
  }
  return 0;
}
