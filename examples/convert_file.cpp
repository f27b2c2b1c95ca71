// Converts a checkpoint with the library.
//
//   c++ -std=c++20 convert_file.cpp $(pkg-config --cflags --libs aether2onnx)

#include <aether2onnx/convert.h>

#include <iostream>

int main(int count, char** values) {
  if (count != 3) {
    std::cerr << "Usage: convert_file MODEL.pth MODEL.onnx\n";
    return 2;
  }
  try {
    aether2onnx::ConvertOptions options;
    options.shape = aether2onnx::InputShape::dynamic_defaults();
    options.precision = aether2onnx::Precision::fp16;
    const aether2onnx::ConvertReport report =
        aether2onnx::convert_file(values[1], values[2], options);
    std::cout << report.network.model_type << " x" << report.network.scale << ", "
              << report.graph.nodes << " nodes\n";
  } catch (const aether2onnx::Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
