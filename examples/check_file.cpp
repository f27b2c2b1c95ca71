// Lists the problems that an ONNX file has in TensorRT 10.

#include <aether2onnx/check.h>
#include <aether2onnx/error.h>

#include <iostream>

int main(int count, char** values) {
  if (count != 2) {
    std::cerr << "Usage: check_file MODEL.onnx\n";
    return 2;
  }
  try {
    aether2onnx::CheckOptions options;
    options.targets = {{aether2onnx::Target::tensorrt, "10"}};
    const aether2onnx::CheckReport report = aether2onnx::check_file(values[1], options);
    for (const aether2onnx::Finding& finding : report.findings) {
      std::cout << to_string(finding.severity) << " " << finding.code << ": " << finding.what
                << '\n';
    }
    std::cout << report.count(aether2onnx::Severity::error) << " errors\n";
  } catch (const aether2onnx::Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
