/// @file
/// Runs the ONNX file that is compared with the reference. If ONNX Runtime computes a 16-bit model
/// in float32, a copy of the model also runs, which rounds every result to 16 bits.
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
  /// Loads the file at `path`, which `model` describes. On the CPU, ONNX Runtime computes most
  /// float16 operators in float32 and has no bfloat16 operators. So the CPU also runs the copy that
  /// onnx::emulate_half_types() makes, which rounds every result to 16 bits. A bfloat16 model runs
  /// only as this copy. Throws Error(unsupported) if ONNX Runtime refuses the file.
  ///
  /// If `cancelled`, which may be null, becomes true, a run ends soon with Error(cancelled).
  Candidate(const OnnxRuntime& runtime, const std::filesystem::path& path, const onnx::Model& model,
            const Device& device, const std::atomic<bool>* cancelled = nullptr);

  /// Runs the file as it is, if ONNX Runtime has its operators. Also runs the copy that rounds
  /// results to 16 bits, if there is a copy. Returns the output of each run: one or two outputs.
  std::vector<FloatTensor> run(const FloatTensor& input) const;

  /// How the CPU runs a 16-bit model: `rounded` rounds the result of each operator to 16 bits, and
  /// `exact` keeps the float32 results.
  enum class Results { rounded, exact };

  /// Runs the model and returns the values with the names in `values`, which are outputs of any
  /// operators of the model. `results` matters only for a 16-bit model on the CPU.
  std::vector<FloatTensor> run_exposed(const FloatTensor& input,
                                       const std::vector<std::string>& values,
                                       Results results = Results::rounded) const;

  /// Saves memory: frees the ONNX Runtime sessions of run(). After this call, run() must not be
  /// called.
  void end_runs();

  /// Returns the library, the device and how 16-bit types run: "ONNX Runtime 1.20.0, CPU".
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
