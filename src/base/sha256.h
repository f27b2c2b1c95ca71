/// @file
/// Computes SHA-256 hashes. Source: FIPS 180-4, sections 5.1.1, 5.2.1 and 6.2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace aether2onnx {

/// Computes the SHA-256 of bytes that update() receives in pieces of any length.
class Sha256 {
 public:
  /// Uses the processor's SHA instructions if there are any, unless `portable` is true (for tests).
  explicit Sha256(bool portable = false);

  void update(std::span<const std::byte> bytes);
  /// Returns the hash as 64 lower-case hex digits. The next update() then begins a new hash.
  std::string finish();

  /// Whether this processor has SHA instructions that Sha256 uses.
  static bool is_accelerated();

  using State = std::array<std::uint32_t, 8>;
  static constexpr std::size_t kBlock = 64;

 private:
  void (*compress_)(State& state, std::span<const std::byte> blocks);
  State state_;
  std::array<std::byte, kBlock> pending_{};  // the bytes of an incomplete block
  std::uint64_t size_ = 0;                   // the number of all bytes so far
};

}  // namespace aether2onnx
