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
  int reference_device = -1;  // number of the GPU that computes the reference; -1: CPU
  std::vector<std::string> notes;
};

/// Loads the libraries and finds the device. Throws Error if ONNX Runtime is missing. Also throws
/// Error if the settings ask for PyTorch or a GPU, but PyTorch or the GPU is missing.
Setup set_up(const Settings& settings);

/// Makes libtorch load its CUDA library. Returns "" if libtorch can use CUDA, otherwise the reason.
std::string problem_of_cuda(const TorchModule& torch);

/// Creates the tensor operations with which the reference computes the network (see reference.h).
std::unique_ptr<Operations> operations_of(const Setup& setup);

/// Measures how many multiply-adds per second `operations` computes, in order to estimate times.
double speed_of(const Operations& operations);

}  // namespace aether2onnx::verify
