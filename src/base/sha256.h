/// @file
/// SHA-256, through Nettle.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace aether2onnx {

/// Hashes bytes that come piece by piece.
class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256();
  void update(std::span<const std::byte> bytes);
  /// The hash as 64 lower-case hex digits; starts afresh.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx
