// Throws errors for files that are no checkpoint. The messages name the kind of file and say what
// to do.

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_kind.h"
#include "state_dict/parts.h"

namespace aether2onnx::state_dict {

namespace {

using formats::FileKind;

// Returns whether the name of a file has an ending that checkpoints usually have.
bool is_checkpoint_name(std::string_view name) {
  constexpr std::string_view endings[] = {".pth", ".pt", ".ckpt", ".bin", ".safetensors"};
  return std::any_of(std::begin(endings), std::end(endings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

[[noreturn]] void explain_gzip(const Input& input) {
  const std::string name = formats::gzip_name(input);
  const bool tar = name.ends_with(".tar");
  fail({ErrorKind::unsupported, "file-gzip", printable(name)},
       "the file is compressed with gzip{}.\nUnpack it ({}) and give {}.",
       name.empty() ? "" : fmt::format("; inside is '{}'", printable(name)),
       tar ? "tar -xzf" : "gunzip", tar ? "the checkpoint in it" : "the unpacked file");
}

// Throws the error for a zip archive without `<folder>/data.pkl`, the pickle that torch.save()
// writes.
[[noreturn]] void explain_zip(const zip::Archive& zip) {
  const auto& entries = zip.entries();
  for (const zip::Entry& entry : entries) {
    if (is_checkpoint_name(entry.name)) {
      fail({ErrorKind::unsupported, "zip-of-checkpoint", printable(entry.name)},
           "the file is a zip archive with '{}' in it.\nUnpack the archive and give that file.",
           printable(entry.name));
    }
  }
  for (const zip::Entry& entry : entries) {
    if (entry.name != "data.pkl" && !entry.name.ends_with("/data.pkl")) continue;
    fail({ErrorKind::unsupported, "zip-repacked", printable(entry.name)},
         "the file is a checkpoint that was unpacked and zipped again with other paths: it has "
         "'{}', expected FOLDER/data.pkl.\n"
         "Give the file that torch.save wrote, or zip the folder that has data.pkl in it.",
         printable(entry.name));
  }
  std::string names;
  for (std::size_t i = 0; i < std::min<std::size_t>(entries.size(), 3); ++i) {
    names += fmt::format("{}'{}'", i == 0 ? "" : ", ", printable(entries[i].name, 60));
  }
  fail({ErrorKind::unsupported, "zip-no-checkpoint", {}, "data.pkl"},
       "the file is a zip archive but no PyTorch checkpoint: there is no data.pkl in it{}.\n"
       "Give a file that torch.save wrote (.pth).",
       names.empty() ? "" : fmt::format(" (it has {}{})", names, entries.size() > 3 ? ", …" : ""));
}

}  // namespace

void explain(FileKind kind, const Input& input, const Context& context) {
  switch (kind) {
    case FileKind::zip: {
      explain_zip(zip::Archive(input, context));
    }
    case FileKind::gzip: {
      explain_gzip(input);
    }
    case FileKind::empty: {
      fail({ErrorKind::unsupported, "file-empty"},
           "the file is empty.\nDownload or copy it again.");
    }
    case FileKind::zip_spanned: {
      fail({ErrorKind::unsupported, "file-zip-part"},
           "the file is an empty zip archive or one part of a split zip archive, not a "
           "checkpoint.\nDownload or copy the file again.");
    }
    case FileKind::torch_tar: {
      fail({ErrorKind::unsupported, "file-torch-tar"},
           "the file is in PyTorch's tar format of 2016 (before 0.1.10), which aether2onnx "
           "does not read.\n"
           "Load it with a PyTorch of that time and save it with torch.save of 1.6 or later.");
    }
    case FileKind::tar: {
      fail({ErrorKind::unsupported, "file-tar"},
           "the file is a tar archive, not a checkpoint.\nUnpack it and give the .pth file "
           "inside.");
    }
    case FileKind::pickle: {
      fail({ErrorKind::unsupported, "file-pickle"},
           "the file is a bare pickle, not a checkpoint that torch.save wrote.\n"
           "Save the weights with torch.save(net.state_dict(), 'weights.pth').");
    }
    case FileKind::onnx: {
      fail({ErrorKind::unsupported, "file-onnx"},
           "the file is an ONNX model already.\nGive the PyTorch checkpoint (.pth) to convert.");
    }
    case FileKind::seven_zip: {
      fail(
          {ErrorKind::unsupported, "file-7z"},
          "the file is a 7-Zip archive. PyTorch doesn't write 7-Zip files; some 7-Zip files that "
          "look like a checkpoint contain malware.\nUnpack the file only if you trust its source.");
    }
    case FileKind::xz: {
      fail({ErrorKind::unsupported, "file-xz"},
           "the file is compressed with xz.\nUnpack it (unxz) and give the unpacked file.");
    }
    case FileKind::zstd: {
      fail({ErrorKind::unsupported, "file-zstd"},
           "the file is compressed with zstd.\nUnpack it (unzstd) and give the unpacked file.");
    }
    case FileKind::rar: {
      fail({ErrorKind::unsupported, "file-rar"},
           "the file is a RAR archive.\nUnpack it and give the .pth file inside.");
    }
    case FileKind::bzip2: {
      fail({ErrorKind::unsupported, "file-bzip2"},
           "the file is compressed with bzip2.\nUnpack it (bunzip2) and give the unpacked file.");
    }
    case FileKind::hdf5: {
      fail({ErrorKind::unsupported, "file-hdf5"},
           "the file is HDF5 (Keras saves such files), not a PyTorch checkpoint.");
    }
    case FileKind::gguf: {
      fail({ErrorKind::unsupported, "file-gguf"},
           "the file is GGUF (a language model), not a PyTorch checkpoint.");
    }
    case FileKind::image: {
      fail({ErrorKind::unsupported, "file-picture"},
           "the file is a picture, not a checkpoint.\nGive the model's .pth file.");
    }
    case FileKind::html: {
      fail({ErrorKind::unsupported, "file-web-page"},
           "the file is a web page, not a checkpoint: the download saved a page with a link to "
           "the checkpoint.\n"
           "Open the page and use its download button, or the link to the raw file.");
    }
    case FileKind::json: {
      fail({ErrorKind::unsupported, "file-json"},
           "the file is JSON text, not a checkpoint (a failed download often saves a JSON "
           "error message).\n"
           "Download the checkpoint again.");
    }
    case FileKind::git_lfs_pointer: {
      fail({ErrorKind::unsupported, "file-git-lfs"},
           "the file is a Git LFS pointer, a small text file instead of the checkpoint.\n"
           "Fetch the checkpoint with 'git lfs pull', or download it from the web page of the "
           "repository.");
    }
    case FileKind::tensorrt_engine: {
      fail({ErrorKind::unsupported, "file-tensorrt-engine"},
           "the file is a TensorRT engine, which can't be turned back into a model.\n"
           "Give the PyTorch checkpoint (.pth).");
    }
    case FileKind::text: {
      fail({ErrorKind::unsupported, "file-text"},
           "the file is text, not a checkpoint.\nGive the model's .pth file.");
    }
    case FileKind::unknown: {
      fail({ErrorKind::unsupported, "file-unknown"},
           "the file is no PyTorch checkpoint: its first bytes fit no known format.\n"
           "Give a file that torch.save wrote (.pth). If torch.save wrote this file, "
           "download or copy it again.");
    }
    case FileKind::torch_legacy:
    case FileKind::safetensors:
      break;
  }
  defect("no message exists for this kind of file");
}

}  // namespace aether2onnx::state_dict
