/// @file
/// Compares ONNX files with the checkpoints that they were made from.
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

/// An ONNX model to compare with its checkpoint.
struct VerificationTask {
  std::filesystem::path checkpoint;
  ReadOptions reading;  ///< How to read the checkpoint, as for the conversion.
  Limits limits;
  std::vector<std::filesystem::path> inputs;  ///< Other files that the report must not replace.
  std::filesystem::path model;
  std::string model_name;  ///< The model's name in messages.
  /// The input shapes (N, C, H, W) to compare at. If empty, shapes in the model's range of sizes.
  std::vector<std::array<std::int64_t, 4>> shapes;
  std::string command;        ///< The command line, for the HTML report.
  bool check_source = false;  ///< Whether to report a model that was made from another checkpoint.
  bool repeated = false;      ///< Whether the model was converted again and is compared again.
  /// The parts of the network that are in float32. If set, run() may propose more such parts.
  std::optional<std::vector<std::string>> fp32_blocks;
};

/// The result of comparing a model with its checkpoint.
struct Comparison {
  std::shared_ptr<const Json> details;  ///< Null if no comparison was made.
  bool failed = false;
  /// Whether the model is equal only if the assumptions in `details` about the network are true.
  bool as_assumed = false;
  /// More parts of the network that should be in float32, because their values are too large for 16
  /// bits or are rounded too coarsely.
  std::vector<std::string> fp32_blocks;
};

class Verification {
 public:
  /// Loads ONNX Runtime and finds the device. Throws ProgramError if one of them is missing; the
  /// message tells how to get it. `asked_by` is the option or command that needs a comparison.
  Verification(const VerificationRequest& request, const std::string& asked_by, Console& console);

  /// Compares the model with the checkpoint at every shape. Prints a line for each shape and the
  /// verdict, unless `comparison` proposes parts for float32. If the model is not equal, throws
  /// ProgramError("verification"), but sets `comparison` first.
  void run(const VerificationTask& task, Console& console, Comparison& comparison) const;

 private:
  const VerificationRequest& request_;
  verify::Settings settings_;
};

}  // namespace aether2onnx::cli
