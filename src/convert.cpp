// The pipeline, stage by stage. To read the code, begin here; its first stages are in pipeline.cpp.

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "graph/graph.h"
#include "graph/passes/type.h"
#include "pipeline.h"
#include "port/files.h"
#include "report/report.h"

namespace aether2onnx {

namespace {

// What a checkpoint is opened for: a plan reads no weights, nor the whole file for its hash.
enum class Purpose { plan, use };

constexpr std::size_t kSha256Digits = 64;

// A conversion from the checkpoint to the graph; write() may follow once it is known where to.
class Conversion {
 public:
  // `siblings` opens the files beside the checkpoint; null where it lies in memory.
  Conversion(const Input& input, const io::Siblings* siblings, const Options& options,
             const Context& context, Purpose purpose = Purpose::use)
      : options_(options),
        journal_(report_.stages, report_.warnings, context),
        checkpoint_(input, siblings, options, purpose == Purpose::use, report_.source, journal_) {
    build(purpose == Purpose::use);
  }

  Report& report() { return report_; }

  void write(const OutputFiles& output) {
    // The hash is ready by the time that the weights are written.
    report_.source.sha256.assign(kSha256Digits, '0');
    const onnx::ModelProperties properties{options_.opset(), report::metadata(report_), [this] {
                                             report_.source.sha256 = checkpoint_.sha256();
                                             return report::metadata(report_);
                                           }};
    const onnx::Written written =
        onnx::write(graph_, properties, output, options_.external_data_threshold,
                    [this](std::uint64_t done, std::uint64_t total) {
                      journal_.progress("written", done, total);
                    });
    report_.output.bytes = written.bytes;
    report_.output.external_data_bytes = written.external_data_bytes;
    report_.weights_subnormal = written.weights_subnormal;
    report_.weights_flushed_to_zero = written.weights_flushed_to_zero;
    pipeline::warn_of_small_weights(written.weights_subnormal, written.weights_flushed_to_zero,
                                    report_.graph.parameters,
                                    precision::heavy_type(options_.precision), journal_);
  }

  // Ends the stage "written", once every byte is.
  void finish() {
    const Report::Output& output = report_.output;
    std::string summary =
        fmt::format("{}, opset {}, IR {}, {}, {}", human_bytes(output.bytes),
                    report_.graph.opset_version, report_.graph.ir_version,
                    to_string(report_.graph.precision), plural(report_.graph.nodes, "node"));
    if (output.external_data_bytes > 0) {
      summary += fmt::format(", weights in a second file of {} (ONNX external data)",
                             human_bytes(output.external_data_bytes));
    }
    journal_.stage("written", std::move(summary));
  }

 private:
  void build(bool read_weights) {
    const fusion::Fusion fusion =
        pipeline::recognise_and_fuse(checkpoint_.state_dict(), options_, report_.network, journal_);
    const fusion::Folding folding = fusion::fold(fusion.network);
    if (std::string summary = report::summarize(folding); !summary.empty()) {
      journal_.stage("folded", std::move(summary));
    }
    const graph::Graph plain = graph::build(folding.network, checkpoint_.state_dict(),
                                            options_.shape, options_.graph_form);
    precision::Typed typed = precision::apply(plain, options_, read_weights);
    graph_ = onnx::lower(typed.graph, options_.opset());
    report_.graph = report::describe_graph(graph_, options_);
    report_.graph.fp32_for_weights = std::move(typed.out_of_range);
    if (options_.precision != Precision::fp32) {
      journal_.stage("typed", report::summarize(report_.graph, typed));
    }
    if (!report_.graph.fp32_for_weights.empty()) {
      journal_.warn(report::explain_weights_out_of_range(report_.graph));
    }
  }

  const Options& options_;
  Report report_;
  pipeline::Journal journal_;
  pipeline::Checkpoint checkpoint_;
  graph::Graph graph_;
};

}  // namespace

Report convert(const Input& input, const OutputFiles& output, const Options& options,
               const Context& context) {
  validate(options);
  require(output.model != nullptr, "convert() without an output");
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

std::string default_output_name(std::int64_t scale, std::string_view stem, Precision precision,
                                int opset_version, GraphForm form) {
  const bool standard = form == GraphForm::standard;
  return fmt::format("{}x_{}_{}_op{}{}{}.onnx", scale, stem, to_string(precision), opset_version,
                     standard ? "" : "_", standard ? "" : to_string(form));
}

namespace {

// Opens the file and calls `work` with the conversion up to the graph, its output's path decided.
template <typename Work>
Report with_conversion(const std::filesystem::path& input, const std::filesystem::path& output,
                       const Options& options, const Context& context, Purpose purpose, Work work) {
  Options named = options;
  if (named.source_name.empty()) named.source_name = input.filename().string();
  validate(named);
  const FileInput source(input);
  const io::FolderSiblings siblings(input);
  const auto check_target = [&](const std::filesystem::path& target) {
    if (purpose == Purpose::use) io::check_target(target, input, "model.onnx");
  };
  if (!output.empty()) check_target(output);

  return pipeline::naming(printable(input.string(), 4096), [&] {
    Conversion conversion(source, &siblings, named, context, purpose);
    Report& report = conversion.report();
    report.output.path = output;
    if (output.empty()) {
      report.output.path = input.parent_path() /
                           default_output_name(report.network.scale, checkpoint_stem(input),
                                               named.precision, named.opset(), named.graph_form);
      check_target(report.output.path);
    }
    work(conversion, source);
    return std::move(report);
  });
}

}  // namespace

Report plan_file(const std::filesystem::path& input, const std::filesystem::path& output,
                 const Options& options, const Context& context) {
  return with_conversion(input, output, options, context, Purpose::plan,
                         [](Conversion&, const FileInput&) {});
}

std::string why_outdated(const std::filesystem::path& input, const Report& planned,
                         bool more_fp32_blocks, const Context& context) {
  std::error_code ignored;
  if (!std::filesystem::exists(planned.output.path, ignored)) return "there is no such file";
  onnx::File file;
  try {
    file = onnx::read(FileInput(planned.output.path), context);
  } catch (const Error& error) {
    if (must_pass_on(error)) throw;
    return "it can't be read as an ONNX file";
  }
  const std::filesystem::path data = planned.output.path.string() + ".data";
  for (const onnx::FileTensor& tensor : file.initializers) {
    if (tensor.external_file.empty()) continue;
    if (tensor.external_file != data.filename() ||
        !std::filesystem::is_regular_file(data, ignored)) {
      return fmt::format("its weights, {}, aren't beside it", printable(tensor.external_file));
    }
  }
  std::string difference = report::difference_from(file, planned, more_fp32_blocks);
  if (!difference.empty()) return difference;
  // Last, since it costs the most.
  const std::string* made_from = file.find_metadata("source_sha256");
  const bool same =
      made_from != nullptr && *made_from == pipeline::sha256_of(input, planned.source, context);
  return same ? "" : "it was made from another checkpoint";
}

Report convert_file(const std::filesystem::path& input, const std::filesystem::path& output,
                    const Options& options, const Context& context, const BeforeSave& before_save) {
  const auto work = [&](Conversion& conversion, const FileInput& source) {
    Report& report = conversion.report();
    io::StagedFiles staged(report.output.path);
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

}  // namespace aether2onnx
