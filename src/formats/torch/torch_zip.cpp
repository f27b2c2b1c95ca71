// The zip container of PyTorch 1.6 and later.

#include <charconv>
#include <unordered_set>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/storage_ids.h"
#include "state_dict/containers.h"
#include "state_dict/find.h"

namespace aether2onnx::state_dict {

namespace {

using archive::ZipArchive;

// Versions of the zip container that PyTorch itself reads (caffe2/serialize/inline_container.h).
constexpr int kLowestVersion = 1;
constexpr int kHighestVersion = 10;

// The records that describe the container are a few bytes long.
constexpr std::uint64_t kSmallRecord = 64;
// Notes are a line of text.
constexpr std::uint64_t kNoteBytes = 200;

class TorchZip final : public StorageSource {
 public:
  TorchZip(const Input& input, const Context& context)
      : context_(context), zip_(input, context), root_(find_root()) {
    check_version();
    big_endian_ = read_byte_order();
  }

  pickle::Document parse_pickle() const {
    const std::size_t entry = *zip_.find(root_ + "data.pkl");
    const std::uint64_t size = zip_.entries()[entry].size;
    const std::uint64_t most = context_.limits.pickle_bytes;
    if (size > most) {
      fail(ErrorKind::limit, "the pickle in the file has {}; at most {} are read.\n{}",
           human_bytes(size), human_bytes(most), limits::how_to_raise("pickle_bytes"));
    }
    return pickle::Document::parse(zip_.read_all(entry, most), context_);
  }

  // The notes that the checkpoint stage leaves beside PyTorch's own records, for example of what
  // the weights were fused from; an entry too long for that isn't one.
  std::vector<std::pair<std::string, std::string>> notes() const {
    constexpr std::size_t most = 20;
    const std::string folder = root_ + ".data/";
    std::vector<std::pair<std::string, std::string>> result;
    for (const archive::Entry& entry : zip_.entries()) {
      if (result.size() == most) break;
      if (!entry.name.starts_with(folder) || entry.size > kNoteBytes) continue;
      std::string name = entry.name.substr(folder.size());
      if (name == "serialization_id" || name == "version") continue;
      if (auto text = record(".data/" + name, kNoteBytes)) {
        result.emplace_back(std::move(name), std::move(*text));
      }
    }
    return result;
  }

  // The keys of all storages there are.
  std::vector<std::string> keys() const {
    const std::string folder = root_ + "data/";
    std::vector<std::string> result;
    for (const archive::Entry& entry : zip_.entries()) {
      if (entry.name.starts_with(folder)) result.push_back(entry.name.substr(folder.size()));
    }
    return result;
  }

  std::optional<std::uint64_t> size(std::string_view key) const override {
    const auto entry = zip_.find(entry_name(key));
    if (!entry) return std::nullopt;
    return zip_.entries()[*entry].size;
  }

  void read(std::string_view key, std::uint64_t offset, std::span<std::byte> out) const override {
    const auto entry = zip_.find(entry_name(key));
    require(entry.has_value(), "reading a storage that isn't there");
    zip_.read(*entry, offset, out);
  }

  bool big_endian() const override { return big_endian_; }

 private:
  std::string entry_name(std::string_view key) const {
    return fmt::format("{}data/{}", root_, key);
  }

  // The folder that everything lies in, with its slash. It has the name under which the file was
  // first saved, so it isn't derived from the file's name.
  std::string find_root() const {
    std::vector<std::string> roots;
    for (const archive::Entry& entry : zip_.entries()) {
      const std::size_t slash = entry.name.find('/');
      if (slash != std::string::npos &&
          entry.name.compare(slash + 1, std::string::npos, "data.pkl") == 0) {
        roots.push_back(entry.name.substr(0, slash + 1));
      }
    }
    if (roots.empty()) explain_zip(zip_);
    if (roots.size() > 1) {
      fail(ErrorKind::malformed,
           "the archive has two checkpoints in it, '{}' and '{}', so it can't be told which one "
           "counts.\nSave the checkpoint anew with torch.save.",
           printable(roots[0]), printable(roots[1]));
    }
    if (zip_.find(roots[0] + "constants.pkl")) {
      fail(ErrorKind::unsupported,
           "the file is TorchScript (made by torch.jit.save), which holds a program, not a "
           "checkpoint.\nGive the .pth file that it was made from.");
    }
    return roots[0];
  }

  // A small text record without the newline at its end; none where there is no such entry.
  std::optional<std::string> record(std::string_view name,
                                    std::uint64_t most = kSmallRecord) const {
    const auto entry = zip_.find(root_ + std::string(name));
    if (!entry) return std::nullopt;
    const auto bytes = zip_.read_all(*entry, most);
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
  }

  void check_version() const {
    auto text = record("version");
    if (!text) text = record(".data/version");
    if (!text) {
      fail(ErrorKind::malformed,
           "the checkpoint is incomplete: its 'version' record is missing.\n"
           "Download or copy it again, or save it anew with torch.save.");
    }
    int version = 0;
    const std::string_view digits = *text;
    const char* end = digits.data() + digits.size();
    const auto result = std::from_chars(digits.data(), end, version);
    if (result.ec != std::errc{} || result.ptr != end) {
      fail(ErrorKind::malformed, "the checkpoint's 'version' record is '{}', which is no number.",
           printable(*text));
    }
    if (version < kLowestVersion || version > kHighestVersion) {
      fail(ErrorKind::unsupported,
           "the checkpoint's container is of version {}; versions {} to {} are read.\n"
           "Save it anew with a release of PyTorch.",
           version, kLowestVersion, kHighestVersion);
    }
  }

  // PyTorch 1.6 to 2.0 wrote no record; those files are little-endian.
  bool read_byte_order() const {
    const auto text = record("byteorder");
    if (!text || *text == "little") return false;
    if (*text == "big") return true;
    fail(ErrorKind::malformed,
         "the checkpoint's 'byteorder' record is '{}', not 'little' or 'big'.", printable(*text));
  }

  const Context context_;
  ZipArchive zip_;
  std::string root_;
  bool big_endian_ = false;
};

}  // namespace

StateDict::Parts open_torch_zip(const Input& input, const OpenOptions& options,
                                const Context& context) {
  auto zip = std::make_unique<TorchZip>(input, context);
  StateDict::Parts parts = find_state_dict(zip->parse_pickle(), *zip, options, context);
  parts.container = "PyTorch zip" + parts.container;
  for (auto& note : zip->notes()) parts.metadata.push_back(std::move(note));
  parts.storages = std::move(zip);
  parts.files = {&input};
  return parts;
}

Audit audit_torch_zip(const Input& input, const Context& context) {
  const TorchZip zip(input, context);
  const pickle::Document document = zip.parse_pickle();
  Audit result;
  audit_tensors(document, zip, result);
  std::unordered_set<std::string_view> used;
  for (pickle::ValueId value = 0; value < document.value_count(); ++value) {
    if (const auto id = storage_id(document, value)) used.insert(id->key);
  }
  constexpr std::size_t most = 20;
  for (std::string& key : zip.keys()) {
    if (result.unused_storages.size() < most && !used.contains(key)) {
      result.unused_storages.push_back(std::move(key));
    }
  }
  result.end = input.size();
  return result;
}

}  // namespace aether2onnx::state_dict
