#include "judge/scan/scan.h"

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_kind.h"
#include "formats/zip/zip.h"
#include "judge/words.h"
#include "port/files.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::judge::scan {

namespace {

using formats::FileKind;

// PyTorch's stream of pickles, from before 1.6.
void scan_legacy(const File& file) {
  constexpr std::array names = {"the magic number", "the protocol", "the system", "the object",
                                "the list of storages"};
  file.collector.set_container("PyTorch legacy stream");
  std::uint64_t at = 0;
  for (const char* name : names) {
    const auto outcome = file.pickles.one(file.input, at, name);
    if (!outcome.whole) return;
    at = outcome.end;
  }
  const auto end = scan_tensors(file);
  if (!end || *end >= file.input.size()) return;
  file.collector.found("behind-storages", "{} follow the last storage, and no loader reads them",
                       plural(file.input.size() - *end, "byte"));
  file.pickles.one(file.input, *end, "behind the last storage");
}

void scan_pickle(const File& file) {
  file.collector.set_container("pickle");
  file.pickles.all(file.input, "the file");
}

// A file of unknown kind may be a pickle of the oldest protocols.
void scan_anything(const File& file) {
  if (imports_anything(pickle::Document::parse_as_far_as_possible(file.input, 0, file.context))) {
    scan_pickle(file);
  } else {
    scan_tensors(file);
  }
}

// torch.load tries tar before any other format except zip.
void scan_as_tar_too(const File& file) {
  constexpr std::uint64_t magic_at = 257;
  std::array<std::byte, 5> magic{};
  if (file.input.size() < magic_at + magic.size()) return;
  file.input.read(magic_at, magic);
  if (std::string_view(reinterpret_cast<const char*>(magic.data()), magic.size()) == "ustar") {
    file.collector.found("polyglot-tar",
                         "the file is also a tar archive, and PyTorch reads the archive");
  }
}

void scan_whole(const File& file) {
  const FileKind kind = formats::sniff(file.input);
  switch (kind) {
    case FileKind::zip:
      scan_zip(file);
      return;
    case FileKind::torch_legacy:
      scan_legacy(file);
      break;
    case FileKind::safetensors:
      file.collector.set_container("safetensors");
      scan_tensors(file);
      break;
    case FileKind::onnx:
      scan_onnx(file);
      break;
    case FileKind::pickle:
      scan_pickle(file);
      break;
    case FileKind::json:  // a shard index, whose files are scanned as well
      file.collector.set_container("JSON");
      scan_tensors(file);
      break;
    default:
      scan_anything(file);
  }
  scan_as_zip_too(file);
  if (kind != FileKind::tar && kind != FileKind::torch_tar) scan_as_tar_too(file);
}

ScanReport report_on(const Input& input, const io::Siblings* siblings, const Context& context) {
  Collector collector;
  PickleScanner pickles(collector, context);
  scan_whole({input, siblings, context, collector, pickles});
  return collector.finish();
}

}  // namespace

std::optional<std::uint64_t> scan_tensors(const File& file) {
  Collector& collector = file.collector;
  try {
    const state_dict::Audit audit = state_dict::audit(file.input, file.siblings, file.context);
    for (const auto& [offset, problem] : audit.contradictions) {
      collector.found("tensor", "byte {} of the pickle: an entry {}", offset, problem);
    }
    for (const std::string& key : audit.unused_storages) {
      collector.note("unused-storage", "no tensor uses storage '{}'", printable(key, 60));
    }
    return audit.end;
  } catch (const Error& error) {
    // A missing shard is a finding. Other bytes that cannot be read end the scan.
    const bool of_shard =
        error.kind == ErrorKind::io && formats::sniff(file.input) == FileKind::json;
    if (error.kind == ErrorKind::unsupported) {
      collector.unclear("no-checkpoint", error);
    } else if (of_shard) {
      collector.unclear("damaged", "{}", first_line(error.what()));
    } else {
      collector.unclear("damaged", error);
    }
    return std::nullopt;
  }
}

}  // namespace aether2onnx::judge::scan

namespace aether2onnx {

std::string_view to_string(Verdict verdict) noexcept {
  constexpr std::array<std::string_view, 4> names = {"tensors", "harmless", "suspicious",
                                                     "dangerous"};
  return judge::name_in(names, verdict);
}

std::string_view to_string(ScanResult result) noexcept {
  constexpr std::array<std::string_view, 3> names = {"clean", "unclear", "found"};
  return judge::name_in(names, result);
}

ScanReport scan(const Input& input, const Context& context) {
  return judge::scan::report_on(input, nullptr, context);
}

ScanReport scan_file(const std::filesystem::path& path, const Context& context) {
  const io::FileInput input(path, context.cancelled);
  const io::FolderSiblings siblings(path, context.cancelled);
  return judge::scan::report_on(input, &siblings, context);
}

}  // namespace aether2onnx
