// Tries the readers of all formats on a file. The formats have their signatures at different
// offsets, so one file can fit several formats. The file's first bytes show only one format.

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_kind.h"
#include "formats/pickle/skim.h"
#include "formats/zip/zip.h"
#include "judge/scan/scan.h"

namespace aether2onnx::judge::scan {

namespace {

using formats::FileKind;

std::string container_of(const File& file) {
  return file.collector.container().empty() ? "unknown" : file.collector.container();
}

std::string_view text_at(std::span<char> buffer, const Input& input, std::uint64_t offset) {
  if (input.size() < offset + buffer.size()) return {};
  input.read(offset, std::as_writable_bytes(buffer));
  return {buffer.data(), buffer.size()};
}

// --- tar ---

// Reports a file of another format that is also a tar archive, because torch.load tries tar before
// every format except zip.
void read_as_tar(const File& file) {
  constexpr std::uint64_t mark_at = 257;
  std::array<char, 5> mark{};
  if (!formats::opens_as_tar(file.input) && text_at(mark, file.input, mark_at) != "ustar") return;
  file.collector.found(
      "polyglot-tar",
      "the file's format is {}, but its first 512 bytes make the file a tar archive, too; "
      "PyTorch tries tar before other formats",
      container_of(file));
}

// --- pickle ---

void read_as_pickle(const File& file) {
  const pickle::Skim skim = pickle::skim(file.input, file.context);
  const bool paid = file.budget.take(skim.bytes * cost::kSkimmedByte);
  if (!skim.is_pickle()) return;
  if (skim.imports || skim.loads) {
    file.collector.found("polyglot-pickle",
                         "the file's format is {}, but a loader can also read the file as a pickle",
                         container_of(file));
  } else {
    file.collector.unclear(
        "polyglot-pickle",
        "the file's format is {}, but perhaps a loader can also read the file as a pickle",
        container_of(file));
  }
  if (paid) file.pickles.all(file.input, "the file as a pickle");
}

// --- ONNX ---

// Reads the fields of a protobuf message as protobuf's own parser does. Source: the page "Encoding"
// of protobuf's documentation, and parse_context.h: tags are cut to 32 bits, groups are skipped.
class Message {
 public:
  explicit Message(const Input& input) : input_(input) {}

  // Returns whether the bytes from `begin` to `end` are an ONNX model: a complete message with a
  // graph (field 7) whose bytes are a complete message, too.
  bool is_model(std::uint64_t begin, std::uint64_t end) {
    const auto graph = walk(begin, end);
    return graph && graph->bytes > 0 && walk(graph->begin, graph->begin + graph->bytes);
  }

  std::uint64_t fields() const { return fields_; }

 private:
  struct Part {
    std::uint64_t begin = 0;
    std::uint64_t bytes = 0;
  };

  // Returns where the graph (field 7) is in the protobuf message from `begin` to `end`. Of several
  // graphs, takes the last graph that is not empty. Returns 0 bytes if the message has no graph,
  // nullopt if the bytes are no protobuf message.
  std::optional<Part> walk(std::uint64_t begin, std::uint64_t end) {
    Part graph;
    std::vector<std::uint64_t> groups;
    at_ = begin;
    while (at_ < end) {
      if (++fields_ > kMostFields) return std::nullopt;
      const auto tag = varint(end);
      const std::uint64_t field = (tag.value_or(0) & 0xffffffffU) >> 3U;
      if (field == 0) return std::nullopt;
      switch (*tag & 7U) {
        case 0:
          if (!varint(end)) return std::nullopt;
          break;
        case 1:
          if (!skip(8, end)) return std::nullopt;
          break;
        case 2: {
          const auto length = varint(end);
          if (!length) return std::nullopt;
          constexpr std::uint64_t graph_of_model = 7;
          if (field == graph_of_model && groups.empty() && *length > 0) graph = {at_, *length};
          if (!skip(*length, end)) return std::nullopt;
          break;
        }
        case 3:
          if (groups.size() >= kDeepestGroup) return std::nullopt;
          groups.push_back(field);
          break;
        case 4:
          if (groups.empty() || groups.back() != field) return std::nullopt;
          groups.pop_back();
          break;
        case 5:
          if (!skip(4, end)) return std::nullopt;
          break;
        default:
          return std::nullopt;
      }
    }
    if (!groups.empty()) return std::nullopt;
    return graph;
  }

  std::optional<std::uint64_t> varint(std::uint64_t end) {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 70 && at_ < end; shift += 7) {
      const std::uint8_t byte = next();
      if (shift < 64) number |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return number;
    }
    return std::nullopt;
  }

  bool skip(std::uint64_t count, std::uint64_t end) {
    if (count > end - at_) return false;
    at_ += count;
    return true;
  }

  std::uint8_t next() {
    if (at_ < start_ || at_ - start_ >= buffer_.size()) {
      constexpr std::uint64_t window = 4096;
      start_ = at_;
      buffer_.resize(static_cast<std::size_t>(std::min(window, input_.size() - at_)));
      input_.read(start_, buffer_);
    }
    return static_cast<std::uint8_t>(buffer_[static_cast<std::size_t>(at_++ - start_)]);
  }

  static constexpr std::uint64_t kMostFields = 2'000'000;
  static constexpr std::size_t kDeepestGroup = 100;  // protobuf's own parser has the same limit

  const Input& input_;
  std::uint64_t at_ = 0;
  std::uint64_t fields_ = 0;
  std::uint64_t start_ = 0;
  std::vector<std::byte> buffer_;
};

// Scans the file as ONNX if it is an ONNX model. If the file is of another format too (`is_known`),
// also reports that programs may disagree about the format.
void read_as_onnx(const File& file, bool is_known) {
  Message message(file.input);
  const bool is_model = message.is_model(0, file.input.size());
  file.budget.take(message.fields() * cost::kField);
  if (!is_model) return;
  if (is_known) {
    file.collector.found("polyglot-onnx",
                         "the file's format is {}, but the file is also an ONNX model",
                         container_of(file));
  }
  const std::string container = file.collector.container();
  scan_onnx(file);
  file.collector.set_container(container);
}

// Reports a file with a FlatBuffers identifier in bytes 4 to 7. ONNX Runtime and PyTorch's mobile
// loader recognize their own formats by this identifier. An ONNX file can contain the identifier,
// too, because bytes 4 to 7 may be part of the producer's name.
// Source: IsOrtFormatModelBytes in ONNX Runtime.
void read_as_flatbuffer(const File& file) {
  std::array<char, 4> buffer{};
  const std::string_view name = text_at(buffer, file.input, 4);
  if (name == "ORTM") {
    file.collector.found("polyglot-ort",
                         "the file's format is {}, but the file also has the identifier of ONNX "
                         "Runtime's format ORT ('ORTM' in bytes 4 to 7)",
                         container_of(file));
  } else if (name == "PTMF") {
    file.collector.found("polyglot-flatbuffer",
                         "the file's format is {}, but the file also has the identifier of a "
                         "TorchScript program ('PTMF' in bytes 4 to 7)",
                         container_of(file));
  }
}

}  // namespace

void scan_other_readings(const File& file, FileKind kind) {
  if (kind != FileKind::zip) scan_as_zip_too(file);
  const bool is_unknown = kind == FileKind::unknown || kind == FileKind::text;
  const bool is_pickle = kind == FileKind::pickle || kind == FileKind::torch_legacy || is_unknown;
  // The functions below report a file of a known format that also fits another format. If `kind`
  // names no format, the file can still be a pickle of protocol 0 or 1. scan_pickle() has then set
  // the container to "pickle", so the format is known, too.
  const bool is_known = !is_unknown || !file.collector.container().empty();
  if (is_known) read_as_tar(file);
  if (!is_pickle) read_as_pickle(file);
  if (kind != FileKind::onnx) read_as_onnx(file, is_known);
  read_as_flatbuffer(file);
}

}  // namespace aether2onnx::judge::scan
