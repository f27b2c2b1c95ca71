/// @file
/// Finds the kind of a file from its first bytes. The file's name says nothing about the content.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>

namespace aether2onnx::formats {

enum class FileKind {
  empty,
  zip,
  zip_spanned,   ///< A zip archive without entries, or one part of a split archive.
  torch_legacy,  ///< PyTorch's stream of pickles, the default before 1.6.
  torch_tar,     ///< The tar file of PyTorch before 0.1.10 (2016).
  tar,
  safetensors,
  pickle,  ///< A pickle that does not begin like PyTorch's files.
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

/// Returns the kind of the file. If the bytes fit several formats, the format that torch.load tries
/// first decides: zip, then tar, then PyTorch's legacy stream.
FileKind sniff(const Input& input);

/// Returns the kind of the file for a reader that does not support tar archives.
FileKind sniff_without_tar(const Input& input);

/// Returns whether Python's tarfile module opens the file. A valid checksum in the first block is
/// enough: the oldest tar archives have no "ustar" in their header.
bool opens_as_tar(const Input& input);

/// Returns the name of the file inside a gzip file; "" if the header states no name.
/// Source: RFC 1952, section 2.3.
std::string gzip_name(const Input& input);

}  // namespace aether2onnx::formats
