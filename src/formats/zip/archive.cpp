#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <unordered_map>

#include "base/crc32.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/zip/zip.h"

namespace aether2onnx::zip {

namespace {

struct DecompressorCloser {
  void operator()(libdeflate_decompressor* decompressor) const noexcept {
    libdeflate_free_decompressor(decompressor);
  }
};

[[noreturn]] void refuse(const Irregularity& irregularity) {
  const bool unsupported = irregularity.severity == Severity::unsupported;
  Diagnostic diagnostic = irregularity.diagnostic;
  diagnostic.text += unsupported ? "\nUnpack the archive with another program and use the "
                                   "checkpoint in it."
                                 : "\nThe zip archive is damaged or forged. Download or copy the "
                                   "file again, or save the checkpoint again with torch.save.";
  throw Error(unsupported ? ErrorKind::unsupported : ErrorKind::malformed, std::move(diagnostic));
}

// Throws if an irregularity in `found` is more serious than a note. Reports contradictions and
// damage first, then unsupported entries: a contradictory or damaged archive is malformed, even if
// an entry is also encrypted or compressed with an unknown method.
void check(const Audit& found, std::uint64_t file_size) {
  if (!found.has_end) {
    fail({ErrorKind::malformed, "zip-cut-off"},
         "The file is cut off, or something was appended to the file: the end of the zip archive "
         "is missing.\n"
         "Download or copy the file again. The file has {}; compare with the original's size.",
         human_bytes(file_size));
  }
  const Irregularity* foreign = nullptr;
  for (const Irregularity& irregularity : found.irregularities) {
    if (irregularity.severity == Severity::note) continue;
    if (irregularity.severity != Severity::unsupported) refuse(irregularity);
    if (foreign == nullptr) foreign = &irregularity;
  }
  if (foreign != nullptr) refuse(*foreign);
}

}  // namespace

struct Archive::State {
  State(const Input& file, Context of_call)
      : input(file), context(std::move(of_call)), made(file.size()) {}

  const Input& input;
  const Context context;
  std::vector<Entry> entries;
  std::unordered_map<std::string_view, std::size_t> by_name;
  std::vector<bool> crc_checked;
  // The index and the content of the deflated entry that was read last.
  std::optional<std::size_t> inflated_entry;
  std::unique_ptr<std::byte[]> inflated;
  limits::BytesMade made;  // by all calls of inflate()

  void check_crc(std::size_t index, std::uint32_t found);
  std::uint32_t crc_of_stored(const Entry& entry) const;
  void read_stored(std::size_t index, std::uint64_t offset, std::span<std::byte> out);
  void inflate(std::size_t index);
};

void Archive::State::check_crc(std::size_t index, std::uint32_t found) {
  const Entry& entry = entries[index];
  if (found != entry.crc) {
    fail({ErrorKind::malformed, "zip-crc", entry.name, fmt::format("{:08x}", entry.crc),
          fmt::format("{:08x}", found)},
         "The archive's entry '{}' is damaged: its bytes do not match its checksum (CRC-32).\n"
         "Download or copy the file again.",
         printable(entry.name));
  }
  crc_checked[index] = true;
}

std::uint32_t Archive::State::crc_of_stored(const Entry& entry) const {
  std::vector<std::byte> chunk;
  std::uint32_t crc = 0;
  for (std::uint64_t at = 0; at < entry.size; at += chunk.size()) {
    context.check_cancelled();
    chunk.resize(to_size(std::min<std::uint64_t>(entry.size - at, limits::kChunkBytes)));
    input.read(entry.offset + at, chunk);
    crc = crc32(chunk, crc);
  }
  return crc;
}

void Archive::State::read_stored(std::size_t index, std::uint64_t offset,
                                 std::span<std::byte> out) {
  const Entry& entry = entries[index];
  input.read(entry.offset + offset, out);
  if (crc_checked[index] || entry.crc == 0) return;
  check_crc(index, out.size() == entry.size ? crc32(out) : crc_of_stored(entry));
}

void Archive::State::inflate(std::size_t index) {
  if (inflated_entry == index) return;
  const Entry& entry = entries[index];
  if (const std::uint64_t most = std::max(entry.size, entry.packed);
      most > limits::kInflatedBytes) {
    fail({ErrorKind::limit, "zip-inflated-size", entry.name, human_bytes(limits::kInflatedBytes),
          human_bytes(most)},
         "The archive's compressed entry '{}' has {}; at most {} are read.\n"
         "Save the checkpoint again with torch.save, which does not compress.",
         printable(entry.name), human_bytes(most), human_bytes(limits::kInflatedBytes));
  }
  made.add(entry.size);
  if (made.exceeded()) {
    fail({ErrorKind::limit, "zip-inflated-total", entry.name, human_bytes(made.most())},
         "The archive's compressed entries would be inflated to more than {} in all.\n"
         "Save the checkpoint again with torch.save, which does not compress.",
         human_bytes(made.most()));
  }
  context.check_cancelled();
  inflated_entry.reset();
  inflated.reset();
  const std::size_t size = to_size(entry.size);
  std::vector<std::byte> packed(to_size(entry.packed));
  input.read(entry.offset, packed);
  const std::unique_ptr<libdeflate_decompressor, DecompressorCloser> decompressor(
      libdeflate_alloc_decompressor());
  if (!decompressor) throw std::bad_alloc();
  // make_unique_for_overwrite writes no zeros into the buffer. If the directory states a much too
  // large size, the system therefore provides memory only for the bytes that are really inflated.
  auto bytes = std::make_unique_for_overwrite<std::byte[]>(size);
  std::size_t consumed = 0;
  std::size_t produced = 0;
  const libdeflate_result result = libdeflate_deflate_decompress_ex(
      decompressor.get(), packed.data(), packed.size(), bytes.get(), size, &consumed, &produced);
  const char* problem = nullptr;
  if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
    problem = "it is longer than the archive's directory says";
  } else if (result != LIBDEFLATE_SUCCESS) {
    problem = "its compressed bytes are no deflate stream";
  } else if (produced != size) {
    problem = "it is shorter than the archive's directory says";
  } else if (consumed != packed.size()) {
    problem = "it has extra bytes behind its deflate stream";
  }
  if (problem != nullptr) {
    fail({ErrorKind::malformed, "zip-deflate", entry.name},
         "The archive's entry '{}' is damaged: {}.\nDownload or copy the file again.",
         printable(entry.name), problem);
  }
  if (!crc_checked[index] && entry.crc != 0) check_crc(index, crc32({bytes.get(), size}));
  inflated = std::move(bytes);
  inflated_entry = index;
}

Archive::Archive(const Input& input, const Context& context)
    : state_(std::make_unique<State>(input, context)) {
  Audit found = audit(input, context);
  check(found, input.size());
  State& state = *state_;
  state.entries = std::move(found.entries);
  state.crc_checked.resize(state.entries.size());
  state.by_name.reserve(state.entries.size());
  for (std::size_t i = 0; i < state.entries.size(); ++i) {
    require(state.by_name.emplace(state.entries[i].name, i).second, "two entries of one name");
  }
}

Archive::~Archive() = default;

const std::vector<Entry>& Archive::entries() const { return state_->entries; }

std::optional<std::size_t> Archive::find(std::string_view name) const {
  const auto found = state_->by_name.find(name);
  if (found == state_->by_name.end()) return std::nullopt;
  return found->second;
}

std::vector<std::byte> Archive::read_all(std::size_t index, std::uint64_t limit) const {
  const Entry& entry = state_->entries.at(index);
  if (entry.size > limit) {
    fail({ErrorKind::limit, "zip-entry-size", entry.name, human_bytes(limit),
          human_bytes(entry.size)},
         "The archive's entry '{}' has {}; at most {} are read.", printable(entry.name),
         human_bytes(entry.size), human_bytes(limit));
  }
  std::vector<std::byte> bytes(to_size(entry.size));
  read(index, 0, bytes);
  return bytes;
}

void Archive::read(std::size_t index, std::uint64_t offset, std::span<std::byte> out) const {
  State& state = *state_;
  const Entry& entry = state.entries.at(index);
  require(offset <= entry.size && out.size() <= entry.size - offset,
          "read beyond the end of an archive's entry");
  if (entry.stored) {
    state.read_stored(index, offset, out);
    return;
  }
  state.inflate(index);
  if (!out.empty()) std::memcpy(out.data(), state.inflated.get() + to_size(offset), out.size());
}

}  // namespace aether2onnx::zip
