/// @file
/// The fixed limits on the work that a file can cost. Context::limits has the limits that a caller
/// can raise for very large files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace aether2onnx::limits {

/// The largest nesting depth of JSON. A safetensors header has three levels.
inline constexpr std::size_t kJsonDepth = 32;

/// The most bytes in the name of a tensor, module or class. A longer name is ignored or refused.
inline constexpr std::size_t kNameBytes = 1000;

/// The largest nesting depth of a pickle's values. Python's picklers stop at about 1,000 levels.
inline constexpr std::uint32_t kPickleDepth = 3000;

/// The largest nesting depth of the modules in a pickled network.
inline constexpr std::size_t kModuleDepth = 100;

/// The most keys that lead to a state dict: 2 in {"model": {"state_dict": {…}}}.
inline constexpr int kWrapperDepth = 4;

/// The most dimensions of a tensor. Networks use 4; PyTorch's limit for most operators is 64.
inline constexpr std::size_t kTensorRank = 64;

/// The most keys of a pickle, all together, whose hash the file can choose (tuples, sets, large
/// numbers), because Python compares a key with all other keys of the same hash.
inline constexpr std::size_t kTupleKeys = 4000;

/// How many more elements than its storage an expanded tensor (torch.Tensor.expand) may have.
inline constexpr std::int64_t kExpandedElements = 1 << 24;

/// The largest allowed number of channels, hidden width and kernel size of a layer. The largest
/// hidden width of a published network is 512 (aether_extreme). The product of three sizes up to
/// this limit fits into 64 bits.
inline constexpr std::int64_t kLayerWidth = 1 << 20;

/// The largest ratio between the size of an inflated zip entry and its size in the archive. Deflate
/// reaches at most 1032:1. Weights reach about 1.1:1.
inline constexpr std::uint64_t kInflation = 1040;

/// The most bytes of a compressed zip entry. The limit applies to each of the entry's two sizes,
/// compressed and inflated, because memory holds both forms. Checkpoints stay below the limit:
/// torch.save does not compress, and the largest published network has 142 MB of float32 weights.
inline constexpr std::uint64_t kInflatedBytes = std::uint64_t{1} << 30U;

/// The size of one piece, in bytes, when a long file is read or written in pieces.
inline constexpr std::size_t kChunkBytes = 256U << 10U;

/// How deep scan() follows pickles in strings of other pickles, and the most pickles in one scan.
inline constexpr int kNestedPickles = 4;
inline constexpr std::size_t kPickles = 1000;

/// The most globals, calls and findings each that scan() lists. scan() only counts the rest.
inline constexpr std::size_t kListed = 1000;

/// Counts the bytes that a task makes out of a model's files: inflated entries of a zip archive, or
/// elements of tensors. A small file can make very many bytes, because tensors can share their
/// bytes, and because an entry is inflated again if another entry was inflated in between.
class BytesMade {
 public:
  BytesMade() = default;
  explicit BytesMade(std::uint64_t file_bytes) { allow(file_bytes); }

  /// Raises the limit for a file of `file_bytes` bytes.
  void allow(std::uint64_t file_bytes) { most_ += kPerByte * file_bytes; }
  void add(std::uint64_t bytes) { bytes_ += bytes; }
  bool exceeded() const { return bytes_ > most_; }
  std::uint64_t most() const { return most_; }

 private:
  static constexpr std::uint64_t kInAll = std::uint64_t{2} << 30U;
  static constexpr std::uint64_t kPerByte = 16;  // honest tasks read each byte a few times

  std::uint64_t most_ = kInAll;
  std::uint64_t bytes_ = 0;
};

/// Returns the line of an error message that says how to raise the limit `name` of Context::limits.
std::string how_to_raise(std::string_view name);

}  // namespace aether2onnx::limits
