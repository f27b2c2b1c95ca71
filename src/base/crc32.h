/// @file
/// The CRC-32 checksum of zip archives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace aether2onnx {

/// Returns the CRC-32 of `bytes` (reflected polynomial 0xEDB88320). If the bytes come in pieces,
/// `before` is the CRC of all earlier pieces. Source: PKWARE's APPNOTE.TXT, section 4.4.7.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0) noexcept;

}  // namespace aether2onnx
