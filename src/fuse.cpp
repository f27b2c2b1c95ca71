// Implements the task fuse: merges each pair of parallel convolutions into one convolution, and
// writes the new weights to a checkpoint. The steps "read", "recognised" and "fused" are in
// pipeline.cpp, because conversions also begin with these steps.

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "network/evaluate.h"
#include "network/network.h"
#include "pipeline.h"
#include "port/files.h"
#include "state_dict/state_dict.h"

namespace aether2onnx {

namespace {

constexpr const char* kExampleName = "model_fused.pth";

DType dtype_in_file(WeightType type, DType stored) {
  switch (type) {
    case WeightType::same:
      return stored;
    case WeightType::float32:
      return DType::float32;
    case WeightType::float16:
      return DType::float16;
    case WeightType::bfloat16:
      return DType::bfloat16;
    case WeightType::float64:
      return DType::float64;
  }
  defect("an unknown type of weights");
}

// Fuses one checkpoint: merges parallel convolutions. The constructor lists the weights of the
// merged network. write() then computes these weights and writes the fused checkpoint.
class FusionRun {
 public:
  // `siblings` opens shards in the checkpoint's folder; null for a checkpoint in memory.
  FusionRun(const Input& input, const io::Siblings* siblings, const FuseOptions& options,
            const Context& context)
      : options_(options),
        journal_(report_.steps, report_.warnings, context),
        checkpoint_(input, siblings, options.read, true, report_.source, journal_),
        fusion_(pipeline::recognise_and_fuse(checkpoint_.state_dict(), options.read, options.expect,
                                             report_.network, journal_)) {
    report_.source.name = options.source_name;
    list_weights();
  }

  FuseReport& report() { return report_; }

  void write(CheckpointFormat format, Output& output) {
    report_.output.format = format;
    const state_dict::Written written = state_dict::write(
        content_, format, output, [this](std::uint64_t done, std::uint64_t total) {
          journal_.progress("written", done, total);
        });
    report_.source.sha256 = checkpoint_.sha256();
    report_.output.bytes = written.bytes;
    report_.weights_subnormal = written.weights_subnormal;
    report_.weights_flushed_to_zero = written.weights_flushed_to_zero;
  }

  // Adds the warnings and the step "written", with a summary of the fused file, to the report. Call
  // finish() after the last byte of the file is written.
  void finish() {
    const FuseReport::Output& output = report_.output;
    warn();
    journal_.step(
        "written",
        fmt::format("{}, {}, {}, {}, {}", human_bytes(output.bytes),
                    output.format == CheckpointFormat::safetensors ? "safetensors" : "PyTorch zip",
                    plural(output.tensors, "tensor"), plural(output.parameters, "parameter"),
                    output.dtype));
  }

 private:
  void list_weights() {
    FuseReport::Output& output = report_.output;
    std::vector<DType> dtypes;
    std::vector<std::pair<std::size_t, state_dict::NewTensor>> by_position;
    for (const network::Parameter& parameter : fusion_.network.parameters) {
      const DType stored = network::stored_dtype(parameter.value, checkpoint_.state_dict());
      state_dict::NewTensor tensor;
      tensor.name = parameter.name;
      tensor.shape = parameter.shape;
      tensor.dtype = dtype_in_file(options_.dtype, stored);
      tensor.load = [&expression = parameter.value, this] {
        return network::evaluate(expression, checkpoint_.state_dict());
      };
      const bool computed = parameter.value.kind != network::Expression::Kind::stored;
      if (computed && size_of(stored) < size_of(DType::float32)) rounded_sums_ = tensor.dtype;
      dtypes.push_back(tensor.dtype);
      output.parameters += static_cast<std::uint64_t>(checked_product(parameter.shape).value_or(0));
      by_position.emplace_back(parameter.position, std::move(tensor));
    }
    for (const network::Buffer& buffer : fusion_.network.buffers) {
      by_position.emplace_back(buffer.position, buffer_tensor(buffer));
    }
    std::stable_sort(by_position.begin(), by_position.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [position, tensor] : by_position) content_.tensors.push_back(std::move(tensor));
    content_.notes = network::notes(with_own_evidence());
    output.tensors = content_.tensors.size();
    output.dtype = pipeline::dtypes_text(dtypes);
    report_.convolutions = fusion_.convolutions;
  }

  // Returns the settings that the fused checkpoint stores as notes (network/notes.h). If a setting
  // (res_scale, …) is from an option, and the source file does not state the same value, clears
  // Evidence::certain of the setting. The note "assumed" then lists this setting as an assumption.
  NetworkInfo with_own_evidence() const {
    NetworkInfo facts = report_.network;
    const auto doubt = [&](std::string_view what, bool given, const NetworkInfo& own) {
      const auto named = [&](const Evidence& each) { return each.what == what; };
      const auto found = std::find_if(facts.evidence.begin(), facts.evidence.end(), named);
      if (!given || found == facts.evidence.end()) return;
      const auto by_file = std::find_if(own.evidence.begin(), own.evidence.end(), named);
      const bool says_so = by_file != own.evidence.end() && by_file->certain && by_file->stated &&
                           by_file->value == found->value;
      if (!says_so) found->certain = false;
    };
    const ReadOptions& given = options_.read;
    ReadOptions bare;
    bare.params_key = given.params_key;
    bare.dequantize = given.dequantize;
    doubt("generation", given.generation.has_value(), own_facts(bare));
    bare.generation = given.generation;
    const NetworkInfo own = own_facts(bare);
    doubt("res_scale", given.res_scale.has_value(), own);
    doubt("norm_eps", given.norm_eps.has_value(), own);
    doubt("img_range", given.img_range.has_value(), own);
    return facts;
  }

  NetworkInfo own_facts(const ReadOptions& reading) const {
    try {
      return network::recognise(checkpoint_.state_dict(), reading).facts;
    } catch (const Error& error) {
      if (must_pass_on(error)) throw;
      return {};  // without the option, the checkpoint is not recognised
    }
  }

  // Returns the tensor that is written for a buffer (a stored tensor that is no weight). A buffer
  // of a floating-point type gets the type of the weights. Other buffers keep their type.
  state_dict::NewTensor buffer_tensor(const network::Buffer& buffer) const {
    const state_dict::Entry* entry = checkpoint_.state_dict().find(buffer.key);
    require(entry != nullptr && entry->tensor, "the state dict has no tensor for a buffer");
    state_dict::NewTensor tensor;
    tensor.name = buffer.name;
    tensor.shape = buffer.shape;
    const DType stored = entry->tensor->read_dtype();
    tensor.dtype = is_weight_dtype(stored) ? dtype_in_file(options_.dtype, stored) : stored;
    tensor.load = [entry, this] { return checkpoint_.state_dict().read(*entry); };
    return tensor;
  }

  void warn() {
    if (options_.dtype == WeightType::same && rounded_sums_) {
      const std::string_view type = to_string(*rounded_sums_);
      journal_.warn(
          {"fuse-rounded-sums", std::string(type)},
          "each weight that fuse computed was rounded to {0}, the type of the checkpoint. So an "
          "fp32 model of the fused file differs slightly from an fp32 model of the unfused "
          "file. To keep the exact results, give {1} float32",
          type, option("dtype"));
    }
    const bool has_float16 =
        std::any_of(content_.tensors.begin(), content_.tensors.end(),
                    [](const auto& tensor) { return tensor.dtype == DType::float16; });
    pipeline::warn_of_small_weights(report_.weights_subnormal, report_.weights_flushed_to_zero,
                                    report_.output.parameters,
                                    has_float16 ? DType::float16 : DType::bfloat16, journal_);
  }

  const FuseOptions& options_;
  FuseReport report_;
  pipeline::Journal journal_;
  pipeline::Checkpoint checkpoint_;
  network::Fused fusion_;
  state_dict::Content content_;
  std::optional<DType> rounded_sums_;  // type of the sums of 16-bit weights; unset without sums
};

// Returns the format that the ending of the file's name stands for; nullopt for an unknown ending.
std::optional<CheckpointFormat> format_of(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (ending == ".safetensors") return CheckpointFormat::safetensors;
  if (ending == ".pth" || ending == ".pt" || ending == ".ckpt") return CheckpointFormat::pth;
  return std::nullopt;
}

CheckpointFormat choose_format(const std::filesystem::path& output, const FuseOptions& options) {
  const auto by_name = format_of(output);
  if (!options.format) return by_name.value_or(CheckpointFormat::pth);
  if (by_name && *by_name != *options.format) {
    const std::string ending = printable(output.extension().string());
    const std::string_view format = to_string(*options.format);
    fail({ErrorKind::usage, "option-format", "format", ending, std::string(format)},
         "{0} {1}: the name of the output ends in {2}, so programs would expect another format.\n"
         "Leave {0} out, or give a name that ends in .{1}.",
         option("format"), format, ending);
  }
  return *options.format;
}

}  // namespace

FuseReport fuse(const Input& input, Output& output, const FuseOptions& options,
                const Context& context) {
  validate(options);
  return pipeline::naming(printable(options.source_name), [&] {
    FusionRun run(input, nullptr, options, context);
    run.write(options.format.value_or(CheckpointFormat::pth), output);
    run.finish();
    return std::move(run.report());
  });
}

std::string default_fused_name(std::string_view stem, const FuseOptions& options) {
  const std::string type =
      options.dtype == WeightType::same ? "" : fmt::format("_{}", to_string(options.dtype));
  return fmt::format("{}_fused{}.{}", stem, type,
                     to_string(options.format.value_or(CheckpointFormat::pth)));
}

FuseReport fuse_file(const std::filesystem::path& input, const std::filesystem::path& output,
                     const FuseOptions& options, const Context& context) {
  FuseOptions named = options;
  if (named.source_name.empty()) named.source_name = input.filename().string();
  validate(named);
  const CheckpointFormat format = choose_format(output, named);
  const io::FileInput source(input, context.cancelled);
  const io::FolderSiblings siblings(input, context.cancelled);
  std::filesystem::path target = output;
  if (target.empty()) {
    target = input.parent_path() / default_fused_name(checkpoint_stem(input), named);
  }
  io::check_target(target, pipeline::files_read(input, siblings, context), kExampleName);

  return pipeline::naming(printable(input.string(), 4096), [&] {
    FusionRun run(source, &siblings, named, context);
    run.report().source.files = pipeline::paths_of(input, siblings);
    run.report().output.path = target;
    io::StagedFiles staged(target, pipeline::files_read(input, siblings, context),
                           context.cancelled);
    run.write(format, staged.model());
    staged.close();
    source.check_unchanged();
    run.finish();
    staged.commit();
    return std::move(run.report());
  });
}

}  // namespace aether2onnx
