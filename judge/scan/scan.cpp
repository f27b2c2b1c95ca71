#include "judge/scan/scan.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_kind.h"
#include "formats/pickle/skim.h"
#include "formats/safetensors/safetensors.h"
#include "formats/zip/zip.h"
#include "port/files.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::judge::scan {

namespace {

using formats::FileKind;

// Scans a file of PyTorch before 1.6: five pickles, then the storages (elements of tensors).
void scan_legacy(const File& file) {
  constexpr std::array names = {"pickle 1, the magic number", "pickle 2, the protocol",
                                "pickle 3, the writer's system", "pickle 4, the saved object",
                                "pickle 5, the list of storages"};
  file.collector.set_container("PyTorch legacy stream");
  std::uint64_t at = 0;
  for (const char* name : names) {
    const auto outcome = file.pickles.one(file.input, at, name);
    if (!outcome.whole) return;
    at = outcome.end;
  }
  const auto end = scan_tensors(file);
  if (!end || *end >= file.input.size()) return;
  file.collector.found("behind-storages",
                       "{} follow the last storage, and no loader reads these bytes",
                       plural(file.input.size() - *end, "byte"));
  file.pickles.one(file.input, *end, "behind the last storage");
}

void scan_pickle(const File& file) {
  file.collector.set_container("pickle");
  file.pickles.all(file.input, "the file");
}

// Scans a file of unknown kind, which may be a pickle of the oldest protocols, 0 and 1.
void scan_anything(const File& file) {
  if (pickle::skim(file.input, file.context).is_pickle()) {
    scan_pickle(file);
  } else {
    scan_tensors(file);
  }
}

// Scans a file whose first bytes show no checkpoint and no ONNX file. A text file, or a file of
// unknown kind, may be a pickle, and is then scanned as a pickle. For all other files,
// scan_tensors() adds a finding that names the file's format.
void scan_no_checkpoint(const File& file, FileKind kind) {
  if (kind == FileKind::unknown || kind == FileKind::text) {
    scan_anything(file);
  } else {
    scan_tensors(file);
  }
}

// Returns the size in bytes of the file's JSON: an index of shards, or the header of a safetensors
// file. Returns 0 for other kinds of files.
std::uint64_t json_bytes(const Input& input) {
  const FileKind kind = formats::sniff(input);
  if (kind == FileKind::json) return input.size();
  if (kind != FileKind::safetensors) return 0;
  std::array<std::byte, 5> length{};  // the upper bytes of a header's length are zero
  input.read(0, length);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < length.size(); ++i) {
    bytes |= std::to_integer<std::uint64_t>(length.at(i)) << (8 * i);
  }
  return std::min(bytes, input.size());
}

// Scans the index of a sharded checkpoint. Then scans each shard as a separate file, in every
// format, because a program may load a shard without the index.
void scan_shards(const File& file) {
  file.collector.set_container("JSON");
  scan_tensors(file);
  std::optional<safetensors::File> shards;
  if (!file.budget.take(json_bytes(file.input) * cost::kJsonByte)) return;
  try {
    shards = safetensors::open_shards(file.input, file.siblings, file.context);
  } catch (const Error&) {
    return;  // scan_tensors() has reported the error
  }
  if (!shards) return;
  file.collector.set_container("safetensors");
  for (const Input* shard : shards->shards) {
    scan_other_readings({*shard, nullptr, file.context, file.collector, file.budget, file.pickles},
                        FileKind::safetensors);
  }
  file.collector.set_container("JSON");
}

// Scans the file in the format that its first bytes show. Then tries the readers of all other
// formats, because some programs may read the file in another format.
void scan_whole(const File& file) {
  const FileKind kind = formats::sniff_without_tar(file.input);
  switch (kind) {
    case FileKind::zip:
      scan_zip(file);
      break;
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
    case FileKind::json:  // the index of a sharded checkpoint
      scan_shards(file);
      break;
    default:
      scan_no_checkpoint(file, kind);
  }
  scan_other_readings(file, kind);
}

ScanReport report_on(const Input& input, const io::Siblings* siblings, const Context& context) {
  Collector collector;
  Budget budget(context);
  PickleScanner pickles(collector, budget);
  scan_whole({input, siblings, context, collector, budget, pickles});
  if (budget.is_spent()) {
    collector.unclear("scan-budget",
                      "the scan needs more work than the limit scan_work allows ({} units of about "
                      "a nanosecond); some content of the file was not scanned",
                      with_thousands(context.limits.scan_work));
  }
  return collector.finish();
}

}  // namespace

std::optional<std::uint64_t> scan_tensors(const File& file) {
  Collector& collector = file.collector;
  if (!file.budget.take_reader() || !file.budget.take(json_bytes(file.input) * cost::kJsonByte)) {
    return std::nullopt;
  }
  try {
    const state_dict::Audit audit = state_dict::audit(file.input, file.siblings, file.context);
    for (const auto& [offset, problem] : audit.contradictions) {
      collector.found("tensor", "at byte {} the pickle has an object that {}", offset, problem);
    }
    if (audit.big_endian) {
      collector.unclear(
          "big-endian",
          "the tensors' elements are big-endian; PyTorch before 2.1 would read wrong numbers");
    }
    for (const std::string& key : audit.unused_storages) {
      collector.note("unused-storage", "no tensor uses storage '{}'", printable(key, 60));
    }
    return audit.end;
  } catch (const Error& error) {
    // If a shard can't be read, the report gets the finding "damaged" and the scan continues. If
    // the scanned file itself can't be read, Collector::unclear() rethrows the error, and the scan
    // ends.
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
  return name_in(names, verdict);
}

std::string_view to_string(ScanResult result) noexcept {
  constexpr std::array<std::string_view, 3> names = {"clean", "unclear", "found"};
  return name_in(names, result);
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
