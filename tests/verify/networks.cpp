#include "networks.h"

#include <cstdlib>

#include "sample_networks.h"
#include "stage_networks.h"
#include "support.h"
#include "verifier.h"

namespace aether2onnx::test {

namespace {

std::vector<tools::NamedTensor> random_tensors(const std::string& generation, unsigned seed,
                                               bool fused) {
  if (generation == "G1") {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
    tools::fill_random(tensors, seed);
    return fused ? tools::fuse(tensors) : tensors;
  }
  tools::StageShape shape;
  shape.generation = generation;
  shape.channel_attention = seed % 2 == 1;
  shape.spatial_attention = seed % 3 == 1;
  shape.layer_norm = generation > "G5.0" && seed % 2 == 0;
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, seed);
  return fused ? tools::fuse(tensors, shape) : tensors;
}

// ../shared belongs to the project's own machines; another folder may be named.
std::filesystem::path shared_folder() {
  const char* named = std::getenv("AETHER2ONNX_SHARED");
  return named == nullptr ? AETHER2ONNX_SHARED : named;
}

}  // namespace

std::vector<std::string> generations() {
  std::vector<std::string> names = tools::stage_generations();
  std::erase(names, "G2");
  names.insert(names.begin(), "G1");
  return names;
}

Checkpoint random_network(const std::string& generation, unsigned seed, bool fused) {
  return {generation + " of random weights", generation,
          tools::write_checkpoint(random_tensors(generation, seed, fused))};
}

std::vector<Checkpoint> trained_networks() {
  const std::filesystem::path folder =
      std::filesystem::path(AETHER2ONNX_SOURCE) / "tests/data/trained";
  std::vector<Checkpoint> networks;
  for (const auto& [file, generation] : std::vector<std::pair<std::string, std::string>>{
           {"g3", "G3"},
           {"g4", "G4"},
           {"g5_0", "G5.0"},
           {"g5_1", "G5.1"},
           {"g5_2", "G5.2"},
           {"g5x", "G5x"},
           {"g6_0", "G6.0"},
           {"g6_1", "G6.1"},
           {"g7a", "G7a"},
           {"g7b", "G7b"},
           {"g7c", "G7c"},
           {"g7d", "G7d"},
           {"g7d_layernorm", "G7d"}}) {
    networks.push_back({file + ", trained", generation, read_file(folder / (file + ".pth"))});
  }
  return networks;
}

std::vector<Checkpoint> published_networks() {
  std::vector<Checkpoint> networks;
  for (const char* name : {"aether_small_x2_fp16_fused", "aether_small_x2_int8_fused"}) {
    const auto path = shared_folder() / "checkpoints" / (std::string(name) + ".pth");
    if (std::filesystem::exists(path)) networks.push_back({name, "G1", read_file(path)});
  }
  return networks;
}

nlohmann::ordered_json verify_loosely(const std::filesystem::path& model,
                                      const std::filesystem::path& checkpoint,
                                      const std::string& generation) {
  verify::Request request;
  request.settings.reference = verify::Settings::Judge::builtin;
  request.settings.device = "cpu";
  request.settings.atol = request.settings.rtol = 1;
  request.checkpoint = checkpoint;
  request.reading.generation = generation;
  request.reading.dequantize = true;
  request.model = model;
  request.model_name = model.filename().string();
  return verify::verify(request, {}, nullptr);
}

}  // namespace aether2onnx::test
