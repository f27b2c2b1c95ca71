/// @file
/// The interface of the module libaether2onnx_torch.so. The program loads the module if it is
/// installed. The module computes the operations of the reference with libtorch. (The reference
/// computes a network from a checkpoint, see reference.h.) The module works with tensors, not with
/// networks, and links no code of the program.
#pragma once

#include <memory>

#include "operations.h"

namespace aether2onnx::verify {

/// The functions of the module. The module exports only one function, which returns this struct. If
/// this interface changes, the exported function gets a new name (kTorchModuleSymbol). So the
/// program cannot use a module of another version.
struct TorchModule {
  const char* version = "";  ///< The version of libtorch: "1.13.1".
  /// Loads the CUDA library of libtorch. Returns "" if there is a CUDA device, otherwise the
  /// reason. If a library is missing, the reason contains the name of this library.
  const char* (*load_cuda)() = nullptr;
  /// Creates the operations. The operations compute in float64 if `float64` is true, otherwise in
  /// float32. `cuda_device` is -1 for the CPU; for a GPU, load_cuda() must be called first. `tf32`:
  /// whether the GPU may round the factors of float32 products to TF32. The caller deletes the
  /// result.
  Operations* (*make)(bool float64, int cuda_device, bool tf32) = nullptr;
};

extern "C" {
using GetTorchModule = const TorchModule* (*)();
}
inline constexpr const char* kTorchModuleSymbol = "aether2onnx_torch_2";

}  // namespace aether2onnx::verify
