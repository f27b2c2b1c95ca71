/// @file
/// ONNX files: hostile ones, and rare forms that honest exporters write. They are no checkpoints,
/// so a conversion refuses them all; onnx_test.cpp reads, checks and inspects them.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <vector>

namespace aether2onnx::corpus {

struct OnnxCase {
  std::string name;
  const char* reason;  ///< What other readers make of the file, or why it is honest.
  std::string bytes;
  ScanResult scan = ScanResult::clean;
  std::string read = {};   ///< The code of the error that reading ends with; "" for none.
  std::string check = {};  ///< The code of a finding that check has; "" if none is expected.
};

std::vector<OnnxCase> onnx_cases();

}  // namespace aether2onnx::corpus
