/// @file
/// Deflate streams that grow far beyond their size.
#pragma once

#include <cstddef>
#include <string>

namespace aether2onnx::corpus {

/// Deflate's shortest way to say `count` equal bytes, as one block of fixed codes. `byte` is below
/// 0x90.
std::string deflated(char byte, std::size_t count);

}  // namespace aether2onnx::corpus
