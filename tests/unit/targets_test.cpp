// The options that suit each target, and what check says of the files made with these options.

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "check_models.h"
#include "judge/targets.h"
#include "stage_networks.h"

namespace aether2onnx::targets_test {
namespace {

using test::all_codes;
using test::catch_error;
using test::report_of;

constexpr std::array kPrecisions = {Precision::fp32, Precision::fp16, Precision::bf16,
                                    Precision::mixed_fp16, Precision::mixed_bf16};

// --- files for each target ---------------------------------------------------------------------

struct Sample {
  std::string name;
  std::vector<tools::NamedTensor> tensors;
  ReadOptions read;
};

// Each generation, with every kind of block, and with kernels that the forms split.
const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = [] {
    std::vector<Sample> result;
    tools::NetworkShape first;
    first.large_kernel = 13;
    result.push_back({"G1", tools::make_tensors(first), {}});
    for (const std::string& generation : tools::stage_generations()) {
      if (generation == "G2") continue;
      for (const bool layer_norm : {false, true}) {
        if (layer_norm && generation <= "G5.0") continue;
        tools::StageShape shape;
        shape.generation = generation;
        shape.channel_attention = shape.spatial_attention = true;
        shape.layer_norm = layer_norm;
        shape.large_kernel = 13;
        ReadOptions read;
        read.generation = generation;
        result.push_back(
            {generation + (layer_norm ? "_layer_norm" : ""), tools::make_tensors(shape), read});
      }
    }
    for (Sample& sample : result) tools::fill_random(sample.tensors, 3);
    return result;
  }();
  return all;
}

std::string convert_sample(const Sample& sample, ConvertOptions options) {
  options.read = sample.read;
  const auto checkpoint = tools::write_checkpoint(sample.tensors);
  test::MemoryOutput output;
  convert(MemoryInput(checkpoint), {&output, nullptr, {}}, options);
  return {reinterpret_cast<const char*>(output.bytes().data()), output.bytes().size()};
}

std::vector<TargetVersion> list_of(std::string_view text) {
  std::vector<TargetVersion> list;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    list.push_back(parse_target(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

ConvertOptions options_for(std::string_view targets, const ConvertOptions& options = {},
                           const OptionsSet& set = {}) {
  return choose_for(list_of(targets), options, set).options;
}

class EveryTarget : public testing::TestWithParam<std::string> {};

std::vector<std::string> names_and_versions() {
  std::vector<std::string> names;
  for (const TargetInfo& info : targets()) names.emplace_back(info.name);
  for (const char* more :
       {"tensorrt:8.4", "tensorrt:8.6", "tensorrt:9.1", "tensorrt:10", "tensorrt:10.3",
        "tensorrt:11.2", "tensorrt:11.5", "tensorrt-rtx:1.5", "tensorrt-rtx:1.7",
        "onnxruntime:1.12", "onnxruntime:1.20", "onnxruntime-cuda:1.29"}) {
    names.emplace_back(more);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(
    All, EveryTarget, testing::ValuesIn(names_and_versions()), [](const auto& given) {
      std::string name = given.param;
      std::replace_if(
          name.begin(), name.end(),
          [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
      return name;
    });

// What convert makes for a target has no error and no warning there.
TEST_P(EveryTarget, ItsFilesAreClean) {
  const CheckOptions check = {list_of(GetParam())};
  const ConvertOptions options = options_for(GetParam());
  for (const Sample& sample : samples()) {
    const CheckReport report = report_of(convert_sample(sample, options), check);
    EXPECT_EQ(report.count(Severity::error) + report.count(Severity::warning), 0U)
        << sample.name << '\n'
        << all_codes(report);
  }
}

// The same for every other precision of the target. Only advice about a better precision or about
// versions that are too old may be a warning.
TEST_P(EveryTarget, ItsOtherPrecisionsRun) {
  const TargetVersion target = parse_target(GetParam());
  const TargetInfo info = targets().at(static_cast<std::size_t>(target.target));
  for (const Precision precision : info.precisions) {
    ConvertOptions options;
    options.precision = precision;
    OptionsSet set;
    set.precision = true;
    try {
      options = choose_for({target}, options, set).options;
    } catch (const Error& error) {
      // Only old versions lack a precision of their program.
      EXPECT_EQ(error.diagnostic.code, "target-precision");
      EXPECT_FALSE(target.version.empty());
      continue;
    }
    const CheckReport report = report_of(convert_sample(samples().back(), options), {{target}});
    for (const Finding& finding : report.findings) {
      if (finding.severity == Severity::note) continue;
      const bool advice = finding.code == "layernorm-half" || finding.code == "fp32-only" ||
                          finding.code == "opset-too-new" || finding.code == "bf16-opset";
      EXPECT_TRUE(finding.severity == Severity::warning && advice) << to_string(precision) << '\n'
                                                                   << all_codes(report);
    }
  }
}

// A precision that the target lacks is an error in convert, which names the modes that there are,
// and an error or a warning in check.
TEST_P(EveryTarget, RefusedPrecisionsAreFound) {
  const TargetVersion target = parse_target(GetParam());
  const TargetInfo info = targets().at(static_cast<std::size_t>(target.target));
  for (const Precision precision : kPrecisions) {
    if (std::find(info.precisions.begin(), info.precisions.end(), precision) !=
        info.precisions.end()) {
      continue;
    }
    ConvertOptions options;
    options.precision = precision;
    OptionsSet set;
    set.precision = true;
    const auto caught = catch_error([&] { choose_for({target}, options, set); });
    EXPECT_EQ(caught.code, "target-precision");
    EXPECT_NE(caught.message.find("fp32"), std::string::npos) << caught.message;
    const CheckReport report = report_of(convert_sample(samples().front(), options), {{target}});
    EXPECT_GT(report.count(Severity::error) + report.count(Severity::warning), 0U)
        << to_string(precision) << '\n'
        << all_codes(report);
  }
}

// Choosing is the same as giving the options: the target itself leaves no trace in the file.
TEST_P(EveryTarget, TheSettingsAreOrdinaryOptions) {
  const TargetChoice choice = choose_for(list_of(GetParam()), {});
  EXPECT_TRUE(choice.clashes.empty());
  EXPECT_FALSE(choice.settings.empty());
  for (const TargetChoice::Setting& setting : choice.settings) {
    EXPECT_FALSE(setting.value.empty()) << setting.option;
    EXPECT_GT(setting.why.size(), 10U) << setting.option;
  }
  EXPECT_NO_THROW(validate(choice.options));
}

// --- known refusals, crashes and wrong pictures ------------------------------------------------

struct Refusal {
  const char* target;
  const char* code;
  std::function<void(ConvertOptions&)> change;
  Severity severity = Severity::error;
};

const std::vector<Refusal>& refusals() {
  static const std::vector<Refusal> all = {
      {"ncnn", "ncnn-axes",
       [](auto& options) {
         options.opset_version = 18;
         options.graph_form = GraphForm::channels_first;
       }},
      {"vsmlrt-ncnn", "ncnn-axes",
       [](auto& options) {
         options.opset_version = 20;
         options.graph_form = GraphForm::channels_first;
       }},
      {"vsmlrt-any", "ncnn-axes",
       [](auto& options) {
         options.opset_version = 24;
         options.graph_form = GraphForm::channels_first;
       }},
      {"vsmlrt-ncnn", "ncnn-layernorm", [](auto&) {}},
      {"vsmlrt-ncnn", "ncnn-casts",
       [](auto& options) {
         options.precision = Precision::mixed_fp16;
         options.graph_form = GraphForm::channels_first;
       }},
      {"vsmlrt-ncnn", "ncnn-types", [](auto& options) { options.precision = Precision::fp16; }},
      {"ncnn", "ncnn-types", [](auto& options) { options.precision = Precision::fp16; }},
      {"vsmlrt-ov", "clip-type", [](auto& options) { options.precision = Precision::fp16; }},
      {"vsmlrt-rtx", "clip-type", [](auto& options) { options.precision = Precision::fp16; }},
      {"vsmlrt-ort", "bf16-kernels", [](auto& options) { options.precision = Precision::bf16; }},
      {"vsmlrt-ort", "bf16-kernels",
       [](auto& options) { options.precision = Precision::mixed_bf16; }},
      {"web", "bf16-kernels", [](auto& options) { options.precision = Precision::bf16; }},
      {"chainner", "bf16-kernels", [](auto& options) { options.precision = Precision::bf16; }},
      {"onnxruntime", "bf16-kernels", [](auto& options) { options.precision = Precision::bf16; },
       Severity::warning},
      {"onnxruntime-cuda", "bf16-kernels",
       [](auto& options) { options.precision = Precision::bf16; }},
      {"onnxruntime-cuda", "slow-projections",
       [](auto& options) { options.precision = Precision::fp16; }, Severity::warning},
      {"onnxruntime-cuda", "slow-kernels",
       [](auto& options) { options.precision = Precision::fp16; }, Severity::warning},
      {"videojanai", "transposes",
       [](auto& options) { options.shape = InputShape::dynamic_defaults(); }, Severity::warning},
      {"vsmlrt", "edge-type",
       [](auto& options) {
         options.precision = Precision::bf16;
         options.io_type = IoType::same;
       }},
      {"vsmlrt", "fixed-size", [](auto&) {}, Severity::note},
      {"web", "fixed-size", [](auto&) {}, Severity::note},
      {"tensorrt", "bf16-gpu", [](auto& options) { options.precision = Precision::bf16; },
       Severity::note},
      {"tensorrt-rtx", "bf16-gpu", [](auto& options) { options.precision = Precision::mixed_bf16; },
       Severity::note},
      {"tensorrt:10.3", "opset-too-new",
       [](auto& options) { options.precision = Precision::bf16; }},
      {"tensorrt:11.2", "depthwise-half",
       [](auto& options) { options.precision = Precision::fp16; }, Severity::note},
      {"tensorrt:11.2", "layernorm-half",
       [](auto& options) { options.precision = Precision::fp16; }, Severity::warning},
      {"openvino", "openvino-form", [](auto&) {}, Severity::note},
      {"tensorrt-rtx", "slow-projections",
       [](auto& options) { options.projections = Projections::matmul; }, Severity::note},
  };
  return all;
}

TEST(Refusals, AreFindings) {
  for (const Refusal& refusal : refusals()) {
    ConvertOptions options;
    refusal.change(options);
    const CheckReport report =
        report_of(convert_sample(samples().front(), options), {list_of(refusal.target)});
    const Finding* finding = test::find(report, refusal.code);
    ASSERT_NE(finding, nullptr) << refusal.target << ' ' << refusal.code << '\n'
                                << all_codes(report);
    EXPECT_EQ(finding->severity, refusal.severity) << refusal.target << ' ' << refusal.code;
    EXPECT_FALSE(finding->remedy.empty());
  }
}

// The opsets at which a finding of the table above ends.
TEST(Refusals, EndWhereTheProgramIsRight) {
  ConvertOptions options;
  options.graph_form = GraphForm::channels_first;
  options.opset_version = 17;
  for (const char* target : {"ncnn", "vsmlrt-ncnn", "vsmlrt-any"}) {
    const CheckReport report =
        report_of(convert_sample(samples().front(), options), {list_of(target)});
    EXPECT_EQ(report.count(Severity::error), 0U) << target << '\n' << all_codes(report);
  }
  options.graph_form = GraphForm::standard;
  options.opset_version = 16;
  const CheckReport report =
      report_of(convert_sample(samples().front(), options), {list_of("vsmlrt-ncnn")});
  EXPECT_EQ(report.count(Severity::error), 0U) << all_codes(report);
}

TEST(Refusals, AdviceKeepsTheTypeOfTheFile) {
  ConvertOptions options;
  options.precision = Precision::bf16;
  const CheckReport report =
      report_of(convert_sample(samples().front(), options), {list_of("tensorrt:11")});
  const Finding* finding = test::find(report, "layernorm-half");
  ASSERT_NE(finding, nullptr) << all_codes(report);
  EXPECT_NE(finding->remedy.find("mixed_bf16"), std::string::npos) << finding->remedy;
}

// A program that runs TensorRT has TensorRT's problems, unless TensorRT was asked for as well.
TEST(Refusals, AreInherited) {
  ConvertOptions options;
  options.opset_version = 24;
  options.shape = InputShape::dynamic_defaults();
  const std::string file = convert_sample(samples().front(), options);
  const CheckReport alone = report_of(file, {list_of("comfyui")});
  const Finding* finding = test::find(alone, "opset-too-new");
  ASSERT_NE(finding, nullptr);
  ASSERT_EQ(finding->concerns.size(), 1U);
  EXPECT_EQ(finding->concerns[0].target, Target::comfyui);
  EXPECT_EQ(finding->concerns[0].versions, "with TensorRT below 10.15");
  const CheckReport both = report_of(file, {list_of("comfyui,tensorrt")});
  finding = test::find(both, "opset-too-new");
  ASSERT_NE(finding, nullptr);
  ASSERT_EQ(finding->concerns.size(), 1U);
  EXPECT_EQ(finding->concerns[0].target, Target::tensorrt);
}

// --- several targets, and options that were given ----------------------------------------------

TEST(Choice, NothingChangesWithoutTargets) {
  ConvertOptions options;
  options.precision = Precision::fp16;
  const TargetChoice choice = choose_for({}, options);
  EXPECT_TRUE(choice.settings.empty());
  EXPECT_EQ(choice.options.precision, Precision::fp16);
  EXPECT_FALSE(choice.options.opset_version.has_value());
  EXPECT_EQ(choice.options.shape, InputShape{});
}

TEST(Choice, SeveralTargetsGetWhatAllAccept) {
  const ConvertOptions players = options_for("vsmlrt,vsmlrt-ncnn");
  EXPECT_EQ(players.precision, Precision::fp32);
  EXPECT_EQ(players.graph_form, GraphForm::channels_first);
  EXPECT_EQ(players.opset(), 17);
  const ConvertOptions any = options_for("vsmlrt-any");
  EXPECT_EQ(any.precision, Precision::fp32);
  EXPECT_EQ(any.graph_form, GraphForm::channels_first);
  const ConvertOptions nvidia = options_for("tensorrt-rtx,tensorrt:10,onnxruntime-cuda");
  EXPECT_EQ(nvidia.precision, Precision::mixed_fp16);
  EXPECT_EQ(nvidia.projections, Projections::conv);
  const ConvertOptions cuda = options_for("onnxruntime-cuda,tensorrt-rtx");
  EXPECT_EQ(cuda.precision, Precision::fp16);
  EXPECT_EQ(cuda.projections, Projections::matmul);
  EXPECT_EQ(cuda.split_kernels_over, 11);
  for (const char* list : {"vsmlrt,vsmlrt-ncnn", "vsmlrt-any", "onnxruntime,web,chainner,openvino",
                           "videojanai,vsmlrt-ov", "tensorrt:8.4,onnxruntime", "ncnn,web"}) {
    const CheckReport report =
        report_of(convert_sample(samples().front(), options_for(list)), {list_of(list)});
    EXPECT_EQ(report.count(Severity::error) + report.count(Severity::warning), 0U)
        << list << '\n'
        << all_codes(report);
  }
}

TEST(Choice, TargetsThatClashAreNamed) {
  const auto caught = catch_error([] { options_for("tensorrt:8.6,vsmlrt"); });
  EXPECT_EQ(caught.code, "target-clash");
  EXPECT_NE(caught.message.find("tensorrt:8.6 needs one size"), std::string::npos);
  EXPECT_NE(caught.message.find("vsmlrt needs a range of sizes"), std::string::npos);
}

TEST(Choice, AChosenOpsetKeepsTheFormThatAllTargetsRun) {
  ConvertOptions options;
  options.opset_version = 20;
  const TargetChoice choice = choose_for(list_of("onnxruntime,ncnn,videojanai"), options, {});
  EXPECT_EQ(choice.options.graph_form, GraphForm::channels_first);
  ASSERT_EQ(choice.clashes.size(), 1U);
  EXPECT_NE(choice.clashes[0].find("{option:opset_version} 20 does not suit ncnn"),
            std::string::npos);
}

TEST(Choice, WhatWasGivenCountsForMoreAndClashesAreSaid) {
  ConvertOptions options;
  options.precision = Precision::fp16;
  options.io_type = IoType::same;
  options.opset_version = 22;
  OptionsSet set;
  set.precision = set.shape = set.graph_form = true;
  const TargetChoice choice = choose_for(list_of("vsmlrt-rtx,videojanai,vsmlrt"), options, set);
  EXPECT_EQ(choice.options.precision, Precision::fp16);
  EXPECT_EQ(choice.options.io_type, IoType::same);
  EXPECT_EQ(choice.options.opset_version, 22);
  EXPECT_EQ(choice.options.graph_form, GraphForm::standard);
  EXPECT_FALSE(choice.options.shape.is_dynamic());
  const auto said = [&](const char* text) {
    return std::any_of(choice.clashes.begin(), choice.clashes.end(), [&](const std::string& clash) {
      return clash.find(text) != std::string::npos;
    });
  };
  EXPECT_TRUE(said("{option:shape} with one size does not suit vsmlrt-rtx"));
  EXPECT_TRUE(said("{option:io_type} same does not suit vsmlrt-rtx"));
  EXPECT_TRUE(said("{option:graph_form} standard does not suit videojanai"));
  EXPECT_TRUE(said("{option:opset_version} 22 does not suit vsmlrt"));
  for (const TargetChoice::Setting& setting : choice.settings) {
    EXPECT_TRUE(setting.option == "projections") << setting.option;
  }
}

TEST(Choice, Bfloat16GetsOperatorsThatTheCudaProviderHas) {
  ConvertOptions options;
  options.precision = Precision::bf16;
  OptionsSet set;
  set.precision = true;
  const ConvertOptions chosen = options_for("onnxruntime-cuda", options, set);
  EXPECT_EQ(chosen.opset(), 22);
  EXPECT_EQ(std::count(chosen.fp32_operators.begin(), chosen.fp32_operators.end(), "LeakyRelu"), 1);
  EXPECT_EQ(options_for("tensorrt-rtx", options, set).fp32_operators.size(), 0U);
}

TEST(Choice, GeluIsFloat32ForOnnxRuntimeOnACpu) {
  ConvertOptions options;
  options.precision = Precision::fp16;
  OptionsSet set;
  set.precision = true;
  const std::vector<std::string> gelu = {"Gelu"};
  EXPECT_EQ(options_for("onnxruntime", options, set).fp32_operators, gelu);
  EXPECT_EQ(options_for("vsmlrt-ort", options, set).fp32_operators, gelu);
  EXPECT_TRUE(options_for("onnxruntime-cuda", options, set).fp32_operators.empty());
  EXPECT_TRUE(options_for("directml", options, set).fp32_operators.empty());
  options.precision = Precision::fp32;
  EXPECT_TRUE(options_for("onnxruntime", options, set).fp32_operators.empty());
}

TEST(Choice, Float32SumsOfRtxGetFloat32DepthwiseConvolutions) {
  ConvertOptions options;
  OptionsSet set;
  set.precision = true;
  for (const Precision precision : kPrecisions) {
    options.precision = precision;
    const bool mixed = precision == Precision::mixed_bf16;
    EXPECT_EQ(options_for("tensorrt-rtx", options, set).depthwise_fp32, mixed);
    EXPECT_EQ(options_for("vsmlrt-rtx", options, set).depthwise_fp32, mixed);
    EXPECT_FALSE(options_for("tensorrt", options, set).depthwise_fp32);
  }
}

TEST(Choice, TheLineOfTensorRt112NamesTheWayOut) {
  const TargetChoice choice = choose_for(list_of("tensorrt:11.2"), {});
  ASSERT_EQ(choice.notes.size(), 1U);
  EXPECT_NE(choice.notes[0].find("{option:depthwise_fp32}"), std::string::npos);
  EXPECT_TRUE(choose_for(list_of("tensorrt:11.1"), {}).notes.empty());
  ConvertOptions wide;
  wide.depthwise_fp32 = true;
  EXPECT_TRUE(choose_for(list_of("tensorrt:11.2"), wide).notes.empty());
}

}  // namespace
}  // namespace aether2onnx::targets_test
