/// @file
/// Text for people: printable names, sizes, counts, shapes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx {

/// Makes a name from a file safe for a message. Replaces control characters, invalid UTF-8 and
/// terminal escapes by \xNN. Cuts the name after `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 200);

/// "13 bytes", "2.8 MB" (powers of 1000).
std::string human_bytes(std::uint64_t bytes);

/// "1,388,963".
std::string with_thousands(std::uint64_t number);

/// "(64, 96, 3, 3)", as PyTorch prints shapes; "()" for a scalar.
std::string shape_text(std::span<const std::int64_t> shape);

/// "4,4,4,4".
std::string join(std::span<const std::int64_t> numbers, std::string_view separator = ",");
std::string join(std::span<const std::string> parts, std::string_view separator);

/// "1 key", "3 keys".
std::string plural(std::uint64_t count, std::string_view noun);

}  // namespace aether2onnx
