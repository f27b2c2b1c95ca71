/// @file
/// safetensors: one file or the shards of an index, read and written.
///
/// Owns the format's header, its element types and the index in JSON. Returns the tensors as
/// records. Source: the format's description and reader (huggingface/safetensors, README,
/// tensor.rs); huggingface_hub and transformers for *.safetensors.index.json.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <memory>
#include <optional>
#include <vector>

#include "formats/tensors.h"
#include "port/files.h"

namespace aether2onnx::safetensors {

/// The tensors of one file, or of all shards.
struct File {
  std::vector<formats::Record> records;  ///< In the order of the header; shards by name.
  formats::Notes metadata;               ///< __metadata__; of shards that of the first with any.
  std::unique_ptr<formats::Storages> storages;
  std::vector<const Input*> shards;  ///< Owned by `storages`; empty if the file has no index.
};

/// Opens a file; `input` must outlive the result. Throws Error(malformed) for everything that the
/// format forbids: holes or overlaps between tensors, bytes behind the last, names that occur
/// twice.
File open(const Input& input, const Context& context);

/// Opens the shards of an index; `siblings` opens the files beside the index, null if these can't
/// be reached. Returns nullopt if the JSON is no index. Throws Error(malformed) if index and shards
/// contradict each other, Error(io) if a shard is missing.
std::optional<File> open_shards(const Input& index, const io::Siblings* siblings,
                                const Context& context);

/// Writes a file; the notes go into its __metadata__. Returns the count of bytes. One tensor is in
/// memory at a time.
std::uint64_t write(const formats::Content& content, Output& output);

}  // namespace aether2onnx::safetensors
