// Chooses the options of convert that suit the requested targets (programs that run ONNX files).

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "graph/passes/passes.h"
#include "judge/targets.h"

namespace aether2onnx {

namespace judge {

namespace {

constexpr int kUsualOpset = 17;
// In these versions, TensorRT failed to build engines for a range of sizes if the model has
// LayerNormalization between Transposes.
constexpr Range kFailsOnDynamic = between(version(8, 6), version(9, 3));
// TensorRT 11.2 and newer refuse some grouped float16 convolutions: NVIDIA/TensorRT#4838.
constexpr Range kRefusesGroupedHalf = since(version(11, 2));

bool is_bfloat16(Precision precision) { return graph::compute_type(precision) == DType::bfloat16; }

bool has_16_bits(Precision precision) { return precision != Precision::fp32; }

// Returns whether the target runs models of this precision. bfloat16 models need opset 22, so at
// least one of the requested versions of TensorRT must read opset 22.
bool runs(const Asked& asked, Precision precision) {
  if (!contains(asked.row->precisions, precision)) return false;
  if (!is_bfloat16(precision) || asked.row->runtime != Target::tensorrt) return true;
  return asked.versions.meets(since(first_tensorrt_of_opset(kMinOpsetOfBfloat16)));
}

bool runs_dynamic(const Asked& asked) {
  return !(asked.row->target == Target::tensorrt && asked.has_version &&
           asked.versions.meets(kFailsOnDynamic));
}

std::string names_of(const std::vector<Asked>& asked) {
  std::vector<std::string> names;
  for (const Asked& each : asked) names.push_back(each.text);
  return join(names, ",");
}

std::string modes_of(const std::vector<Asked>& asked) {
  std::vector<std::string> modes;
  for (const Precision precision : {Precision::fp32, Precision::fp16, Precision::bf16,
                                    Precision::mixed_fp16, Precision::mixed_bf16}) {
    const bool all = std::all_of(asked.begin(), asked.end(),
                                 [&](const Asked& each) { return runs(each, precision); });
    if (all) modes.emplace_back(to_string(precision));
  }
  return join(modes, ", ");
}

class Chooser {
 public:
  Chooser(const std::vector<Asked>& asked, const ConvertOptions& options, const OptionsSet& set)
      : asked_(asked), set_(set) {
    choice_.options = options;
  }

  TargetChoice run() {
    choose_shape();
    choose_precision();
    choose_form();
    choose_io_type();
    choose_projections();
    choose_kernels();
    choose_depthwise();
    choose_operators();
    add_notes();
    return std::move(choice_);
  }

 private:
  ConvertOptions& options() { return choice_.options; }

  template <typename Condition>
  const Asked* first_that(Condition condition) const {
    const auto found = std::find_if(asked_.begin(), asked_.end(), condition);
    return found == asked_.end() ? nullptr : &*found;
  }

  // Records that an option gets `value`, and `why` the target `by` prefers this value.
  void took(const char* option_name, const std::string& value, const Asked& by,
            std::string_view why) {
    choice_.settings.push_back({option_name, value, fmt::format("{}: {}", by.text, why)});
  }

  // Records that the caller's value of an option does not suit the target `with`.
  void clash(const char* option_name, std::string_view value, const Asked& with,
             std::string_view why) {
    choice_.clashes.push_back(
        fmt::format("{} {} does not suit {}: {}", option(option_name), value, with.text, why));
  }

  void choose_shape() {
    const Asked* fixed = first_that([](const Asked& each) { return !runs_dynamic(each); });
    const Asked* dynamic = first_that([](const Asked& each) { return !each.row->fixed_runs; });
    constexpr std::string_view why_fixed =
        "TensorRT 8.6 to 9.2 failed to build some engines for a range of sizes";
    if (set_.shape) {
      const bool is_dynamic = options().shape.is_dynamic();
      if (is_dynamic && fixed != nullptr) clash("shape", "with a range", *fixed, why_fixed);
      if (!is_dynamic && dynamic != nullptr) {
        clash("shape", "with one size", *dynamic, dynamic->row->why_dynamic);
      }
      return;
    }
    if (fixed != nullptr && dynamic != nullptr) {
      fail({ErrorKind::usage, "target-clash", "for", fixed->text, dynamic->text},
           "{} {}: {} needs one size ({}), but {} needs a range of sizes ({}).\n"
           "Convert once for each target.",
           option("for"), names_of(asked_), fixed->text, why_fixed, dynamic->text,
           dynamic->row->why_dynamic);
    }
    if (fixed != nullptr) {
      options().shape = {};
      took("shape", "1xCx64x64", *fixed, why_fixed);
      return;
    }
    options().shape = InputShape::dynamic_defaults();
    options().shape.batch = Axis::fixed(1);
    const Asked& by = dynamic == nullptr ? asked_.front() : *dynamic;
    took("shape", "1xCxHxW", by, by.row->why_dynamic);
  }

  void choose_precision() {
    if (set_.precision) {
      const Precision precision = options().precision;
      const Asked* without = first_that([&](const Asked& each) { return !runs(each, precision); });
      if (without == nullptr) return;
      const std::string modes = modes_of(asked_);
      fail({ErrorKind::usage, "target-precision", "fp_mode", modes,
            std::string(to_string(precision))},
           "{} {}: {} does not run this precision.\n{} {} allows {}.", option("fp_mode"),
           to_string(precision), without->text, option("for"), names_of(asked_), modes);
    }
    for (const Asked& by : asked_) {
      const auto& [precision, why] = by.row->precision;
      const Precision wanted = precision;
      if (first_that([&](const Asked& each) { return !runs(each, wanted); }) != nullptr) continue;
      options().precision = precision;
      took("fp_mode", std::string(to_string(precision)), by, why);
      return;
    }
    options().precision = Precision::fp32;  // every target runs float32
  }

  int wanted_opset() {
    if (options().opset_version) return *options().opset_version;
    return is_bfloat16(options().precision) ? kMinOpsetOfBfloat16 : kUsualOpset;
  }

  // A GraphForm is a choice of the ONNX operators that compute the normalization. Returns the
  // newest opset in which all targets run models of this form, but at most wanted_opset(), which is
  // the caller's opset or the default. Returns 0 if a target does not run this form.
  int opset_of_all(GraphForm form) {
    int newest = wanted_opset();
    for (const Asked& each : asked_) newest = std::min(newest, opset_of(each, form));
    return newest;
  }

  // Returns the newest opset that all requested versions of this target read. Exception: bfloat16
  // needs opset 22, so returns 22 for a bfloat16 model if one of the versions runs bfloat16.
  int opset_of(const Asked& asked, GraphForm form) {
    const int newest = newest_opset(asked, form);
    const bool excused = is_bfloat16(options().precision) && newest > 0 &&
                         newest < kMinOpsetOfBfloat16 && runs(asked, options().precision);
    return excused ? kMinOpsetOfBfloat16 : newest;
  }

  void choose_form() {
    if (set_.graph_form) {
      const GraphForm form = options().graph_form;
      for (const Asked& each : asked_) {
        if (newest_opset(each, form) == 0) {
          clash("graph_form", to_string(form), each, each.row->form.why);
        }
      }
      choose_opset(form);
      return;
    }
    // Each target prefers one graph form (operators for the normalization). `usual` is the newest
    // opset, at most wanted_opset(), in which the first target runs its own preferred form. The
    // first loop takes the first preferred form that all targets run in `usual` or newer. If no
    // form fits, the second loop also accepts older opsets. An opset that the caller set stays: if
    // this opset is too new for a target, choose_opset() reports the target.
    const int usual =
        std::min(wanted_opset(), opset_of(asked_.front(), asked_.front().row->form.value));
    for (const Asked& by : asked_) {
      if (opset_of_all(by.row->form.value) >= usual) return take_form(by);
    }
    for (const Asked& by : asked_) {
      if (opset_of_all(by.row->form.value) >= kMinOpset) return take_form(by);
    }
    const GraphForm form = asked_.front().row->form.value;
    const Asked* other =
        first_that([&](const Asked& each) { return newest_opset(each, form) == 0; });
    require(other != nullptr, "all targets run the same graph form, but no opset was found");
    fail({ErrorKind::usage, "target-clash", "for", asked_.front().text, other->text},
         "{} {}: {} needs {} {} ({}), but {} does not run this form.\n"
         "Convert once for each target.",
         option("for"), names_of(asked_), asked_.front().text, option("graph_form"),
         to_string(form), asked_.front().row->form.why, other->text);
  }

  void take_form(const Asked& by) {
    options().graph_form = by.row->form.value;
    took("graph_form", std::string(to_string(options().graph_form)), by, by.row->form.why);
    choose_opset(options().graph_form);
  }

  void choose_opset(GraphForm form) {
    if (options().opset_version) {
      for (const Asked& each : asked_) {
        const int newest = newest_opset(each, form);
        if (newest == 0 || *options().opset_version <= newest) continue;
        clash("opset_version", fmt::format("{}", *options().opset_version), each,
              fmt::format("the oldest requested version of this target reads opsets up to {} for "
                          "the chosen graph form",
                          newest));
      }
      return;
    }
    const int opset = std::max(opset_of_all(form), kMinOpset);
    options().opset_version = opset;
    const Asked* by = first_that([&](const Asked& each) { return opset_of(each, form) == opset; });
    if (is_bfloat16(options().precision)) {
      took("opset_version", fmt::format("{}", opset), asked_.front(), "bfloat16 needs opset 22");
    } else if (opset < kUsualOpset && by != nullptr) {
      took("opset_version", fmt::format("{}", opset), *by,
           "the newest opset that this target reads");
    } else {
      took("opset_version", fmt::format("{}", opset), asked_.front(),
           "every supported version of this target reads this opset");
    }
  }

  void choose_io_type() {
    const Asked* narrow = first_that([](const Asked& each) { return each.row->fp32_io.value; });
    if (narrow == nullptr || !has_16_bits(options().precision)) return;
    if (options().io_type == IoType::same) {
      clash("io_type", "same", *narrow, narrow->row->fp32_io.why);
    }
    if (options().io_type) return;
    options().io_type = IoType::fp32;
    took("io_type", "fp32", *narrow, narrow->row->fp32_io.why);
  }

  void choose_projections() {
    const auto& [projections, why] = asked_.front().row->projections;
    if (why.empty() || set_.projections) return;
    const bool fits =
        projections == Projections::conv || options().graph_form == GraphForm::standard;
    if (!fits) return;
    options().projections = projections;
    took("projections", std::string(to_string(projections)), asked_.front(), why);
  }

  void choose_kernels() {
    const auto& [size, why] = asked_.front().row->split_kernels_over;
    if (size == 0 || options().split_kernels_over || !has_16_bits(options().precision)) return;
    options().split_kernels_over = size;
    took("split_kernels_over", fmt::format("{}", size), asked_.front(), why);
  }

  void choose_depthwise() {
    const auto& [float32, why] = asked_.front().row->float32_depthwise;
    const bool applies = float32 && options().precision == Precision::mixed_bf16;
    if (!applies || options().depthwise_fp32) return;
    options().depthwise_fp32 = true;
    took("depthwise_fp32", "true", asked_.front(), why);
  }

  void choose_operators() {
    if (!has_16_bits(options().precision)) return;
    if (is_bfloat16(options().precision)) {
      const Asked* lacking =
          first_that([](const Asked& each) { return !each.row->no_bfloat16.value.empty(); });
      if (lacking != nullptr) keep_in_float32(lacking->row->no_bfloat16, *lacking);
    } else if (!asked_.front().row->slow_float16.value.empty()) {
      keep_in_float32(asked_.front().row->slow_float16, asked_.front());
    }
  }

  void keep_in_float32(const Preferred<std::string_view>& operators, const Asked& asked) {
    const auto& [names, why] = operators;
    for (std::string_view rest = names; !rest.empty();) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      const std::string op(rest.substr(0, end));
      std::vector<std::string>& all = options().fp32_operators;
      if (std::find(all.begin(), all.end(), op) == all.end()) all.push_back(op);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    took("fp32_operators", std::string(names), asked, why);
  }

  void add_notes() {
    const bool half = graph::compute_type(options().precision) == DType::float16;
    for (const Asked& each : asked_) {
      if (each.row->target == Target::tensorrt && half && !options().depthwise_fp32 &&
          each.has_version && each.versions.meets(kRefusesGroupedHalf)) {
        choice_.notes.push_back(fmt::format(
            "TensorRT 11.2 and newer refuse some depthwise convolutions in float16 (\"No "
            "low-precision conv kernel available\", NVIDIA/TensorRT#4838); if the build fails, "
            "add {}",
            option("depthwise_fp32")));
      }
      if (is_bfloat16(options().precision) && each.row->runtime == Target::tensorrt &&
          !since(first_tensorrt_of_opset(kMinOpsetOfBfloat16)).contains(each.versions)) {
        choice_.notes.push_back(
            fmt::format("{}: bfloat16 needs opset {}, which TensorRT reads "
                        "from 10.6 on",
                        each.text, kMinOpsetOfBfloat16));
      }
    }
  }

  const std::vector<Asked>& asked_;
  OptionsSet set_;
  TargetChoice choice_;
};

}  // namespace

}  // namespace judge

TargetChoice choose_for(const std::vector<TargetVersion>& targets, const ConvertOptions& options,
                        const OptionsSet& set) {
  const std::vector<judge::Asked> asked = judge::asked_targets(targets);
  if (asked.empty()) return {options, {}, {}, {}};
  return judge::Chooser(asked, options, set).run();
}

}  // namespace aether2onnx
