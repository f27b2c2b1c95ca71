/// @file
/// Loads the modules: optional shared libraries that use libtorch, or libpng and libjpeg-turbo.
#pragma once

#include <string>

#include "picture_module.h"
#include "torch_module.h"

namespace aether2onnx::verify {

/// Loads the module with libtorch. If the module is missing or cannot be loaded, returns null and
/// writes the reason, a sentence, to `why_not`.
const TorchModule* load_torch(std::string& why_not);
/// Returns whether the module with libtorch is installed. libtorch itself may be missing.
bool has_torch_module();

/// Loads the module that reads and writes pictures. Throws Error(unsupported) if the load fails.
const PictureModule& load_pictures();

}  // namespace aether2onnx::verify
