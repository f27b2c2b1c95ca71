// What the uses of a checkpoint (conversion, fusion) have in common: the first stages, telling of
// them, and the names in messages.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <atomic>
#include <chrono>
#include <future>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "network/passes/passes.h"
#include "port/files.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::pipeline {

/// Measures the stages, keeps what is told in a report's lists, and tells the observer.
class Journal {
 public:
  /// The lists must outlive the journal;
  Journal(std::vector<Stage>& stages, std::vector<std::string>& warnings, const Context& context)
      : stages_(stages), warnings_(warnings), context_(context) {}

  const Context& context() const { return context_; }

  /// Ends a stage.
  void stage(std::string name, std::string summary);
  void progress(std::string_view name, std::uint64_t done, std::uint64_t total) const;
  void warn(std::string text);

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<Stage>& stages_;
  std::vector<std::string>& warnings_;
  const Context& context_;
  Clock::time_point started_ = Clock::now();
};

/// The SHA-256 of a checkpoint's files, computed on a thread of its own beside the other work: it
/// takes as long as all of that. On the caller's thread where the system has no more threads, and
/// where the bytes come from an Input of the caller's, which needn't be ready for two threads.
class SourceHash {
 public:
  SourceHash() = default;
  SourceHash(const SourceHash&) = delete;
  SourceHash& operator=(const SourceHash&) = delete;
  /// Doesn't wait for a hash that nobody asked for.
  ~SourceHash();

  /// The files must stay until get(), or this object's end.
  void start(std::vector<const Input*> files, bool beside, const Context& context);
  /// Lower-case hex. Throws what Input::read() throws.
  std::string get();

 private:
  std::atomic<bool> abandoned_ = false;
  std::future<std::string> result_;
};

/// A checkpoint's state dict (the stage "read"), and the SHA-256 of its files.
class Checkpoint {
 public:
  /// `input` must outlive it. `siblings` opens the files beside it; null where it lies in memory.
  /// Fills in `source` but for its hash, which is only computed if `hashed`.
  Checkpoint(const Input& input, const io::Siblings* siblings, const CheckpointOptions& options,
             bool hashed, Report::Source& source, Journal& journal);

  const state_dict::StateDict& state_dict() const { return state_dict_; }
  /// Lower-case hex. Throws what Input::read() throws.
  std::string sha256() { return (in_parts_ ? parts_hash_ : input_hash_).get(); }

 private:
  state_dict::StateDict open(const Input& input, const io::Siblings* siblings,
                             const CheckpointOptions& options, bool hashed, const Context& context);

  // Most checkpoints are one file, whose hash needn't wait until it is understood. A hash must end
  // before its files do, which the state dict may own.
  SourceHash input_hash_;
  state_dict::StateDict state_dict_;
  SourceHash parts_hash_;
  bool in_parts_ = false;
};

/// The hash of the checkpoint that a plan, which has none, was made from.
std::string sha256_of(const std::filesystem::path& input, const Report::Source& planned,
                      const Context& context);

/// The stages "recognised" and "fused". Fills in `network`.
fusion::Fusion recognise_and_fuse(const state_dict::StateDict& state_dict,
                                  const CheckpointOptions& options, Report::Network& network,
                                  Journal& journal);

/// Warns of weights that became subnormal or zero in `type`, float16 or bfloat16, where there are
/// any among the `weights`.
void warn_of_small_weights(std::uint64_t subnormal, std::uint64_t flushed_to_zero,
                           std::uint64_t weights, DType type, Journal& journal);

/// Runs `work`, and puts the source's name before the message of what is wrong with its content.
template <typename Work>
auto naming(const std::string& source, Work work) {
  try {
    return work();
  } catch (const Error& error) {
    const bool of_content = error.kind != ErrorKind::io && error.kind != ErrorKind::usage &&
                            error.kind != ErrorKind::internal &&
                            error.kind != ErrorKind::cancelled &&
                            error.kind != ErrorKind::verification;
    if (!of_content || source.empty()) throw;
    Diagnostic diagnostic = error.diagnostic;
    diagnostic.text = fmt::format("{}: {}", source, diagnostic.text);
    throw Error(error.kind, std::move(diagnostic), error.findings);
  } catch (const std::bad_alloc&) {
    fail(ErrorKind::limit, "{}: there isn't enough memory for the largest weight in it.",
         source.empty() ? "the checkpoint" : source);
  }
}

}  // namespace aether2onnx::pipeline
