/// @file
/// An Input behind a small window, for the many short reads that headers take. It reads ahead only
/// where reads follow each other closely, so that the data between headers aren't read. Private to
/// this stage.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace aether2onnx::archive {

class BufferedInput final : public Input {
 public:
  /// `input` must outlive it.
  explicit BufferedInput(const Input& input) : input_(input) {}

  std::uint64_t size() const override { return input_.size(); }

  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (out.empty()) return;
    if (out.size() > kShort) {
      input_.read(offset, out);
      return;
    }
    if (offset < begin_ || offset - begin_ > held_ || out.size() > held_ - (offset - begin_)) {
      const bool follows = offset >= begin_ && offset - begin_ <= held_ + kClose;
      held_ = 0;
      const auto length =
          follows ? std::min<std::uint64_t>(window_.size(), input_.size() - offset) : out.size();
      input_.read(offset, std::span(window_).first(static_cast<std::size_t>(length)));
      begin_ = offset;
      held_ = length;
    }
    std::memcpy(out.data(), window_.data() + (offset - begin_), out.size());
  }

 private:
  static constexpr std::size_t kShort = 512;
  static constexpr std::uint64_t kClose = 256;

  const Input& input_;
  mutable std::array<std::byte, 1024> window_{};
  mutable std::uint64_t begin_ = 0;
  mutable std::uint64_t held_ = 0;
};

}  // namespace aether2onnx::archive
