/// @file
/// The ONNX file that is compared. A 16-bit model also runs with its roundings emulated if the
/// device computes it in float32.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "onnxruntime.h"

namespace aether2onnx::verify {

class Candidate {
 public:
  /// `model` describes the file at `path`. On the CPU, ONNX Runtime runs most float16 operators in
  /// float32 and has no bfloat16 operators. There, a float16 or bfloat16 model also runs in the
  /// form of onnx::emulate_half_types(), and a bfloat16 model runs in that form only. Throws
  /// Error(unsupported) if ONNX Runtime refuses the file.
  ///
  /// If `cancelled`, which may be null, becomes true, a run ends soon with Error(cancelled).
  Candidate(const OnnxRuntime& runtime, const std::filesystem::path& path, const onnx::Model& model,
            const Device& device, const std::atomic<bool>* cancelled = nullptr);

  /// The outputs of the one or two ways to run the model.
  std::vector<FloatTensor> run(const FloatTensor& input) const;

  /// What to do with the results of 16-bit operators.
  enum class Results { rounded, exact };

  /// The outputs of operators within the model. The roundings of 16-bit types are emulated, or left
  /// out.
  std::vector<FloatTensor> run_exposed(const FloatTensor& input,
                                       const std::vector<std::string>& values,
                                       Results results = Results::rounded) const;

  /// Frees the sessions of run(), which must not be called again.
  void end_runs();

  /// "ONNX Runtime 1.20.0, CPU", and how 16-bit types run.
  std::string description() const;

 private:
  std::string bytes(Results results = Results::rounded) const;

  const OnnxRuntime& runtime_;
  std::filesystem::path path_;
  const onnx::Model& model_;
  Device device_;
  const std::atomic<bool>* cancelled_;
  bool emulated_;
  std::optional<Session> file_;
  std::optional<Session> emulation_;
};

}  // namespace aether2onnx::verify
