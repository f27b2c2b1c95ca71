/// @file
/// Reads and writes checkpoints in safetensors: one file, or several files (shards) with an index.
///
/// This folder has the code for the format's header, element types and index. open() returns the
/// name, type, shape and place of each tensor (a formats::Record). Source: the format's description
/// and reader (huggingface/safetensors, README, tensor.rs); huggingface_hub and transformers for
/// *.safetensors.index.json.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <memory>
#include <optional>
#include <vector>

#include "formats/tensors.h"
#include "port/files.h"

namespace aether2onnx::safetensors {

/// The tensors of one safetensors file, or of all shards of an index.
struct File {
  std::vector<formats::Record> records;  ///< In the header's order; shards sorted by file name.
  formats::Notes metadata;               ///< __metadata__ of the first file that has __metadata__.
  std::unique_ptr<formats::Storages> storages;
  std::vector<const Input*> shards;  ///< The shards, owned by `storages`; empty without index.
};

/// Opens one safetensors file. `input` must outlive the result. Throws Error(malformed) for
/// everything that the format forbids: holes or overlaps between tensors, bytes behind the last
/// tensor, names that occur twice.
File open(const Input& input, const Context& context);

/// Opens the shards (safetensors files) that an index lists. `siblings` opens files in the index's
/// folder. Returns nullopt if the JSON is no index. Throws Error(unsupported) if `siblings` is
/// null, Error(malformed) if index and shards contradict each other, Error(io) if a shard is
/// missing.
std::optional<File> open_shards(const Input& index, const io::Siblings* siblings,
                                const Context& context);

/// Writes a safetensors file, with the texts in `content.notes` in __metadata__. Returns the number
/// of bytes written. Only one tensor is in memory at a time.
std::uint64_t write(const formats::Content& content, Output& output);

}  // namespace aether2onnx::safetensors
