/// @file
/// Runs the first steps of the tasks "convert" and "fuse": reads and hashes the checkpoint,
/// recognises the network, and merges pairs of depthwise convolutions. Reports each step.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "network/passes/passes.h"
#include "port/files.h"
#include "port/port.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::pipeline {

/// Records a task (a conversion, for example): measures the time of the task's steps, adds steps
/// and warnings to the task's report, and calls Context::observer.
class Journal {
 public:
  /// `steps` and `warnings` are lists in the report. All arguments must outlive the Journal.
  Journal(std::vector<Step>& steps, std::vector<Diagnostic>& warnings, const Context& context)
      : steps_(steps), warnings_(warnings), context_(context) {}

  const Context& context() const { return context_; }

  /// Reports that the step `name` has ended, with the time since the end of the previous step.
  void step(std::string name, std::string summary);
  void progress(std::string_view name, std::uint64_t done, std::uint64_t total) const;
  void warn(Diagnostic warning);
  /// Adds a warning. Formats the text of the warning as fmt::format does.
  template <typename... Args>
  void warn(Diagnostic warning, fmt::format_string<Args...> format, Args&&... args) {
    warning.text = fmt::format(format, std::forward<Args>(args)...);
    warn(std::move(warning));
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<Step>& steps_;
  std::vector<Diagnostic>& warnings_;
  const Context& context_;
  Clock::time_point started_ = Clock::now();
};

/// Computes the SHA-256 of a checkpoint's files on a second thread, because hashing takes as long
/// as all other work. Hashes on the caller's thread if the system has no more threads. Also hashes
/// an Input object from the library's user on the caller's thread, because this object may not
/// allow reads on two threads.
class SourceHash {
 public:
  SourceHash() = default;
  SourceHash(const SourceHash&) = delete;
  SourceHash& operator=(const SourceHash&) = delete;
  /// Stops hashing early if get() was not called.
  ~SourceHash();

  /// Starts to hash `files`, which must stay open until get() or the destructor returns. Uses a
  /// second thread only if `beside` is true.
  void start(std::vector<const Input*> files, bool beside, const Context& context);
  /// Returns the hash in lower-case hex. Throws the errors of Input::read().
  std::string get();

 private:
  std::atomic<bool> abandoned_ = false;
  std::string sha256_;
  port::Beside work_;
};

/// Runs the step "read": reads a checkpoint's state dict and hashes the checkpoint's files.
class Checkpoint {
 public:
  /// `input` must outlive the Checkpoint. `siblings` opens shards in the input's folder; null for
  /// an input in memory. Sets all fields of `source` except `name`, `sha256` and `files`. Computes
  /// the hash only if `hashed` is true.
  Checkpoint(const Input& input, const io::Siblings* siblings, const ReadOptions& options,
             bool hashed, SourceInfo& source, Journal& journal);

  const state_dict::StateDict& state_dict() const { return state_dict_; }
  /// Returns the SHA-256 of the checkpoint in lower-case hex. Throws the errors of Input::read().
  std::string sha256() { return (in_parts_ ? parts_hash_ : input_hash_).get(); }

 private:
  state_dict::StateDict open(const Input& input, const io::Siblings* siblings,
                             const ReadOptions& options, bool hashed, const Context& context);

  // input_hash_ hashes the input file while the state dict is read. If the input is the index file
  // of a sharded checkpoint, parts_hash_ then hashes the index and the shards, and input_hash_ is
  // not used. The order of the members matters: parts_hash_ must be destroyed before state_dict_,
  // which owns the shards.
  SourceHash input_hash_;
  state_dict::StateDict state_dict_;
  SourceHash parts_hash_;
  bool in_parts_ = false;
};

/// Returns the SHA-256 of the checkpoint `input` and its shards. To find the shards, opens the
/// checkpoint again. `planned` describes the checkpoint. The option params_key in `planned` chooses
/// the state dict in the checkpoint.
std::string sha256_of(const std::filesystem::path& input, const SourceInfo& planned,
                      const Context& context);

/// Runs the step "recognised", which stores the network's settings in `network`, and the step
/// "fused", which merges each pair of depthwise convolutions into one convolution. Returns the
/// fused network.
network::Fused recognise_and_fuse(const state_dict::StateDict& state_dict,
                                  const ReadOptions& options, const Expectations& expect,
                                  NetworkInfo& network, Journal& journal);

/// Returns a warning if the checkpoint's pickle names functions with which PyTorch would run code,
/// start programs, or reach files and networks while loading. Returns nullopt otherwise.
std::optional<Diagnostic> warning_of_names(const state_dict::StateDict& state_dict);

/// Returns the paths of the checkpoint `input` and of the shards that `siblings` has opened.
std::vector<std::filesystem::path> paths_of(const std::filesystem::path& input,
                                            const io::FolderSiblings& siblings);
/// Returns the files that no output may replace: the checkpoint `input`, its shards that `siblings`
/// has opened, and the files in Context::inputs.
io::FilesRead files_read(const std::filesystem::path& input, const io::FolderSiblings& siblings,
                         const Context& context);

/// Adds a warning if weights became subnormal or zero in `type`, a 16-bit type. `subnormal` and
/// `flushed_to_zero` count these weights, `weights` counts all weights.
void warn_of_small_weights(std::uint64_t subnormal, std::uint64_t flushed_to_zero,
                           std::uint64_t weights, DType type, Journal& journal);

/// Describes the checkpoint. Leaves `name`, `sha256`, `files` and `params_key` empty.
SourceInfo describe(const state_dict::StateDict& state_dict);

/// Returns the pairs in `counts` sorted by count, the largest first, then by key.
template <typename Key>
std::vector<std::pair<Key, std::uint64_t>> by_frequency(
    const std::map<Key, std::uint64_t>& counts) {
  std::vector<std::pair<Key, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

/// Returns the names of the types, the most frequent first: "float16 + float32".
std::string dtypes_text(const std::vector<DType>& dtypes);

/// Returns the result of `work`. If `work` throws an Error about the content of a file, the message
/// then begins with `source`, the file's name. Lack of memory becomes Error(limit).
template <typename Work>
auto naming(const std::string& source, Work work) {
  try {
    return work();
  } catch (const Error& error) {
    const bool of_content =
        !must_pass_on(error) && error.kind != ErrorKind::io && error.kind != ErrorKind::usage;
    if (!of_content || source.empty()) throw;
    Diagnostic diagnostic = error.diagnostic;
    diagnostic.text = fmt::format("{}: {}", source, diagnostic.text);
    throw Error(error.kind, std::move(diagnostic), error.findings);
  } catch (const std::bad_alloc&) {
    fail({ErrorKind::limit, "limit-memory"},
         "{}: there isn't enough memory for the largest weight in the file.",
         source.empty() ? "the checkpoint" : source);
  }
}

}  // namespace aether2onnx::pipeline
