// Which container a file is, what each one that isn't read should be called, and the zip container
// of PyTorch 1.6 and later.

#include <algorithm>
#include <charconv>

#include "archive/archive.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "pickle/pickle.h"
#include "state_dict/state_dict.h"
#include "state_dict/torch_objects.h"

namespace aether2onnx::state_dict {

namespace {

using archive::FileKind;
using archive::ZipArchive;

// Versions of the zip container that PyTorch itself reads (caffe2/serialize/inline_container.h).
constexpr int kLowestVersion = 1;
constexpr int kHighestVersion = 10;

// The records that describe the container are a few bytes long.
constexpr std::uint64_t kSmallRecord = 64;

class TorchZip final : public StorageSource {
 public:
  explicit TorchZip(const Input& input) : zip_(input), root_(find_root()) {
    check_version();
    big_endian_ = read_byte_order();
  }

  pickle::Document parse_pickle() const {
    return pickle::Document::parse(
        zip_.read_all(*zip_.find(root_ + "data.pkl"), limits::kPickleBytes));
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

  // The note that the checkpoint stage leaves of what the weights were fused from; an entry too
  // long for that isn't one.
  std::vector<std::pair<std::string, std::string>> metadata() const {
    const auto entry = zip_.find(root_ + ".data/fused_from");
    if (!entry || zip_.entries()[*entry].size > kSmallRecord) return {};
    return {{"fused_from", *record(".data/fused_from")}};
  }

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
    if (roots.empty()) explain_other_zip();
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

  [[noreturn]] void explain_other_zip() const {
    const auto& entries = zip_.entries();
    for (const archive::Entry& entry : entries) {
      const std::string_view name = entry.name;
      if (name.ends_with(".pth") || name.ends_with(".pt") || name.ends_with(".ckpt") ||
          name.ends_with(".safetensors")) {
        fail(ErrorKind::unsupported,
             "the file is a zip archive with '{}' in it.\nUnpack it and give that file.",
             printable(name));
      }
    }
    std::string names;
    for (std::size_t i = 0; i < std::min<std::size_t>(entries.size(), 3); ++i) {
      names += fmt::format("{}'{}'", i == 0 ? "" : ", ", printable(entries[i].name, 60));
    }
    fail(
        ErrorKind::unsupported,
        "the file is a zip archive but no PyTorch checkpoint: there is no data.pkl in it{}.\n"
        "Give a file that torch.save wrote (.pth).",
        names.empty() ? "" : fmt::format(" (it has {}{})", names, entries.size() > 3 ? ", …" : ""));
  }

  // A small text record without the newline at its end; none where there is no such entry.
  std::optional<std::string> record(std::string_view name) const {
    const auto entry = zip_.find(root_ + std::string(name));
    if (!entry) return std::nullopt;
    const auto bytes = zip_.read_all(*entry, kSmallRecord);
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

  ZipArchive zip_;
  std::string root_;
  bool big_endian_ = false;
};

struct Explanation {
  FileKind kind;
  const char* text;
};

constexpr Explanation kExplanations[] = {
    {FileKind::empty, "the file is empty.\nDownload or copy it again."},
    {FileKind::zip_spanned,
     "the file is an empty zip archive or one part of a split one, not a checkpoint.\n"
     "Download or copy it again."},
    {FileKind::torch_legacy,
     "the file is in PyTorch's old format, from before 1.6, which is not read yet.\n"
     "Save it anew: python -c \"import torch; torch.save(torch.load('OLD.pth', "
     "map_location='cpu', weights_only=True), 'NEW.pth')\""},
    {FileKind::torch_tar,
     "the file is in PyTorch's tar format of 2016 (before 0.1.10), which is not read.\n"
     "Load it with a PyTorch of that time and save it with torch.save of 1.6 or later."},
    {FileKind::tar,
     "the file is a tar archive, not a checkpoint.\nUnpack it and give the .pth file "
     "inside."},
    {FileKind::safetensors,
     "the file is safetensors, which is not read yet.\n"
     "Save it as .pth: python -c \"import torch, safetensors.torch as s; "
     "torch.save(s.load_file('IN.safetensors'), 'OUT.pth')\""},
    {FileKind::pickle,
     "the file is a bare pickle, not a checkpoint that torch.save wrote.\n"
     "Save the weights with torch.save(net.state_dict(), 'weights.pth')."},
    {FileKind::onnx,
     "the file is an ONNX model already.\nGive the PyTorch checkpoint (.pth) to convert."},
    {FileKind::gzip, "the file is compressed with gzip.\nUnpack it (gunzip) and give the result."},
    {FileKind::seven_zip,
     "the file is a 7-Zip archive. PyTorch doesn't write such files; some made to look like a "
     "checkpoint carry malware.\nUnpack it only if you trust where it comes from."},
    {FileKind::xz, "the file is compressed with xz.\nUnpack it (unxz) and give the result."},
    {FileKind::zstd, "the file is compressed with zstd.\nUnpack it (unzstd) and give the result."},
    {FileKind::rar, "the file is a RAR archive.\nUnpack it and give the .pth file inside."},
    {FileKind::bzip2,
     "the file is compressed with bzip2.\nUnpack it (bunzip2) and give the result."},
    {FileKind::hdf5, "the file is HDF5 (Keras saves such files), not a PyTorch checkpoint."},
    {FileKind::gguf, "the file is GGUF (a language model), not a PyTorch checkpoint."},
    {FileKind::image, "the file is a picture, not a checkpoint.\nGive the model's .pth file."},
    {FileKind::html,
     "the file is a web page, not a checkpoint: the download saved the page around it.\n"
     "Open the page and use its download button, or the link to the raw file."},
    {FileKind::json,
     "the file is JSON text, not a checkpoint (a failed download often leaves such an answer).\n"
     "Download it again."},
    {FileKind::git_lfs_pointer,
     "the file is a Git LFS pointer: a note of where the checkpoint lies, not the checkpoint.\n"
     "Fetch it with 'git lfs pull', or download the file from the web page of the repository."},
    {FileKind::tensorrt_engine,
     "the file is a TensorRT engine, which can't be turned back into a model.\n"
     "Give the PyTorch checkpoint (.pth)."},
    {FileKind::text, "the file is text, not a checkpoint.\nGive the model's .pth file."},
    {FileKind::unknown,
     "the file is no PyTorch checkpoint: its first bytes fit no known format.\n"
     "Give a file that torch.save wrote (.pth); if this is one, download or copy it again."},
};

[[noreturn]] void explain(FileKind kind) {
  for (const Explanation& explanation : kExplanations) {
    if (explanation.kind == kind) fail(ErrorKind::unsupported, "{}", explanation.text);
  }
  defect("a kind of file without an explanation");
}

}  // namespace

StateDict StateDict::open(const Input& input) {
  const FileKind kind = archive::sniff(input);
  if (kind != FileKind::zip) explain(kind);
  auto zip = std::make_unique<TorchZip>(input);
  const pickle::Document document = zip->parse_pickle();
  Parts parts = find_state_dict(document, *zip);
  parts.container = "PyTorch zip";
  parts.metadata = zip->metadata();
  parts.storages = std::move(zip);
  return StateDict(std::move(parts));
}

}  // namespace aether2onnx::state_dict
