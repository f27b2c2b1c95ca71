#include "formats/pickle/byte_reader.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

namespace aether2onnx::pickle {

namespace {

// The size in bytes of the first piece that ByteReader reads from an Input. The pickles at the head
// of PyTorch's legacy stream are shorter, so one piece is enough for these pickles.
constexpr std::size_t kFirstPiece = 4096;

}  // namespace

ByteReader::ByteReader(std::vector<std::vector<std::byte>>& kept, std::vector<std::byte> bytes,
                       const Context& context)
    : context_(context), kept_(kept), total_(bytes.size()) {
  kept_.push_back(std::move(bytes));
  window_ = kept_.back();
}

ByteReader::ByteReader(std::vector<std::vector<std::byte>>& kept, const Input& input,
                       std::uint64_t offset, const Context& context)
    : context_(context),
      kept_(kept),
      input_(&input),
      origin_(offset),
      total_(input.size() - offset) {}

void ByteReader::refill(std::uint64_t wanted) {
  context_.check_cancelled();
  const std::uint64_t start = position();
  require(wanted <= left() && input_ != nullptr, "a read would go beyond the end of a pickle");
  if (start > context_.limits.pickle_bytes || wanted > context_.limits.pickle_bytes - start) {
    fail({ErrorKind::limit, "pickle-limit", "pickle_bytes",
          fmt::format("{}", context_.limits.pickle_bytes)},
         "the pickle in the file is longer than {}.\n{}", human_bytes(context_.limits.pickle_bytes),
         limits::how_to_raise("pickle_bytes"));
  }
  const auto tail = window_.subspan(at_);
  piece_ = std::clamp(2 * piece_, kFirstPiece, limits::kChunkBytes);
  const std::uint64_t size =
      std::min(left(), std::max(wanted, std::uint64_t{tail.size() + piece_}));
  std::vector<std::byte> bytes(to_size(size));
  std::copy(tail.begin(), tail.end(), bytes.begin());
  input_->read(origin_ + start + tail.size(), std::span(bytes).subspan(tail.size()));
  kept_.push_back(std::move(bytes));
  window_ = kept_.back();
  window_start_ = start;
  at_ = 0;
}

std::optional<std::string_view> ByteReader::take_line() {
  for (std::size_t searched = 0;;) {
    const auto rest = window_.subspan(at_);
    const auto newline = std::find(rest.begin() + static_cast<std::ptrdiff_t>(searched), rest.end(),
                                   std::byte{'\n'});
    if (newline != rest.end()) {
      const auto line = take(static_cast<std::uint64_t>(newline - rest.begin()) + 1);
      return std::string_view(reinterpret_cast<const char*>(line.data()), line.size() - 1);
    }
    if (rest.size() == left()) return std::nullopt;
    searched = rest.size();
    refill(std::min<std::uint64_t>(left(), 2 * std::uint64_t{searched} + 1));
  }
}

namespace {

void append_utf8(std::uint32_t code, std::string& out) {
  const auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80U | ((code >> shift) & 0x3fU));
  };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0U | (code >> 6U));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0U | (code >> 12U));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0U | (code >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace

std::optional<std::string> decode_raw_unicode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      append_utf8(static_cast<unsigned char>(text[i++]), decoded);
      continue;
    }
    const char letter = i + 1 < text.size() ? text[i + 1] : ' ';
    const std::size_t digits = letter == 'u' ? 4 : 8;
    if ((letter != 'u' && letter != 'U') || text.size() - i - 2 < digits) return std::nullopt;
    std::uint32_t code = 0;
    const char* begin = text.data() + i + 2;
    const auto result = std::from_chars(begin, begin + digits, code, 16);
    if (result.ptr != begin + digits || code > 0x10ffff) return std::nullopt;
    append_utf8(code, decoded);
    i += 2 + digits;
  }
  return decoded;
}

}  // namespace aether2onnx::pickle
