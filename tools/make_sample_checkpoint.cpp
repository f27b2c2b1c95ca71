// Writes a sample checkpoint, for people who want to try the converter but have no model.

#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>

#include "sample_networks.h"
#include "stage_networks.h"

namespace {

using namespace aether2onnx::tools;

// Makes a checkpoint of the first generation: the network enlarges pictures by bilinear
// interpolation.
std::vector<std::byte> first_generation() {
  const NetworkShape shape = aether_small(2, true);
  std::vector<NamedTensor> tensors = make_tensors(shape);
  fill_bilinear(tensors, shape);
  CheckpointLayout layout;
  layout.root = "sample";
  return write_checkpoint(tensors, layout);
}

// Makes a checkpoint of a later generation, in the form in which its training saves it.
std::vector<std::byte> later_generation(const std::string& generation) {
  StageShape shape = stage_preset("aether_small", 2);
  shape.generation = generation;
  std::vector<NamedTensor> tensors = make_tensors(shape);
  fill_random(tensors, 1);
  CheckpointLayout layout;
  layout.root = "sample";
  layout.wrapper = "params";
  const bool has_config = generation == "G6.1" || generation.starts_with("G7");
  if (has_config) layout.beside.items = {{"arch_config", arch_config(shape, 0.1)}};
  return write_checkpoint(tensors, layout);
}

}  // namespace

int main(int count, char** values) {
  const bool has_generation = count == 4 && std::string(values[1]) == "--generation";
  const bool is_option = count == 2 && std::string(values[1]).starts_with("-");
  if ((count != 2 && !has_generation) || is_option) {
    std::cerr
        << "Usage: make_sample_checkpoint [--generation GENERATION] SAMPLE.pth\n"
           "Writes an aether_small x2 network. G1 (the default): the weights make the network a\n"
           "bilinear interpolation. A later generation (G3 to G7d): the weights are random.\n";
    return 2;
  }
  try {
    const std::string generation = has_generation ? values[2] : "G1";
    const std::vector<std::byte> bytes =
        generation == "G1" ? first_generation() : later_generation(generation);
    std::ofstream file(values[count - 1], std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) throw std::runtime_error(std::string("can't write ") + values[count - 1]);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
