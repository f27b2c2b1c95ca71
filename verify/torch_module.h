/// @file
/// The interface of the module with libtorch, libaether2onnx_torch.so, which computes the
/// operations of the reference. The program loads the module if it is installed. The module works
/// with tensors, not with networks, and links no code of the program.
#pragma once

#include <memory>

#include "operations.h"

namespace aether2onnx::verify {

/// The functions of the libtorch module, which its only exported function returns. The exported
/// function's name changes with this interface, so that versions cannot be mixed.
struct TorchModule {
  const char* version = "";  ///< The version of libtorch: "1.13.1".
  /// Loads the CUDA library of libtorch. Returns "" if there is a CUDA device, otherwise the
  /// reason, with the name of a missing library.
  const char* (*load_cuda)() = nullptr;
  /// Creates the operations, in float64 or else float32. `cuda_device` is -1 for the CPU; other
  /// devices need load_cuda() first. `tf32`: whether the GPU may round the factors of float32
  /// products to TF32. The caller deletes the result.
  Operations* (*make)(bool float64, int cuda_device, bool tf32) = nullptr;
};

extern "C" {
using GetTorchModule = const TorchModule* (*)();
}
inline constexpr const char* kTorchModuleSymbol = "aether2onnx_torch_2";

}  // namespace aether2onnx::verify
