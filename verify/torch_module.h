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
  bool has_cuda = false;
  /// `cuda_device` is -1 for the CPU. The caller deletes the result.
  Operations* (*make)(bool float64, int cuda_device) = nullptr;
};

extern "C" {
using GetTorchModule = const TorchModule* (*)();
}
inline constexpr const char* kTorchModuleSymbol = "aether2onnx_torch_1";

}  // namespace aether2onnx::verify
