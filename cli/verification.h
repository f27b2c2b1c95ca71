/// @file
/// Compares ONNX files with their checkpoints.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../verify/verifier.h"
#include "console.h"
#include "render/json.h"
#include "requests.h"

namespace aether2onnx::cli {

/// One model to compare.
struct VerificationTask {
  std::filesystem::path checkpoint;
  ReadOptions reading;  ///< As for the conversion.
  Limits limits;
  std::vector<std::filesystem::path> inputs;  ///< Further files that the report may not replace.
  std::filesystem::path model;
  std::string model_name;  ///< The model's name for people.
  /// (N, C, H, W) each; empty: the shapes in the model.
  std::vector<std::array<std::int64_t, 4>> shapes;
  std::string command;  ///< The command line, for the report.
  /// If set, the comparison may propose more parts for float32, beside these.
  std::optional<std::vector<std::string>> fp32_blocks;
};

struct Comparison {
  std::shared_ptr<const Json> details;  ///< Null before the comparison and if it can't be made.
  bool failed = false;
  /// More parts that should be in float32: half precision is too small or too coarse for them.
  std::vector<std::string> fp32_blocks;
};

class Verification {
 public:
  /// Loads ONNX Runtime and finds the device. Throws Error(verification), naming what is missing
  /// and how to get it. `asked_by` is the option or command that wants to compare.
  Verification(const VerificationRequest& request, const std::string& asked_by, Console& console);

  /// Compares at every shape, and prints a line each unless it proposes parts for float32.
  /// Throws Error(verification) if a shape fails; `comparison` is complete even then.
  void run(const VerificationTask& task, Console& console, Comparison& comparison) const;

 private:
  const VerificationRequest& request_;
  verify::Settings settings_;
};

}  // namespace aether2onnx::cli
