// The pipeline, stage by stage. To read the code, begin here.

#include <chrono>

#include "base/error.h"
#include "base/text.h"
#include "fusion/fusion.h"
#include "graph/graph.h"
#include "io/io.h"
#include "network/network.h"
#include "onnx/onnx.h"
#include "pipeline.h"
#include "precision/precision.h"
#include "report/report.h"
#include "state_dict/state_dict.h"

namespace aether2onnx {

namespace {

// Measures the stages and tells the observer.
class Journal {
 public:
  Journal(Report& report, Observer* observer) : report_(report), observer_(observer) {}

  void stage(std::string name, std::string summary) {
    const auto now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - started_).count();
    started_ = now;
    report_.stages.push_back({std::move(name), std::move(summary), seconds});
    if (observer_ != nullptr) observer_->on_stage(report_.stages.back());
  }

  void progress(std::string_view name, std::uint64_t done, std::uint64_t total) const {
    if (observer_ != nullptr) observer_->on_progress(name, done, total);
  }

  void warn(std::string text) {
    report_.warnings.push_back(std::move(text));
    if (observer_ != nullptr) observer_->on_warning(report_.warnings.back());
  }

 private:
  using Clock = std::chrono::steady_clock;
  Report& report_;
  Observer* observer_;
  Clock::time_point started_ = Clock::now();
};

// A conversion from the checkpoint to the graph; write() may follow once it is known where to.
class Conversion {
 public:
  Conversion(const Input& input, const Options& options, Observer* observer)
      : input_(input), options_(options), journal_(report_, observer), state_dict_(read()) {
    graph_ = build();
    report_.graph = report::describe_graph(graph_, options_);
  }

  Report& report() { return report_; }

  void write(const OutputFiles& output) {
    const onnx::ModelProperties properties{options_.opset_version, report::metadata(report_)};
    const onnx::Written written =
        onnx::write(graph_, properties, output, options_.external_data_threshold,
                    [this](std::uint64_t done, std::uint64_t total) {
                      journal_.progress("written", done, total);
                    });
    report_.output.bytes = written.bytes;
    report_.output.external_data_bytes = written.external_data_bytes;
    report_.weights_subnormal = written.weights_subnormal;
    report_.weights_flushed_to_zero = written.weights_flushed_to_zero;
    if (written.weights_subnormal + written.weights_flushed_to_zero > 0) {
      journal_.warn(fmt::format(
          "of {} weights, {} became subnormal in fp16 and {} became zero (below 6e-8); this is "
          "harmless unless verification fails",
          with_thousands(report_.graph.parameters), with_thousands(written.weights_subnormal),
          with_thousands(written.weights_flushed_to_zero)));
    }
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
  state_dict::StateDict read() {
    state_dict::StateDict state_dict = state_dict::StateDict::open(input_);
    report_.source = report::describe_source(state_dict);
    report_.source.name = options_.source_name;
    report_.source.bytes = input_.size();
    report_.source.sha256 = io::sha256_of(input_, [this](std::uint64_t done) {
      journal_.progress("read", done, report_.source.bytes);
    });
    journal_.stage("read", report::summarize(report_.source));
    return state_dict;
  }

  graph::Graph build() {
    network::Network recognised = network::recognise(state_dict_);
    network::check_options(recognised, options_);
    report_.network = recognised.facts;
    journal_.stage("recognised", report::summarize(report_.network));

    fusion::Fusion fusion = fusion::fuse(std::move(recognised));
    journal_.stage("fused", fusion.convolutions == 0
                                ? "the checkpoint is fused already"
                                : fmt::format("{} pairs of depthwise convolutions into one each, "
                                              "summed in float64",
                                              fusion.convolutions));

    graph::Graph graph = graph::build(fusion.network, state_dict_, options_.shape);
    precision::apply(graph, options_.precision);
    return onnx::lower(graph, options_.opset_version);
  }

  const Input& input_;
  const Options& options_;
  Report report_;
  Journal journal_;
  state_dict::StateDict state_dict_;
  graph::Graph graph_;
};

}  // namespace

Report convert(const Input& input, const OutputFiles& output, const Options& options,
               Observer* observer) {
  validate(options);
  require(output.model != nullptr, "convert() without an output");
  return pipeline::naming(printable(options.source_name), [&] {
    Conversion conversion(input, options, observer);
    conversion.write(output);
    conversion.finish();
    return std::move(conversion.report());
  });
}

std::string default_output_name(std::int64_t scale, std::string_view stem, Precision precision,
                                int opset_version) {
  return fmt::format("{}x_{}_{}_op{}.onnx", scale, stem, to_string(precision), opset_version);
}

Report convert_file(const std::filesystem::path& input, const std::filesystem::path& output,
                    const Options& options, Observer* observer, const BeforeSave& before_save) {
  Options named = options;
  if (named.source_name.empty()) named.source_name = input.filename().string();
  validate(named);
  const FileInput source(input);
  if (!output.empty()) io::check_target(output, input);

  return pipeline::naming(printable(input.string(), 4096), [&] {
    Conversion conversion(source, named, observer);
    Report& report = conversion.report();
    report.output.path = output;
    if (output.empty()) {
      report.output.path =
          input.parent_path() / default_output_name(report.network.scale, input.stem().string(),
                                                    named.precision, named.opset_version);
      io::check_target(report.output.path, input);
    }
    io::StagedFiles staged(report.output.path);
    conversion.write({&staged.model(), &staged.external_data(), staged.external_data_name()});
    staged.close();
    if (report.output.external_data_bytes > 0) {
      report.output.external_data_path =
          report.output.path.parent_path() / staged.external_data_name();
    }
    conversion.finish();
    if (before_save) before_save(report, staged.candidate());
    staged.commit();
    return std::move(report);
  });
}

}  // namespace aether2onnx
