/// @file
/// The first steps of every task that reads a checkpoint, and the report of the steps.
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

/// Measures the steps, adds steps and warnings to a report, and tells the observer.
class Journal {
 public:
  /// The lists and the context must outlive the journal.
  Journal(std::vector<Step>& steps, std::vector<Diagnostic>& warnings, const Context& context)
      : steps_(steps), warnings_(warnings), context_(context) {}

  const Context& context() const { return context_; }

  /// Ends a step.
  void step(std::string name, std::string summary);
  void progress(std::string_view name, std::uint64_t done, std::uint64_t total) const;
  void warn(Diagnostic warning);
  /// The same with sentences formatted as by fmt::format.
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

/// Computes the SHA-256 of a checkpoint's files on a second thread: it takes as long as all other
/// work. The caller's thread computes it if the system has no more threads, and for an Input of the
/// caller's, which may not support two threads.
class SourceHash {
 public:
  SourceHash() = default;
  SourceHash(const SourceHash&) = delete;
  SourceHash& operator=(const SourceHash&) = delete;
  /// Ends the computation early if get() was not called.
  ~SourceHash();

  /// The files must stay until get() or the destructor returns.
  void start(std::vector<const Input*> files, bool beside, const Context& context);
  /// Lower-case hex. Throws the errors of Input::read().
  std::string get();

 private:
  std::atomic<bool> abandoned_ = false;
  std::string sha256_;
  port::Beside work_;
};

/// The step "read": a checkpoint's state dict, and the SHA-256 of its files.
class Checkpoint {
 public:
  /// `input` must outlive the object. `siblings` opens the files beside the input; null for an
  /// input in memory. Fills in `source` except for its name and its hash. The hash is computed only
  /// if `hashed`.
  Checkpoint(const Input& input, const io::Siblings* siblings, const ReadOptions& options,
             bool hashed, SourceInfo& source, Journal& journal);

  const state_dict::StateDict& state_dict() const { return state_dict_; }
  /// Lower-case hex. Throws the errors of Input::read().
  std::string sha256() { return (in_parts_ ? parts_hash_ : input_hash_).get(); }

 private:
  state_dict::StateDict open(const Input& input, const io::Siblings* siblings,
                             const ReadOptions& options, bool hashed, const Context& context);

  // Most checkpoints are one file: its hash can start before the state dict is read. A hash must
  // end before its files are closed, which the state dict may own.
  SourceHash input_hash_;
  state_dict::StateDict state_dict_;
  SourceHash parts_hash_;
  bool in_parts_ = false;
};

/// The hash of the checkpoint `input`, read like the checkpoint of a plan.
std::string sha256_of(const std::filesystem::path& input, const SourceInfo& planned,
                      const Context& context);

/// The steps "recognised" and "fused". Fills in `network`.
network::Fused recognise_and_fuse(const state_dict::StateDict& state_dict,
                                  const ReadOptions& options, const Expectations& expect,
                                  NetworkInfo& network, Journal& journal);

/// A warning if the checkpoint names anything that runs code, starts programs, or reaches files and
/// networks when PyTorch loads it.
std::optional<Diagnostic> warning_of_names(const state_dict::StateDict& state_dict);

/// The checkpoint `input` and the shards that were opened until now.
std::vector<std::filesystem::path> paths_of(const std::filesystem::path& input,
                                            const io::FolderSiblings& siblings);
/// The same files and Context::inputs.
io::FilesRead files_read(const std::filesystem::path& input, const io::FolderSiblings& siblings,
                         const Context& context);

/// Warns of the number of `weights` that became subnormal or zero in `type`, float16 or bfloat16.
void warn_of_small_weights(std::uint64_t subnormal, std::uint64_t flushed_to_zero,
                           std::uint64_t weights, DType type, Journal& journal);

/// All facts but the name and the hash.
SourceInfo describe(const state_dict::StateDict& state_dict);

/// Sorts by count, the largest first, then by key.
template <typename Key>
std::vector<std::pair<Key, std::uint64_t>> by_frequency(
    const std::map<Key, std::uint64_t>& counts) {
  std::vector<std::pair<Key, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

/// "float32"; if the types differ, the most frequent first: "float16 + float32".
std::string dtypes_text(const std::vector<DType>& dtypes);

/// Runs `work`. If its error is about the content of the source, the message begins with the
/// source's name.
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
         "{}: there isn't enough memory for the largest weight in it.",
         source.empty() ? "the checkpoint" : source);
  }
}

}  // namespace aether2onnx::pipeline
