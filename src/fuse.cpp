// Fusion alone: the first stages of the pipeline, and the fused weights written as a checkpoint.

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "pipeline.h"
#include "port/files.h"
#include "report/report.h"
#include "state_dict/write.h"

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
  defect("a type of weights without a name");
}

// A fusion from the checkpoint to the list of fused weights; write() may follow once it is known
// where to.
class FusionRun {
 public:
  // `siblings` opens the files beside the checkpoint; null where it lies in memory.
  FusionRun(const Input& input, const io::Siblings* siblings, const FuseOptions& options,
            const Context& context)
      : options_(options),
        journal_(report_.stages, report_.warnings, context),
        checkpoint_(input, siblings, options, true, report_.source, journal_),
        fusion_(pipeline::recognise_and_fuse(checkpoint_.state_dict(), options, report_.network,
                                             journal_)) {
    list_weights();
  }

  FuseReport& report() { return report_; }

  void write(CheckpointFormat format, Output& output) {
    report_.output.format = format;
    const checkpoint::Written written = checkpoint::write(
        content_, format, output, [this](std::uint64_t done, std::uint64_t total) {
          journal_.progress("written", done, total);
        });
    report_.source.sha256 = checkpoint_.sha256();
    report_.output.bytes = written.bytes;
    report_.weights_subnormal = written.weights_subnormal;
    report_.weights_flushed_to_zero = written.weights_flushed_to_zero;
  }

  // Ends the stage "written", once every byte is.
  void finish() {
    const FuseReport::Output& output = report_.output;
    warn();
    journal_.stage(
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
    std::vector<std::pair<std::size_t, checkpoint::Tensor>> by_position;
    for (const network::Parameter& parameter : fusion_.network.parameters) {
      const DType stored = fusion::stored_dtype(parameter.value, checkpoint_.state_dict());
      checkpoint::Tensor tensor;
      tensor.name = parameter.name;
      tensor.shape = parameter.shape;
      tensor.dtype = dtype_in_file(options_.dtype, stored);
      tensor.load = [&expression = parameter.value, this] {
        return fusion::evaluate(expression, checkpoint_.state_dict());
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
    content_.notes = network::notes(report_.network);
    output.tensors = content_.tensors.size();
    output.dtype = report::dtypes_text(dtypes);
    report_.convolutions = fusion_.convolutions;
  }

  // What isn't a weight keeps its type.
  checkpoint::Tensor buffer_tensor(const network::Buffer& buffer) const {
    const state_dict::Entry* entry = checkpoint_.state_dict().find(buffer.key);
    require(entry != nullptr && entry->tensor, "a buffer that isn't in the state dict");
    checkpoint::Tensor tensor;
    tensor.name = buffer.name;
    tensor.shape = buffer.shape;
    const DType stored = entry->tensor->read_dtype();
    tensor.dtype = is_weight_dtype(stored) ? dtype_in_file(options_.dtype, stored) : stored;
    tensor.load = [entry, this] { return checkpoint_.state_dict().read(*entry); };
    return tensor;
  }

  void warn() {
    if (options_.dtype == WeightType::same && rounded_sums_) {
      journal_.warn(fmt::format(
          "the checkpoint is stored in {0}, and so is the fused one: each summed weight was "
          "rounded "
          "to {0}, which the conversion of the unfused checkpoint to fp32 does not do (--dtype "
          "float32 keeps the sums)",
          to_string(*rounded_sums_)));
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
  fusion::Fusion fusion_;
  checkpoint::Content content_;
  std::optional<DType> rounded_sums_;  // the type, where sums of 16-bit weights stay in 16 bits
};

// The format that a file's name stands for; none for an ending that says nothing.
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
    fail(
        ErrorKind::usage,
        "--format {} was given, but the output's name ends in {}: programs would take the file for "
        "what it isn't.\nLeave --format out, or give a name that ends in .{}.",
        to_string(*options.format), printable(output.extension().string()),
        to_string(*options.format));
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

FuseReport fuse_file(const std::filesystem::path& input, const std::filesystem::path& output,
                     const FuseOptions& options, const Context& context) {
  FuseOptions named = options;
  if (named.source_name.empty()) named.source_name = input.filename().string();
  validate(named);
  const CheckpointFormat format = choose_format(output, named);
  const FileInput source(input);
  const io::FolderSiblings siblings(input);
  std::filesystem::path target = output;
  if (target.empty()) {
    target =
        input.parent_path() / fmt::format("{}_fused.{}", checkpoint_stem(input), to_string(format));
  }
  io::check_target(target, input, kExampleName);

  return pipeline::naming(printable(input.string(), 4096), [&] {
    FusionRun run(source, &siblings, named, context);
    run.report().output.path = target;
    io::StagedFiles staged(target);
    run.write(format, staged.model());
    staged.close();
    source.check_unchanged();
    run.finish();
    staged.commit();
    return std::move(run.report());
  });
}

}  // namespace aether2onnx
