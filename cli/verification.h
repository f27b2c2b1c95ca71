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
  /// The input shapes (N, C, H, W) to compare at. If empty, run() compares at one small shape, or
  /// with --thorough at several shapes that the model accepts.
  std::vector<std::array<std::int64_t, 4>> shapes;
  std::string command;        ///< The command line, for the HTML report.
  bool check_source = false;  ///< Whether to report a model that was made from another checkpoint.
  bool repeated = false;      ///< Whether the model was converted again and is compared again.
  /// The modules of the network that are in float32, for example "layers.0.3". If set, run() looks
  /// for more modules that need float32, and stores these modules in Comparison::fp32_blocks.
  std::optional<std::vector<std::string>> fp32_blocks;
};

/// The result of comparing a model with its checkpoint.
struct Comparison {
  std::shared_ptr<const Json> details;  ///< Null if no comparison was made.
  bool failed = false;
  /// Whether the model equals the checkpoint only if assumed settings, such as res_scale, are
  /// right. The checkpoint does not contain these settings. `details` lists all assumptions.
  bool as_assumed = false;
  /// More modules of the network that need float32. In 16 bits, their values overflow or lose too
  /// much precision. If the list is not empty, the caller must convert and compare again.
  std::vector<std::string> fp32_blocks;
};

class Verification {
 public:
  /// Loads ONNX Runtime, and finds the CPU or GPU that runs the model. Throws ProgramError if ONNX
  /// Runtime is missing, or if the user requested a GPU or PyTorch that is missing. The message
  /// begins with `asked_by`, the option or command that needs a comparison, and tells what to do.
  Verification(const VerificationRequest& request, const std::string& asked_by, Console& console);

  /// Compares the model's output with the checkpoint's at every shape, and sets `comparison`. If
  /// more modules need float32, prints no result, because the caller converts and compares again.
  /// Otherwise prints a line for each input, and the verdict "equal" or "equal-as-assumed". Throws
  /// ProgramError("verification") for any other verdict, or if the comparison cannot be made.
  void run(const VerificationTask& task, Console& console, Comparison& comparison) const;

 private:
  const VerificationRequest& request_;
  verify::Settings settings_;
};

}  // namespace aether2onnx::cli
