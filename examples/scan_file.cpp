// Checks whether a file holds only data, before a program loads the file.

#include <aether2onnx/error.h>
#include <aether2onnx/scan.h>

#include <iostream>

int main(int count, char** values) {
  if (count != 2) {
    std::cerr << "Usage: scan_file FILE\n";
    return 2;
  }
  try {
    const aether2onnx::ScanReport report = aether2onnx::scan_file(values[1]);
    std::cout << report.container << ": " << to_string(report.result) << '\n';
    for (const auto& finding : report.findings) {
      std::cout << finding.code << ": " << finding.what << '\n';
    }
    return report.result == aether2onnx::ScanResult::clean ? 0 : 1;
  } catch (const aether2onnx::Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
  }
}
