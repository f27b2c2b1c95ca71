/// @file
/// A strict reader of protobuf's wire format. Private to this folder.
///
/// Different protobuf parsers read the following bytes as different values:
/// - a number in more bytes than needed,
/// - a known field with another wire type,
/// - a field that occurs twice but is not a repeated field. For a number, protobuf uses the last
///   value. For a message, protobuf merges the two messages.
/// Protobuf's writers never write these bytes. A file with these bytes has two meanings, so this
/// reader throws an error with the byte's offset. Source: "Encoding" and "Proto Serialization Is
/// Not Canonical" in protobuf's documentation.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "formats/onnx/schema.h"

namespace aether2onnx::onnx {

/// Reads the bytes of an ONNX file through a buffer. Counts the fields and the numbers in lists,
/// because Limits::onnx_parts limits this count. Also lists contents that ONNX does not define.
class Source {
 public:
  Source(const Input& input, const Context& context, std::vector<UnknownPart>& unknown)
      : input_(input), context_(context), unknown_(unknown) {}

  std::uint64_t size() const { return input_.size(); }
  std::uint8_t at(std::uint64_t position) {
    if (position < start_ || position - start_ >= buffer_.size()) move_window(position);
    return static_cast<std::uint8_t>(buffer_[static_cast<std::size_t>(position - start_)]);
  }
  /// Reads a text from the file. Throws Error(limit) if `length` exceeds Limits::onnx_text.
  std::string text(std::uint64_t position, std::uint64_t length) const;
  /// Adds 1 to the count of fields and numbers in lists. Throws Error(limit) if the count exceeds
  /// Limits::onnx_parts.
  void count_part();
  /// Adds content that ONNX does not define to the list of unknown parts. `what` describes the
  /// content, for example "field 99 of NodeProto". A full list (limits::kListed) stays unchanged.
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

/// Goes through the fields of one protobuf message, in the order of the file.
class Fields {
 public:
  /// Begins with the outermost message, which is the whole file.
  Fields(Source& source, Kind kind) : Fields(source, kind, 0, source.size(), 0) {}

  /// Moves to the next field that ONNX defines. Returns false at the end of the message. If the
  /// current field is a message and the caller did not call message(), next() first reads the
  /// fields of this message and checks them.
  bool next();

  std::uint32_t number() const { return row_->number; }
  /// Returns whether the current field is packed: one field with all numbers of a list.
  bool is_packed() const {
    return wire_ == Wire::length && row_->form != Form::bytes && row_->form != Form::message;
  }

  std::int64_t integer() const { return static_cast<std::int64_t>(value_); }
  float real();
  std::string text() const { return source_.text(begin_, length()); }
  /// Appends the current field's integer, or all integers of a packed field, to `out`.
  void take_integers(std::vector<std::int64_t>& out);
  Fields message();

  /// The offset and length of the current field's content. The content begins after the tag and
  /// length bytes of the field.
  std::uint64_t begin() const { return begin_; }
  std::uint64_t length() const { return next_ - begin_; }
  /// The offset of this message in the file.
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
  bool unopened_ = false;  // the current field is a message and was not opened by message()
  Wire wire_ = Wire::varint;
  std::uint64_t value_ = 0;
  std::uint64_t begin_ = 0;
  std::uint32_t seen_ = 0;                 // one bit per field so far that may occur only once
  const FieldRow* alternative_ = nullptr;  // the field so far from a oneof group of the message
};

}  // namespace aether2onnx::onnx
