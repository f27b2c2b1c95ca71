/// @file
/// Encodes text and bytes for HTML pages.
#pragma once

#include <string>
#include <string_view>

namespace aether2onnx::verify {

/// Escapes `text` for an HTML element or a quoted attribute. Invisible characters become \xNN.
std::string escape(std::string_view text);

/// Encodes bytes in base 64, for data URLs.
std::string base64(std::string_view bytes);

}  // namespace aether2onnx::verify
