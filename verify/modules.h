/// @file
/// The modules beside the program: shared libraries that need what the program does not.
#pragma once

#include <filesystem>
#include <string>

#include "tensor.h"
#include "torch_module.h"

namespace aether2onnx::verify {

/// Loads the module with libtorch. Returns null and the reason, a sentence, if the module is
/// missing or cannot be loaded.
const TorchModule* load_torch(std::string& why_not);
/// Whether the module is installed. Its library may be missing.
bool has_torch_module();

/// The function of the module with libpng and libjpeg-turbo (picture_module.cpp). Throws
/// std::exception with the reason.
using ReadPicture = FloatTensor (*)(const std::filesystem::path& path);
inline constexpr const char* kReadPictureSymbol = "aether2onnx_read_picture_1";

/// Loads the module that reads pictures. Throws Error(unsupported) if that fails.
ReadPicture load_picture_reader();

}  // namespace aether2onnx::verify
