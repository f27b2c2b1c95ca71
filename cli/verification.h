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

/// One model to compare with its checkpoint.
struct VerificationTask {
  std::filesystem::path checkpoint;
  ReadOptions reading;  ///< The same options as for the conversion.
  Limits limits;
  std::vector<std::filesystem::path> inputs;  ///< Other files that the report must not replace.
  std::filesystem::path model;
  std::string model_name;  ///< The model's name in messages.
  /// The input shapes (N, C, H, W). If empty, shapes in the range of the model.
  std::vector<std::array<std::int64_t, 4>> shapes;
  std::string command;        ///< The command line, for the report.
  bool check_source = false;  ///< Whether to report a model that was made from another checkpoint.
  bool repeated = false;      ///< Whether this comparison is a repetition.
  /// The parts that are in float32. If set, the comparison may propose more parts for float32.
  std::optional<std::vector<std::string>> fp32_blocks;
};

/// The result of a comparison.
struct Comparison {
  std::shared_ptr<const Json> details;  ///< Null if no comparison was made.
  bool failed = false;
  /// Whether the model is equal only if the assumptions in `details` are true.
  bool as_assumed = false;
  /// More parts that should be in float32, because half precision cannot hold or resolve the
  /// values.
  std::vector<std::string> fp32_blocks;
};

class Verification {
 public:
  /// Loads ONNX Runtime and finds the device. Throws Error(verification) if a part is missing; the
  /// message says how to get the part. `asked_by` is the option or command that needs a comparison.
  Verification(const VerificationRequest& request, const std::string& asked_by, Console& console);

  /// Compares the model at every shape. Prints a line for each shape and the verdict, unless the
  /// comparison proposes parts for float32. Throws Error(verification) if the model is not equal;
  /// `comparison` is complete in this case, too.
  void run(const VerificationTask& task, Console& console, Comparison& comparison) const;

 private:
  const VerificationRequest& request_;
  verify::Settings settings_;
};

}  // namespace aether2onnx::cli
