/// @file
/// All fixed limits on the work that a file can cause. Context::limits has the limits that a caller
/// can raise for very large files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace aether2onnx::limits {

/// How deep JSON may be nested. A safetensors header has three levels.
inline constexpr std::size_t kJsonDepth = 32;

/// Bytes of the name of an entry or a wrapper. A longer key does not count as a name.
inline constexpr std::size_t kNameBytes = 1000;

/// How deep values of a pickle may be nested. Python's own picklers stop at about 1,000 levels.
inline constexpr std::uint32_t kPickleDepth = 3000;

/// How deep the modules of a pickled network may be nested.
inline constexpr std::size_t kModuleDepth = 100;

/// How deep wrappers around the state dict may be nested ({"model": {"state_dict": {…}}} is 2).
inline constexpr int kWrapperDepth = 4;

/// Dimensions of a tensor. Networks use 4 dimensions; PyTorch's limit for most operators is 64.
inline constexpr std::size_t kTensorRank = 64;

/// Keys of a pickle, all together, whose hash the file can choose: tuples, sets, large numbers. If
/// all these keys have one hash, Python compares each key with all others.
inline constexpr std::size_t kTupleKeys = 4000;

/// How many more elements an expanded tensor (torch.Tensor.expand) may have than its storage.
inline constexpr std::int64_t kExpandedElements = 1 << 24;

/// Channels, hidden width or kernel size of a layer. The largest published network has 450. The
/// product of three such numbers fits into 64 bits.
inline constexpr std::int64_t kLayerWidth = 1 << 20;

/// How many times larger an inflated entry may be than its bytes in the archive. Deflate reaches at
/// most 1032:1. Weights reach about 1.1:1.
inline constexpr std::uint64_t kInflation = 1040;

/// Bytes of a deflated entry, both packed and inflated: memory holds both. torch.save does not
/// compress. All storages of the largest published network have 73 MB.
inline constexpr std::uint64_t kInflatedBytes = std::uint64_t{1} << 30U;

/// Bytes that one read operation takes from a long stream.
inline constexpr std::size_t kChunkBytes = 256U << 10U;

/// How deep a scan follows pickles in strings of other pickles, and how many pickles it reads.
inline constexpr int kNestedPickles = 4;
inline constexpr std::size_t kPickles = 1000;

/// A scan lists at most this many globals, calls and findings each, and only counts the rest.
inline constexpr std::size_t kListed = 1000;

/// Returns the line of a message that says how to raise the limit `name`.
std::string how_to_raise(std::string_view name);

}  // namespace aether2onnx::limits
