/// @file
/// The ONNX file that is compared with the reference. If the device computes a 16-bit model in
/// float32, the model also runs with emulated 16-bit roundings.
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
  /// float32 and has no bfloat16 operators. So on the CPU, a float16 model also runs in the form
  /// that onnx::emulate_half_types() makes, and a bfloat16 model runs only in this form. Throws
  /// Error(unsupported) if ONNX Runtime refuses the file.
  ///
  /// If `cancelled`, which may be null, becomes true, a run ends soon with Error(cancelled).
  Candidate(const OnnxRuntime& runtime, const std::filesystem::path& path, const onnx::Model& model,
            const Device& device, const std::atomic<bool>* cancelled = nullptr);

  /// Returns the outputs of the one or two ways to run the model.
  std::vector<FloatTensor> run(const FloatTensor& input) const;

  /// Whether the results of 16-bit operators are rounded to 16 bits.
  enum class Results { rounded, exact };

  /// Returns the values named in `values`, which operators within the model compute. `results`
  /// selects whether the roundings to 16-bit types are emulated or left out.
  std::vector<FloatTensor> run_exposed(const FloatTensor& input,
                                       const std::vector<std::string>& values,
                                       Results results = Results::rounded) const;

  /// Frees the sessions of run(). After this call, run() must not be called.
  void end_runs();

  /// Names the library and the device, "ONNX Runtime 1.20.0, CPU", and how 16-bit types run.
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
