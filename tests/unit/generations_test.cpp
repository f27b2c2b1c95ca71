// The later generations: which one a file is of and by what evidence, and that what is done to
// their networks ahead of a run changes nothing.

#include <gtest/gtest.h>

#include <algorithm>

#include "module_runner.h"
#include "network/network.h"
#include "network/passes/passes.h"
#include "sample_networks.h"
#include "stage_networks.h"
#include "support.h"

namespace aether2onnx::network {
namespace {

using state_dict::StateDict;
using test::catch_error;
using test::Caught;
using test::Image;
using tools::CheckpointLayout;
using tools::NamedTensor;
using tools::PythonDict;
using tools::PythonValue;
using tools::StageShape;

// A file in memory, and what is in it.
struct File {
  File(const std::vector<NamedTensor>& tensors, const CheckpointLayout& layout)
      : bytes(tools::write_checkpoint(tensors, layout)),
        input(bytes),
        state_dict(StateDict::open(input, {}, {})) {}

  std::vector<std::byte> bytes;
  MemoryInput input;
  StateDict state_dict;
};

Network recognise_tensors(const std::vector<NamedTensor>& tensors,
                          const CheckpointLayout& layout = {}, const ReadOptions& options = {}) {
  const File file(tensors, layout);
  return recognise(file.state_dict, options);
}

const Evidence* evidence_of(const Network& network, std::string_view what) {
  for (const Evidence& evidence : network.facts.evidence) {
    if (evidence.what == what) return &evidence;
  }
  return nullptr;
}

std::string value_of(const Network& network, std::string_view what) {
  const Evidence* evidence = evidence_of(network, what);
  return evidence == nullptr ? "nothing" : evidence->value;
}

bool is_certain(const Network& network, std::string_view what) {
  const Evidence* evidence = evidence_of(network, what);
  return evidence != nullptr && evidence->certain;
}

// A training file: params, and what the class notes of its construction.
CheckpointLayout training(const PythonDict& arch_config) {
  CheckpointLayout layout;
  layout.wrapper = "params";
  layout.beside.items.emplace_back("arch_config", arch_config);
  return layout;
}

void drop(std::vector<NamedTensor>& tensors, std::string_view part) {
  const auto had = tensors.size();
  std::erase_if(tensors, [&](const NamedTensor& tensor) {
    return tensor.name.find(part) != std::string::npos;
  });
  ASSERT_LT(tensors.size(), had) << part;
}

NamedTensor& tensor_named(std::vector<NamedTensor>& tensors, std::string_view name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const NamedTensor& tensor) { return tensor.name == name; });
  EXPECT_NE(found, tensors.end()) << name;
  return *found;
}

StageShape shape_of(const std::string& generation) {
  StageShape shape;
  shape.generation = generation;
  return shape;
}

// The generation that a file of `generation` counts as where nothing but its tensors tells.
std::string name_by_tensors(const std::string& generation, bool fused) {
  if (generation == "G5.1") return "G5.2";  // one network
  if (generation == "G6.0" && !fused) return "G7d";
  if (generation == "G7a" || generation == "G7b") return "G7c";
  return generation;
}

class Generations : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, Generations, testing::ValuesIn([] {
                           std::vector<std::string> names = tools::stage_generations();
                           std::erase(names, "G2");
                           return names;
                         }()),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST_P(Generations, AreRecognisedByTheirTensors) {
  for (const bool fused : {false, true}) {
    for (const std::int64_t scale : {1, 2, 3, 4, 8}) {
      StageShape shape = shape_of(GetParam());
      if (scale == 1 && (shape.generation == "G3" || shape.generation == "G4")) continue;
      shape.fused = fused;
      shape.scale = scale;
      shape.channel_attention = scale != 3;
      shape.spatial_attention = scale == 4;
      const Network network = recognise_tensors(tools::make_tensors(shape));
      SCOPED_TRACE(fused ? "fused" : "unfused");
      EXPECT_EQ(network.facts.generation, name_by_tensors(GetParam(), fused));
      EXPECT_EQ(network.facts.scale, scale);
      EXPECT_EQ(network.facts.embed_dim, 16);
      EXPECT_EQ(network.facts.depths, (std::vector<std::int64_t>{2, 1}));
      EXPECT_EQ(network.facts.hidden_dim, 32);
      EXPECT_EQ(network.facts.fused, fused);
      EXPECT_EQ(network.facts.small_kernel, fused ? 0 : 3);
      EXPECT_EQ(network.facts.has("channel_attention"), shape.channel_attention);
      EXPECT_EQ(network.facts.has("spatial_attention"), shape.spatial_attention);
      EXPECT_EQ(network.facts.norm_type, NormType::deployment);
      EXPECT_TRUE(network.warnings.empty());
    }
  }
}

TEST_P(Generations, EachTensorIsNeededAndChecked) {
  StageShape shape = shape_of(GetParam());
  shape.channel_attention = shape.spatial_attention = true;
  const auto tensors = tools::make_tensors(shape);
  ReadOptions options;
  options.generation = GetParam();  // where a fingerprint lacks, the generation is asked for
  for (std::size_t i = 0; i < tensors.size(); i += test::kTensorStep) {
    const NamedTensor& tensor = tensors[i];
    if (tensor.integer) continue;  // counters and versions count for nothing
    SCOPED_TRACE(tensor.name);
    auto without = tensors;
    drop(without, tensor.name);
    auto caught = catch_error([&] { recognise_tensors(without, {}, options); });
    if (!caught.thrown) {  // what identified it is gone: another optional part
      ADD_FAILURE() << "is not missed";
    }
    auto wrong = tensors;
    NamedTensor& changed = tensor_named(wrong, tensor.name);
    changed.shape.insert(changed.shape.begin(), 2);
    changed.values.resize(2 * changed.values.size());
    caught = catch_error([&] { recognise_tensors(wrong, {}, options); });
    EXPECT_TRUE(caught.thrown);
  }
  auto more = tensors;
  more.push_back({"stages.0.0.extra", {1}, {0}});
  const Caught caught = catch_error([&] { recognise_tensors(more, {}, options); });
  EXPECT_EQ(caught.findings, std::vector<std::string>{"unexpected key: stages.0.0.extra (1)"});
}

// Unfused, fused, and with all folded that can be: the same numbers, in float64.
TEST_P(Generations, FusionAndFoldingChangeNothing) {
  for (const int variant : {0, 1, 2, 3}) {
    SCOPED_TRACE(variant);
    StageShape shape = shape_of(GetParam());
    shape.embed_dim = 8;
    shape.hidden_dim = 12;
    shape.channel_attention = variant != 0;
    shape.spatial_attention = variant > 1;
    shape.scale = variant == 2 ? 4 : 2;
    const bool may_have_layer_norm = GetParam() > "G5.0";
    shape.layer_norm = variant == 3 && may_have_layer_norm;
    auto tensors = tools::make_tensors(shape);
    tools::fill_random(tensors, 3);
    CheckpointLayout layout;
    layout.type = tools::StorageType::float64;
    const File file(tensors, layout);
    ReadOptions options;
    if (variant == 1) options.img_range = 2.5;
    if (variant == 2 && may_have_layer_norm) options.res_scale = 0.7;
    options.generation = GetParam();
    const Network network = recognise(file.state_dict, options);
    const Image image = test::make_image(3, 6, 5);
    const Image expected = test::run_modules(network, file.state_dict, image);
    const network::Fused fused = network::fuse(network);
    EXPECT_LT(test::largest_difference(test::run_modules(fused.network, file.state_dict, image),
                                       expected),
              1e-12);
    const network::Folded folded = network::fold(fused.network);
    EXPECT_LT(test::largest_difference(test::run_modules(folded.network, file.state_dict, image),
                                       expected),
              1e-12);

    // What is left: nothing but the subtraction of the mean, where nothing is in the way.
    std::size_t shifts = 0;
    std::size_t scales = 0;
    std::size_t affines = 0;
    for (const Module& module : folded.network.modules) {
      shifts += std::holds_alternative<ChannelShift>(module.operation) ? 1U : 0U;
      scales += std::holds_alternative<Scale>(module.operation) ? 1U : 0U;
      affines += std::holds_alternative<ChannelAffine>(module.operation) ? 1U : 0U;
      EXPECT_FALSE(std::holds_alternative<DeploymentNorm>(module.operation)) << module.path;
    }
    const bool seventh = GetParam().starts_with("G7");
    EXPECT_EQ(shifts, 1U);
    EXPECT_EQ(scales, seventh && variant == 1 ? 1U : 0U);       // x / img_range, before the mean
    EXPECT_EQ(affines, seventh || shape.layer_norm ? 0U : 1U);  // the body's
    EXPECT_EQ(folded.norms, shape.layer_norm ? 0U : (seventh ? 4U : 3U));
    EXPECT_EQ(folded.temperatures, GetParam() == "G7a" ? 0U : 3U);  // G7a has no use for them
  }
}

// The published fused state, made from the same numbers, is another file of the same network.
TEST_P(Generations, ThePublishedFusedStateIsTheSameNetwork) {
  StageShape shape = shape_of(GetParam());
  shape.embed_dim = 8;
  shape.channel_attention = true;
  auto tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 4);
  CheckpointLayout layout;
  layout.type = tools::StorageType::float64;
  const File unfused(tensors, layout);
  const File fused(tools::fuse(tensors, shape), layout);
  ReadOptions options;
  options.generation = GetParam();
  if (GetParam().starts_with("G7")) options.norm_eps = 1e-4;  // the tools' G7 is G7d
  if (GetParam() == "G7a" || GetParam() == "G7b") options.norm_eps = 1e-5;
  const Network a = recognise(unfused.state_dict, options);
  ReadOptions of_fused = options;
  if (GetParam() != "G5x") of_fused.norm_eps.reset();
  const Network b = recognise(fused.state_dict, of_fused);
  EXPECT_TRUE(b.facts.fused);
  const Image image = test::make_image(3, 5, 6);
  EXPECT_LT(test::largest_difference(test::run_modules(a, unfused.state_dict, image),
                                     test::run_modules(b, fused.state_dict, image)),
            1e-12);
}

TEST(Generation2, IsRefusedWithTheReason) {
  const Caught caught = catch_error([] { recognise_tensors(tools::make_tensors(shape_of("G2"))); });
  EXPECT_EQ(caught.kind, ErrorKind::unsupported);
  EXPECT_EQ(caught.code, "network-cannot-run");
}

TEST(Generation, PresetsAreNamed) {
  for (const char* name : {"aether_mobile", "aether_tiny", "aether_small", "aether_medium",
                           "aether_large", "aether_pro"}) {
    const StageShape shape = tools::stage_preset(name, 2);
    const Network network = recognise_tensors(tools::make_tensors(shape));
    EXPECT_EQ(network.facts.model_type, name);
    EXPECT_EQ(network.facts.scale, 2);
  }
}

// --- evidence, one piece after the other ------------------------------------------------------

StageShape attentive(const std::string& generation, bool fused) {
  StageShape shape = shape_of(generation);
  shape.fused = fused;
  shape.channel_attention = true;
  return shape;
}

TEST(Evidence6Or7, TheVersionBufferComesFirst) {
  // Even against an arch_config, and against statistics that are left.
  for (const bool fused : {false, true}) {
    const StageShape shape = attentive("G6.1", fused);
    const auto layout = training(tools::arch_config(shape, 0.1));
    const Network network = recognise_tensors(tools::make_tensors(shape), layout);
    EXPECT_EQ(network.facts.generation, "G6.1");
    EXPECT_TRUE(is_certain(network, "generation"));
  }
}

TEST(Evidence6Or7, ThenTheReleasesVersion) {
  for (const auto& [version, name] : {std::pair{"3.1.0", "G6.1"}, {"3.1.1", "G7d"}}) {
    auto tensors = tools::make_tensors(attentive("G7d", false));
    CheckpointLayout layout;
    layout.wrapper = "state_dict";
    layout.beside.items.emplace_back("metadata",
                                     PythonDict{{{"model_version", version}, {"scale", 2}}});
    const Network network = recognise_tensors(tensors, layout);
    EXPECT_EQ(network.facts.generation, name);
    EXPECT_TRUE(is_certain(network, "generation"));
  }
}

TEST(Evidence6Or7, ThenArchConfigWithoutVersionBuffers) {
  const StageShape shape = attentive("G7d", false);
  const Network network =
      recognise_tensors(tools::make_tensors(shape), training(tools::arch_config(shape, 0.1)));
  EXPECT_EQ(network.facts.generation, "G7d");
  EXPECT_TRUE(is_certain(network, "generation"));
  EXPECT_TRUE(is_certain(network, "norm_eps"));
  EXPECT_EQ(network.facts.number("norm_eps", 0), 1e-4);
  EXPECT_TRUE(is_certain(network, "res_scale"));
  EXPECT_TRUE(open_questions(network.facts).empty());
}

TEST(Evidence6Or7, ThenWhatFusionLeft) {
  const Network sixth = recognise_tensors(tools::make_tensors(attentive("G6.0", true)));
  EXPECT_EQ(sixth.facts.generation, "G6.0");
  EXPECT_TRUE(is_certain(sixth, "generation"));
  EXPECT_EQ(sixth.facts.number("norm_eps", 0), 0);  // folded, although the statistics are there
  const Network seventh = recognise_tensors(tools::make_tensors(attentive("G7d", true)));
  EXPECT_EQ(seventh.facts.generation, "G7d");
  EXPECT_TRUE(is_certain(seventh, "generation"));
}

TEST(Evidence6Or7, ThenTheNamesOfModules) {
  const auto tensors = tools::make_tensors(attentive("G7d", false));
  const auto with_module = [&](const char* module) {
    CheckpointLayout layout;
    layout.module_names = {"", "conv_first", std::string("stages.0.0.") + module};
    return recognise_tensors(tensors, layout);
  };
  EXPECT_EQ(with_module("norm_dequant").facts.generation, "G7d");
  EXPECT_TRUE(is_certain(with_module("norm_quant"), "generation"));
  EXPECT_EQ(with_module("residual_quant").facts.generation, "G6.0");
  EXPECT_TRUE(is_certain(with_module("residual_quant"), "generation"));
  // Observers have the modules' names in their keys.
  auto observed = tensors;
  observed.push_back({"stages.0.0.residual_quant.activation_post_process.min_val", {}, {0}});
  const Network network = recognise_tensors(observed);
  EXPECT_EQ(network.facts.generation, "G6.0");
  EXPECT_EQ(network.facts.quantization, Quantization::qat);
}

TEST(Evidence6Or7, WithoutAnyItIsTheSeventhAndSaid) {
  for (const bool layer_norm : {false, true}) {
    for (const bool fused : {false, true}) {
      if (fused && !layer_norm) continue;  // told by the statistics
      StageShape shape = attentive("G6.0", fused);
      shape.layer_norm = layer_norm;
      const Network network = recognise_tensors(tools::make_tensors(shape));
      EXPECT_EQ(network.facts.generation, "G7d");
      EXPECT_FALSE(is_certain(network, "generation"));
      const auto questions = open_questions(network.facts);
      ASSERT_FALSE(questions.empty());
      EXPECT_NE(questions[0].find("{option:generation}"), std::string::npos) << questions[0];
    }
  }
}

TEST(Evidence6Or7, AnOptionDecides) {
  ReadOptions options;
  options.generation = "G6.0";
  const auto tensors = tools::make_tensors(attentive("G7d", false));
  const Network network = recognise_tensors(tensors, {}, options);
  EXPECT_EQ(network.facts.generation, "G6.0");
  EXPECT_TRUE(is_certain(network, "generation"));
  EXPECT_EQ(network.facts.number("norm_eps", 0), 1e-5);

  options.generation = "G4";
  const Caught caught = catch_error([&] { recognise_tensors(tensors, {}, options); });
  EXPECT_EQ(caught.kind, ErrorKind::mismatch);
  EXPECT_EQ(caught.code, "network-generation");
  EXPECT_NE(caught.message.find("G6.0, G6.1, G7a"), std::string::npos) << caught.message;
}

TEST(EvidenceEps, ByModulesAndArchOptionOrElseThePreference) {
  const auto tensors = tools::make_tensors(attentive("G7c", false));
  const auto with_module = [&](const char* module) {
    CheckpointLayout layout;
    layout.module_names = {"", std::string("stages.0.0.ffn.") + module};
    return recognise_tensors(tensors, layout);
  };
  EXPECT_EQ(with_module("temp_dequant").facts.generation, "G7c");
  EXPECT_EQ(with_module("temp_dequant").facts.number("norm_eps", 0), 1e-4);
  EXPECT_EQ(with_module("quant_mul_scalar").facts.generation, "G7b");
  EXPECT_EQ(with_module("quant_mul_scalar").facts.number("norm_eps", 0), 1e-5);
  EXPECT_EQ(with_module("residual_quant").facts.generation, "G7a");
  EXPECT_EQ(with_module("residual_quant").facts.number("norm_eps", 0), 1e-5);
  for (const char* module : {"temp_dequant", "quant_mul_scalar", "residual_quant"}) {
    EXPECT_TRUE(is_certain(with_module(module), "norm_eps")) << module;
  }
  const PythonDict config = tools::arch_config(attentive("G7c", false), 0.1);
  for (const PythonValue& option : {PythonValue("aether_small"), PythonValue()}) {
    PythonDict with_option = config;
    with_option.items.emplace_back("arch_option", option);
    EXPECT_TRUE(is_certain(recognise_tensors(tensors, training(with_option)), "norm_eps"));
  }

  const Network open = recognise_tensors(tensors);
  EXPECT_EQ(open.facts.number("norm_eps", 0), 1e-4);
  EXPECT_FALSE(is_certain(open, "norm_eps"));
  const auto questions = open_questions(open.facts);
  EXPECT_TRUE(std::any_of(questions.begin(), questions.end(), [](const std::string& line) {
    return line.find("{option:norm_eps} decides otherwise") != std::string::npos;
  }));

  ReadOptions options;
  options.norm_eps = 3e-5;
  EXPECT_EQ(recognise_tensors(tensors, {}, options).facts.number("norm_eps", 0), 3e-5);
  // Where it is irrelevant it is neither asked nor taken.
  const auto fused = tools::make_tensors(attentive("G7c", true));
  EXPECT_EQ(evidence_of(recognise_tensors(fused), "norm_eps"), nullptr);
  EXPECT_EQ(catch_error([&] { recognise_tensors(fused, {}, options); }).code,
            "network-option-unused");
}

TEST(EvidenceResScale, ByArchConfigOrElseTheRuleOfThePresets) {
  struct Case {
    const char* generation;
    std::int64_t embed_dim;
    double preferred;
  };
  for (const Case& c : {Case{"G7d", 64, 0.2},
                        {"G7d", 65, 0.1},
                        {"G6.1", 64, 0.2},
                        {"G5x", 96, 0.1},
                        {"G5.2", 64, 1}}) {
    StageShape shape = shape_of(c.generation);
    shape.embed_dim = c.embed_dim;
    const auto tensors = tools::make_tensors(shape);
    const Network open = recognise_tensors(tensors);
    EXPECT_EQ(open.facts.number("res_scale", 1), c.preferred) << c.generation;
    EXPECT_FALSE(is_certain(open, "res_scale"));
    const Network told = recognise_tensors(tensors, training(PythonDict{{{"res_scale", 0.35}}}));
    EXPECT_EQ(told.facts.number("res_scale", 1), 0.35);
    EXPECT_TRUE(is_certain(told, "res_scale"));
    CheckpointLayout release;
    release.wrapper = "state_dict";
    release.beside.items.emplace_back(
        "metadata", PythonDict{{{"arch_config", PythonDict{{{"res_scale", 0.45}}}}}});
    EXPECT_EQ(recognise_tensors(tensors, release).facts.number("res_scale", 1), 0.45);
    ReadOptions options;
    options.res_scale = 0.6;
    EXPECT_EQ(recognise_tensors(tensors, release, options).facts.number("res_scale", 1), 0.6);
    // Nonsense is told and left out.
    const Network bad = recognise_tensors(tensors, training(PythonDict{{{"res_scale", -1.0}}}));
    EXPECT_EQ(bad.facts.number("res_scale", 1), c.preferred);
    EXPECT_FALSE(bad.warnings.empty());
  }
  ReadOptions options;
  options.res_scale = 0.5;
  for (const char* generation : {"G3", "G4", "G5.0"}) {
    const auto tensors = tools::make_tensors(shape_of(generation));
    EXPECT_EQ(evidence_of(recognise_tensors(tensors), "res_scale"), nullptr);
    EXPECT_EQ(catch_error([&] { recognise_tensors(tensors, {}, options); }).code,
              "network-option-unused");
  }
}

TEST(EvidenceFolded, NetworksBuiltFusedHaveTheirStatistics) {
  for (const char* generation : {"G6.1", "G4"}) {
    const auto tensors = tools::make_tensors(attentive(generation, true));
    EXPECT_EQ(value_of(recognise_tensors(tensors), "norms"), "folded") << generation;
    const Network built = recognise_tensors(tensors, training(PythonDict{{{"fused_init", true}}}));
    EXPECT_EQ(value_of(built, "norms"), "with statistics") << generation;
    EXPECT_EQ(built.facts.number("norm_eps", 0), 1e-5);
    const Network not_built =
        recognise_tensors(tensors, training(PythonDict{{{"fused_init", false}}}));
    EXPECT_EQ(value_of(not_built, "norms"), "folded") << generation;
  }
}

TEST(EvidenceG3Or4, WithOneStageChannelAttentionTells) {
  for (const char* generation : {"G3", "G4"}) {
    StageShape shape = attentive(generation, false);
    shape.depths = {2};
    Network network = recognise_tensors(tools::make_tensors(shape));
    EXPECT_EQ(network.facts.generation, generation);
    EXPECT_TRUE(is_certain(network, "generation"));
    shape.channel_attention = false;
    network = recognise_tensors(tools::make_tensors(shape));
    EXPECT_EQ(network.facts.generation, "G4");
    EXPECT_FALSE(is_certain(network, "generation"));
    ReadOptions options;
    options.generation = "G3";
    network = recognise_tensors(tools::make_tensors(shape), {}, options);
    EXPECT_EQ(network.facts.generation, "G3");
    EXPECT_TRUE(is_certain(network, "generation"));
  }
}

TEST(EvidenceImgRange, ByArchConfigMetadataOrOption) {
  const auto tensors = tools::make_tensors(shape_of("G7d"));
  EXPECT_EQ(recognise_tensors(tensors).facts.number("img_range", 1), 1);
  EXPECT_TRUE(is_certain(recognise_tensors(tensors), "img_range"));
  EXPECT_EQ(recognise_tensors(tensors, training(PythonDict{{{"img_range", 255.0}}}))
                .facts.number("img_range", 1),
            255);
  ReadOptions options;
  options.img_range = 2;
  EXPECT_EQ(recognise_tensors(tensors, {}, options).facts.number("img_range", 1), 2);
  EXPECT_EQ(recognise_tensors(tools::make_tensors(tools::NetworkShape{}), {}, options)
                .facts.number("img_range", 1),
            2);
}

TEST(EvidenceArchConfig, WhatContradictsTheShapesIsTold) {
  const StageShape shape = attentive("G7d", false);
  PythonDict config = tools::arch_config(shape, 0.1);
  EXPECT_TRUE(recognise_tensors(tools::make_tensors(shape), training(config)).warnings.empty());
  const std::vector<std::pair<std::string, PythonValue>> wrong = {
      {"embed_dim", 99},
      {"depths", tools::PythonList{{1, 2}}},
      {"scale", 4},
      {"in_chans", 1},
      {"lk_kernel", 7},
      {"sk_kernel", 5},
      {"use_channel_attn", false},
      {"use_spatial_attn", true},
      {"norm_type", "layernorm"},
      {"mlp_ratio", 3.0}};
  for (const auto& [key, value] : wrong) {
    PythonDict changed = config;
    std::erase_if(changed.items, [&key = key](const auto& item) { return item.first == key; });
    changed.items.emplace_back(key, value);
    const Network network = recognise_tensors(tools::make_tensors(shape), training(changed));
    ASSERT_EQ(network.warnings.size(), 1U) << key;
    EXPECT_NE(network.warnings[0].find("arch_config says " + key), std::string::npos)
        << network.warnings[0];
  }
  auto tensors = tools::make_tensors(shape);
  tensor_named(tensors, "scale_tensor").values = {4};
  EXPECT_EQ(recognise_tensors(tensors).warnings.size(), 1U);
}

// --- graphs -----------------------------------------------------------------------------------

TEST(StageOutline, OnlyFactorsThatThereAreAreRead) {
  using Kind = OutlineStep::Kind;
  const auto conv = [](std::vector<std::int64_t> shape, std::int64_t groups = 1) {
    return OutlineStep{Kind::convolution, "", std::move(shape), groups, 1};
  };
  const auto recognised = [&](std::int64_t factor) {
    Outline outline;
    outline.steps = {conv({16, 3, 3, 3}),  conv({16, 1, 5, 5}, 16),
                     conv({32, 16, 1, 1}), conv({32, 16, 1, 1}),
                     conv({16, 32, 1, 1}), conv({16, 16, 1, 1}),
                     conv({16, 16, 1, 1}), conv({16, 16, 3, 3}),
                     conv({16, 16, 3, 3}), {Kind::leaky_relu, "", {}, 1, 1},
                     conv({64, 16, 3, 3}), {Kind::pixel_shuffle, "", {}, 1, factor},
                     conv({3, 16, 3, 3})};
    outline.sigmoids = 1;
    return recognise(outline, NetworkInfo{});
  };
  ASSERT_TRUE(recognised(2).has_value());
  EXPECT_EQ(recognised(2)->facts.generation, "G7d");
  EXPECT_EQ(recognised(2)->facts.scale, 2);
  // Of a file, which may say anything.
  for (const std::int64_t factor :
       {std::int64_t{-1}, std::int64_t{0}, std::int64_t{4}, std::int64_t{1} << 40U}) {
    EXPECT_FALSE(recognised(factor).has_value()) << factor;
  }
}

TEST(Quantized, EntriesOfTrainingAreLeftOut) {
  auto tensors = tools::make_tensors(attentive("G7d", true));
  for (const char* key :
       {"conv_first.weight_fake_quant.scale", "conv_first.activation_post_process.min_val",
        "quant.activation_post_process.eps", "stages.0.0.norm_quant.activation_post_process.eps"}) {
    tensors.push_back({key, {1}, {1}});
  }
  const Network network = recognise_tensors(tensors);
  EXPECT_EQ(network.facts.quantization, Quantization::qat);
  EXPECT_EQ(network.facts.generation, "G7d");
  EXPECT_NE(evidence_of(network, "quantization")->because.find("4 entries"), std::string::npos);
}

// The convolutions of a network as integers, each with its output's scale.
std::vector<NamedTensor> quantized(std::vector<NamedTensor> tensors) {
  std::vector<NamedTensor> result;
  for (NamedTensor& tensor : tensors) {
    const bool is_conv = tensor.shape.size() == 4 && tensor.name.ends_with(".weight") &&
                         tensor.name.find("norm") == std::string::npos &&
                         !tensor.name.starts_with("upsample");
    if (!is_conv) {
      result.push_back(std::move(tensor));
      continue;
    }
    const std::string path = tensor.name.substr(0, tensor.name.size() - 7);
    const auto rows = static_cast<std::size_t>(tensor.shape[0]);
    tensor.quantization = tools::Quantization{};
    tensor.quantization->axis = 0;
    tensor.quantization->channels_last = true;
    for (std::size_t i = 0; i < rows; ++i) {
      tensor.quantization->scales.push_back(0.01 * static_cast<double>(i + 1));
      tensor.quantization->zero_points.push_back(0);
    }
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      tensor.values[i] = static_cast<double>(i % 255) - 127;
    }
    result.push_back(std::move(tensor));
    result.push_back({path + ".scale", {}, {0.1}});
    NamedTensor zero_point{path + ".zero_point", {}, {3}};
    zero_point.integer = true;
    result.push_back(zero_point);
  }
  return result;
}

TEST(Quantized, WeightsOfNetworksInInt8AreDequantizedOnDemand) {
  const StageShape shape = attentive("G7d", true);
  auto tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 5);
  tensors = quantized(tensors);
  NamedTensor none{"stages.0.0.channel_attn.fc.0.bias", {}, {}};
  none.kind = tools::EntryKind::none;
  tensors.push_back(none);
  const Caught refused = catch_error([&] { recognise_tensors(tensors); });
  EXPECT_EQ(refused.kind, ErrorKind::unsupported);
  EXPECT_EQ(refused.code, "network-int8");
  EXPECT_NE(refused.message.find("G7d"), std::string::npos);

  ReadOptions options;
  options.dequantize = true;
  const File file(tensors, {});
  const Network network = recognise(file.state_dict, options);
  EXPECT_EQ(network.facts.quantization, Quantization::int8);
  const TensorData weight = file.state_dict.read(*file.state_dict.find("conv_first.weight"));
  EXPECT_EQ(weight.dtype, DType::float32);
  const std::vector<double> values = to_doubles(weight.bytes, weight.dtype);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t row = i / 27;
    const auto scale = static_cast<float>(0.01 * static_cast<double>(row + 1));
    const auto steps = static_cast<float>(i % 255) - 127;
    EXPECT_EQ(values[i], static_cast<double>(steps * scale)) << i;
  }
  // In int8 the seventh generation leaves error_comp out, although the file has it.
  const Image image = test::make_image(3, 5, 4);
  const Image output = test::run_modules(network, file.state_dict, image);
  auto without = tensors;
  for (double& value : tensor_named(without, "quant_fusion_layer.error_comp").values) value = 0;
  const File zeroed(without, {});
  EXPECT_EQ(test::largest_difference(
                test::run_modules(recognise(zeroed.state_dict, options), zeroed.state_dict, image),
                output),
            0);
}

}  // namespace
}  // namespace aether2onnx::network
