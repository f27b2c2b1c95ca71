// Writes zip archives. Source of all fields and codes: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to
// 4.5.

#include "formats/zip/writer.h"

#include "base/crc32.h"
#include "base/error.h"
#include "formats/zip/records.h"

namespace aether2onnx::zip {

namespace {

constexpr std::uint64_t kAlignment = 64;  // bytes; kFieldAlignment in PyTorch's caffe2/serialize
constexpr std::uint64_t kPaddingField = 0x4246;  // id of the field: "FB", as in PyTorch's files
constexpr std::uint64_t kFieldHeader = 4;

constexpr std::uint64_t kVersion = 20;            // zip format 2.0, which has folders
constexpr std::uint64_t kVersionZip64 = 45;       // zip format 4.5, which has zip64
constexpr std::uint64_t kDate = (1U << 5U) | 1U;  // 1 January 1980

void append(std::string& out, std::uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>((number >> (8 * i)) & 0xffU);
}

}  // namespace

std::uint64_t Writer::short_form(std::uint64_t number) const {
  return number >= thresholds_.number ? k32 : number;
}

void Writer::put(std::span<const std::byte> bytes) {
  output_.write(bytes);
  position_ += bytes.size();
}

// Returns the fields that a local header and a directory entry share.
std::string Writer::common_fields(const Entry& entry, std::size_t extra_size, bool zip64) const {
  std::string fields;
  append(fields, zip64 ? kVersionZip64 : kVersion, 2);
  append(fields, kFlagUtf8, 2);
  append(fields, kStored, 2);
  append(fields, 0, 2);  // time
  append(fields, kDate, 2);
  append(fields, entry.crc, 4);
  append(fields, short_form(entry.packed), 4);
  append(fields, short_form(entry.size), 4);
  append(fields, entry.name.size(), 2);
  append(fields, extra_size, 2);
  return fields;
}

void Writer::add(const std::string& name, std::span<const std::byte> content) {
  require(name.size() <= 0xffff, "the name of an archive's entry has over 65535 bytes");
  Entry entry = {name, content.size(), content.size(), 0, crc32(content), true};
  std::string extra;
  const bool zip64 = entry.size >= thresholds_.number;
  if (zip64) {
    append(extra, kZip64Field, 2);
    append(extra, 16, 2);
    append(extra, entry.size, 8);
    append(extra, entry.packed, 8);
  }
  const std::uint64_t unpadded =
      position_ + kLocalBytes + name.size() + extra.size() + kFieldHeader;
  const std::uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  append(extra, kPaddingField, 2);
  append(extra, padding, 2);
  extra.append(padding, 'Z');

  std::string header;
  append(header, kLocal, 4);
  begins_.push_back(position_);
  put(header + common_fields(entry, extra.size(), zip64) + name + extra);
  entry.offset = position_;
  put(content);
  entries_.push_back(std::move(entry));
}

std::string Writer::directory_entry(const Entry& entry, std::uint64_t begin) const {
  std::string numbers;  // the numbers that do not fit the fixed fields, in the order of APPNOTE.TXT
  if (entry.size >= thresholds_.number) {
    append(numbers, entry.size, 8);
    append(numbers, entry.packed, 8);
  }
  if (begin >= thresholds_.number) append(numbers, begin, 8);
  std::string extra;
  if (!numbers.empty()) {
    append(extra, kZip64Field, 2);
    append(extra, numbers.size(), 2);
    extra += numbers;
  }
  const bool zip64 = !extra.empty();
  std::string record;
  append(record, kCentral, 4);
  append(record, zip64 ? kVersionZip64 : kVersion, 2);  // version made by; no file attributes
  record += common_fields(entry, extra.size(), zip64);
  append(record, 0, 2);  // length of the comment
  append(record, 0, 2);  // number of the disk
  append(record, 0, 2);  // internal attributes
  append(record, 0, 4);  // external attributes
  append(record, short_form(begin), 4);
  return record + entry.name + extra;
}

std::string Writer::end(std::uint64_t directory, std::uint64_t directory_size) const {
  const std::uint64_t count = entries_.size();
  std::string record;
  if (count >= thresholds_.entries || directory_size >= thresholds_.number ||
      directory >= thresholds_.number) {
    append(record, kEnd64, 4);
    append(record, kEnd64Bytes - 12, 8);  // bytes of this record behind this number
    append(record, kVersionZip64, 2);
    append(record, kVersionZip64, 2);
    append(record, 0, 4);  // number of this disk
    append(record, 0, 4);  // number of the directory's disk
    append(record, count, 8);
    append(record, count, 8);
    append(record, directory_size, 8);
    append(record, directory, 8);
    append(record, kLocator64, 4);
    append(record, 0, 4);  // number of the disk with the zip64 record
    append(record, directory + directory_size, 8);
    append(record, 1, 4);  // count of disks
  }
  const std::uint64_t short_count = count >= thresholds_.entries ? k16 : count;
  append(record, kEnd, 4);
  append(record, 0, 2);  // number of this disk
  append(record, 0, 2);  // number of the directory's disk
  append(record, short_count, 2);
  append(record, short_count, 2);
  append(record, short_form(directory_size), 4);
  append(record, short_form(directory), 4);
  append(record, 0, 2);  // length of the comment
  return record;
}

std::uint64_t Writer::finish() {
  const std::uint64_t directory = position_;
  for (std::size_t i = 0; i < entries_.size(); ++i) put(directory_entry(entries_[i], begins_[i]));
  put(end(directory, position_ - directory));
  return position_;
}

}  // namespace aether2onnx::zip
