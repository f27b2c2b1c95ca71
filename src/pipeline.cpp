#include "pipeline.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "network/network.h"

namespace aether2onnx::pipeline {

void Journal::step(std::string name, std::string summary) {
  context_.check_cancelled();
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - started_).count();
  started_ = now;
  steps_.push_back({std::move(name), std::move(summary), seconds});
  if (context_.observer != nullptr) context_.observer->on_step(steps_.back());
}

void Journal::progress(std::string_view name, std::uint64_t done, std::uint64_t total) const {
  context_.check_cancelled();
  if (context_.observer != nullptr) context_.observer->on_progress(name, done, total);
}

void Journal::warn(Diagnostic warning) {
  warnings_.push_back(std::move(warning));
  if (context_.observer != nullptr) context_.observer->on_warning(warnings_.back());
}

namespace {

// Thrown to end the computation of a hash that is no longer needed.
struct Abandoned {};

}  // namespace

SourceHash::~SourceHash() { abandoned_ = true; }

void SourceHash::start(std::vector<const Input*> files, bool beside, const Context& context) {
  work_.start(
      [this, files = std::move(files), &context] {
        sha256_ = io::sha256_of(files, [&](std::uint64_t) {
          context.check_cancelled();
          if (abandoned_) throw Abandoned();
        });
      },
      beside);
}

std::string SourceHash::get() {
  work_.finish();
  return sha256_;
}

state_dict::StateDict Checkpoint::open(const Input& input, const io::Siblings* siblings,
                                       const ReadOptions& options, bool hashed,
                                       const Context& context) {
  if (hashed) input_hash_.start({&input}, siblings != nullptr, context);
  return state_dict::StateDict::open(input, {options.params_key, siblings}, context);
}

Checkpoint::Checkpoint(const Input& input, const io::Siblings* siblings, const ReadOptions& options,
                       bool hashed, SourceInfo& source, Journal& journal)
    : state_dict_(open(input, siblings, options, hashed, journal.context())) {
  in_parts_ = state_dict_.files() != std::vector{&input};
  if (hashed && in_parts_) {
    parts_hash_.start(state_dict_.files(), siblings != nullptr, journal.context());
  }
  source = describe(state_dict_);
  source.params_key = options.params_key.value_or("");
  journal.step("read", summary(source));
  if (auto warning = warning_of_names(state_dict_)) journal.warn(std::move(*warning));
}

std::optional<Diagnostic> warning_of_names(const state_dict::StateDict& state_dict) {
  const std::vector<std::string>& names = state_dict.dangerous_names();
  if (names.empty()) return std::nullopt;
  const std::string others = names.size() > 1 ? " and others" : "";
  return Diagnostic{
      "checkpoint-dangerous",
      names.front(),
      {},
      join(names, ", "),
      fmt::format("PyTorch would run {}{} when it loads the checkpoint. aether2onnx ran no "
                  "code of the file. To see all dangerous names, run: aether2onnx scan FILE",
                  names.front(), others)};
}

namespace {

std::string fusion_summary(const network::Fused& fusion) {
  if (fusion.convolutions == 0) return "the checkpoint is fused already";
  std::string text = fmt::format(
      "{} pairs of depthwise convolutions became one convolution each (sums in float64)",
      fusion.convolutions);
  if (fusion.norms > 0) {
    text += fmt::format("; mean and variance of {} became part of weight and bias",
                        plural(fusion.norms, "norm"));
  }
  return text;
}

}  // namespace

network::Fused recognise_and_fuse(const state_dict::StateDict& state_dict,
                                  const ReadOptions& options, const Expectations& expect,
                                  NetworkInfo& network, Journal& journal) {
  network::Network recognised = network::recognise(state_dict, options);
  network::check_expectations(recognised.facts, expect);
  network = recognised.facts;
  journal.step("recognised", summary(network));
  for (const std::string& line : network::open_questions(network)) {
    journal.warn({"network-open-question"}, "{}", line);
  }
  for (const std::string& line : recognised.warnings) {
    journal.warn({"network-contradiction"}, "{}", line);
  }
  network::Fused fusion = network::fuse(std::move(recognised));
  journal.step("fused", fusion_summary(fusion));
  return fusion;
}

std::string sha256_of(const std::filesystem::path& input, const SourceInfo& planned,
                      const Context& context) {
  const io::FileInput source(input, context.cancelled);
  const io::FolderSiblings siblings(input, context.cancelled);
  state_dict::OpenOptions options{{}, &siblings};
  if (!planned.params_key.empty()) options.params_key = planned.params_key;
  const auto state_dict = state_dict::StateDict::open(source, options, context);
  return io::sha256_of(state_dict.files(), [&](std::uint64_t) { context.check_cancelled(); });
}

std::vector<std::filesystem::path> paths_of(const std::filesystem::path& input,
                                            const io::FolderSiblings& siblings) {
  std::vector<std::filesystem::path> paths = {input};
  paths.insert(paths.end(), siblings.opened().begin(), siblings.opened().end());
  return paths;
}

io::FilesRead files_read(const std::filesystem::path& input, const io::FolderSiblings& siblings,
                         const Context& context) {
  io::FilesRead files(context.inputs);
  for (const std::filesystem::path& path : paths_of(input, siblings)) files.add(path);
  return files;
}

void warn_of_small_weights(std::uint64_t subnormal, std::uint64_t flushed_to_zero,
                           std::uint64_t weights, DType type, Journal& journal) {
  if (subnormal + flushed_to_zero == 0) return;
  const bool half = type == DType::float16;
  journal.warn({"precision-small-weights"},
               "{} of {} weights became subnormal in {} and {} became zero (below {}). This is "
               "harmless if the model passes verification",
               with_thousands(subnormal), with_thousands(weights), half ? "fp16" : "bf16",
               with_thousands(flushed_to_zero), half ? "6e-8" : "9e-41");
}

SourceInfo describe(const state_dict::StateDict& state_dict) {
  SourceInfo source;
  source.container = state_dict.container();
  source.wrapper = state_dict.wrapper();
  source.other_wrappers = state_dict.other_wrappers();
  for (const Input* file : state_dict.files()) source.bytes += file->size();
  source.tensors = state_dict.entries().size();
  std::vector<DType> dtypes;
  for (const state_dict::Entry& entry : state_dict.entries()) {
    if (!entry.tensor) continue;
    source.parameters += static_cast<std::uint64_t>(entry.tensor->elements);
    dtypes.push_back(entry.tensor->dtype);
  }
  source.dtype = dtypes_text(dtypes);
  return source;
}

std::string dtypes_text(const std::vector<DType>& dtypes) {
  std::map<DType, std::uint64_t> counts;
  for (const DType dtype : dtypes) ++counts[dtype];
  std::vector<std::string> names;
  for (const auto& [dtype, count] : by_frequency(counts)) names.emplace_back(to_string(dtype));
  return join(names, " + ");
}

}  // namespace aether2onnx::pipeline

namespace aether2onnx {

namespace {

// Returns a text with the chosen state dict and the other state dicts: " ('params_ema'; also in the
// file: 'params')".
std::string choice_text(const SourceInfo& source) {
  constexpr std::size_t shown = 4;
  std::vector<std::string> others = source.other_wrappers;
  std::replace(others.begin(), others.end(), std::string(), std::string("/"));
  const std::string text = first_names(others, shown);
  if (source.wrapper.empty() && text.empty()) return "";
  return fmt::format(" ('{}'{})", source.wrapper.empty() ? "/" : printable(source.wrapper),
                     text.empty() ? "" : "; also in the file: " + text);
}

}  // namespace

std::string summary(const SourceInfo& source) {
  return fmt::format("{}, {}{}, {}, {}, {}", human_bytes(source.bytes), source.container,
                     choice_text(source), plural(source.tensors, "tensor"),
                     plural(source.parameters, "parameter"), source.dtype);
}

std::string summary(const NetworkInfo& network) {
  std::string text = fmt::format(
      "{} {}, {} x{}, {}, embed_dim {}, depths {}, hidden {}, kernel {}, {}", network.architecture,
      network.generation, network.model_type, network.scale,
      plural(static_cast<std::uint64_t>(network.input_channels), "channel"), network.embed_dim,
      join(network.depths), network.hidden_dim,
      network.fused ? fmt::format("{}", network.large_kernel)
                    : fmt::format("{} + {}", network.large_kernel, network.small_kernel),
      network.fused ? "fused" : "unfused");
  // The summary mentions the following settings only if a value is unusual, for example a res_scale
  // that is not 1.
  if (network.has("channel_attention")) text += ", channel attention";
  if (network.has("spatial_attention")) text += ", spatial attention";
  if (network.norm_type == NormType::deployment) text += ", deployment norms";
  for (const char* name : {"res_scale", "img_range"}) {
    if (network.number(name, 1) != 1) text += fmt::format(", {} {}", name, network.number(name, 1));
  }
  if (network.quantization == Quantization::qat) text += ", from quantization-aware training";
  if (network.quantization == Quantization::int8) text += ", dequantized from int8";
  for (const Evidence& evidence : network.evidence) {
    // The summary omits a generation that is only assumed, because a warning already states the
    // assumption and its reason.
    if (evidence.what == "generation" && evidence.certain) {
      text += fmt::format("; generation {} ({})", evidence.value, evidence.because);
    }
  }
  return text;
}

}  // namespace aether2onnx
