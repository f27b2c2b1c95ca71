/// @file
/// The module with libtorch, libaether2onnx_torch.so, which computes the operations of the
/// reference. The program loads the module if it is installed. The module knows tensors and no
/// networks, and links nothing of the program.
#pragma once

#include <memory>

#include "operations.h"

namespace aether2onnx::verify {

/// What the module's function returns. Program and module are built together; the name of the
/// function changes with the interface.
struct TorchModule {
  const char* version = "";  ///< Of libtorch, "1.13.1".
  /// Loads the half of libtorch that computes with CUDA. Returns "" if there is a device, or the
  /// reason, with the name of the library that is missing.
  const char* (*load_cuda)() = nullptr;
  /// `cuda_device` is -1 for the CPU; another needs load_cuda(). `tf32`: whether the GPU may round
  /// the factors of float32 products to TF32. The caller deletes the result.
  Operations* (*make)(bool float64, int cuda_device, bool tf32) = nullptr;
};

extern "C" {
using GetTorchModule = const TorchModule* (*)();
}
inline constexpr const char* kTorchModuleSymbol = "aether2onnx_torch_2";

}  // namespace aether2onnx::verify
