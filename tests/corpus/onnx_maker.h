/// @file
/// Collects the cases of onnx_cases(). Private to this folder.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "onnx_cases.h"

namespace aether2onnx::corpus {

inline constexpr int kInt = 2;
inline constexpr int kTensor = 4;
inline constexpr int kGraph = 5;
inline constexpr int kTensors = 9;

class Maker {
 public:
  std::vector<OnnxCase> take() { return std::move(cases_); }

  // A file that is refused.
  void refused(const std::string& name, const char* reason, std::string bytes, const char* code) {
    cases_.push_back({name, reason, std::move(bytes), ScanResult::unclear, code, {}});
  }
  // A file that is read, and that scan does not call clean.
  void told(const std::string& name, const char* reason, std::string bytes, ScanResult scan,
            const char* check) {
    cases_.push_back({name, reason, std::move(bytes), scan, {}, check});
  }
  void honest(const std::string& name, const char* reason, std::string bytes) {
    cases_.push_back({name, reason, std::move(bytes), ScanResult::clean, {}, {}});
  }

 private:
  std::vector<OnnxCase> cases_;
};

/// Adds files whose constants ONNX Runtime computes while it loads them.
void add_constants(Maker& maker);
/// Adds files whose constants have sizes from the operators Shape and Size.
void add_shapes(Maker& maker);

}  // namespace aether2onnx::corpus
