/// @file
/// Calls in a pickle as text, as Python would write them. Private to this stage.
#pragma once

#include <string>

#include "formats/pickle/pickle.h"

namespace aether2onnx::scans {

/// "os.system('rm …')": printable, cut short, whatever the arguments refer to.
std::string call_text(const pickle::Document& document, pickle::ValueId call);

}  // namespace aether2onnx::scans
