#include "formats/safetensors/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/limits.h"

namespace aether2onnx::safetensors {

namespace {

// Passes the library's events on.
class Reader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Reader(JsonEvents& events) : events_(events) {}

  bool null() override { return events_.other("null"); }
  bool boolean(bool /*value*/) override { return events_.other("true or false"); }
  bool number_integer(number_integer_t /*value*/) override {
    return events_.other("a negative number");
  }
  bool number_unsigned(number_unsigned_t value) override { return events_.number_unsigned(value); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    return events_.other("a number that is no 64-bit integer");
  }
  bool string(string_t& text) override { return events_.string(text); }
  bool binary(binary_t& /*value*/) override { return events_.other("bytes"); }
  bool key(string_t& name) override { return events_.key(name); }
  bool start_object(std::size_t size) override { return events_.start_object(size); }
  bool end_object() override { return events_.end_object(); }
  bool start_array(std::size_t size) override { return events_.start_array(size); }
  bool end_array() override { return events_.end_array(); }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    error_at_ = position;
    return false;
  }
  std::size_t error_at() const { return error_at_; }

 private:
  JsonEvents& events_;
  std::size_t error_at_ = 0;
};

}  // namespace

bool JsonEvents::enter() {
  if (++depth_ > limits::kJsonDepth) {
    fail({ErrorKind::limit, "json-depth", {}, fmt::format("{}", limits::kJsonDepth)},
         "the JSON in the file is nested over {} deep.", limits::kJsonDepth);
  }
  return true;
}

bool JsonEvents::leave() {
  --depth_;
  return true;
}

bool read_json(std::span<const std::byte> text, JsonEvents& events) {
  // The library ends at a zero byte and ignores the rest.
  const auto zero = std::find(text.begin(), text.end(), std::byte{0});
  if (zero != text.end()) {
    events.error_at_ = static_cast<std::size_t>(zero - text.begin());
    return false;
  }
  Reader reader(events);
  const auto* begin = reinterpret_cast<const char*>(text.data());
  const bool whole = nlohmann::json::sax_parse(begin, begin + text.size(), &reader);
  events.error_at_ = reader.error_at();
  return whole;
}

}  // namespace aether2onnx::safetensors
