// Prints the arguments with which trtexec of TensorRT 10.3 builds an engine.

#include <aether2onnx/engine.h>

#include <iostream>

int main(int count, char** values) {
  if (count != 2) {
    std::cerr << "Usage: engine_command MODEL.onnx\n";
    return 2;
  }
  try {
    const aether2onnx::EngineModel model = aether2onnx::read_engine_model(values[1]);
    aether2onnx::EngineOptions options;
    options.version = aether2onnx::parse_tensorrt_version("10.3");
    const aether2onnx::EngineCommand command = aether2onnx::trtexec_command(model, options);
    for (const std::string& argument : command.arguments) std::cout << argument << '\n';
  } catch (const aether2onnx::Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
