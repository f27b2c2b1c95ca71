/// @file
/// Structures that are parts of the reports of convert(), fuse() and inspect().
///
/// All types here are plain data. Copies are independent of the files and of each other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <aether2onnx/api.h>
#include <aether2onnx/network.h>

namespace aether2onnx {

/// Describes the checkpoint or ONNX file that convert(), fuse() or inspect() has read.
struct SourceInfo {
  std::string name;
  std::string container;  ///< "PyTorch zip", "safetensors", "ONNX", …
  std::string wrapper;    ///< The keys that lead to the state dict, "model/state_dict"; "": root.
  /// State dicts in the file that were not read. Each entry has the keys that lead to one of these
  /// state dicts, with "/" between the keys; "" for the root. To read the state dict of an entry,
  /// set ReadOptions::params_key to the entry, or to "/" if the entry is "".
  std::vector<std::string> other_wrappers;
  std::string params_key;  ///< The value of ReadOptions::params_key; "" if unset.
  /// SHA-256 of the whole file, in lower-case hex. The hash of a sharded checkpoint covers the
  /// index file, followed by the shards in the order of their names.
  std::string sha256;
  std::uint64_t bytes = 0;  ///< The size of all files of the checkpoint.
  /// The paths of the file and of its shards. Empty for a checkpoint in memory.
  std::vector<std::filesystem::path> files;
  std::uint64_t tensors = 0;
  std::uint64_t parameters = 0;
  std::string
      dtype;  ///< "float32", or several types, the most frequent first: "float16 + float32".
};

/// Returns a line like "2.8 MB, PyTorch zip, 172 tensors, 1,373,603 parameters, float16".
AETHER2ONNX_API std::string summary(const SourceInfo& source);
/// Returns a line that begins like "AetherNet G1, aether_small x2, 3 channels, embed_dim 96".
AETHER2ONNX_API std::string summary(const NetworkInfo& network);

/// Describes an input or output of an ONNX graph.
struct TensorInfo {
  std::string name;
  std::string dtype;               ///< PyTorch's name of the type, "float32".
  std::vector<std::string> shape;  ///< Decimal numbers, or names of dynamic axes.
};

}  // namespace aether2onnx
