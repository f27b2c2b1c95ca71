/// @file
/// The modules beside the program: shared libraries that need what the program does not.
#pragma once

#include <string>

#include "picture_module.h"
#include "torch_module.h"

namespace aether2onnx::verify {

/// Loads the module with libtorch. Returns null and the reason, a sentence, if the module is
/// missing or cannot be loaded.
const TorchModule* load_torch(std::string& why_not);
/// Whether the module is installed. Its library may be missing.
bool has_torch_module();

/// Loads the module that reads and writes pictures. Throws Error(unsupported) if that fails.
const PictureModule& load_pictures();

}  // namespace aether2onnx::verify
