// Fuses a checkpoint with the library and writes it as safetensors.

#include <aether2onnx/fuse.h>

#include <iostream>

int main(int count, char** values) {
  if (count != 3) {
    std::cerr << "Usage: fuse_file MODEL.pth FUSED.safetensors\n";
    return 2;
  }
  try {
    aether2onnx::FuseOptions options;
    options.dtype = aether2onnx::WeightType::float32;
    const aether2onnx::FuseReport report = aether2onnx::fuse_file(values[1], values[2], options);
    std::cout << report.convolutions << " pairs of convolutions, " << report.output.tensors
              << " tensors\n";
    for (const aether2onnx::Diagnostic& warning : report.warnings) {
      std::cout << warning.code << ": " << warning.text << '\n';
    }
  } catch (const aether2onnx::Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
