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

/// The most bytes in the name of a tensor, module or class. A longer tensor name in a safetensors
/// file, a shard index or a pickled network causes Error(limit). A longer class name counts as
/// unknown. Readers ignore a module's attribute with a longer name.
inline constexpr std::size_t kNameBytes = 1000;

/// The largest nesting depth of a pickle's values. Real pickles stay below this limit, because
/// Python's picklers stop at about 1,000 levels.
inline constexpr std::uint32_t kPickleDepth = 3000;

/// The largest nesting depth of the modules in a pickled network.
inline constexpr std::size_t kModuleDepth = 100;

/// The most nested dicts around a state dict, one for each key of the path. For example,
/// {"model": {"state_dict": {…}}} has two dicts around the state dict.
inline constexpr int kWrapperDepth = 4;

/// The most dimensions of a tensor. Networks use 4; PyTorch's limit for most operators is 64.
inline constexpr std::size_t kTensorRank = 64;

/// The most keys with a chosen hash in all dicts and sets of one pickle. The author of a pickle can
/// choose the hash of a tuple or a large integer, for example (pickle::has_chosen_hash()). With
/// chosen hashes, Python may compare each key with all other keys.
inline constexpr std::size_t kChosenKeys = 1000;

/// The most slots of a dict's table that Python may search for each integer key, on average. The
/// author of a pickle can slow Python down with integers for which Python searches the same slots
/// one by one.
inline constexpr std::uint64_t kProbesPerKey = 100;

/// The most values in a tuple that is a key, including the values of inner tuples. Python computes
/// a tuple's hash each time the tuple is used as a key. For nested tuples, this could take hours.
inline constexpr std::size_t kTupleKeyValues = 100;

/// The most values in a frozenset that is a key or an element of a set. These values must be
/// numbers or texts: the time to compare nested frozensets can double with each level.
inline constexpr std::size_t kSetKeyValues = 16;

/// How deep the calls that rebuild one tensor may be nested. PyTorch nests at most two calls: the
/// call for a torch.nn.Parameter contains the call for a tensor.
inline constexpr int kTensorCalls = 4;

/// The most digits or bytes of an integer that is a key of a dict or an element of a set. Python
/// computes an integer's hash again for each use as a key, so long integers slow Python down.
inline constexpr std::size_t kIntegerKeyBytes = 100;

/// The most layers in one pickle. Python needs more than a kilobyte for each.
inline constexpr std::size_t kLayers = 200'000;

/// The most deques and defaultdicts in one pickle. Python frees them by recursion, and a longer
/// chain of them would end the process.
inline constexpr std::size_t kChainable = 10'000;

/// The most attributes of a layer (torch.nn.Module). Layers have a few dozen attributes.
inline constexpr std::size_t kModuleAttributes = 1000;

/// An expanded tensor (torch.Tensor.expand) repeats the elements of its storage. The tensor may
/// have at most this many elements more than the storage. Without this limit, reading a small
/// file could take very much memory.
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

/// A string in a pickle can contain another pickle. scan() follows such inner pickles to the depth
/// kNestedPickles. One scan reads at most kPickles pickles.
inline constexpr int kNestedPickles = 4;
inline constexpr std::size_t kPickles = 1000;

/// The most entries in each list of scan()'s report: names of functions and classes (globals),
/// calls, and findings of each severity. scan() only counts further entries.
inline constexpr std::size_t kListed = 1000;

/// Counts the bytes that a reader makes from a model's files: inflated entries of a zip archive, or
/// elements of tensors. exceeded() says whether the count is above the limit. A small file can make
/// very many bytes: tensors can share bytes, and the zip reader may inflate an entry many times,
/// because the zip reader keeps only the last inflated entry.
class BytesMade {
 public:
  BytesMade() = default;
  explicit BytesMade(std::uint64_t file_bytes) { allow(file_bytes); }

  /// Raises the limit by kPerByte bytes for each of the `file_bytes` bytes of a file.
  void allow(std::uint64_t file_bytes) { most_ += kPerByte * file_bytes; }
  void add(std::uint64_t bytes) { bytes_ += bytes; }
  bool exceeded() const { return bytes_ > most_; }
  std::uint64_t most() const { return most_; }

 private:
  static constexpr std::uint64_t kInAll = std::uint64_t{2} << 30U;
  static constexpr std::uint64_t kPerByte = 16;  // ordinary tasks read each byte a few times

  std::uint64_t most_ = kInAll;
  std::uint64_t bytes_ = 0;
};

/// Returns the line of an error message that says how to raise the limit `name` of Context::limits.
std::string how_to_raise(std::string_view name);

}  // namespace aether2onnx::limits
