// Reads the fields of protobuf messages. Does not load the elements of weights (the tensors in the
// file). So the reader needs memory only for the other fields.

#include "formats/onnx/wire.h"

#include <algorithm>
#include <bit>
#include <span>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

namespace aether2onnx::onnx {

namespace {

constexpr std::uint64_t kWindow = 4096;
constexpr std::uint64_t kHighestNumber = (1U << 29U) - 1;  // the highest field number in protobuf
constexpr unsigned kGroupBegin = 3;
constexpr unsigned kGroupEnd = 4;

[[noreturn]] void damaged(const char* what, std::uint64_t at) {
  fail({ErrorKind::malformed, "onnx-malformed", fmt::format("byte {}", at)},
       "the file is no ONNX model, or a damaged one: {}, at byte {}.", what, at);
}

std::string field_name(const FieldRow& row) {
  return fmt::format("{}.{}", name_of(row.message), row.name);
}

}  // namespace

void Source::move_window(std::uint64_t position) {
  context_.check_cancelled();
  start_ = position;
  buffer_.resize(
      static_cast<std::size_t>(std::min<std::uint64_t>(kWindow, input_.size() - position)));
  input_.read(start_, buffer_);
}

std::string Source::text(std::uint64_t position, std::uint64_t length) const {
  const std::uint64_t most = context_.limits.onnx_text;
  if (length > most) {
    fail({ErrorKind::limit, "onnx-text", {}, fmt::format("{}", most), fmt::format("{}", length)},
         "the ONNX file has a text of {}; aether2onnx reads texts of at most {}.\n{}",
         human_bytes(length), human_bytes(most), limits::how_to_raise("onnx_text"));
  }
  if (position >= start_ && position - start_ <= buffer_.size() &&
      length <= buffer_.size() - (position - start_)) {
    const std::byte* begin = buffer_.data() + static_cast<std::size_t>(position - start_);
    return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(length)};
  }
  std::string result(to_size(length), '\0');
  input_.read(position, std::as_writable_bytes(std::span(result)));
  return result;
}

void Source::count_part() {
  const std::uint64_t most = context_.limits.onnx_parts;
  if (++parts_ <= most) return;
  fail({ErrorKind::limit, "onnx-parts", {}, fmt::format("{}", most)},
       "the ONNX file has over {} parts (fields and numbers in lists), more than the limit.\n{}",
       with_thousands(most), limits::how_to_raise("onnx_parts"));
}

void Source::add_unknown(std::string what, std::uint64_t position) {
  if (unknown_.size() < limits::kListed) unknown_.push_back({std::move(what), position});
}

bool Fields::next() {
  if (unopened_) {
    Fields content = message();
    while (content.next()) continue;
  }
  while (next_ < end_) {
    source_.count_part();
    const std::uint64_t at = next_;
    const std::uint64_t tag = read_varint();
    const std::uint64_t number = tag >> 3U;
    if (number == 0 || number > kHighestNumber) {
      fail({ErrorKind::malformed, "onnx-field-number", fmt::format("byte {}", at)},
           "the file is no ONNX model, or a damaged one: it has a field with the invalid "
           "number {}, at byte {}.",
           number, at);
    }
    const unsigned wire = tag & 7U;
    if (wire == kGroupBegin || wire == kGroupEnd) {
      fail({ErrorKind::malformed, "onnx-group", fmt::format("byte {}", at)},
           "the ONNX file has a protobuf group, at byte {}. ONNX defines no groups.", at);
    }
    wire_ = static_cast<Wire>(wire);
    row_ = find_field(kind_, number);
    read_content();
    if (row_ == nullptr) {
      source_.add_unknown(fmt::format("field {} of {}", number, name_of(kind_)), at);
      continue;
    }
    check_row(at);
    return true;
  }
  return false;
}

void Fields::read_content() {
  begin_ = next_;
  switch (wire_) {
    case Wire::varint:
      value_ = read_varint();
      break;
    case Wire::fixed64:
      take(8);
      break;
    case Wire::fixed32:
      take(4);
      break;
    case Wire::length: {
      const std::uint64_t length = read_varint();
      take(length);
      break;
    }
    default: {
      damaged("it has a field of an unknown wire type", begin_);
    }
  }
}

bool Fields::fits_wire() const {
  switch (row_->form) {
    case Form::bytes:
    case Form::message:
      return wire_ == Wire::length;
    case Form::real:
      return wire_ == Wire::fixed32 || (row_->repeated && wire_ == Wire::length);
    case Form::real64:
      return wire_ == Wire::fixed64 || (row_->repeated && wire_ == Wire::length);
    default:
      return wire_ == Wire::varint || (row_->repeated && wire_ == Wire::length);
  }
}

// Throws if the current field breaks a rule in the table of ONNX's fields (schema.cpp): a wrong
// wire type, a second value of a field that is not repeated, or a second field of a oneof group.
void Fields::check_row(std::uint64_t tag_at) {
  if (!fits_wire()) {
    fail(
        {ErrorKind::malformed, "onnx-wire-type", fmt::format("byte {}", tag_at), field_name(*row_)},
        "the ONNX file has the field {} with a wrong wire type, at byte {}. Some readers read the "
        "field, others ignore the field.",
        field_name(*row_), tag_at);
  }
  if (!row_->repeated) {
    const std::uint32_t bit = 1U << row_->number;
    if ((seen_ & bit) != 0) {
      fail({ErrorKind::malformed, "onnx-field-twice", fmt::format("byte {}", tag_at),
            field_name(*row_)},
           "the ONNX file has the field {} twice in one message, at byte {}; once is allowed. Some "
           "readers use the first value, some the last, others join both values.",
           field_name(*row_), tag_at);
    }
    seen_ |= bit;
  }
  if (row_->alternative) {
    if (alternative_ != nullptr) {
      fail({ErrorKind::malformed, "onnx-alternatives", fmt::format("byte {}", tag_at),
            field_name(*alternative_), field_name(*row_)},
           "the ONNX file has {} and {} in one message, at byte {}. A message may have only one of "
           "these fields.",
           field_name(*alternative_), field_name(*row_), tag_at);
    }
    alternative_ = row_;
  }
  if (wire_ == Wire::varint) {
    check_value(value_, tag_at);
  } else if (is_packed()) {
    check_packed();
  }
  unopened_ = row_->form == Form::message;
}

// Throws if `value` does not fit the field's 32 bits: protobuf's parsers would cut a number in an
// int32 or enum field to 32 bits.
void Fields::check_value(std::uint64_t value, std::uint64_t at) const {
  if (row_->form != Form::int32 && row_->form != Form::choice) return;
  constexpr std::uint64_t highest = 0x7fffffff;
  if (value <= highest || ~value <= highest) return;
  fail({ErrorKind::malformed, "onnx-number", fmt::format("byte {}", at), field_name(*row_),
        fmt::format("{}", value)},
       "the ONNX file has the number {} in the field {}, at byte {}. The field has 32 bits, and "
       "readers cut the number to 32 bits.",
       value, field_name(*row_), at);
}

// Checks each number of a packed field, but does not store the numbers, because the field may
// contain all elements of a large tensor.
void Fields::check_packed() {
  const std::uint64_t width = row_->form == Form::real ? 4 : row_->form == Form::real64 ? 8 : 0;
  if (width != 0) {
    if (length() % width != 0) damaged("the last number of a list is incomplete", begin_);
    return;
  }
  Fields numbers(source_, kind_, begin_, next_, depth_);
  while (numbers.next_ < numbers.end_) {
    const std::uint64_t at = numbers.next_;
    check_value(numbers.read_varint(), at);
  }
}

float Fields::real() {
  std::uint32_t bits = 0;
  for (std::uint64_t i = 4; i-- > 0;) bits = bits << 8U | source_.at(begin_ + i);
  return std::bit_cast<float>(bits);
}

void Fields::take_integers(std::vector<std::int64_t>& out) {
  if (wire_ == Wire::varint) {
    out.push_back(integer());
    return;
  }
  Fields numbers(source_, kind_, begin_, next_, depth_);
  while (numbers.next_ < numbers.end_) {
    source_.count_part();
    out.push_back(static_cast<std::int64_t>(numbers.read_varint()));
  }
}

Fields Fields::message() {
  unopened_ = false;
  // The deepest nesting of messages that protobuf's parsers accept.
  constexpr int deepest = 100;
  if (depth_ == deepest) {
    fail({ErrorKind::malformed, "onnx-depth", fmt::format("byte {}", begin_),
          fmt::format("at most {}", deepest)},
         "the ONNX file has messages that are nested more than {} levels deep, at byte {}. No "
         "reader accepts the file.",
         deepest, begin_);
  }
  return {source_, row_->content, begin_, next_, depth_ + 1};
}

std::uint64_t Fields::read_varint() {
  const std::uint64_t at = next_;
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (next_ >= end_) damaged("it ends in the middle of a number", at);
    const std::uint8_t byte = source_.at(next_++);
    number |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if (byte >= 0x80) continue;
    // Refuses a varint with more bytes than needed, or with more than 64 bits. Each byte has 7 bits
    // of the number, and the last byte has the highest bits. A last byte of 0 adds no bits, so only
    // the number 0, a varint of one byte, may end with 0. The first nine bytes have 63 bits of the
    // number, so the tenth byte has one bit and must be 1.
    if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) break;
    return number;
  }
  fail({ErrorKind::malformed, "onnx-varint", fmt::format("byte {}", at)},
       "the ONNX file has a number in more bytes than necessary, at byte {}. Readers disagree on "
       "such numbers.",
       at);
}

void Fields::take(std::uint64_t length) {
  if (length > end_ - next_) damaged("a field reaches beyond the end of its message", begin_);
  begin_ = next_;
  next_ += length;
}

}  // namespace aether2onnx::onnx
