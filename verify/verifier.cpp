#include "verifier.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "blocks.h"
#include "candidate.h"
#include "comparison.h"
#include "details.h"
#include "examination.h"
#include "formats/onnx/onnx.h"
#include "formulas.h"
#include "html_report.h"
#include "metadata.h"
#include "network/network.h"
#include "plain_operations.h"
#include "plan.h"
#include "port/files.h"
#include "port/port.h"
#include "ranges.h"
#include "reference.h"
#include "rewriting.h"
#include "setup.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

namespace {

// The default tolerances. float32 has the tolerances of the older script aether2onnx.py.
constexpr double kDefaultAtol = 1e-3;
constexpr double kDefaultRtol = 1e-5;
constexpr double kHalfTolerance = 1e-2;      // larger, because float16 is less precise
constexpr double kBfloat16Tolerance = 5e-2;  // bfloat16 has 3 bits of precision less than float16

// The usual relative error of a correct block: about 17 rounding errors of float32 (2^-24), or 4 of
// float16 (2^-11) or bfloat16 (2^-8). find_first_difference() ignores smaller errors.
constexpr double kFloatFloor = 1e-6;
constexpr double kHalfFloor = 2e-3;
constexpr double kBfloat16Floor = 1.6e-2;

constexpr int kOnnxFloat16 = 10;   // the value of TensorProto.DataType for float16
constexpr int kOnnxBFloat16 = 16;  // the value of TensorProto.DataType for bfloat16

// Returns the least precise type that any weight has.
DType coarsest_type(const onnx::Model& model) {
  const auto has = [&](int type) {
    return std::any_of(model.initializers.begin(), model.initializers.end(),
                       [type](const auto& tensor) { return tensor.data_type == type; });
  };
  if (has(kOnnxBFloat16)) return DType::bfloat16;
  return has(kOnnxFloat16) ? DType::float16 : DType::float32;
}

double by_type(DType type, double of_float32, double of_float16, double of_bfloat16) {
  if (type == DType::bfloat16) return of_bfloat16;
  return type == DType::float16 ? of_float16 : of_float32;
}

void save_report(const fs::path& path, const std::string& html, const io::FilesRead& read,
                 const Context& context) {
  io::StagedFiles staged(path, read, context.cancelled);
  staged.model().write(std::as_bytes(std::span(html)));
  staged.close();
  staged.commit();
}

class Verifier {
 public:
  Verifier(const Request& request, const Progress& progress, const std::atomic<bool>* cancelled)
      : request_(request),
        progress_(progress),
        setup_(set_up(request.settings)),
        report_(request.settings.report),
        checkpoint_(request.checkpoint, cancelled),
        siblings_(request.checkpoint, cancelled),
        context_{request.limits, nullptr, cancelled},
        state_dict_(state_dict::StateDict::open(
            checkpoint_, {request.reading.params_key, &siblings_}, context_)),
        model_(onnx::read(io::FileInput(request.model, cancelled), context_)),
        settled_(settle(state_dict_, model_, request.reading)),
        network_(settled_.network),
        type_(coarsest_type(model_)),
        runs_(plan(request, model_, network_.facts.input_channels)) {
    const std::uint64_t available =
        port::available_memory().value_or(std::numeric_limits<std::uint64_t>::max());
    memory_ =
        check_memory(runs_, network_, setup_.float64 ? sizeof(double) : sizeof(float), available);
    roomy_ = memory_.roomy <= available / 2;
    if (!report_.empty()) io::check_target(report_, files_read(), "report.html");
  }

  Json run() {
    // If enough memory is available, keeps freed memory in the process. Returning a feature map's
    // memory to the system can take longer than computing the next feature map.
    if (roomy_) port::keep_freed_memory();
    begin_details();
    const std::string other = metadata::other_network(model_, network_.facts);
    if (other.empty()) {
      compare_model();
    } else {
      details_["first_difference"]["text"] = other;
      details_["passed"] = false;
    }
    if (!details_["fp32_blocks"].empty()) return std::move(details_);
    decide();
    if (!report_.empty()) {
      save_report(report_,
                  html_report(details_, facts_of(model_, request_.model, network_, request_),
                              pictures_, request_.command),
                  files_read(), context_);
    }
    return std::move(details_);
  }

 private:
  // Returns the files that the report must not replace: all read files and request_.inputs.
  io::FilesRead files_read() const {
    io::FilesRead files;
    for (const fs::path& input : request_.inputs) files.add(input);
    files.add(request_.model);
    std::set<std::string> names;
    for (const onnx::Tensor& tensor : model_.initializers) names.insert(tensor.external_file);
    for (const std::string& name : names) {
      if (!name.empty() && onnx::is_beside(name)) files.add(request_.model.parent_path() / name);
    }
    files.add(request_.checkpoint);
    for (const fs::path& shard : siblings_.opened()) files.add(shard);
    const fs::path& folder = request_.settings.images;
    if (!folder.empty()) {
      for (const fs::path& picture : list_pictures(folder)) files.add(picture);
    }
    files.add(setup_.runtime->path());
    return files;
  }

  void compare_model() {
    plan_work();
    if (progress_.begins) progress_.begins(details_);
    compare_all();
    const bool passed = details_["passed"].get<bool>();
    rewrite();
    if (!passed) find_out_where();
    add_ranges();
    if (request_.fp32_blocks) choose_blocks(passed);
    if (passed && details_["fp32_blocks"].empty()) examine_parts();
  }

  void decide() {
    const bool suspicious = !details_["noise"]["place"].get<std::string>().empty() ||
                            details_["rewriting"]["count"].get<std::uint64_t>() > 0;
    const char* verdict = !details_["passed"].get<bool>() ? "differs"
                          : suspicious                    ? "suspicious"
                          : settled_.assumptions.empty()  ? "equal"
                                                          : "equal-as-assumed";
    details_["verdict"] = verdict;
    if (suspicious) details_["passed"] = false;
  }

  void begin_details() {
    const auto tolerance = [&](const std::optional<double>& given, double usual) {
      return given.value_or(by_type(type_, usual, kHalfTolerance, kBfloat16Tolerance));
    };
    reference_.emplace(state_dict_, network_, operations_of(setup_), context_.cancelled);
    candidate_.emplace(*setup_.runtime, request_.model, model_, setup_.device, context_.cancelled);
    details_ = {{"verdict", ""},
                {"passed", true},
                {"model", request_.model_name},
                {"network", summary(network_.facts)},
                {"assumptions", to_json(settled_.assumptions)},
                {"source", request_.check_source ? compare_source(model_, state_dict_)
                                                 : Json{{"same", nullptr}, {"name", ""}}},
                {"judge", setup_.torch == nullptr ? "builtin" : "pytorch"},
                {"reference", reference_->description()},
                {"candidate", candidate_->description()},
                {"onnxruntime_library", setup_.runtime->path()},
                {"onnxruntime_version", setup_.runtime->version()},
                {"execution_provider", to_string(setup_.device)},
                {"atol", tolerance(request_.settings.atol, kDefaultAtol)},
                {"rtol", tolerance(request_.settings.rtol, kDefaultRtol)},
                {"weights", to_string(type_)},
                {"seed", request_.settings.seed},
                {"memory_estimate", roomy_ ? memory_.roomy : memory_.frugal},
                {"estimate_seconds", 0},
                {"results", Json::array()},
                {"noise",
                 {{"examined", false},
                  {"why_not", ""},
                  {"arithmetic", ""},
                  {"shape", Json::array()},
                  {"place", ""},
                  {"text", ""},
                  {"parts", Json::array()},
                  {"unrounded_parts", Json::array()}}},
                {"rewriting",
                 {{"compared", false},
                  {"why_not", ""},
                  {"count", 0},
                  {"text", ""},
                  {"differences", Json::array()}}},
                {"ranges", Json::array()},
                {"fp32_blocks", Json::array()},
                {"first_difference", {{"path", ""}, {"text", ""}, {"blocks", Json::array()}}}};
  }

  // Adds up the multiply-adds of all comparisons, and estimates the time on this machine.
  void plan_work() {
    const double speed = speed_of(*operations_of(setup_));
    const double plain = setup_.torch == nullptr && setup_.float64
                             ? speed
                             : speed_of(*plain_operations(Arithmetic::float64));
    double seconds = 0;
    for (const Run& run : runs_) {
      total_work_ += estimate_work(network_, run.sizes);
      // ONNX Runtime (float32) needs at most half the time of the built-in reference in float64.
      seconds += estimate_work(network_, run.sizes) * (1 / speed + 1 / (2 * plain));
    }
    plan_examination(plain, seconds);
    details_["estimate_seconds"] = seconds;
    // Counts the layers of the network in a run on one pixel. Progress reports need this number.
    const std::int64_t channels = network_.facts.input_channels;
    const FloatTensor pixel{{1, channels, 1, 1},
                            std::vector<float>(to_size(static_cast<std::uint64_t>(channels)))};
    reference_->run(pixel, {.on_layer = [this] { ++layers_; }});
  }

  // Chooses the input shape for examine_parts(), and estimates how much memory and time
  // examine_parts() needs. Adds the time to `seconds`. `speed` is the multiply-adds per second of
  // the built-in reference.
  void plan_examination(double speed, double& seconds) {
    Json& noise = details_["noise"];
    if (std::any_of(model_.nodes.begin(), model_.nodes.end(), [](const onnx::Node& node) {
          return node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear";
        })) {
      noise["why_not"] = "the rounding noise of int8 operators is unknown";
      return;
    }
    examined_ = quick_shape_of(model_, network_.facts.input_channels);
    if (examined_[0] == 2 && shapes_of(model_, network_.facts.input_channels).front()[0] == 1) {
      examined_[0] = 1;
    }
    const double work = estimate_work(network_, examined_);
    // The time of an examination in runs of the reference: the reference in float64 (1), the
    // reference in the model's type (1), and the model in ONNX Runtime (0.5). A 16-bit model is
    // examined twice (see examination.h), with one more run for Judges::other_weights.
    const double runs = type_ == DType::float32 ? 2.5 : 6;
    constexpr double longest = 120;
    const std::uint64_t available =
        port::available_memory().value_or(std::numeric_limits<std::uint64_t>::max());
    // examine() keeps two floats for each element that a block or another layer outputs.
    const NetworkInfo& facts = network_.facts;
    const std::int64_t blocks =
        std::accumulate(facts.depths.begin(), facts.depths.end(), std::int64_t{8});
    const double elements = static_cast<double>(
        examined_[0] * examined_[2] * examined_[3] *
        (blocks * facts.embed_dim +
         3 * std::max<std::int64_t>(64, facts.embed_dim) * facts.scale * facts.scale));
    const double bytes = elements * 2 * sizeof(float);
    if (work * runs / speed > longest || bytes > static_cast<double>(available) / 4) {
      noise["why_not"] = fmt::format(
          "the comparison takes too much time or memory at the fixed shape {}; use a model with "
          "dynamic or smaller shapes",
          fmt::join(examined_, "x"));
      return;
    }
    details_["memory_estimate"] =
        details_["memory_estimate"].get<std::uint64_t>() + static_cast<std::uint64_t>(bytes);
    noise["shape"] = examined_;
    examines_ = true;
    total_work_ += work * runs;
    seconds += work * runs / speed;
  }

  // Reports progress. The current run has `part` multiply-adds. Of these, `share` (0 to 1) is done.
  void tell(std::size_t index, double part, double share, const std::string& what) {
    if (!progress_.works) return;
    const double done = total_work_ > 0 ? (done_work_ + part * share) / total_work_ : 0;
    progress_.works(index, runs_.size(), std::min(done, 1.0), what);
  }

  void compare_all() {
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const Run& run = runs_[i];
      context_.check_cancelled();
      const double work = estimate_work(network_, run.sizes);
      const std::string title = run.title();
      std::size_t layer = 0;
      tell(i, work, 0, title);
      compare_one(run, [&] {
        constexpr double most = 0.7;  // the reference's share of the time of a run
        ++layer;
        tell(i, work, most * static_cast<double>(layer) / static_cast<double>(layers_ + 1), title);
      });
      done_work_ += work;
    }
  }

  void compare_one(const Run& run, const std::function<void()>& on_layer) {
    const FloatTensor input = run.make();
    const DoubleTensor expected =
        reference_->run(input, {.ranges = &ranges_, .on_layer = on_layer});
    context_.check_cancelled();
    // run() may run a 16-bit model twice: with and without rounding the results of its operators to
    // 16 bits. This function reports the worse run.
    std::optional<Comparison> worst;
    FloatTensor shown;
    for (FloatTensor& found : candidate_->run(input)) {
      Comparison one =
          compare(found, expected, details_["atol"].get<double>(), details_["rtol"].get<double>());
      if (worst && !is_worse(one, *worst)) continue;
      worst = std::move(one);
      shown = std::move(found);
    }
    const Comparison& comparison = *worst;
    details_["results"].push_back(to_json(comparison, run));
    if (!report_.empty()) {
      pictures_.push_back(make_pictures(run.title(), input, expected, shown));
    }
    if (comparison.passed) return;
    details_["passed"] = false;
    const bool smaller =
        smallest_failure_ == nullptr ||
        estimate_work(network_, run.sizes) < estimate_work(network_, smallest_failure_->sizes);
    if (smaller) smallest_failure_ = &run;
  }

  void find_out_where() {
    context_.check_cancelled();
    differences_ = compare_blocks(*candidate_, model_, *reference_, smallest_failure_->make());
    const std::vector<BlockDifference>& blocks = differences_;
    const FirstDifference first =
        find_first_difference(blocks, by_type(type_, kFloatFloor, kHalfFloor, kBfloat16Floor));
    Json& json = details_["first_difference"];
    json["path"] = first.path;
    const auto rewritten = details_["rewriting"]["text"].get<std::string>();
    json["text"] = first.text + (rewritten.empty() ? "" : " " + rewritten) +
                   contradictions(model_, state_dict_, network_.facts);
    for (const BlockDifference& block : blocks) {
      json["blocks"].push_back({{"path", block.path},
                                {"max_absolute", number(block.max_absolute)},
                                {"relative", number(block.relative)}});
    }
  }

  // Compares the model with a new conversion of the checkpoint, and reports the differences.
  void rewrite() {
    const io::FileInput file(request_.model, context_.cancelled);
    const io::FolderSiblings siblings(request_.model, context_.cancelled);
    const std::string* by = model_.find_metadata("aether2onnx_version");
    const bool same_source = !request_.check_source || details_["source"]["same"] == true;
    const Rewriting rewriting =
        compare_with_conversion(file, model_, &siblings, state_dict_, settled_.reading,
                                same_source && by != nullptr && *by == version(), context_);
    Json& json = details_["rewriting"];
    json["compared"] = rewriting.compared;
    json["why_not"] = rewriting.why_not;
    json["count"] = rewriting.count;
    for (const Alteration& each : rewriting.alterations) {
      json["differences"].push_back({{"place", each.place}, {"text", each.text}});
    }
    if (rewriting.alterations.empty()) return;
    const Alteration& first = rewriting.alterations.front();
    json["text"] = fmt::format(
        "The file is not what aether2onnx writes for this checkpoint. At {}, {}{}.", first.place,
        first.text,
        rewriting.count > 1 ? fmt::format(" (the first of {} differences)", rewriting.count) : "");
  }

  // On the CPU, compares the error of each block or layer with the error that rounding causes.
  void examine_parts() {
    Json& noise = details_["noise"];
    if (!examines_) return;
    noise["examined"] = true;
    const Arithmetic arithmetic = type_ == DType::float16    ? Arithmetic::float16
                                  : type_ == DType::bfloat16 ? Arithmetic::bfloat16
                                                             : Arithmetic::float32;
    noise["arithmetic"] = to_string(type_);
    // Frees the weights that are no longer needed: all weights at once may need too much memory.
    reference_.reset();
    candidate_->end_runs();
    std::optional<Candidate> on_cpu;
    if (setup_.device.provider != Provider::cpu) {
      on_cpu.emplace(*setup_.runtime, request_.model, model_, Device{}, context_.cancelled);
    }
    const Candidate& candidate = on_cpu ? *on_cpu : *candidate_;
    const std::vector<std::int64_t> shape(examined_.begin(), examined_.end());
    tell(runs_.size() - 1, 0, 0, "the error and the rounding noise of each part");
    // An epsilon matters most if a variance is small, so the smooth half of the input shows wrong
    // epsilons. The noisy half leads to large values, and shows mistakes with large values.
    const FloatTensor input =
        halves_of(make_picture(shape), make_noise(shape, request_.settings.seed));
    const auto reference = [&](Arithmetic computes, WeightRounding weights = {}) {
      return Reference(state_dict_, network_, plain_operations(computes), context_.cancelled,
                       weights);
    };
    const Reference exact = reference(Arithmetic::float64);
    {
      const Reference rounding = reference(arithmetic);
      add_parts(noise["parts"], "Rounding to " + std::string(to_string(type_)),
                examine(candidate, model_, {exact, rounding, arithmetic}, input));
    }
    if (type_ == DType::float32) return;
    const Reference of_weights = reference(Arithmetic::float64, {type_});
    const Reference rounding = reference(Arithmetic::float32, {type_});
    const bool as_stored = !may_combine_weights(network_);
    std::optional<Reference> dithered;
    if (!as_stored) {
      dithered.emplace(state_dict_, network_, plain_operations(Arithmetic::float64),
                       context_.cancelled, WeightRounding{type_, true});
    }
    add_parts(noise["unrounded_parts"],
              fmt::format("Rounding of the weights to {}", to_string(type_)),
              examine(candidate, model_,
                      {of_weights, rounding, Arithmetic::float32, as_stored ? &exact : &*dithered},
                      input, Candidate::Results::exact));
  }

  // Adds the errors of the network's blocks and layers to `list`. If details_["noise"] has no text
  // yet, also adds a text about the first error that is too large to come from rounding. `cause` is
  // the kind of rounding for this text: "Rounding to float16".
  void add_parts(Json& list, const std::string& cause, const std::vector<PartError>& parts) {
    for (const PartError& part : parts) list.push_back(to_json(part));
    Json& noise = details_["noise"];
    const auto place = std::find_if(parts.begin(), parts.end(),
                                    [](const PartError& part) { return part.is_suspicious(); });
    if (place == parts.end() || !noise["place"].get<std::string>().empty()) return;
    noise["place"] = place->path;
    noise["text"] = text_of(*place, cause);
  }

  static bool is_worse(const Comparison& a, const Comparison& b) {
    if (a.outside != b.outside) return a.outside > b.outside;
    return a.max_absolute > b.max_absolute;
  }

  void add_ranges() {
    for (const BlockRange& block : ranges_.blocks()) details_["ranges"].push_back(to_json(block));
  }

  // Lists in `details_` which further blocks and layers of a mixed precision model need float32.
  void choose_blocks(bool passed) {
    const std::vector<std::string>& already = *request_.fp32_blocks;
    std::vector<std::string> wanted;
    if (type_ == DType::float16) wanted = ranges_.beyond_float16(already);
    if (wanted.empty() && !passed) wanted = coarsest_blocks(differences_, already);
    details_["fp32_blocks"] = wanted;
  }

  const Request& request_;
  const Progress& progress_;
  Setup setup_;
  const fs::path& report_;
  io::FileInput checkpoint_;
  io::FolderSiblings siblings_;
  Context context_;
  state_dict::StateDict state_dict_;
  onnx::Model model_;
  Settled settled_;
  const network::Network& network_;
  DType type_;
  std::vector<Run> runs_;
  MemoryEstimate memory_;
  bool roomy_ = false;
  bool examines_ = false;
  Sizes examined_{};
  double total_work_ = 0;
  double done_work_ = 0;
  std::size_t layers_ = 0;
  std::optional<Reference> reference_;
  std::optional<Candidate> candidate_;
  Ranges ranges_;
  std::vector<BlockDifference> differences_;
  std::vector<PictureSet> pictures_;
  const Run* smallest_failure_ = nullptr;
  Json details_;
};

}  // namespace

Ready prepare(const Settings& settings) {
  const Setup setup = set_up(settings);
  return {setup.notes};
}

Json verify(const Request& request, const Progress& progress, const std::atomic<bool>* cancelled) {
  return Verifier(request, progress, cancelled).run();
}

}  // namespace aether2onnx::verify
