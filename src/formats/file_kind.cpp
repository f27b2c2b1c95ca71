#include "formats/file_kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <span>
#include <string_view>

namespace aether2onnx::formats {

namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view bytes;
  FileKind kind;
};

// The first bytes of file kinds that begin with fixed bytes. Sources: the formats' specifications.
constexpr std::array kSignatures = {
    Signature{"PK\x03\x04"sv, FileKind::zip},
    Signature{"PK\x05\x06"sv, FileKind::zip_spanned},
    Signature{"PK\x06\x06"sv, FileKind::zip_spanned},
    Signature{"PK\x07\x08"sv, FileKind::zip_spanned},
    Signature{"version https://git-lfs"sv, FileKind::git_lfs_pointer},
    Signature{"\x1f\x8b"sv, FileKind::gzip},
    Signature{"7z\xbc\xaf\x27\x1c"sv, FileKind::seven_zip},
    Signature{"\xfd"
              "7zXZ\0"sv,
              FileKind::xz},
    Signature{"\x28\xb5\x2f\xfd"sv, FileKind::zstd},
    Signature{"Rar!\x1a\x07"sv, FileKind::rar},
    Signature{"BZh"sv, FileKind::bzip2},
    Signature{"\x89HDF\r\n\x1a\n"sv, FileKind::hdf5},
    Signature{"GGUF"sv, FileKind::gguf},
    Signature{"\x89PNG\r\n\x1a\n"sv, FileKind::image},
    Signature{"\xff\xd8\xff"sv, FileKind::image},
    Signature{"GIF8"sv, FileKind::image},
    Signature{"ftrt"sv, FileKind::tensorrt_engine},
};

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char want, char have) {
           return want == std::tolower(static_cast<unsigned char>(have));
         });
}

bool is_text(std::string_view head) {
  return std::all_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 || byte == '\n' || byte == '\r' || byte == '\t' || byte == 0x0c;
  });
}

// Returns whether a file is PyTorch's legacy stream, which begins with a pickle of the number
// 0x1950a86a20f9469cfc6c. torch.save uses pickle protocol 2 by default. Protocols 4 and 5 put a
// frame (an opcode with a length) before the number. Source: torch/serialization.py.
bool is_torch_legacy(std::string_view head) {
  constexpr std::string_view number = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"sv;
  constexpr std::string_view frame = "\x95\x0d\0\0\0\0\0\0\0"sv;
  if (head.starts_with("L119547037146038801333356L\n."sv)) return true;  // the number in protocol 1
  if (head.size() < 2 || head[0] != '\x80' || head[1] < 2 || head[1] > 5) return false;
  head.remove_prefix(2);
  if (head.starts_with(frame)) head.remove_prefix(frame.size());
  return head.starts_with(number);
}

constexpr std::size_t kTarBlock = 512;

// Returns the value of a number field in a tar header. Returns 0 if the field is empty, and nullopt
// if the field is no number. Accepts every form that some release of Python's tarfile module
// accepts. The number has octal digits and ends at a zero byte. Spaces around the digits, a sign,
// "0o" and underscores are allowed. If the first byte is 0x80 or 0xff, the other bytes are a number
// in base 256. Source: nti() in Lib/tarfile.py, int() for base 8.
std::optional<std::int64_t> tar_number(std::string_view field) {
  const auto first = static_cast<unsigned char>(field[0]);
  if (first == 0x80 || first == 0xff) {
    std::int64_t number = 0;
    for (const char c : field.substr(1)) {
      constexpr std::int64_t most = std::int64_t{1} << 54U;  // a cap: no checksum is as large
      number = std::min(number << 8U | static_cast<unsigned char>(c), most);
    }
    constexpr unsigned bits_of_checksum = 56;
    return first == 0x80 ? number : number - (std::int64_t{1} << bits_of_checksum);
  }
  std::string_view text = field.substr(0, field.find('\0'));
  constexpr std::string_view spaces = " \t\n\r\v\f\x1c\x1d\x1e\x1f";
  text.remove_prefix(std::min(text.find_first_not_of(spaces), text.size()));
  text = text.substr(0, text.find_last_not_of(spaces) + 1);
  if (text.empty()) return 0;
  const bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.remove_prefix(1);
  if (text.starts_with("0o") || text.starts_with("0O")) {
    text.remove_prefix(2);
    if (text.starts_with('_')) text.remove_prefix(1);
  }
  std::int64_t number = 0;
  bool digit = false;  // whether the previous character is a digit
  for (const char c : text) {
    if (c == '_' && digit) {
      digit = false;
      continue;
    }
    if (c < '0' || c > '7') return std::nullopt;
    number = number << 3U | (c - '0');
    digit = true;
  }
  if (!digit) return std::nullopt;
  return negative ? -number : number;
}

// Returns whether Python's tarfile module accepts the first block (512 bytes) as a tar header. The
// header's checksum must be the sum of all bytes of the block, with spaces in place of the
// checksum. A sum of signed bytes is also accepted, because some old programs wrote this sum.
// Source: TarInfo.frombuf() and calc_chksums() in Lib/tarfile.py.
bool is_tar_header(std::string_view head) {
  if (head.size() < kTarBlock) return false;
  constexpr std::size_t checksum_at = 148;
  constexpr std::size_t checksum_bytes = 8;
  const auto checksum = tar_number(head.substr(checksum_at, checksum_bytes));
  if (!checksum) return false;
  constexpr std::int64_t of_spaces = std::int64_t{8} * 0x20;
  std::int64_t sum = of_spaces;
  std::int64_t sum_of_signed = of_spaces;
  bool empty = true;
  for (std::size_t i = 0; i < kTarBlock; ++i) {
    const auto byte = static_cast<unsigned char>(head[i]);
    empty = empty && byte == 0;
    if (i >= checksum_at && i < checksum_at + checksum_bytes) continue;
    sum += byte;
    sum_of_signed += byte < 0x80 ? byte : byte - 0x100;
  }
  if (empty || (*checksum != sum && *checksum != sum_of_signed)) return false;
  // Python's tarfile module also refuses a header if one of these fields is no number: mode, uid,
  // gid, size, mtime, devmajor, devminor.
  struct Field {
    std::size_t at;
    std::size_t bytes;
  };
  constexpr std::array fields = {Field{100, 8},  Field{108, 8}, Field{116, 8}, Field{124, 12},
                                 Field{136, 12}, Field{329, 8}, Field{337, 8}};
  return std::all_of(fields.begin(), fields.end(), [&](const Field& field) {
    return tar_number(head.substr(field.at, field.bytes)).has_value();
  });
}

bool has_ustar_mark(std::string_view head) {
  return head.size() >= 262 && head.substr(257, 5) == "ustar"sv;
}

// Returns torch_tar if the first member of the tar archive has one of the four member names of
// PyTorch's tar files. Returns tar for any other name.
FileKind kind_of_tar(std::string_view head) {
  for (const std::string_view member :
       {"sys_info\0"sv, "pickle\0"sv, "storages\0"sv, "tensors\0"sv}) {
    if (head.starts_with(member)) return FileKind::torch_tar;
  }
  return FileKind::tar;
}

std::string read_head(const Input& input) {
  std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), kTarBlock)),
                   '\0');
  input.read(0, std::as_writable_bytes(std::span(head)));
  return head;
}

// Returns whether a file begins like an ONNX ModelProto: with field 1 (ir_version, a small varint),
// then one of the fields 2 to 8, for example the producer's name (2), the graph (7) or the opsets
// (8). Source: onnx.proto.
bool looks_like_onnx(std::string_view head) {
  if (head.size() < 3 || head[0] != 0x08) return false;
  const auto version = static_cast<unsigned char>(head[1]);
  const auto next = static_cast<unsigned char>(head[2]);
  return version >= 1 && version <= 32 &&
         (next == 0x12 || next == 0x1a || next == 0x22 || next == 0x28 || next == 0x32 ||
          next == 0x3a || next == 0x42);
}

// Returns whether a file begins like safetensors: eight bytes with a length, then JSON.
bool looks_like_safetensors(std::string_view head) {
  if (head.size() < 10 || head[8] != '{') return false;
  return head[5] == 0 && head[6] == 0 && head[7] == 0;
}

FileKind kind_of(std::string_view head, bool with_tar) {
  if (head.empty()) return FileKind::empty;
  for (const Signature& signature : kSignatures) {
    if (head.starts_with(signature.bytes)) return signature.kind;
  }
  // torch.load tries tar before the legacy stream, and so reads a file of both kinds as tar.
  if (with_tar && is_tar_header(head)) return kind_of_tar(head);
  if (is_torch_legacy(head)) return FileKind::torch_legacy;
  if (with_tar && has_ustar_mark(head)) return kind_of_tar(head);
  if (looks_like_safetensors(head)) return FileKind::safetensors;
  if (looks_like_onnx(head)) return FileKind::onnx;
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return FileKind::pickle;
  if (is_text(head)) {
    std::string_view text = head;
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (starts_with_ignoring_case(text, "<!doctype") || starts_with_ignoring_case(text, "<html") ||
        starts_with_ignoring_case(text, "<?xml") || starts_with_ignoring_case(text, "<head")) {
      return FileKind::html;
    }
    return text.starts_with('{') || text.starts_with('[') ? FileKind::json : FileKind::text;
  }
  return FileKind::unknown;
}

}  // namespace

FileKind sniff(const Input& input) { return kind_of(read_head(input), true); }

FileKind sniff_without_tar(const Input& input) { return kind_of(read_head(input), false); }

bool opens_as_tar(const Input& input) { return is_tar_header(read_head(input)); }

std::string gzip_name(const Input& input) {
  constexpr std::uint64_t longest = 1024;
  std::string head(static_cast<std::size_t>(std::min(input.size(), longest)), '\0');
  input.read(0, std::as_writable_bytes(std::span(head)));
  if (head.size() < 10) return {};
  const auto flags = static_cast<unsigned char>(head[3]);
  std::size_t at = 10;
  if ((flags & 0x04U) != 0) {  // an extra field, which begins with its own length
    if (head.size() < at + 2) return {};
    at += 2 + static_cast<std::size_t>(static_cast<unsigned char>(head[at]) |
                                       static_cast<unsigned char>(head[at + 1]) << 8U);
  }
  if ((flags & 0x08U) == 0 || at >= head.size()) return {};
  const std::size_t end = head.find('\0', at);
  return end == std::string::npos ? std::string{} : head.substr(at, end - at);
}

}  // namespace aether2onnx::formats
