/// @file
/// Parts of the HTML pages.
#pragma once

#include <string>
#include <string_view>

namespace aether2onnx::verify {

/// `text` for an element or a quoted attribute. Characters that are not visible become \xNN.
std::string escape(std::string_view text);

/// Bytes in base 64, as data URLs have them.
std::string base64(std::string_view bytes);

}  // namespace aether2onnx::verify
