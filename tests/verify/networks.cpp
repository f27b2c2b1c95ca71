#include "networks.h"

#include <algorithm>
#include <cmath>
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

Checkpoint random_network(const std::string& generation, unsigned seed, bool fused,
                          bool of_16_bits) {
  std::vector<tools::NamedTensor> tensors = random_tensors(generation, seed, fused);
  for (tools::NamedTensor& tensor : tensors) {
    if (!of_16_bits) break;
    // bfloat16 has 8 bits of precision, and float16 has them down to 2^-14.
    for (double& value : tensor.values) {
      int exponent = 0;
      const double mantissa = std::round(std::frexp(value, &exponent) * 256) / 256;
      value = exponent > -14 ? std::ldexp(mantissa, exponent) : 0;
    }
  }
  return {generation + " of random weights", generation, tools::write_checkpoint(tensors)};
}

std::vector<Checkpoint> trained_networks() {
  const std::filesystem::path folder =
      std::filesystem::path(AETHER2ONNX_SOURCE) / "tests/data/trained";
  std::vector<Checkpoint> networks;
  for (const std::string& file : list_files(folder)) {
    if (!file.ends_with(".pth")) continue;
    // "g5_0.pth", "g7d_layernorm.pth"
    const std::string stem = file.substr(0, file.size() - 4);
    for (const std::string& generation : generations()) {
      std::string name = generation;
      name[0] = 'g';
      std::replace(name.begin(), name.end(), '.', '_');
      if (stem != name && !stem.starts_with(name + "_layernorm")) continue;
      networks.push_back({stem + ", trained", generation, read_file(folder / file)});
    }
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
