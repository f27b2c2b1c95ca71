// Reads the zip container that torch.save writes since PyTorch 1.6.

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/torch.h"
#include "formats/zip/zip.h"

namespace aether2onnx::torch {

namespace {

// The versions of the container that PyTorch reads. Source: caffe2/serialize/inline_container.h.
constexpr int kLowestVersion = 1;
constexpr int kHighestVersion = 10;

// The largest size in bytes of entries that describe the container, for example `version`.
constexpr std::uint64_t kSmallRecord = 64;
// notes() returns the texts of entries in the archive's folder .data. Limits: the largest size of
// such an entry in bytes, and the largest number of texts.
constexpr std::uint64_t kNoteBytes = 200;
constexpr std::size_t kNotes = 20;

// Returns the folder of all entries, with the slash behind it; "" if no folder has a data.pkl.
// PyTorch names the folder after the name that the file had when PyTorch saved the file.
std::string find_root(const zip::Archive& zip) {
  std::vector<std::string> roots;
  for (const zip::Entry& entry : zip.entries()) {
    const std::size_t slash = entry.name.find('/');
    if (slash != std::string::npos &&
        entry.name.compare(slash + 1, std::string::npos, "data.pkl") == 0) {
      roots.push_back(entry.name.substr(0, slash + 1));
    }
  }
  if (roots.empty()) return {};
  if (roots.size() > 1) {
    fail({ErrorKind::malformed, "torch-two-checkpoints", printable(roots[1])},
         "the archive has two checkpoints in it, '{}' and '{}'. PyTorch would read only one of "
         "them.\nSave the checkpoint again with torch.save.",
         printable(roots[0]), printable(roots[1]));
  }
  // Source: caffe2/serialize/inline_container.cc, getRecordID.
  constexpr std::size_t longest_folder = 500;
  if (roots[0].size() > longest_folder) {
    fail({ErrorKind::unsupported, "torch-folder", printable(roots[0], 60)},
         "the archive's folder has a name of {}; PyTorch reads at most {}.",
         plural(roots[0].size(), "byte"), longest_folder);
  }
  // PyTorch takes the folder of the first entry, and refuses an archive with other folders.
  for (const zip::Entry& entry : zip.entries()) {
    if (entry.name.starts_with(roots[0])) continue;
    fail(
        {ErrorKind::malformed, "torch-folder", printable(entry.name)},
        "the archive has the entry '{}' outside the folder '{}' of its checkpoint. PyTorch refuses "
        "the archive.\nSave the checkpoint again with torch.save.",
        printable(entry.name), printable(roots[0]));
  }
  if (zip.find(roots[0] + "constants.pkl")) {
    fail({ErrorKind::unsupported, "torch-script"},
         "the file is TorchScript (made by torch.jit.save), which holds a program, not a "
         "checkpoint.\nUse the .pth file from which the program was made.");
  }
  return roots[0];
}

class ZipStorages final : public Storages {
 public:
  ZipStorages(std::unique_ptr<zip::Archive> zip, std::string root, std::uint64_t file_size)
      : zip_(std::move(zip)), root_(std::move(root)), file_size_(file_size) {
    check_version();
    big_endian_ = read_byte_order();
  }

  pickle::Document parse_pickle(const Context& context) const {
    const std::size_t entry = *zip_->find(root_ + "data.pkl");
    const std::uint64_t size = zip_->entries()[entry].size;
    const std::uint64_t most = context.limits.pickle_bytes;
    if (size > most) {
      fail({ErrorKind::limit, "pickle-limit", "pickle_bytes", fmt::format("{}", most),
            fmt::format("{}", size)},
           "the pickle in the file has {}; at most {} are read.\n{}", human_bytes(size),
           human_bytes(most), limits::how_to_raise("pickle_bytes"));
    }
    pickle::Document document = pickle::Document::parse(zip_->read_all(entry, most), context);
    if (document.consumed() != size) {
      fail(
          {ErrorKind::malformed,
           "torch-pickle-end",
           {},
           {},
           plural(size - document.consumed(), "byte")},
          "the file has {} behind its pickle, which PyTorch never writes. Loaders and scanners may "
          "disagree about which part is the pickle.\nAsk the author to save the file again with "
          "torch.save.",
          plural(size - document.consumed(), "byte"));
    }
    return document;
  }

  formats::Notes notes() const override {
    const std::string folder = root_ + ".data/";
    formats::Notes result;
    for (const zip::Entry& entry : zip_->entries()) {
      if (result.size() == kNotes) break;
      if (!entry.name.starts_with(folder) || entry.size > kNoteBytes) continue;
      std::string name = entry.name.substr(folder.size());
      if (name == "serialization_id" || name == "version") continue;
      if (auto text = record(".data/" + name, kNoteBytes)) {
        result.emplace_back(std::move(name), std::move(*text));
      }
    }
    return result;
  }

  std::vector<std::string> keys() const override {
    const std::string folder = root_ + "data/";
    std::vector<std::string> result;
    for (const zip::Entry& entry : zip_->entries()) {
      if (entry.name.starts_with(folder)) result.push_back(entry.name.substr(folder.size()));
    }
    return result;
  }

  std::uint64_t end() const override { return file_size_; }

  std::optional<std::uint64_t> size(std::string_view key) const override {
    const auto entry = zip_->find(entry_name(key));
    if (!entry) return std::nullopt;
    return zip_->entries()[*entry].size;
  }

  void read(std::string_view key, std::uint64_t offset, std::span<std::byte> out) const override {
    const auto entry = zip_->find(entry_name(key));
    require(entry.has_value(), "reading a storage that isn't there");
    zip_->read(*entry, offset, out);
  }

  bool big_endian() const override { return big_endian_; }

 private:
  std::string entry_name(std::string_view key) const {
    return fmt::format("{}data/{}", root_, key);
  }

  // Returns the text of the entry `name`; nullopt if the archive does not have the entry. Throws
  // Error(limit) if the entry has over `most` bytes.
  std::optional<std::string> record(std::string_view name,
                                    std::uint64_t most = kSmallRecord) const {
    const auto entry = zip_->find(root_ + std::string(name));
    if (!entry) return std::nullopt;
    const auto bytes = zip_->read_all(*entry, most);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  void check_version() const {
    auto text = record(".data/version");
    if (!text) text = record("version");
    while (text && (text->ends_with('\n') || text->ends_with('\r'))) text->pop_back();
    if (!text) {
      fail({ErrorKind::malformed, "torch-version-missing", "version"},
           "the checkpoint is incomplete: its 'version' record is missing.\n"
           "Download or copy the file again, or save it again with torch.save.");
    }
    const auto version = parse_number<int>(*text);
    if (!version) {
      fail({ErrorKind::malformed, "torch-version", "version", "a number", printable(*text)},
           "the checkpoint's 'version' record is '{}', which is no number.", printable(*text));
    }
    if (*version < kLowestVersion || *version > kHighestVersion) {
      fail({ErrorKind::unsupported, "torch-container-version", "version",
            fmt::format("{}..{}", kLowestVersion, kHighestVersion), *text},
           "the checkpoint's container has version {}. aether2onnx reads versions {} to {}.\n"
           "Save the checkpoint again with an official release of PyTorch.",
           *version, kLowestVersion, kHighestVersion);
    }
  }

  // Returns whether the file is big-endian. PyTorch 1.6 to 2.0 wrote no entry `byteorder`, and the
  // files of these versions are little-endian.
  bool read_byte_order() const {
    const auto text = record("byteorder");
    if (!text || *text == "little") return false;
    if (*text == "big") return true;
    fail({ErrorKind::malformed, "torch-byteorder", "byteorder", "little or big", printable(*text)},
         "the checkpoint's 'byteorder' record is '{}', not 'little' or 'big'.", printable(*text));
  }

  std::unique_ptr<zip::Archive> zip_;
  std::string root_;
  std::uint64_t file_size_;
  bool big_endian_ = false;
};

}  // namespace

std::optional<File> open_zip(const Input& input, const Context& context) {
  auto zip = std::make_unique<zip::Archive>(input, context);
  std::string root = find_root(*zip);
  if (root.empty()) return std::nullopt;
  auto storages = std::make_unique<ZipStorages>(std::move(zip), std::move(root), input.size());
  pickle::Document document = storages->parse_pickle(context);
  return File{std::move(document), std::move(storages), 5};
}

}  // namespace aether2onnx::torch
