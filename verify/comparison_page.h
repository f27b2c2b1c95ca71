/// @file
/// Makes the HTML page on which `upscale` shows each picture before and after it was enlarged.
#pragma once

#include <string>
#include <vector>

#include "upscaler.h"

namespace aether2onnx::verify {

/// Returns the HTML page, which loads no other file. `model` is the name of the model's file, and
/// `description` describes the network in this file.
std::string comparison_page(const std::vector<BeforeAndAfter>& pictures, const std::string& model,
                            const std::string& description);

}  // namespace aether2onnx::verify
