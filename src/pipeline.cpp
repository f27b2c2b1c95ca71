#include "pipeline.h"

#include "base/text.h"
#include "network/network.h"
#include "port/files.h"
#include "report/report.h"

namespace aether2onnx::pipeline {

void Journal::stage(std::string name, std::string summary) {
  context_.check_cancelled();
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - started_).count();
  started_ = now;
  stages_.push_back({std::move(name), std::move(summary), seconds});
  if (context_.observer != nullptr) context_.observer->on_stage(stages_.back());
}

void Journal::progress(std::string_view name, std::uint64_t done, std::uint64_t total) const {
  context_.check_cancelled();
  if (context_.observer != nullptr) context_.observer->on_progress(name, done, total);
}

void Journal::warn(std::string text) {
  warnings_.push_back(std::move(text));
  if (context_.observer != nullptr) context_.observer->on_warning(warnings_.back());
}

namespace {

// Ends a hash that nobody will ask for.
struct Abandoned {};

}  // namespace

SourceHash::~SourceHash() {
  abandoned_ = true;
  if (result_.valid()) result_.wait();
}

void SourceHash::start(std::vector<const Input*> files, bool beside, const Context& context) {
  auto work = [this, files = std::move(files), &context] {
    return io::sha256_of(files, [&](std::uint64_t) {
      context.check_cancelled();
      if (abandoned_) throw Abandoned();
    });
  };
  // With both policies a system without threads defers.
  constexpr auto either = std::launch::async | std::launch::deferred;
  result_ = std::async(beside ? either : std::launch::deferred, std::move(work));
}

std::string SourceHash::get() { return result_.get(); }

state_dict::StateDict Checkpoint::open(const Input& input, const io::Siblings* siblings,
                                       const CheckpointOptions& options, bool hashed,
                                       const Context& context) {
  if (hashed) input_hash_.start({&input}, siblings != nullptr, context);
  return state_dict::StateDict::open(input, {options.params_key, siblings}, context);
}

Checkpoint::Checkpoint(const Input& input, const io::Siblings* siblings,
                       const CheckpointOptions& options, bool hashed, Report::Source& source,
                       Journal& journal)
    : state_dict_(open(input, siblings, options, hashed, journal.context())) {
  in_parts_ = state_dict_.files() != std::vector{&input};
  if (hashed && in_parts_)
    parts_hash_.start(state_dict_.files(), siblings != nullptr, journal.context());
  source = report::describe_source(state_dict_);
  source.name = options.source_name;
  source.params_key = options.params_key.value_or("");
  journal.stage("read", report::summarize(source));
}

fusion::Fusion recognise_and_fuse(const state_dict::StateDict& state_dict,
                                  const CheckpointOptions& options, Report::Network& network,
                                  Journal& journal) {
  network::Network recognised = network::recognise(state_dict, options);
  network::check_options(recognised, options);
  network = recognised.facts;
  journal.stage("recognised", report::summarize(network));
  for (std::string& line : network::open_questions(network)) journal.warn(std::move(line));
  for (const std::string& line : recognised.warnings) journal.warn(line);

  fusion::Fusion fusion = fusion::fuse(std::move(recognised));
  journal.stage("fused", report::summarize(fusion));
  return fusion;
}

std::string sha256_of(const std::filesystem::path& input, const Report::Source& planned,
                      const Context& context) {
  const FileInput source(input);
  const io::FolderSiblings siblings(input);
  state_dict::OpenOptions options{{}, &siblings};
  if (!planned.params_key.empty()) options.params_key = planned.params_key;
  const auto state_dict = state_dict::StateDict::open(source, options, context);
  return io::sha256_of(state_dict.files(), [&](std::uint64_t) { context.check_cancelled(); });
}

void warn_of_small_weights(std::uint64_t subnormal, std::uint64_t flushed_to_zero,
                           std::uint64_t weights, DType type, Journal& journal) {
  if (subnormal + flushed_to_zero == 0) return;
  const bool half = type == DType::float16;
  journal.warn(fmt::format(
      "of {} weights, {} became subnormal in {} and {} became zero (below {}); this is harmless "
      "unless verification fails",
      with_thousands(weights), with_thousands(subnormal), half ? "fp16" : "bf16",
      with_thousands(flushed_to_zero), half ? "6e-8" : "9e-41"));
}

}  // namespace aether2onnx::pipeline
