// Writes the fuzzers' first inputs: make_seeds FOLDER makes FOLDER/pickle and FOLDER/checkpoint.

#include <filesystem>
#include <fstream>

#include "sample_networks.h"

namespace {

void write(const std::filesystem::path& path, const void* data, std::size_t size) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
}

}  // namespace

int main(int count, char** values) {
  using namespace aether2onnx::tools;
  if (count != 2) return 2;
  const std::filesystem::path folder = values[1];
  std::filesystem::create_directories(folder / "pickle");
  std::filesystem::create_directories(folder / "checkpoint");

  NetworkShape shape;
  shape.embed_dim = 1;
  shape.hidden_dim = 1;
  shape.depths = {1};
  shape.large_kernel = 3;
  shape.small_kernel = 1;
  shape.scale = 1;
  for (const bool fused : {true, false}) {
    shape.fused = fused;
    std::vector<NamedTensor> tensors = make_tensors(shape);
    fill_random(tensors, 1);
    for (const bool deflate : {true, false}) {
      CheckpointLayout layout;
      layout.deflate = deflate;
      layout.root = "r";
      layout.type = deflate ? StorageType::float16 : StorageType::float32;
      layout.wrapper = fused ? "params" : "";
      const std::string name =
          std::string(fused ? "fused" : "unfused") + (deflate ? "_deflated" : "");
      const auto bytes = write_checkpoint(tensors, layout);
      write(folder / "checkpoint" / name, bytes.data(), bytes.size());
      const auto legacy = write_legacy_checkpoint(tensors, layout);
      write(folder / "checkpoint" / (name + "_legacy"), legacy.data(), legacy.size());
      const auto safetensors = write_safetensors(tensors, layout);
      write(folder / "checkpoint" / (name + "_safetensors"), safetensors.data(),
            safetensors.size());
      const std::string pickle = pickle_state_dict(tensors, layout);
      write(folder / "pickle" / name, pickle.data(), pickle.size());
    }
  }
  const std::string index = R"({"metadata":{},"weight_map":{"w":"one"}})";
  write(folder / "checkpoint" / "shards", index.data(), index.size());
  return 0;
}
