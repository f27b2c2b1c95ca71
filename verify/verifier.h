/// @file
/// Compares the reference and the candidate on every input.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "verify_module.h"

namespace aether2onnx::verify {

/// Does the work of A2oVerifyReady: returns the runtime and device that will be used, or throws
/// Error.
nlohmann::ordered_json ready(const nlohmann::ordered_json& settings);

/// Does the work of A2oVerify: compares and returns the details. Throws Error.
nlohmann::ordered_json verify(const nlohmann::ordered_json& request, A2oVerifyProgress progress,
                              void* user, const std::atomic<bool>* cancelled);

}  // namespace aether2onnx::verify
