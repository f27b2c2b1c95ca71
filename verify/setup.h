/// @file
/// Chooses the libraries and devices that compute the model and the reference.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "onnxruntime.h"
#include "operations.h"
#include "torch_module.h"
#include "verifier.h"

namespace aether2onnx::verify {

struct Setup {
  const OnnxRuntime* runtime = nullptr;
  const TorchModule* torch = nullptr;  // null: the built-in reference
  bool float64 = false;
  Device device;
  int reference_device = -1;
  std::vector<std::string> notes;
};

/// Loads the libraries and finds the device. Throws Error if one of them is missing.
Setup set_up(const Settings& settings);

/// Makes libtorch load its CUDA library. Returns "", or the reason why libtorch can't use CUDA.
std::string problem_of_cuda(const TorchModule& torch);

/// Creates the operations that compute the reference.
std::unique_ptr<Operations> operations_of(const Setup& setup);

/// Measures the multiply-adds per second of the operations.
double speed_of(const Operations& operations);

}  // namespace aether2onnx::verify
