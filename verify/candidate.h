/// @file
/// The ONNX file as it is compared: run as it is and, where its 16-bit types are only pretended to
/// by what runs it, once more with their roundings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "onnxruntime.h"

namespace aether2onnx::verify {

class Candidate {
 public:
  /// `model` describes the file at `path`. On the CPU, whose operators ONNX Runtime mostly runs in
  /// float32 whatever the file says, a model of float16 or bfloat16 is also run by
  /// onnx::emulate_half_types(); one that ONNX Runtime has no operators for (bfloat16) only so.
  /// Throws Error(verification) where ONNX Runtime refuses the file.
  Candidate(const OnnxRuntime& runtime, const std::filesystem::path& path, const onnx::File& model,
            const Device& device);

  /// The output of each way to run it; one, or two.
  std::vector<FloatTensor> run(const FloatTensor& input) const;

  /// The outputs of operators within the model, as they are with the roundings.
  std::vector<FloatTensor> run_exposed(const FloatTensor& input,
                                       const std::vector<std::string>& values) const;

  /// "ONNX Runtime 1.20.0, CPU", and how 16-bit types are run.
  std::string description() const;

 private:
  std::string bytes() const;

  const OnnxRuntime& runtime_;
  std::filesystem::path path_;
  const onnx::File& model_;
  Device device_;
  bool emulated_;
  std::optional<Session> file_;
  std::optional<Session> emulation_;
};

}  // namespace aether2onnx::verify
