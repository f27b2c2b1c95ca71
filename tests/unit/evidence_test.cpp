// The evidence by which a file of the later generations is told from others, one piece after the
// other.

#include <gtest/gtest.h>

#include "generation_files.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::network::evidence_test {
namespace {

using test::catch_error;
using test::Caught;
using tools::CheckpointLayout;
using tools::PythonDict;
using tools::PythonValue;
using tools::StageShape;

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
    return line.find("{option:norm_eps} sets another") != std::string::npos;
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

}  // namespace
}  // namespace aether2onnx::network::evidence_test
