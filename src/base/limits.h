/// @file
/// Every limit on what a file may make the program do, in one place. Those in Adjustable can be
/// raised for the rare giant, by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace aether2onnx::limits {

/// Entries of a zip archive. A training checkpoint of the largest published network has about
/// 2,500 storages with its optimizer state. Each entry costs about 200 bytes here and 20
/// microseconds, most of it in libzip, so that this many take a second and a half.
inline constexpr std::uint64_t kArchiveEntries = 80'000;

/// Bytes of the directory of a zip archive, which is read whole. An entry takes about 100.
inline constexpr std::uint64_t kDirectoryBytes = 64U << 20U;

/// Bytes of the pickle in a checkpoint, which is read whole. 172 tensors take 27 kB.
inline constexpr std::uint64_t kPickleBytes = 64U << 20U;

/// Values a pickle may build, and the height of its stack. One tensor takes about 20; a value
/// takes up to about 100 bytes here.
inline constexpr std::size_t kPickleValues = 2'000'000;

/// Places for values in the lists, tuples, sets and dicts of a pickle, all together.
inline constexpr std::size_t kPickleItems = 8'000'000;

/// Bytes of the JSON that heads a safetensors file, or of a shard index, which is read whole. The
/// format's own limit is 100 MB; a tensor takes about 100 bytes.
inline constexpr std::uint64_t kJsonBytes = 64U << 20U;

/// How deep JSON may be nested. A header has three levels.
inline constexpr std::size_t kJsonDepth = 32;

/// Files that a sharded checkpoint may consist of; all of them are open at a time.
inline constexpr std::size_t kShards = 256;

/// Entries of a state dict, and modules of a pickled network. The largest published network has
/// about 500.
inline constexpr std::size_t kStateDictEntries = 200'000;

/// Bytes of the name of an entry or a wrapper. A longer key is no name.
inline constexpr std::size_t kNameBytes = 1000;

/// How deep the modules of a pickled network may be nested.
inline constexpr std::size_t kModuleDepth = 100;

/// How deep wrappers around the state dict may be nested ({"model": {"state_dict": {…}}} is 2).
inline constexpr int kWrapperDepth = 4;

/// Dimensions of a tensor. Networks use 4; PyTorch's own limit for most operators is 64.
inline constexpr std::size_t kTensorRank = 64;

/// Channels, hidden width or kernel size of a layer. The largest published network has 450; this
/// keeps the products of three such numbers far within 64 bits.
inline constexpr std::int64_t kLayerWidth = 1 << 20;

/// How much larger than its bytes in the archive an entry may be. Deflate reaches 1032:1, and no
/// more; weights reach about 1.1:1.
inline constexpr std::uint64_t kInflation = 1040;

/// Parts of an ONNX file (nodes, initializers, names, attributes, …) that are looked at.
/// aether_small, with a fourth of the largest variant's blocks, has 339 nodes as PyTorch exports
/// it.
inline constexpr std::size_t kOnnxParts = 2'000'000;

/// Bytes of one name or text in an ONNX file. Metadata of other exporters holds whole
/// configurations.
inline constexpr std::uint64_t kOnnxText = 1U << 20U;

/// Files and folders under way that are removed where a signal ends the program, and the bytes of
/// such a path. One conversion has up to three and the folders that it created.
inline constexpr std::size_t kTemporaryPaths = 512;
inline constexpr std::size_t kTemporaryPathBytes = 4096;

/// Bytes read at a time where a stream is looked through.
inline constexpr std::size_t kChunkBytes = 256U << 10U;

/// How deep a scan follows pickles within the texts of pickles, and how many it looks at.
inline constexpr int kNestedPickles = 4;
inline constexpr std::size_t kPickles = 1000;

/// Globals, calls and findings that a scan lists, each; it counts the others.
inline constexpr std::size_t kListed = 1000;

/// The limits that a call may change. All are about memory in proportion to something that the file
/// says; what guards against overflow and endless work can't be changed.
struct Adjustable {
  std::uint64_t archive_entries = kArchiveEntries;
  std::uint64_t directory_bytes = kDirectoryBytes;
  std::uint64_t pickle_bytes = kPickleBytes;
  std::uint64_t pickle_values = kPickleValues;
  std::uint64_t pickle_items = kPickleItems;
  std::uint64_t json_bytes = kJsonBytes;
  std::uint64_t state_dict_entries = kStateDictEntries;
  std::uint64_t shards = kShards;
  std::uint64_t onnx_parts = kOnnxParts;
  std::uint64_t onnx_text = kOnnxText;
};

/// Those in effect on this thread.
const Adjustable& in_effect() noexcept;

/// Changes limits of this thread while it is there.
class Changed {
 public:
  /// Names as in Adjustable. Throws Error(usage) for another name, and for a value that is 0 or
  /// over 2,000,000,000 (of bytes 64 GiB).
  explicit Changed(std::span<const std::pair<std::string, std::uint64_t>> changes);
  Changed(const Changed&) = delete;
  Changed& operator=(const Changed&) = delete;
  ~Changed();

 private:
  Adjustable before_;
};

/// The line of a message that says how to raise the limit of that name.
std::string how_to_raise(std::string_view name);

}  // namespace aether2onnx::limits
