/// @file
/// Finds the kind of a file (zip, safetensors, …) from the first bytes, not from the name.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>

namespace aether2onnx::formats {

enum class FileKind {
  empty,
  zip,
  zip_spanned,   ///< A zip archive without entries, or one part of a split archive.
  torch_legacy,  ///< PyTorch's stream of pickles, torch.save's default before PyTorch 1.6.
  torch_tar,     ///< The tar file that PyTorch before 0.1.10 (2016) wrote.
  tar,
  safetensors,
  pickle,  ///< A pickle that does not begin like PyTorch's legacy stream.
  onnx,
  gzip,
  seven_zip,
  xz,
  zstd,
  rar,
  bzip2,
  hdf5,
  gguf,
  image,
  html,
  json,
  git_lfs_pointer,
  tensorrt_engine,
  text,
  unknown,
};

/// Returns the kind of the file. If the first bytes fit several formats, returns the format that
/// torch.load tries first: zip before tar, tar before PyTorch's legacy stream.
FileKind sniff(const Input& input);

/// Returns the kind of the file like sniff(), but never returns tar or torch_tar. For a tar
/// archive, returns another kind that the first bytes fit, or `unknown`. scan() reads the file as
/// this kind, and checks separately whether the file is also a tar archive.
FileKind sniff_without_tar(const Input& input);

/// Returns whether Python's tarfile module opens the file. A valid checksum in the first 512 bytes
/// is enough, because the oldest tar archives have no "ustar" in their header.
bool opens_as_tar(const Input& input);

/// Returns the name that a gzip file states for the uncompressed file; "" if the gzip header states
/// no name. Source: RFC 1952, section 2.3.
std::string gzip_name(const Input& input);

}  // namespace aether2onnx::formats
