#include "formats/safetensors/json.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/limits.h"

namespace aether2onnx::safetensors {

namespace {

// Reads the bytes of an Input one by one, through a buffer.
class Source {
 public:
  Source(const Input& input, std::uint64_t offset, std::uint64_t size)
      : input_(input), next_(offset), left_(size) {}

  bool at_end() const { return at_ == part_.size() && left_ == 0; }

  // Returns the current byte. Requires that at_end() is false.
  char current() {
    if (at_ == part_.size()) read_part();
    const auto byte = static_cast<char>(part_[at_]);
    if (byte == '\0' && !zero_) zero_ = before_ + at_;
    return byte;
  }

  void advance() { ++at_; }

  // Returns the position of the first zero byte that current() returned; nullopt if there was none.
  std::optional<std::size_t> zero() const { return zero_; }

 private:
  void read_part() {
    before_ += part_.size();
    part_.resize(to_size(std::min<std::uint64_t>(left_, limits::kChunkBytes)));
    input_.read(next_, part_);
    next_ += part_.size();
    left_ -= part_.size();
    at_ = 0;
  }

  const Input& input_;
  std::uint64_t next_;
  std::uint64_t left_;
  std::vector<std::byte> part_;
  std::size_t at_ = 0;
  std::size_t before_ = 0;
  std::optional<std::size_t> zero_;
};

// The input iterator from which the JSON library reads. A null Source makes the end iterator.
class SourceIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  explicit SourceIterator(Source* source) : source_(source) {}
  char operator*() const { return source_->current(); }
  SourceIterator& operator++() {
    source_->advance();
    return *this;
  }
  SourceIterator operator++(int) {
    const SourceIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const SourceIterator& other) const { return is_end() == other.is_end(); }
  bool operator!=(const SourceIterator& other) const { return !(*this == other); }

 private:
  bool is_end() const { return source_ == nullptr || source_->at_end(); }

  Source* source_;
};

// Passes the values that the JSON library finds to a JsonEvents.
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
         "the JSON in the file is nested more than {} levels deep.", limits::kJsonDepth);
  }
  return true;
}

bool JsonEvents::leave() {
  --depth_;
  return true;
}

bool read_json(const Input& input, std::uint64_t offset, std::uint64_t size, JsonEvents& events) {
  Reader reader(events);
  Source source(input, offset, size);
  const bool whole =
      nlohmann::json::sax_parse(SourceIterator(&source), SourceIterator(nullptr), &reader);
  // The JSON library stops at a zero byte and ignores all bytes behind the zero byte. So a zero
  // byte is an error.
  events.error_at_ = source.zero().value_or(reader.error_at());
  return whole && !source.zero();
}

}  // namespace aether2onnx::safetensors
