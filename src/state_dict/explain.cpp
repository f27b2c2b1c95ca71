// What a file that isn't read should be called, and what to do about it.

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "state_dict/containers.h"

namespace aether2onnx::state_dict {

namespace {

using archive::FileKind;

struct Explanation {
  FileKind kind;
  const char* text;
};

constexpr Explanation kExplanations[] = {
    {FileKind::empty, "the file is empty.\nDownload or copy it again."},
    {FileKind::zip_spanned,
     "the file is an empty zip archive or one part of a split one, not a checkpoint.\n"
     "Download or copy it again."},
    {FileKind::torch_tar,
     "the file is in PyTorch's tar format of 2016 (before 0.1.10), which is not read.\n"
     "Load it with a PyTorch of that time and save it with torch.save of 1.6 or later."},
    {FileKind::tar,
     "the file is a tar archive, not a checkpoint.\nUnpack it and give the .pth file "
     "inside."},
    {FileKind::pickle,
     "the file is a bare pickle, not a checkpoint that torch.save wrote.\n"
     "Save the weights with torch.save(net.state_dict(), 'weights.pth')."},
    {FileKind::onnx,
     "the file is an ONNX model already.\nGive the PyTorch checkpoint (.pth) to convert."},
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

// Whether a file of this name may be a checkpoint.
bool is_checkpoint_name(std::string_view name) {
  constexpr std::string_view endings[] = {".pth", ".pt", ".ckpt", ".bin", ".safetensors"};
  return std::any_of(std::begin(endings), std::end(endings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

[[noreturn]] void explain_gzip(const Input& input) {
  const std::string name = archive::gzip_name(input);
  const bool tar = name.ends_with(".tar");
  fail(ErrorKind::unsupported, "the file is compressed with gzip{}.\nUnpack it ({}) and give {}.",
       name.empty() ? "" : fmt::format("; inside is '{}'", printable(name)),
       tar ? "tar -xzf" : "gunzip", tar ? "the checkpoint in it" : "the result");
}

}  // namespace

void explain(FileKind kind, const Input& input) {
  if (kind == FileKind::gzip) explain_gzip(input);
  for (const Explanation& explanation : kExplanations) {
    if (explanation.kind == kind) fail(ErrorKind::unsupported, "{}", explanation.text);
  }
  defect("a kind of file without an explanation");
}

void explain_zip(const archive::ZipArchive& zip) {
  const auto& entries = zip.entries();
  for (const archive::Entry& entry : entries) {
    if (is_checkpoint_name(entry.name)) {
      fail(ErrorKind::unsupported,
           "the file is a zip archive with '{}' in it.\nUnpack it and give that file.",
           printable(entry.name));
    }
  }
  for (const archive::Entry& entry : entries) {
    if (entry.name != "data.pkl" && !entry.name.ends_with("/data.pkl")) continue;
    fail(ErrorKind::unsupported,
         "the file is a checkpoint that was unpacked and zipped again another way: its '{}' should "
         "lie in one folder.\nGive the file that torch.save wrote, or zip that one folder.",
         printable(entry.name));
  }
  std::string names;
  for (std::size_t i = 0; i < std::min<std::size_t>(entries.size(), 3); ++i) {
    names += fmt::format("{}'{}'", i == 0 ? "" : ", ", printable(entries[i].name, 60));
  }
  fail(ErrorKind::unsupported,
       "the file is a zip archive but no PyTorch checkpoint: there is no data.pkl in it{}.\n"
       "Give a file that torch.save wrote (.pth).",
       names.empty() ? "" : fmt::format(" (it has {}{})", names, entries.size() > 3 ? ", …" : ""));
}

}  // namespace aether2onnx::state_dict
