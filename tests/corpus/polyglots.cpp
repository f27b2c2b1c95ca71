#include "polyglots.h"

#include <algorithm>
#include <cstdio>

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kChecksumAt = 148;
constexpr std::size_t kChecksumBytes = 8;

std::string octal(std::int64_t number, int digits) {
  std::string text(20, '\0');
  const int length = std::snprintf(text.data(), text.size(), "%0*llo", digits,
                                   static_cast<unsigned long long>(number));
  return text.substr(0, static_cast<std::size_t>(length));
}

std::string checksum_field(std::int64_t sum, const TarForm& form) {
  switch (form.checksum) {
    case TarNumber::octal:
      return octal(sum, 7) + " ";
    case TarNumber::base_256: {
      std::string field = "\x80";
      for (int shift = 48; shift >= 0; shift -= 8) {
        field += static_cast<char>(sum >> shift & 0xff);
      }
      return field;
    }
    case TarNumber::spaces:
      return "\t" + octal(sum, 5) + "\r ";
    case TarNumber::prefix:
      return "0o" + octal(sum, 6);
    case TarNumber::underscores: {
      std::string digits = octal(sum, 6);
      return digits.insert(3, "_") + '\0';
    }
    case TarNumber::plus:
      return "+" + octal(sum, 6) + '\0';
    case TarNumber::negative:
      return "-" + octal(-sum, 6) + '\0';
    case TarNumber::empty:
      break;
  }
  return std::string(kChecksumBytes, '\0');
}

// The sum of all bytes outside the checksum, and of spaces in its place.
std::int64_t sum_of(const std::string& block, bool is_signed) {
  std::int64_t sum = 8 * 0x20;
  for (std::size_t i = 0; i < block.size(); ++i) {
    if (i >= kChecksumAt && i < kChecksumAt + kChecksumBytes) continue;
    const auto byte = static_cast<unsigned char>(block[i]);
    sum += is_signed && byte >= 0x80 ? byte - 0x100 : byte;
  }
  return sum;
}

// Puts bytes of a negative sign into an unused place until the sum of signed bytes is `wanted` or
// less, and exactly `wanted` if no smaller sum will do.
void lower_sum(std::string& block, std::int64_t wanted) {
  constexpr std::size_t unused = 345;  // the prefix of the name in later archives
  for (std::size_t i = unused; sum_of(block, true) > wanted; ++i) {
    const std::int64_t step = std::min<std::int64_t>(sum_of(block, true) - wanted, 128);
    block.at(i) = static_cast<char>(0x100 - step);
  }
}

// Adds `base` to a number of four or eight bytes.
void move(std::string& bytes, std::size_t at, std::size_t width, std::size_t base) {
  std::uint64_t number = base;
  for (std::size_t i = 0; i < width; ++i) {
    number += std::uint64_t{static_cast<unsigned char>(bytes.at(at + i))} << (8 * i);
  }
  bytes.replace(at, width, little(number, width));
}

std::string part(int field, const std::string& content) {
  return static_cast<char>(field << 3 | 2) + varint(content.size()) + content;
}

}  // namespace

std::string tar_block(const std::string& start, const TarForm& form) {
  std::string block = start;
  block.resize(kBlock, form.fill);
  block.replace(100, 8, form.mode);
  block.replace(108, 8, "0001750 ");
  block.replace(116, 8, "0001750 ");
  block.replace(124, 12, "00000000000 ");
  block.replace(136, 12, "14230112457 ");
  block.replace(156, 1, "0");
  if (form.ustar) block.replace(257, 8, "ustar\00000"s);
  if (form.checksum == TarNumber::negative) lower_sum(block, -1000);
  if (form.checksum == TarNumber::empty) lower_sum(block, 0);
  const std::int64_t sum = sum_of(block, form.signed_sum) + form.wrong_by;
  return block.replace(kChecksumAt, kChecksumBytes, checksum_field(sum, form));
}

std::string zip_and_tar() {
  std::vector<RawEntry> list = entries(pickle(state_dict()));
  const std::size_t header = 30 + list[0].name.size();
  const std::size_t extra = kBlock - header - 4;
  list[0].local_extra = "FB" + little(extra, 2) + std::string(extra, 'Z');
  std::string file = raw_zip(list);
  return file.replace(0, kBlock, tar_block(file.substr(0, header + 4), {}));
}

std::string zip_at(std::size_t base, const std::string& pickle, RawEnd end) {
  std::string file = raw_zip(entries(pickle), end);
  for (std::size_t at = file.find("PK\x01\x02"); at != std::string::npos;
       at = file.find("PK\x01\x02", at + 1)) {
    move(file, at + 42, 4, base);
  }
  if (const std::size_t at = file.find("PK\x06\x06"); at != std::string::npos) {
    move(file, at + 48, 8, base);
    move(file, file.find("PK\x06\x07") + 8, 8, base);
  }
  move(file, file.find("PK\x05\x06") + 16, 4, base);
  return file;
}

std::string onnx_graph() {
  const std::string node = part(1, "x") + part(2, "y") + part(4, "Relu");
  return part(7, part(1, node) + part(2, "g"));
}

// PROTO 2 is the tag of field 32, NONE its value. POP and BINBYTES are field 6 and its value. The
// length of the bytes holds field 4, whose four bytes end in these bytes.
std::string onnx_and_pickle() {
  const std::string start = "\x80\x02N0B"s;
  const std::size_t length = 0x0422;
  std::string content = "ab" + onnx_graph();
  // Field 4 again, of two bytes of length, to the end of the text and the three bytes behind it.
  content += "\x22" + varint(length - content.size());
  content.resize(length, 'c');
  return start + "\x22\x04\0\0"s + content + "0N.";
}

// The length's first bytes are field 4, the header is in fields that protobuf skips.
std::string onnx_and_safetensors() {
  const std::string data = onnx_graph();
  const std::string tail = R"("},"w":{"dtype":"U8","shape":[)" + std::to_string(data.size()) +
                           R"(],"data_offsets":[0,)" + std::to_string(data.size()) + "]}}";
  // Field 4 of 10 bytes reaches to "m"; "metad" and "ata__\":{\"" are fields of fixed size.
  std::string header = R"({"__metadata__":{")";
  const std::size_t length = 0x0a22;
  const auto field = [](std::size_t bytes) {
    return "z"s + static_cast<char>(bytes - 2) + std::string(bytes - 2, '-');
  };
  constexpr std::size_t last = 122;
  std::size_t left = length - header.size() - last;
  for (; left > 162; left -= 128) header += field(128);
  header += field(64) + field(left - 64) + field(last).substr(0, 2);
  header += R"(":")" + tail;
  header.resize(length, ' ');
  return little(length, 8) + header + data;
}

std::string short_string_polyglot(char opcode, const std::string& rest) {
  const std::string data = "\n0" + rest + ".";
  const std::string size = std::to_string(data.size());
  constexpr std::size_t text_bytes = 60;
  std::string header = R"({"__metadata__":{"a":")" + std::string(100, 'V') +
                       R"("},"w":{"dtype":"U8","shape":[)" + size + R"(],"data_offsets":[0,)" +
                       size + "]}}";
  header.resize(256 * text_bytes + static_cast<unsigned char>(opcode), ' ');
  return little(header.size(), 8) + header + data;
}

std::string text_polyglot() {
  constexpr std::size_t text_bytes = 20;
  std::string header = R"({"aaaaaaaaaaaaaaa.weight":{"dtype":"F32","shape":[4],)"
                       R"("data_offsets":[0,16]}})";
  header.resize(256 * text_bytes + 'X', ' ');
  return little(header.size(), 8) + header + std::string(16, '\x01');
}

}  // namespace aether2onnx::corpus
