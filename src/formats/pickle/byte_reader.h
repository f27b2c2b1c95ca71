/// @file
/// Reads the bytes of a pickle from a file or from memory, piece by piece. Private to this folder.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace aether2onnx::pickle {

/// Returns the bytes of a pickle in order. A pickle does not state its length, and in PyTorch's
/// legacy stream gigabytes of tensors follow the pickle. The reader therefore reads an Input in
/// pieces that start small and grow. All pieces stay in `kept`, because the texts of values point
/// into the pieces.
class ByteReader {
 public:
  /// Reads a pickle that begins at the first of `bytes`.
  ByteReader(std::vector<std::vector<std::byte>>& kept, std::vector<std::byte> bytes,
             const Context& context);
  /// Reads a pickle that begins at byte `offset` of `input`. Requires offset <= input.size().
  ByteReader(std::vector<std::vector<std::byte>>& kept, const Input& input, std::uint64_t offset,
             const Context& context);

  /// The number of bytes that take() and take_line() returned or skipped so far.
  std::uint64_t position() const { return window_start_ + at_; }
  /// The number of bytes from position() to the end of the source (`bytes` or `input`).
  std::uint64_t left() const { return total_ - position(); }
  /// The offset of the pickle's first byte in the source (`bytes` or `input`).
  std::uint64_t origin() const { return origin_; }

  /// Returns the next `count` bytes. Requires count <= left(). Throws Error(limit) if the pickle is
  /// longer than Limits::pickle_bytes.
  std::span<const std::byte> take(std::uint64_t count) {
    if (count > window_.size() - at_) refill(count);
    const auto bytes = window_.subspan(at_, static_cast<std::size_t>(count));
    at_ += bytes.size();
    return bytes;
  }

  /// Returns the text before the next newline and moves behind the newline. Returns nullopt if no
  /// newline follows.
  std::optional<std::string_view> take_line();

 private:
  // Reads the next piece into `window_`, so that `window_` has the next `wanted` bytes.
  void refill(std::uint64_t wanted);

  const Context& context_;
  std::vector<std::vector<std::byte>>& kept_;
  const Input* input_ = nullptr;
  std::uint64_t origin_ = 0;
  std::uint64_t total_ = 0;
  std::span<const std::byte> window_;
  std::uint64_t window_start_ = 0;
  std::size_t at_ = 0;
  std::size_t piece_ = 0;
};

/// Decodes Python's encoding raw-unicode-escape: bytes are characters of Latin-1, and the only
/// escapes are \uXXXX and \UXXXXXXXX. Returns nullopt if a backslash does not begin an escape. This
/// function does not decode such a text, because the meaning of the backslash depends on the number
/// of other backslashes before this backslash.
std::optional<std::string> decode_raw_unicode(std::string_view text);

}  // namespace aether2onnx::pickle
