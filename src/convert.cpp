// Runs the steps of a conversion from a checkpoint to an ONNX file; pipeline.cpp has the first
// steps. Read this file first to understand the program.

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "graph/graph.h"
#include "graph/passes/passes.h"
#include "graph/to_onnx.h"
#include "metadata.h"
#include "onnx_info.h"
#include "pipeline.h"
#include "port/files.h"

namespace aether2onnx {

namespace {

// Why a caller makes a Conversion. With `plan`, the caller needs only the report: the Conversion
// builds the graph, but reads no weights and does not hash the checkpoint. With `use`, the caller
// writes the ONNX file: the Conversion also reads the weights and hashes the checkpoint.
enum class Purpose { plan, use };

constexpr std::size_t kSha256Digits = 64;

// --- functions that describe the model and the steps for the report ---------------------------

GraphInfo describe(const onnx::Model& model, const ConvertOptions& options) {
  GraphInfo result;
  result.opset_version = options.opset();
  result.ir_version = static_cast<int>(model.ir_version);
  result.precision = options.precision;
  result.io_type = options.input_output();
  result.form = options.graph_form;
  result.projections = options.projections;
  result.split_kernels_over = options.split_kernels_over;
  result.gelu = options.gelu_form();
  result.fp32_operators = options.fp32_operators;
  result.depthwise_fp32 = options.depthwise_fp32;
  result.fp32_blocks = options.fp32_blocks;
  result.shape = options.shape;
  result.nodes = model.nodes.size();
  std::map<std::string, std::uint64_t> operators;
  for (const onnx::Node& node : model.nodes) ++operators[node.op_type];
  result.operators = pipeline::by_frequency(operators);
  result.initializers = model.initializers.size();
  std::vector<DType> dtypes;
  for (const onnx::Tensor& tensor : model.initializers) {
    if (!tensor.is_weight) continue;
    result.parameters += elements_of(tensor);
    if (const auto dtype = onnx::dtype_of(tensor.data_type)) dtypes.push_back(*dtype);
  }
  result.dtype = pipeline::dtypes_text(dtypes);
  for (const onnx::ValueInfo& input : model.inputs) result.inputs.push_back(describe_value(input));
  for (const onnx::ValueInfo& output : model.outputs) {
    result.outputs.push_back(describe_value(output));
  }
  return result;
}

// Returns a text with all counts above 0 and their nouns: "16 norms, 3 constant factors".
std::string counts_text(std::initializer_list<std::pair<std::size_t, const char*>> counts) {
  std::vector<std::string> parts;
  for (const auto& [count, noun] : counts) {
    if (count > 0) parts.push_back(plural(count, noun));
  }
  return join(parts, ", ");
}

// Returns the doc_string of the ONNX model, which viewers show: "AetherNet G1, aether_small x2.
// Input …".
std::string description(const NetworkInfo& network) {
  const std::string times = network.scale == 1 ? "" : fmt::format("{}", network.scale);
  return fmt::format(
      "{0} {1}, {2} x{3}. Input: pictures (N, {4}, H, W) with values from 0 to 1. Output: "
      "(N, {4}, {5}H, {5}W).",
      network.architecture, network.generation, network.model_type, network.scale,
      network.input_channels, times);
}

std::string summary(const graph::TypeDecisions& typed, Precision precision) {
  const std::string wide = counts_text({{typed.float32_convolutions, "convolution"},
                                        {typed.float32_normalizations, "normalization"},
                                        {typed.float32_sums, "sum"}});
  return fmt::format("{} in {}{}{}; {}", plural(typed.half_convolutions, "convolution"),
                     to_string(graph::compute_type(precision)), wide.empty() ? "" : "; in float32 ",
                     wide, plural(typed.casts, "cast"));
}

// --- the conversion ---------------------------------------------------------------------------

// A conversion. The constructor builds the graph from the checkpoint. write() then writes the
// model.
class Conversion {
 public:
  // `siblings` opens shards in the checkpoint's folder; null for a checkpoint in memory.
  Conversion(const Input& input, const io::Siblings* siblings, const ConvertOptions& options,
             const Context& context, Purpose purpose = Purpose::use)
      : options_(options),
        journal_(report_.steps, report_.warnings, context),
        checkpoint_(input, siblings, options.read, purpose == Purpose::use, report_.source,
                    journal_) {
    report_.source.name = options.source_name;
    build(purpose == Purpose::use);
  }

  ConvertReport& report() { return report_; }

  void write(const OutputFiles& output) {
    // The checkpoint's hash is ready only after the weights are written. So the metadata first
    // contain zeros in place of the hash. At the end, onnx::write() writes the metadata again, with
    // the hash.
    report_.source.sha256.assign(kSha256Digits, '0');
    model_.metadata = metadata::entries(report_);
    const onnx::Written written = onnx::write(model_, output,
                                              {options_.external_data_threshold,
                                               [this](std::uint64_t done, std::uint64_t total) {
                                                 journal_.progress("written", done, total);
                                               },
                                               [this] {
                                                 report_.source.sha256 = checkpoint_.sha256();
                                                 return metadata::entries(report_);
                                               }});
    report_.graph.metadata = metadata::entries(report_);
    report_.output.bytes = written.bytes;
    report_.output.external_data_bytes = written.external_data_bytes;
    report_.weights_subnormal = loss_.subnormal;
    report_.weights_flushed_to_zero = loss_.flushed_to_zero;
    pipeline::warn_of_small_weights(loss_.subnormal, loss_.flushed_to_zero,
                                    report_.graph.parameters,
                                    graph::compute_type(options_.precision), journal_);
  }

  // Adds the step "written", with a summary of the ONNX file, to the report. Also reports the step
  // to Context::observer. Call finish() after the last byte of the file is written.
  void finish() {
    const ConvertReport::Output& output = report_.output;
    std::string summary =
        fmt::format("{}, opset {}, IR {}, {}, {}", human_bytes(output.bytes),
                    report_.graph.opset_version, report_.graph.ir_version,
                    to_string(report_.graph.precision), plural(report_.graph.nodes, "node"));
    if (output.external_data_bytes > 0) {
      summary += fmt::format(", weights in a second file of {} (ONNX external data)",
                             human_bytes(output.external_data_bytes));
    }
    journal_.step("written", std::move(summary));
  }

 private:
  void build(bool read_weights) {
    const network::Fused fusion = pipeline::recognise_and_fuse(
        checkpoint_.state_dict(), options_.read, options_.expect, report_.network, journal_);
    const network::Folded folding = network::fold(fusion.network);
    const std::string folded = counts_text({{folding.norms, "norm"},
                                            {folding.temperatures, "temperature"},
                                            {folding.factors, "constant factor"},
                                            {folding.shifts, "channel offset"}});
    if (!folded.empty()) journal_.step("folded", folded + " into the weights of convolutions");
    const graph::Graph plain = graph::build(folding.network, checkpoint_.state_dict(),
                                            options_.shape, options_.graph_form);
    graph::TypeDecisions decisions;
    const graph::Graph lowered = graph::run_passes(plain, options_, read_weights, decisions);
    model_ = graph::to_onnx(lowered, options_.opset(), loss_);
    model_.doc_string = description(report_.network);
    report_.graph = describe(model_, options_);
    report_.graph.fp32_for_weights = decisions.out_of_range;
    if (options_.precision != Precision::fp32) {
      journal_.step("typed", summary(decisions, options_.precision));
    }
    const std::vector<std::string>& wide = decisions.out_of_range;
    if (wide.empty()) return;
    journal_.warn({"precision-weights-out-of-range", wide.front()},
                  "weights beyond float16's range (65504) keep {} in float32: {}",
                  plural(wide.size(), "convolution"), join(wide, ", "));
  }

  const ConvertOptions& options_;
  ConvertReport report_;
  pipeline::Journal journal_;
  pipeline::Checkpoint checkpoint_;
  graph::WeightLoss loss_;
  onnx::Model model_;
};

}  // namespace

ConvertReport convert(const Input& input, const OutputFiles& output, const ConvertOptions& options,
                      const Context& context) {
  validate(options);
  require(output.model != nullptr, "convert() was called without an output");
  return pipeline::naming(printable(options.source_name), [&] {
    Conversion conversion(input, nullptr, options, context);
    conversion.write(output);
    conversion.finish();
    return std::move(conversion.report());
  });
}

std::string checkpoint_stem(const std::filesystem::path& input) {
  constexpr std::string_view index = ".safetensors.index.json";
  const std::string name = input.filename().string();
  if (name.size() > index.size() && name.ends_with(index)) {
    return name.substr(0, name.size() - index.size());
  }
  return input.stem().string();
}

std::string shape_name(const InputShape& shape, std::int64_t channels) {
  const auto& [batch, height, width] = shape;
  const std::string picture = fmt::format("{}x{}", height.max, width.max);
  std::string whole = fmt::format("{}x{}x{}", batch.max, channels, picture);
  if (!shape.is_dynamic()) return whole;
  std::string letters;
  if (batch.dynamic) letters += 'B';
  if (height.dynamic) letters += 'H';
  if (width.dynamic) letters += 'W';
  if (letters == "HW") return "dyn" + (batch.max == 1 ? picture : whole);
  return fmt::format("dyn{}_{}", letters, whole);
}

namespace {

// Returns `text` for a file name: every byte except letters, digits and "._-" becomes a dash.
std::string for_file_name(std::string text) {
  constexpr std::string_view others = "._-";
  for (char& c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || others.find(c) != std::string_view::npos;
    if (!is_plain) c = '-';
  }
  return text;
}

}  // namespace

std::string unusual_options_name(const ConvertOptions& options) {
  std::string name;
  if (options.graph_form != GraphForm::standard) {
    name += fmt::format("_{}", to_string(options.graph_form));
  }
  const IoType io_type = options.input_output();
  if (io_type != default_io_type(options.precision)) {
    const bool is_half = graph::compute_type(options.precision) == DType::float16;
    name += io_type == IoType::fp32 ? "_io_fp32" : is_half ? "_io_fp16" : "_io_bf16";
  }
  if (options.projections != Projections::conv) {
    name += fmt::format("_{}", to_string(options.projections));
  }
  if (options.split_kernels_over) name += fmt::format("_split{}", *options.split_kernels_over);
  if (options.gelu == GeluForm::erf && options.opset() >= kMinOpsetOfGelu) name += "_erf";
  if (!options.fp32_operators.empty()) name += "_fp32_operators";
  if (options.depthwise_fp32) name += "_depthwise_fp32";
  if (!options.fp32_blocks.empty()) name += "_fp32_blocks";
  const ReadOptions& read = options.read;
  constexpr std::size_t longest = 40;
  if (read.generation) name += "_" + *read.generation;
  if (read.params_key) name += "_" + for_file_name(read.params_key->substr(0, longest));
  if (read.res_scale) name += fmt::format("_res_scale{}", *read.res_scale);
  if (read.norm_eps) name += fmt::format("_norm_eps{}", *read.norm_eps);
  if (read.img_range) name += fmt::format("_img_range{}", *read.img_range);
  return name;
}

std::string default_output_name(std::string_view stem, const NetworkInfo& network,
                                const ConvertOptions& options) {
  return fmt::format("{}x_{}_{}_{}_op{}{}.onnx", network.scale, stem, to_string(options.precision),
                     shape_name(options.shape, network.input_channels), options.opset(),
                     unusual_options_name(options));
}

namespace {

// Opens the checkpoint, builds the graph and stores the path of the ONNX file in the report. Then
// calls the function `work`, which may write the ONNX file. Returns the report.
template <typename Work>
ConvertReport with_conversion(const std::filesystem::path& input,
                              const std::filesystem::path& output, const ConvertOptions& options,
                              const Context& context, Purpose purpose, Work work) {
  ConvertOptions named = options;
  if (named.source_name.empty()) named.source_name = input.filename().string();
  validate(named);
  const io::FileInput source(input, context.cancelled);
  const io::FolderSiblings siblings(input, context.cancelled);
  const auto check_target = [&](const std::filesystem::path& target) {
    if (purpose == Purpose::use) {
      io::check_target(target, pipeline::files_read(input, siblings, context), "model.onnx");
    }
  };
  if (!output.empty()) check_target(output);

  return pipeline::naming(printable(input.string(), 4096), [&] {
    Conversion conversion(source, &siblings, named, context, purpose);
    ConvertReport& report = conversion.report();
    report.source.files = pipeline::paths_of(input, siblings);
    report.output.path = output;
    if (output.empty()) {
      report.output.path =
          input.parent_path() / default_output_name(checkpoint_stem(input), report.network, named);
      check_target(report.output.path);
    }
    work(conversion, source, siblings);
    return std::move(report);
  });
}

}  // namespace

ConvertReport plan_file(const std::filesystem::path& input, const std::filesystem::path& output,
                        const ConvertOptions& options, const Context& context) {
  return with_conversion(input, output, options, context, Purpose::plan,
                         [](Conversion&, const io::FileInput&, const io::FolderSiblings&) {});
}

std::string why_outdated(const std::filesystem::path& input, const ConvertReport& planned,
                         bool more_fp32_blocks, const Context& context) {
  if (!io::exists(planned.output.path)) return "there is no such file";
  onnx::Model file;
  try {
    file = onnx::read(io::FileInput(planned.output.path, context.cancelled), context);
  } catch (const Error& error) {
    if (must_pass_on(error)) throw;
    return "it can't be read as an ONNX file";
  }
  const std::filesystem::path data = planned.output.path.string() + ".data";
  for (const onnx::Tensor& tensor : file.initializers) {
    if (tensor.external_file.empty()) continue;
    if (tensor.external_file != data.filename() || !io::is_file(data)) {
      return fmt::format("its weights file, {}, is missing or has an unexpected name",
                         printable(tensor.external_file));
    }
  }
  std::string difference = metadata::difference(file, planned, more_fp32_blocks);
  if (!difference.empty()) return difference;
  // Compares the hash of `input` with the checkpoint's hash in the ONNX file's metadata. Hashing
  // reads the whole checkpoint, so the function compares the other metadata first.
  const std::string* made_from = file.find_metadata("source_sha256");
  const bool same =
      made_from != nullptr && *made_from == pipeline::sha256_of(input, planned.source, context);
  return same ? "" : "it was made from another checkpoint";
}

ConvertReport convert_file(const std::filesystem::path& input, const std::filesystem::path& output,
                           const ConvertOptions& options, const Context& context,
                           const BeforeSave& before_save) {
  const auto work = [&](Conversion& conversion, const io::FileInput& source,
                        const io::FolderSiblings& siblings) {
    ConvertReport& report = conversion.report();
    io::StagedFiles staged(report.output.path, pipeline::files_read(input, siblings, context),
                           context.cancelled);
    conversion.write({&staged.model(), &staged.external_data(), staged.external_data_name()});
    staged.close();
    source.check_unchanged();
    if (report.output.external_data_bytes > 0) {
      report.output.external_data_path =
          report.output.path.parent_path() / staged.external_data_name();
    }
    conversion.finish();
    if (before_save) before_save(report, staged.candidate());
    staged.commit();
  };
  return with_conversion(input, output, options, context, Purpose::use, work);
}

ConvertReport convert_file_to(const std::filesystem::path& input, const OutputFiles& output,
                              const ConvertOptions& options, const Context& context) {
  ConvertOptions named = options;
  if (named.source_name.empty()) named.source_name = input.filename().string();
  validate(named);
  const io::FileInput source(input, context.cancelled);
  const io::FolderSiblings siblings(input, context.cancelled);
  return pipeline::naming(printable(input.string(), 4096), [&] {
    Conversion conversion(source, &siblings, named, context, Purpose::use);
    conversion.report().source.files = pipeline::paths_of(input, siblings);
    conversion.write(output);
    source.check_unchanged();
    conversion.finish();
    return std::move(conversion.report());
  });
}

}  // namespace aether2onnx
