/// @file
/// The settings that all tasks share: limits, an observer of the progress, and cancellation. A task
/// is one call of a function such as convert(), check() or scan().
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

/// Limits on the memory and the work that one file can cost. A caller can raise limits for a very
/// large file. Each limit except scan_work bounds memory. Without these limits, a large number in
/// the input file, such as a size or a count, could make the library allocate any amount of memory.
struct Limits {
  /// The most entries of a zip archive. A checkpoint of the largest published network has about
  /// 2,500 entries if the checkpoint also contains the optimizer's state. One entry costs about 200
  /// bytes of memory and 20 microseconds.
  std::uint64_t archive_entries = 80'000;
  /// The most bytes of a zip's central directory, which is read as a whole. An entry of the archive
  /// takes about 100 bytes in the central directory.
  std::uint64_t directory_bytes = 64U << 20U;
  /// The most bytes of a pickle, which is read as a whole. For example, the pickle in a checkpoint
  /// with 172 tensors has 27 kB.
  std::uint64_t pickle_bytes = 64U << 20U;
  /// The most values that a pickle may create. The opcodes of a pickle work on a stack. This stack
  /// may hold at most this many values, too. One tensor needs about 20 values; one value takes up
  /// to about 100 bytes of memory.
  std::uint64_t pickle_values = 2'000'000;
  /// The most values in all lists, tuples, sets and dicts of a pickle together.
  std::uint64_t pickle_items = 8'000'000;
  /// The most bytes of a safetensors header or of a shard index. Header and index are read as a
  /// whole. safetensors itself limits the header to 100 MB. One tensor takes about 100 bytes.
  std::uint64_t json_bytes = 64U << 20U;
  /// The most entries of a state dict, and the most modules of a pickled network. The largest
  /// published network has about 500 entries.
  std::uint64_t state_dict_entries = 200'000;
  /// The most files of a sharded checkpoint. All files are open at the same time, so this limit
  /// also bounds the number of open files.
  std::uint64_t shards = 256;
  /// The most fields of an ONNX file (such as nodes, initializers, names and attributes) and
  /// numbers in lists, all together. PyTorch exports the network aether_small to a file with 339
  /// nodes. The largest published network has four times as many blocks, so this limit is far above
  /// the needs of all published networks.
  std::uint64_t onnx_parts = 2'000'000;
  /// The most bytes of a string in an ONNX file. The limit is much higher than names need, because
  /// some exporters write long strings as metadata.
  std::uint64_t onnx_text = 1U << 20U;
  /// The most units of work that one scan() may need. A unit takes about a nanosecond. scan()
  /// counts units and measures no time, so that every machine gives the same ScanResult. Work that
  /// grows only with the file's size costs no units, for example reading each byte once.
  std::uint64_t scan_work = 1'000'000'000;
};

/// Sets the member of `limits` with the name `name` to `value`.
///
/// Throws Error(usage) if Limits has no such member, or if `value` is 0 or above the highest
/// possible value: 2,000,000,000 for counts, 64 GiB for bytes, 10^15 for scan_work.
AETHER2ONNX_API void set_limit(Limits& limits, std::string_view name, std::uint64_t value);

/// Returns the name and the value of every member of `limits`.
AETHER2ONNX_API std::vector<std::pair<std::string, std::uint64_t>> named_limits(
    const Limits& limits);

/// A finished step of convert() or fuse(). The possible names are "read" (the checkpoint),
/// "recognised" (the network), "fused" (pairs of convolutions became one convolution), "folded"
/// (norms and constant factors became part of weights), "typed" (the operators got 16-bit or 32-bit
/// types) and "written" (the output).
struct Step {
  std::string name;
  std::string summary;  ///< The result of the step in one line.
  double seconds = 0;
};

/// Receives the progress of a task such as convert(). The task calls the observer on the thread of
/// the caller. If a function of the observer throws, the task ends.
class AETHER2ONNX_API Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer();

  /// Called after each step.
  virtual void on_step(const Step& step);
  /// Called during long work. `step` is the name of this work. `done` and `total` count bytes for
  /// "written" and "hashing", tensors for "tensors" and "weights", and entries of a zip archive for
  /// "scanning".
  virtual void on_progress(std::string_view step, std::uint64_t done, std::uint64_t total);
  /// Called for each warning. The report that the task returns contains the same warning.
  virtual void on_warning(const Diagnostic& warning);
};

/// The settings of a task besides input and options. The task uses the Context only until the task
/// ends.
struct Context {
  Limits limits = {};
  Observer* observer = nullptr;  ///< Null: no object receives the progress.
  /// If this flag becomes true, the task soon throws Error(cancelled) and leaves no files behind.
  /// Any thread or signal handler may set the flag. Null: nobody can cancel the task.
  const std::atomic<bool>* cancelled = nullptr;
  /// Files that the caller reads for this task, for example a file of options. If an output would
  /// replace one of these files, or a file that the task itself reads, the task throws Error(io).
  std::vector<std::filesystem::path> inputs = {};

  /// Throws Error(cancelled) if the flag `cancelled` is true.
  AETHER2ONNX_API void check_cancelled() const;
};

}  // namespace aether2onnx
