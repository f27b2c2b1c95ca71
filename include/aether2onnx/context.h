/// @file
/// What a call is given beside its options: limits on what a file may cost, and who is told.
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

/// Limits on what a file may make a call do, in place of the defaults, for the rare giant. All are
/// about memory in proportion to something that the file says.
struct Limits {
  /// Entries of a zip archive. A training checkpoint of the largest published network has about
  /// 2,500 storages with its optimizer state. Each entry costs about 200 bytes and 20 microseconds.
  std::uint64_t archive_entries = 80'000;
  /// Bytes of a zip archive's directory, which is read whole. An entry takes about 100.
  std::uint64_t directory_bytes = 64U << 20U;
  /// Bytes of a pickle, which is read whole. 172 tensors take 27 kB.
  std::uint64_t pickle_bytes = 64U << 20U;
  /// Values that a pickle builds, and the height of its stack. One tensor takes about 20; a value
  /// takes up to about 100 bytes of memory.
  std::uint64_t pickle_values = 2'000'000;
  /// Places for values in the lists, tuples, sets and dicts of a pickle, all together.
  std::uint64_t pickle_items = 8'000'000;
  /// Bytes of a safetensors header or of a shard index, which are read whole. The format's own
  /// limit is 100 MB; a tensor takes about 100 bytes.
  std::uint64_t json_bytes = 64U << 20U;
  /// Entries of a state dict, and modules of a pickled network. The largest published network has
  /// about 500.
  std::uint64_t state_dict_entries = 200'000;
  /// Files of a sharded checkpoint; all of them are open at a time.
  std::uint64_t shards = 256;
  /// Nodes, initializers, names and attributes of an ONNX file. aether_small, with a fourth of the
  /// largest variant's blocks, has 339 nodes as PyTorch exports it.
  std::uint64_t onnx_parts = 2'000'000;
  /// Bytes of one text in an ONNX file. Metadata of other exporters holds whole configurations.
  std::uint64_t onnx_text = 1U << 20U;
  /// Work of a scan, in units of about a nanosecond. The work is counted and never timed, so that
  /// every machine gives the same verdict. Work that grows with the file alone is free.
  std::uint64_t scan_work = 1'000'000'000;
};

/// Changes the limit called `name`, as the members of Limits are called.
///
/// Throws Error(usage) if there is no such limit, or if `value` is 0 or beyond what this version
/// can count (2,000,000,000 things, 64 GiB).
AETHER2ONNX_API void set_limit(Limits& limits, std::string_view name, std::uint64_t value);

/// All limits with their names.
AETHER2ONNX_API std::vector<std::pair<std::string, std::uint64_t>> named_limits(
    const Limits& limits);

/// One step of a task: "read", "recognised", "fused", "written".
struct Step {
  std::string name;
  std::string summary;  ///< The result, one line.
  double seconds = 0;
};

/// Follows a task. The task calls it on the thread of the call; an exception ends the task.
class AETHER2ONNX_API Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer();

  /// A step has ended.
  virtual void on_step(const Step& step);
  /// `done` of `total` bytes of the current step.
  virtual void on_progress(std::string_view step, std::uint64_t done, std::uint64_t total);
  /// The warning is also in the task's report.
  virtual void on_warning(const Diagnostic& warning);
};

/// What a call is given beside its input and options. Nothing of it is kept when the call ends.
struct Context {
  Limits limits = {};
  Observer* observer = nullptr;  ///< May be null.
  /// If it becomes true, from any thread or a signal handler, the call ends soon with
  /// Error(cancelled) and leaves nothing behind. May be null.
  const std::atomic<bool>* cancelled = nullptr;
  /// Files that the caller reads for this call, a file of options for example. No output replaces
  /// such a file, nor a file that the call itself reads: the call ends with Error(io).
  std::vector<std::filesystem::path> inputs = {};

  /// Throws Error(cancelled) if the caller ended the call.
  AETHER2ONNX_API void check_cancelled() const;
};

}  // namespace aether2onnx
