// Source of all numbers: PKWARE's APPNOTE.TXT, sections 4.3 to 4.5.

#include "formats/zip/writer.h"

#include "base/crc32.h"
#include "base/error.h"

namespace aether2onnx::checkpoint {

namespace {

constexpr std::uint64_t kZipAlignment = 64;  // torch/csrc: kFieldAlignment

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kDirectoryEntry = 0x02014b50;
constexpr std::uint32_t kZip64End = 0x06064b50;
constexpr std::uint32_t kZip64Locator = 0x07064b50;
constexpr std::uint32_t kEnd = 0x06054b50;

constexpr std::uint16_t kVersion = 20;       // 2.0: folders
constexpr std::uint16_t kVersionZip64 = 45;  // 4.5
constexpr std::uint16_t kUtf8Flag = 1U << 11U;
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kTime = 0;
constexpr std::uint16_t kDate = (1U << 5U) | 1U;  // 1 January 1980

constexpr std::uint16_t kZip64Field = 0x0001;
constexpr std::uint16_t kPaddingField = 0x4246;  // "FB", as PyTorch's
constexpr std::uint64_t kFieldHeader = 4;
constexpr std::uint64_t kLocalHeaderSize = 30;

void append(std::string& out, std::uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>((number >> (8 * i)) & 0xffU);
}

}  // namespace

std::uint64_t ZipWriter::short_form(std::uint64_t number) const {
  return number >= limits_.number ? 0xffffffffU : number;
}

void ZipWriter::put(std::span<const std::byte> bytes) {
  output_.write(bytes);
  position_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> content) {
  require(name.size() <= 0xffff, "an archive's entry with a name of over 65535 bytes");
  const Entry entry{name, crc32(content), content.size(), position_};

  std::string extra;
  const bool zip64 = entry.size >= limits_.number;
  if (zip64) {
    append(extra, kZip64Field, 2);
    append(extra, 16, 2);
    append(extra, entry.size, 8);
    append(extra, entry.size, 8);
  }
  const std::uint64_t unpadded =
      position_ + kLocalHeaderSize + name.size() + extra.size() + kFieldHeader;
  const std::uint64_t padding = (kZipAlignment - unpadded % kZipAlignment) % kZipAlignment;
  append(extra, kPaddingField, 2);
  append(extra, padding, 2);
  extra.append(padding, 'Z');

  std::string header;
  append(header, kLocalHeader, 4);
  append(header, zip64 ? kVersionZip64 : kVersion, 2);
  append(header, kUtf8Flag, 2);
  append(header, kStored, 2);
  append(header, kTime, 2);
  append(header, kDate, 2);
  append(header, entry.crc, 4);
  append(header, short_form(entry.size), 4);  // compressed
  append(header, short_form(entry.size), 4);
  append(header, name.size(), 2);
  append(header, extra.size(), 2);
  put(header + name + extra);
  put(content);
  entries_.push_back(entry);
}

std::string ZipWriter::directory_entry(const Entry& entry) const {
  std::string numbers;  // those that don't fit, in this order
  if (entry.size >= limits_.number) {
    append(numbers, entry.size, 8);
    append(numbers, entry.size, 8);
  }
  if (entry.offset >= limits_.number) append(numbers, entry.offset, 8);
  std::string extra;
  if (!numbers.empty()) {
    append(extra, kZip64Field, 2);
    append(extra, numbers.size(), 2);
    extra += numbers;
  }
  const std::uint16_t version = extra.empty() ? kVersion : kVersionZip64;

  std::string record;
  append(record, kDirectoryEntry, 4);
  append(record, version, 2);  // made by; the upper byte 0: no attributes of a file system
  append(record, version, 2);  // needed
  append(record, kUtf8Flag, 2);
  append(record, kStored, 2);
  append(record, kTime, 2);
  append(record, kDate, 2);
  append(record, entry.crc, 4);
  append(record, short_form(entry.size), 4);  // compressed
  append(record, short_form(entry.size), 4);
  append(record, entry.name.size(), 2);
  append(record, extra.size(), 2);
  append(record, 0, 2);  // comment
  append(record, 0, 2);  // disk
  append(record, 0, 2);  // internal attributes
  append(record, 0, 4);  // external attributes
  append(record, short_form(entry.offset), 4);
  return record + entry.name + extra;
}

std::string ZipWriter::end(std::uint64_t directory_offset, std::uint64_t directory_size) const {
  const std::uint64_t count = entries_.size();
  std::string record;
  if (count >= limits_.entries || directory_size >= limits_.number ||
      directory_offset >= limits_.number) {
    append(record, kZip64End, 4);
    append(record, 44, 8);  // bytes that follow
    append(record, kVersionZip64, 2);
    append(record, kVersionZip64, 2);
    append(record, 0, 4);  // this disk
    append(record, 0, 4);  // the directory's
    append(record, count, 8);
    append(record, count, 8);
    append(record, directory_size, 8);
    append(record, directory_offset, 8);
    append(record, kZip64Locator, 4);
    append(record, 0, 4);  // disk
    append(record, directory_offset + directory_size, 8);
    append(record, 1, 4);  // disks
  }
  const std::uint64_t short_count = count >= limits_.entries ? 0xffffU : count;
  append(record, kEnd, 4);
  append(record, 0, 2);  // this disk
  append(record, 0, 2);  // the directory's
  append(record, short_count, 2);
  append(record, short_count, 2);
  append(record, short_form(directory_size), 4);
  append(record, short_form(directory_offset), 4);
  append(record, 0, 2);  // comment
  return record;
}

std::uint64_t ZipWriter::finish() {
  const std::uint64_t directory_offset = position_;
  for (const Entry& entry : entries_) put(directory_entry(entry));
  put(end(directory_offset, position_ - directory_offset));
  return position_;
}

}  // namespace aether2onnx::checkpoint
