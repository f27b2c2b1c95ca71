// Describes a checkpoint or an ONNX file with the library.

#include <aether2onnx/inspect.h>

#include <iostream>

int main(int count, char** values) {
  if (count != 2) {
    std::cerr << "Usage: inspect_file FILE\n";
    return 2;
  }
  try {
    const aether2onnx::Inspection file = aether2onnx::inspect_file(values[1]);
    std::cout << summary(file.source) << '\n';
    if (file.network) {
      std::cout << summary(*file.network) << '\n';
    } else {
      std::cout << file.not_recognised.text << '\n';
    }
    if (file.cost) std::cout << file.cost->multiply_adds_per_megapixel << " multiply-adds\n";
  } catch (const aether2onnx::Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
