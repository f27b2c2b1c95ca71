// Zip archives: PyTorch's container, TorchScript, and what is made to look like them.

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "judge/scan/containers.h"

namespace aether2onnx::scans {

namespace {

using archive::FileKind;
using archive::ZipArchive;
using archive::ZipAudit;
using archive::ZipPart;

// Bytes of a part of a file.
class PartInput final : public Input {
 public:
  PartInput(const Input& input, std::uint64_t offset, std::uint64_t size)
      : input_(input), offset_(offset), size_(size) {}
  std::uint64_t size() const override { return size_; }
  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    input_.read(offset_ + offset, out);
  }

 private:
  const Input& input_;
  std::uint64_t offset_;
  std::uint64_t size_;
};

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// Records that describe the container, a few bytes each.
bool is_known_record(std::string_view name) {
  constexpr std::array known = {
      "version",         ".data/version",   ".data/serialization_id", "byteorder",
      ".data/byteorder", ".format_version", ".storage_alignment",     ".data/fused_from"};
  return std::find(known.begin(), known.end(), name) != known.end();
}

bool is_pickle_name(const std::string& lower) {
  return lower.ends_with(".pkl") || lower.ends_with(".pickle");
}

bool is_archive(FileKind kind) {
  constexpr std::array archives = {
      FileKind::zip, FileKind::torch_legacy, FileKind::torch_tar, FileKind::tar, FileKind::gzip,
      FileKind::xz,  FileKind::seven_zip,    FileKind::zstd,      FileKind::rar, FileKind::bzip2};
  return std::find(archives.begin(), archives.end(), kind) != archives.end();
}

class ZipScan {
 public:
  explicit ZipScan(const Scanned& scanned) : scanned_(scanned), collector_(scanned.collector) {}

  // As a loader of zip archives sees the file.
  void run() {
    collector_.set_container("zip");
    const ZipAudit audit = audited();
    try {
      const ZipArchive zip(scanned_.input, scanned_.context);
      scan_entries(zip);
      return;
    } catch (const Error& error) {
      if (must_pass_on(error) || error.kind == ErrorKind::io) throw;
      collector_.unclear("zip", "{}", first_line(error.what()));
    }
    for (const ZipPart& part : audit.parts) scan_raw(part);
  }

  // The same of a file that is something else by its first bytes.
  void run_behind_another() {
    const ZipAudit audit = archive::audit_zip(scanned_.input, scanned_.context);
    if (!audit.has_end || audit.parts.empty()) return;
    collector_.found("polyglot-zip", "the file is {} and a zip archive as well, by its end",
                     collector_.container().empty() ? "something else" : collector_.container());
    for (const ZipPart& part : audit.parts) scan_raw(part);
  }

 private:
  ZipAudit audited() {
    ZipAudit audit;
    try {
      audit = archive::audit_zip(scanned_.input, scanned_.context);
    } catch (const Error& error) {
      if (error.kind != ErrorKind::limit) throw;
      collector_.unclear("limit", "{}", first_line(error.what()));
      return audit;
    }
    for (const archive::ZipIrregularity& irregularity : audit.irregularities) {
      collector_.finding(irregularity.contradicts ? ScanResult::found : ScanResult::unclear,
                         "zip-" + irregularity.code, "the archive: " + irregularity.what);
    }
    return audit;
  }

  // --- entries that can be read ---

  void scan_entries(const ZipArchive& zip) {
    const auto& entries = zip.entries();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      progress(i, entries.size());
      const std::size_t slash = entries[i].name.find('/');
      const std::string_view in_root =
          std::string_view(entries[i].name).substr(slash == std::string::npos ? 0 : slash + 1);
      scan_entry(zip, i, in_root);
    }
  }

  void scan_entry(const ZipArchive& zip, std::size_t index, std::string_view name) {
    const archive::Entry& entry = zip.entries()[index];
    const std::string where = printable(entry.name, 100);
    const std::string lower = lower_case(name);
    if (lower == "data.pkl") {
      has_data_pickle_ = true;
      if (name != lower) {
        collector_.found("case", "{}: PyTorch takes this name for data.pkl, other readers don't",
                         where);
      }
    }
    if (lower == "constants.pkl" || lower == "bytecode.pkl" || lower.starts_with("code/")) {
      collector_.found("torchscript",
                       "{}: the archive holds a program (TorchScript), which loading it with "
                       "torch.jit runs",
                       where);
    }
    if (is_pickle_name(lower)) {
      scan_pickle_entry(zip, index, where);
      return;
    }
    if (entry.size == 0 || !check(zip, index, where)) return;
    if (lower.starts_with("code/")) return;
    const bool known =
        lower.starts_with("data/") || (is_known_record(name) && entry.size <= kRecordBytes);
    scan_other(zip, index, where, !known);
  }

  void scan_pickle_entry(const ZipArchive& zip, std::size_t index, const std::string& where) {
    try {
      const std::vector<std::byte> bytes =
          zip.read_all(index, scanned_.context.limits.pickle_bytes);
      scanned_.pickles.all(MemoryInput(bytes), 0, where);
    } catch (const Error& error) {
      if (must_pass_on(error) || error.kind == ErrorKind::io) throw;
      collector_.unclear("entry", "{}: {}", where, first_line(error.what()));
      scan_raw_of(zip.entries()[index].name);
    }
  }

  // Reads all of the entry, which checks its checksum.
  bool check(const ZipArchive& zip, std::size_t index, const std::string& where) {
    try {
      zip.read(index, 0, {});
      return true;
    } catch (const Error& error) {
      if (must_pass_on(error) || error.kind == ErrorKind::io) throw;
      collector_.unclear("entry", "{}: {}", where, first_line(error.what()));
      return false;
    }
  }

  // `extra`: nothing of that name belongs into a checkpoint.
  void scan_other(const ZipArchive& zip, std::size_t index, const std::string& where, bool extra) {
    const archive::Entry& entry = zip.entries()[index];
    std::array<std::byte, 512> buffer{};
    const auto head =
        std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(entry.size, 512)));
    zip.read(index, 0, head);
    const FileKind kind = archive::sniff(MemoryInput(head));
    if (kind == FileKind::pickle && entry.size <= scanned_.context.limits.pickle_bytes) {
      const std::vector<std::byte> bytes = zip.read_all(index, entry.size);
      if (scanned_.pickles.unexpected(MemoryInput(bytes), where)) return;
    }
    if (!extra) return;
    if (is_archive(kind)) {
      collector_.unclear("nested-archive",
                         "{}: an archive within the archive, which isn't looked "
                         "into",
                         where);
    } else {
      collector_.unclear("extra-entry", "{}: an entry that no checkpoint has", where);
    }
  }

  // --- entries that are found but can't be read as such ---

  void scan_raw_of(const std::string& name) {
    for (const ZipPart& part : archive::audit_zip(scanned_.input, scanned_.context).parts) {
      if (part.name == name) scan_raw(part);
    }
  }

  void scan_raw(const ZipPart& part) {
    if (part.size == 0) return;
    const std::string where = printable(part.name, 100) + ", as it lies in the file";
    const PartInput bytes(scanned_.input, part.offset, part.size);
    if (!is_pickle_name(lower_case(part.name))) {
      if (part.stored) scanned_.pickles.unexpected(bytes, where);
      return;
    }
    if (part.stored) {
      scanned_.pickles.all(bytes, 0, where);
    } else {
      collector_.unclear("entry", "{}: it is compressed and can't be unpacked", where);
    }
  }

  void progress(std::uint64_t done, std::uint64_t total) const {
    scanned_.context.check_cancelled();
    if (scanned_.context.observer != nullptr)
      scanned_.context.observer->on_progress("scanning", done, total);
  }

  static constexpr std::uint64_t kRecordBytes = 4096;

  const Scanned& scanned_;
  Collector& collector_;

 public:
  bool has_data_pickle_ = false;
};

}  // namespace

void scan_zip(const Scanned& scanned) {
  ZipScan scan(scanned);
  scan.run();
  if (!scan.has_data_pickle_) {
    scanned.collector.unclear(
        "no-checkpoint", "the archive has no data.pkl that can be read, so it is no checkpoint");
    return;
  }
  scanned.collector.set_container("PyTorch zip");
  scan_tensors(scanned);
}

void scan_as_zip_too(const Scanned& scanned) { ZipScan(scanned).run_behind_another(); }

}  // namespace aether2onnx::scans
