/// @file
/// Private to this folder: protobuf's wire format, in the one form that writers emit.
///
/// Protobuf's parsers accept much that no writer emits, and each parser in its own way: numbers in
/// more bytes than needed, a single field that occurs twice (numbers: the last counts; messages:
/// all are merged), a known field of another wire type. Such a file has two meanings, so it is
/// refused here, with the byte's place. Source: "Encoding" and "Proto Serialization Is Not
/// Canonical" in protobuf's documentation.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "formats/onnx/schema.h"

namespace aether2onnx::onnx {

/// The file's bytes, read through a window, and what the whole file has in common.
class Source {
 public:
  Source(const Input& input, const Context& context, std::vector<UnknownPart>& unknown)
      : input_(input), context_(context), unknown_(unknown) {}

  std::uint64_t size() const { return input_.size(); }
  std::uint8_t at(std::uint64_t position) {
    if (position < start_ || position - start_ >= buffer_.size()) move_window(position);
    return static_cast<std::uint8_t>(buffer_[static_cast<std::size_t>(position - start_)]);
  }
  /// Throws Error(limit) if the text is longer than Limits::onnx_text.
  std::string text(std::uint64_t position, std::uint64_t length) const;
  /// Counts a part of the file. Throws Error(limit) beyond Limits::onnx_parts.
  void count_part();
  /// Remembers a part that ONNX does not define.
  void add_unknown(std::string what, std::uint64_t position);

 private:
  void move_window(std::uint64_t position);

  const Input& input_;
  const Context& context_;
  std::vector<UnknownPart>& unknown_;
  std::uint64_t start_ = 0;
  std::vector<std::byte> buffer_;
  std::uint64_t parts_ = 0;
};

/// The fields of one message, in the order of the file.
class Fields {
 public:
  /// The file's message.
  Fields(Source& source, Kind kind) : Fields(source, kind, 0, source.size(), 0) {}

  /// Goes to the next field that ONNX defines. Returns false at the message's end. A message in a
  /// field that the caller did not open is checked all the same.
  bool next();

  std::uint32_t number() const { return row_->number; }
  /// Whether the field is one of repeated numbers that stand in one field.
  bool is_packed() const {
    return wire_ == Wire::length && row_->form != Form::bytes && row_->form != Form::message;
  }

  std::int64_t integer() const { return static_cast<std::int64_t>(value_); }
  float real();
  std::string text() const { return source_.text(begin_, length()); }
  /// Appends the integer, or the packed integers, to `out`.
  void take_integers(std::vector<std::int64_t>& out);
  Fields message();

  /// The content of the field, without tag and length.
  std::uint64_t begin() const { return begin_; }
  std::uint64_t length() const { return next_ - begin_; }
  /// The place of the message in the file.
  std::uint64_t place() const { return place_; }
  Source& source() { return source_; }

 private:
  enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, length = 2, fixed32 = 5 };

  Fields(Source& source, Kind kind, std::uint64_t begin, std::uint64_t end, int depth)
      : source_(source), kind_(kind), place_(begin), next_(begin), end_(end), depth_(depth) {}

  std::uint64_t read_varint();
  void read_content();
  void take(std::uint64_t length);
  void check_row(std::uint64_t tag_at);
  void check_value(std::uint64_t value, std::uint64_t at) const;
  void check_packed();
  bool fits_wire() const;

  Source& source_;
  Kind kind_;
  std::uint64_t place_;
  std::uint64_t next_;
  std::uint64_t end_;
  int depth_;

  const FieldRow* row_ = nullptr;
  bool unopened_ = false;  // the current field is a message that the caller did not open
  Wire wire_ = Wire::varint;
  std::uint64_t value_ = 0;
  std::uint64_t begin_ = 0;
  std::uint32_t seen_ = 0;                 // single fields so far, one bit each
  const FieldRow* alternative_ = nullptr;  // the field of the group that the message has
};

}  // namespace aether2onnx::onnx
