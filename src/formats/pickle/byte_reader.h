/// @file
/// The bytes of a pickle, read from their source as far as they are needed. Private to this stage.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace aether2onnx::pickle {

/// Gives the bytes in order. A pickle doesn't tell its length, and in PyTorch's legacy stream
/// gigabytes of tensors follow it: so an Input is read in pieces that start small and grow.
/// Everything that was given stays where it is as long as `kept` does, since texts point there.
class ByteReader {
 public:
  /// Reads `bytes`, which are the whole of what there is.
  ByteReader(std::vector<std::vector<std::byte>>& kept, std::vector<std::byte> bytes,
             const Context& context);
  /// Reads from byte `offset` of `input` on, which must be within it.
  ByteReader(std::vector<std::vector<std::byte>>& kept, const Input& input, std::uint64_t offset,
             const Context& context);

  /// Bytes given so far.
  std::uint64_t position() const { return window_start_ + at_; }
  /// Bytes left in the source.
  std::uint64_t left() const { return total_ - position(); }
  /// Where in its source the pickle begins.
  std::uint64_t origin() const { return origin_; }

  /// The next `count` bytes, which is at most left(). Throws Error(limit) where the pickle becomes
  /// longer than Limits::pickle_bytes.
  std::span<const std::byte> take(std::uint64_t count) {
    if (count > window_.size() - at_) refill(count);
    const auto bytes = window_.subspan(at_, static_cast<std::size_t>(count));
    at_ += bytes.size();
    return bytes;
  }

  /// The text up to the next newline, which is taken too; nothing where there is no newline.
  std::optional<std::string_view> take_line();

 private:
  // Makes the next `wanted` bytes lie in the window.
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

/// Decodes raw-unicode-escape, in which only \uXXXX and \UXXXXXXXX stand for something else.
/// Nothing where an escape stands for no character.
std::optional<std::string> decode_raw_unicode(std::string_view text);

}  // namespace aether2onnx::pickle
