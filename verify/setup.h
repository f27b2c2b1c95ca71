/// @file
/// Who computes: ONNX Runtime on a device, and who judges it.
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

/// Has libtorch load its half for CUDA. Returns "" or the reason why it can't compute there.
std::string problem_of_cuda(const TorchModule& torch);

/// The operations that compute the reference.
std::unique_ptr<Operations> operations_of(const Setup& setup);

/// Multiplications and additions a second.
double speed_of(const Operations& operations);

}  // namespace aether2onnx::verify
