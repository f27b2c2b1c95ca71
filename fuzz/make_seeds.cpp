// Writes the fuzzers' first inputs. Usage: make_seeds FOLDER. Makes a subfolder for each fuzzer.

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <fstream>

#include "sample_networks.h"

namespace {

void write(const std::filesystem::path& path, const void* data, std::size_t size) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
}

class StringOutput final : public aether2onnx::Output {
 public:
  explicit StringOutput(std::string& out) : out_(out) {}
  void write(std::span<const std::byte> bytes) override {
    out_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

 private:
  std::string& out_;
};

// Converts the checkpoint and saves the ONNX file. If `external` is true, the weights are in
// external data, which are not saved.
void write_onnx(const std::filesystem::path& path, const std::vector<std::byte>& checkpoint,
                bool external, aether2onnx::ConvertOptions options = {}) {
  if (external) options.external_data_threshold = 1;
  std::string model;
  std::string data;
  StringOutput model_output(model);
  StringOutput data_output(data);
  aether2onnx::convert(aether2onnx::MemoryInput(checkpoint),
                       {&model_output, &data_output, "model.data"}, options);
  write(path, model.data(), model.size());
}

}  // namespace

int main(int count, char** values) {
  using namespace aether2onnx::tools;
  if (count != 2) return 2;
  const std::filesystem::path folder = values[1];

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
      for (const char* fuzzer : {"checkpoint", "archive", "scan"}) {
        write(folder / fuzzer / name, bytes.data(), bytes.size());
      }
      write_onnx(folder / "onnx" / name, bytes, deflate);
      if (fused && !deflate) {
        for (const auto precision :
             {aether2onnx::Precision::fp16, aether2onnx::Precision::mixed_bf16}) {
          aether2onnx::ConvertOptions options;
          options.precision = precision;
          const char* type = precision == aether2onnx::Precision::fp16 ? "_fp16" : "_mixed_bf16";
          write_onnx(folder / "onnx" / (name + type), bytes, false, options);
        }
      }
      const auto legacy = write_legacy_checkpoint(tensors, layout);
      for (const char* fuzzer : {"checkpoint", "legacy", "scan"}) {
        write(folder / fuzzer / (name + "_legacy"), legacy.data(), legacy.size());
      }
      const auto safetensors = write_safetensors(tensors, layout);
      for (const char* fuzzer : {"checkpoint", "safetensors", "scan"}) {
        write(folder / fuzzer / (name + "_safetensors"), safetensors.data(), safetensors.size());
      }
      const std::string pickle = pickle_state_dict(tensors, layout);
      for (const char* fuzzer : {"pickle", "scan"}) {
        write(folder / fuzzer / (name + "_pickle"), pickle.data(), pickle.size());
      }
    }
  }
  const std::string index = R"({"metadata":{},"weight_map":{"w":"one"}})";
  write(folder / "checkpoint" / "shards", index.data(), index.size());
  return 0;
}
