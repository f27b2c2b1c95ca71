/// @file
/// The settings of a call besides its options: limits, the observer of the progress, cancellation.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <aether2onnx/api.h>
#include <aether2onnx/error.h>

namespace aether2onnx {

/// Limits on the memory and the work that a file can cause. A caller raises them for a very large
/// file. All limits except scan_work bound memory that grows with a number in the file.
struct Limits {
  /// Entries of a zip archive. A training checkpoint of the largest published network has about
  /// 2,500, with the optimizer's state. One entry costs about 200 bytes and 20 microseconds.
  std::uint64_t archive_entries = 80'000;
  /// Bytes of a zip archive's central directory, which is read whole. An entry has about 100 bytes.
  std::uint64_t directory_bytes = 64U << 20U;
  /// Bytes of a pickle, which is read whole. The pickle of 172 tensors has 27 kB.
  std::uint64_t pickle_bytes = 64U << 20U;
  /// Values that a pickle builds, and values on its stack. One tensor needs about 20 values; one
  /// value takes up to about 100 bytes of memory.
  std::uint64_t pickle_values = 2'000'000;
  /// Values in all lists, tuples, sets and dicts of a pickle together.
  std::uint64_t pickle_items = 8'000'000;
  /// Bytes of a safetensors header or of a shard index. Both are read whole. safetensors itself
  /// limits the header to 100 MB. One tensor takes about 100 bytes.
  std::uint64_t json_bytes = 64U << 20U;
  /// Entries of a state dict, and modules of a pickled network. The largest published network has
  /// about 500 entries.
  std::uint64_t state_dict_entries = 200'000;
  /// Files of a sharded checkpoint. All of them are open at the same time.
  std::uint64_t shards = 256;
  /// Nodes, initializers, names and attributes of an ONNX file, all together. PyTorch exports
  /// aether_small with 339 nodes; the largest variant has four times as many blocks.
  std::uint64_t onnx_parts = 2'000'000;
  /// Bytes of one string in an ONNX file. Some exporters write whole configurations as metadata.
  std::uint64_t onnx_text = 1U << 20U;
  /// Work of a scan. The work is counted, not timed, so every machine gives the same verdict. One
  /// unit takes about a nanosecond. Work that is proportional to the file's size is not counted.
  std::uint64_t scan_work = 1'000'000'000;
};

/// Sets the limit `name`, which is the name of a member of Limits.
///
/// Throws Error(usage) if Limits has no such member, or if `value` is 0 or above the highest
/// possible value: 2,000,000,000 for counts, 64 GiB for bytes, 10^15 for scan_work.
AETHER2ONNX_API void set_limit(Limits& limits, std::string_view name, std::uint64_t value);

/// Returns the name and the value of every limit.
AETHER2ONNX_API std::vector<std::pair<std::string, std::uint64_t>> named_limits(
    const Limits& limits);

/// One finished step of a task. Names are "read", "recognised", "fused", "written" and others.
struct Step {
  std::string name;
  std::string summary;  ///< The result of the step in one line.
  double seconds = 0;
};

/// Follows the progress of a task. The task calls the observer on the thread of the caller. If the
/// observer throws, the task ends.
class AETHER2ONNX_API Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer();

  /// Called after each step.
  virtual void on_step(const Step& step);
  /// Called when `done` of `total` bytes (or tensors) of the current step are done.
  virtual void on_progress(std::string_view step, std::uint64_t done, std::uint64_t total);
  /// Called for each warning. The task's report contains the same warning.
  virtual void on_warning(const Diagnostic& warning);
};

/// The settings of a call besides its input and options. The call keeps no reference to them.
struct Context {
  Limits limits = {};
  Observer* observer = nullptr;  ///< Null: nobody follows the call.
  /// If this flag becomes true, the call ends soon with Error(cancelled) and leaves no files
  /// behind. Any thread or signal handler may set the flag. Null: nobody can cancel the call.
  const std::atomic<bool>* cancelled = nullptr;
  /// Files that the caller reads for this call, for example a file of options. If an output would
  /// replace such a file or a file that the call itself reads, the call ends with Error(io).
  std::vector<std::filesystem::path> inputs = {};

  /// Throws Error(cancelled) if the flag `cancelled` is true.
  AETHER2ONNX_API void check_cancelled() const;
};

}  // namespace aether2onnx
