/// @file
/// The page that shows pictures before and after side by side.
#pragma once

#include <string>
#include <vector>

#include "upscaler.h"

namespace aether2onnx::verify {

/// A self-contained HTML page: nothing is loaded from elsewhere. `model` is the name of the model's
/// file, `description` its network.
std::string comparison_page(const std::vector<BeforeAndAfter>& pictures, const std::string& model,
                            const std::string& description);

}  // namespace aether2onnx::verify
