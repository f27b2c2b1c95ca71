// Writes a sample checkpoint, for people who want to try the converter without a model of theirs.

#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>

#include "sample_networks.h"

int main(int count, char** values) {
  using namespace aether2onnx::tools;
  if (count != 2) {
    std::cerr << "Usage: make_sample_checkpoint SAMPLE.pth\n"
                 "Writes an aether_small x2 whose weights make it a bilinear interpolation.\n";
    return 2;
  }
  try {
    const NetworkShape shape = aether_small(2, true);
    std::vector<NamedTensor> tensors = make_tensors(shape);
    fill_bilinear(tensors, shape);
    CheckpointLayout layout;
    layout.root = "sample";
    const std::vector<std::byte> bytes = write_checkpoint(tensors, layout);
    std::ofstream file(values[1], std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) throw std::runtime_error(std::string("can't write ") + values[1]);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
