/// @file
/// JSON read strictly, event by event, without a tree in memory. Private to this stage.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/limits.h"

namespace aether2onnx::state_dict {

/// What reads an event and expects another. Every handler throws Error; the functions that a
/// derived class doesn't define refuse what they are told.
class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return other("null"); }
  bool boolean(bool /*value*/) override { return other("true or false"); }
  bool number_integer(number_integer_t /*value*/) override { return other("a negative number"); }
  bool number_unsigned(number_unsigned_t /*value*/) override { return other("a number"); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    return other("a number that is no 64-bit integer");
  }
  bool string(string_t& /*value*/) override { return other("a text"); }
  bool binary(binary_t& /*value*/) override { return other("bytes"); }
  bool start_object(std::size_t /*size*/) override {
    enter();
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool start_array(std::size_t /*size*/) override {
    enter();
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    error_at_ = position;
    return false;
  }
  /// The byte at which the text stops being JSON.
  std::size_t error_at() const { return error_at_; }

 protected:
  /// Told of a value that no derived function takes; `what` describes it.
  virtual bool other(const char* what) = 0;
  /// How many objects and arrays are open.
  std::size_t depth() const { return depth_; }

 private:
  void enter() {
    if (++depth_ > limits::kJsonDepth) {
      fail(ErrorKind::limit, "the JSON in the file is nested over {} deep.", limits::kJsonDepth);
    }
  }

  std::size_t depth_ = 0;
  std::size_t error_at_ = 0;
};

/// Reads `text`, UTF-8; gives false where it is no JSON.
inline bool read_json(std::span<const std::byte> text, JsonEvents& events) {
  // To the parser a zero byte is the end, whatever follows.
  const auto zero = std::find(text.begin(), text.end(), std::byte{0});
  if (zero != text.end()) {
    return events.parse_error(
        static_cast<std::size_t>(zero - text.begin()), "",
        nlohmann::json::parse_error::create(101, std::size_t{0}, "", nullptr));
  }
  const auto* begin = reinterpret_cast<const char*>(text.data());
  return nlohmann::json::sax_parse(begin, begin + text.size(), &events);
}

}  // namespace aether2onnx::state_dict
