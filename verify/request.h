/// @file
/// Parts of the JSON request that verify_module.h describes.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace aether2onnx::verify {

/// A file name, or another text of any bytes.
std::string bytes_of(const nlohmann::ordered_json& value);

/// How to read the checkpoint.
ReadOptions read_options(const nlohmann::ordered_json& request);

/// The limits of the request, and the flag that cancels the comparison.
Context context_of(const nlohmann::ordered_json& request, const std::atomic<bool>* cancelled);

}  // namespace aether2onnx::verify
