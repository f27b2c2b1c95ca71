// Scans zip archives: PyTorch checkpoints, TorchScript programs, and archives that attackers made
// to look like a checkpoint or a program.

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_kind.h"
#include "formats/zip/zip.h"
#include "judge/scan/scan.h"
#include "network/notes.h"

namespace aether2onnx::judge::scan {

namespace {

using formats::FileKind;

// An Input that reads only one part of another Input.
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

// Returns whether `name` is a known entry that is neither a pickle nor a tensor. PyTorch writes
// small entries of this kind (version, byte order, …). aether2onnx's command `fuse` adds entries
// with settings of the network (notes, see network/notes.h) to a checkpoint.
bool is_known_record(std::string_view name) {
  constexpr std::string_view known =
      "version .data/version .data/serialization_id byteorder .data/byteorder .format_version "
      ".storage_alignment";
  constexpr std::string_view notes = ".data/";
  return is_one_of(known, name) ||
         (name.starts_with(notes) && network::is_note(name.substr(notes.size())));
}

// Returns whether the known entry `name` contains a decimal number in every checkpoint. PyTorch
// reads these entries when it loads a checkpoint, and fails if the content is something else.
bool is_number_record(std::string_view name) {
  return is_one_of(".data/serialization_id .format_version .storage_alignment", name);
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
  explicit ZipScan(const File& file) : file_(file), collector_(file.collector) {}

  // Scans a file that begins as a zip archive: reports contradictions in the archive, then scans
  // all entries. Returns whether the archive has an entry data.pkl, the pickle of a PyTorch
  // checkpoint.
  bool run() {
    collector_.set_container("zip");
    audit();
    // audit() has read the archive's directory, and zip::Archive reads the directory again. If the
    // second reading exceeds the rest of the scan's budget (Limits::scan_work), run() ends here.
    if (!take_directory()) return has_data_pickle_;
    try {
      const zip::Archive zip(file_.input, file_.context);
      judge_inflation(zip);
      scan_entries(zip);
      return has_data_pickle_;
    } catch (const Error& error) {
      collector_.unclear("zip", error);
    }
    for (const zip::Entry& part : audit_.entries) scan_raw(part);
    return has_data_pickle_;
  }

  // Scans the zip archive, if there is one, in a file whose first bytes belong to another format.
  void run_behind_another() {
    if (!zip::has_directory(file_.input)) return;
    collector_.found("polyglot-zip",
                     "the file's format is {}, but its last bytes make the file a zip archive, too",
                     collector_.container().empty() ? "unknown" : collector_.container());
    try {
      audit_ = zip::audit(file_.input, file_.context);
    } catch (const Error& error) {
      collector_.unclear("limit", error);
    }
    for (const zip::Entry& part : audit_.entries) scan_raw(part);
  }

 private:
  void audit() {
    try {
      audit_ = zip::audit(file_.input, file_.context);
    } catch (const Error& error) {
      if (error.kind != ErrorKind::limit) throw;
      collector_.unclear("limit", error);
    }
    for (const zip::Irregularity& irregularity : audit_.irregularities) {
      const bool found = irregularity.severity >= zip::Severity::unsupported;
      collector_.finding(found ? ScanResult::found : ScanResult::unclear,
                         irregularity.diagnostic.code, irregularity.diagnostic.text);
    }
  }

  // --- scanning entries with zip::Archive ---

  // Reports an archive that PyTorch would inflate to much more than the file's size. Counts an
  // entry of any size as at most kInflatedBytes, so that the sum cannot overflow.
  void judge_inflation(const zip::Archive& zip) {
    constexpr std::uint64_t most = std::uint64_t{256} << 20U;
    constexpr std::uint64_t times = 4;
    std::uint64_t inflated = 0;
    for (const zip::Entry& entry : zip.entries()) {
      if (!entry.stored) inflated += std::min(entry.size, limits::kInflatedBytes);
    }
    if (inflated <= most + times * file_.input.size()) return;
    collector_.unclear("inflated-size",
                       "the archive's compressed entries inflate to {}, but the file has only {}",
                       human_bytes(inflated), human_bytes(file_.input.size()));
  }

  void scan_entries(const zip::Archive& zip) {
    const auto& entries = zip.entries();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      progress(i, entries.size());
      const std::size_t slash = entries[i].name.find('/');
      const std::string_view in_root =
          std::string_view(entries[i].name).substr(slash == std::string::npos ? 0 : slash + 1);
      scan_entry(zip, i, in_root);
    }
  }

  void scan_entry(const zip::Archive& zip, std::size_t index, std::string_view name) {
    const zip::Entry& entry = zip.entries()[index];
    const std::string where = printable(entry.name, 100);
    const std::string lower = lower_case(name);
    if (lower == "data.pkl") {
      has_data_pickle_ = true;
      if (name != lower) {
        collector_.found(
            "case", "{}: PyTorch reads this entry as data.pkl, but other readers do not", where);
      }
    }
    if (lower == "constants.pkl" || lower == "bytecode.pkl" || lower.starts_with("code/")) {
      collector_.found(
          "torchscript",
          "{}: the archive contains a program (TorchScript), which torch.jit runs when "
          "it loads the file",
          where);
    }
    if (is_pickle_name(lower)) {
      scan_pickle_entry(zip, index, where);
      return;
    }
    if (entry.size == 0 || !take(entry) || !check(zip, index, where)) return;
    if (lower.starts_with("code/")) return;
    if (is_number_record(name) && entry.size <= kRecordBytes) {
      const auto content = zip.read_all(index, kRecordBytes);
      const auto is_digit = [](std::byte byte) {
        return byte >= std::byte{'0'} && byte <= std::byte{'9'};
      };
      if (!std::all_of(content.begin(), content.end(), is_digit)) {
        collector_.unclear(
            "record", "{}: this entry must contain a decimal number, but contains other characters",
            where);
      }
    }
    const bool known =
        lower.starts_with("data/") || (is_known_record(name) && entry.size <= kRecordBytes);
    scan_other(zip, index, where, !known);
  }

  void scan_pickle_entry(const zip::Archive& zip, std::size_t index, const std::string& where) {
    if (!take(zip.entries()[index])) return;
    try {
      const std::vector<std::byte> bytes = zip.read_all(index, file_.context.limits.pickle_bytes);
      file_.pickles.all(MemoryInput(bytes), where);
    } catch (const Error& error) {
      collector_.unclear("entry", error, where);
      scan_raw(zip.entries()[index]);
    }
  }

  bool take_directory() {
    std::uint64_t work = 0;
    for (const zip::Entry& entry : audit_.entries) {
      work += cost::kEntry + entry.name.size() * cost::kNameByte;
    }
    return file_.budget.take(work);
  }

  // Subtracts the cost to inflate the entry from the scan's budget (Limits::scan_work). Returns
  // false if the rest of the budget is smaller than this cost.
  bool take(const zip::Entry& entry) {
    return entry.stored || file_.budget.take_inflation(entry.packed, entry.size);
  }

  // Returns whether the entry's checksum is right. If the checksum is wrong, zip::Archive::read()
  // throws, and check() adds a finding.
  bool check(const zip::Archive& zip, std::size_t index, const std::string& where) {
    try {
      zip.read(index, 0, {});
      return true;
    } catch (const Error& error) {
      collector_.unclear("entry", error, where);
      return false;
    }
  }

  // Scans an entry whose name does not end in .pkl or .pickle. `extra` means that no checkpoint has
  // an entry of this name.
  void scan_other(const zip::Archive& zip, std::size_t index, const std::string& where,
                  bool extra) {
    const zip::Entry& entry = zip.entries()[index];
    std::array<std::byte, 512> buffer{};
    const auto head =
        std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(entry.size, 512)));
    zip.read(index, 0, head);
    const FileKind kind = formats::sniff(MemoryInput(head));
    if (kind == FileKind::pickle && entry.size <= file_.context.limits.pickle_bytes) {
      const std::vector<std::byte> bytes = zip.read_all(index, entry.size);
      if (file_.pickles.unexpected(MemoryInput(bytes), where)) return;
    }
    if (!extra) return;
    if (is_archive(kind)) {
      collector_.unclear("nested-archive",
                         "{}: the entry is an archive, whose content was not scanned", where);
    } else {
      collector_.unclear("extra-entry", "{}: no checkpoint has an entry of this name", where);
    }
  }

  // --- scanning the raw bytes of an entry, without zip::Archive ---

  void scan_raw(const zip::Entry& part) {
    if (part.packed == 0 || !file_.budget.take(cost::kEntry)) return;
    const std::string where = printable(part.name, 100) + ", raw bytes of the entry";
    const PartInput bytes(file_.input, part.offset, part.packed);
    if (!is_pickle_name(lower_case(part.name))) {
      if (part.stored) file_.pickles.unexpected(bytes, where);
      return;
    }
    if (part.stored) {
      file_.pickles.all(bytes, where);
    } else {
      collector_.unclear("entry", "{}: the entry is compressed and cannot be unpacked", where);
    }
  }

  void progress(std::uint64_t done, std::uint64_t total) const {
    file_.context.check_cancelled();
    Observer* observer = file_.context.observer;
    if (observer != nullptr) observer->on_progress("scanning", done, total);
  }

  static constexpr std::uint64_t kRecordBytes = 4096;

  const File& file_;
  Collector& collector_;
  zip::Audit audit_;
  bool has_data_pickle_ = false;
};

}  // namespace

void scan_zip(const File& file) {
  if (!ZipScan(file).run()) {
    file.collector.unclear("no-checkpoint",
                           "the archive has no readable data.pkl, so it is no checkpoint");
    return;
  }
  file.collector.set_container("PyTorch zip");
  scan_tensors(file);
}

void scan_as_zip_too(const File& file) { ZipScan(file).run_behind_another(); }

}  // namespace aether2onnx::judge::scan
