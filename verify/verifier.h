/// @file
/// The comparison as a whole: reference and candidate, input by input.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "verify_module.h"

namespace aether2onnx::verify {

/// What will be used, or Error(verification): A2oVerifyReady's work.
nlohmann::ordered_json ready(const nlohmann::ordered_json& settings);

/// The details of the comparison: A2oVerify's work. Throws Error.
nlohmann::ordered_json verify(const nlohmann::ordered_json& request, A2oVerifyProgress progress,
                              void* user);

}  // namespace aether2onnx::verify
