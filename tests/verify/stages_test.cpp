// The later generations, proven with a real libtorch and a real ONNX Runtime by the program.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "assumptions.h"
#include "sample_networks.h"
#include "stage_networks.h"
#include "support.h"

namespace aether2onnx::stages_test {
namespace {

using test::CommandResult;
using test::quoted;
using tools::NamedTensor;
using tools::StageShape;
using Json = nlohmann::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Stages : public testing::TestWithParam<std::string> {
 protected:
  CommandResult run(const std::string& arguments) const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " +
                           quoted(AETHER2ONNX_PROGRAM) + " " + arguments);
  }
  void save(const std::string& name, const std::vector<NamedTensor>& tensors) const {
    test::write_file(folder_ / name, tools::write_checkpoint(tensors));
  }
  StageShape shape() const {
    StageShape shape;
    shape.generation = GetParam();
    shape.channel_attention = shape.spatial_attention = true;
    return shape;
  }
  std::vector<NamedTensor> tensors() const {
    auto tensors = tools::make_tensors(shape());
    tools::fill_random(tensors, 6);
    return tensors;
  }
  std::string generation() const { return " --generation " + GetParam(); }
  // The exit code of a run with --json that must pass: 3 if something was assumed, else 0.
  static Json passed(const CommandResult& result) {
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 3) << result.err;
    if (result.exit_code != 0 && result.exit_code != 3) return {};
    Json json = Json::parse(result.out);
    const Json& verification = json["verification"];
    const bool assumed = !verification["assumptions"].empty();
    EXPECT_EQ(verification["verdict"], assumed ? "equal-as-assumed" : "equal");
    EXPECT_EQ(result.exit_code, assumed ? 3 : 0);
    return json;
  }

  test::TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(All, Stages, testing::ValuesIn([] {
                           std::vector<std::string> names = tools::stage_generations();
                           std::erase(names, "G2");
                           return names;
                         }()),
                         [](const auto& given) {
                           std::string name = given.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST_P(Stages, PassInEveryMode) {
  save("model.pth", tensors());
  for (const std::string mode : {"fp32", "mixed_fp16", "mixed_bf16"}) {
    const CommandResult result =
        run("model.pth out.onnx --shape 1x3x12x9 --verify_onnx --json "
            "--reference_precision fp64 --fp_mode " +
            mode + generation());
    const Json json = passed(result);
    ASSERT_FALSE(json.is_null());
    EXPECT_EQ(json["network"]["generation"], GetParam());
    for (const Json& checked : json["verification"]["results"]) {
      EXPECT_TRUE(checked["passed"]);
      if (mode == "fp32") {
        EXPECT_LT(checked["max_absolute"], 1e-5);
      }
    }
    EXPECT_FALSE(json["verification"]["ranges"].empty());
  }
}

// The names of all parts that ranges are told of can be given back.
TEST_P(Stages, EveryPartOfTheRangesIsOneOfTheGraph) {
  save("model.pth", tensors());
  const CommandResult result =
      run("model.pth out.onnx --shape 1x3x8x8 --verify_onnx --json --fp_mode mixed_fp16" +
          generation());
  std::string parts;
  const Json json = passed(result);
  ASSERT_FALSE(json.is_null());
  for (const Json& range : json["verification"]["ranges"]) {
    parts += (parts.empty() ? "" : ",") + range["path"].get<std::string>();
  }
  const CommandResult again =
      run("model.pth out.onnx --shape 1x3x8x8 --fp_mode mixed_fp16 --fp32_blocks " + parts +
          generation());
  EXPECT_EQ(again.exit_code, 0) << again.err;
}

// A model of another checkpoint fails, and the first part that differs is named.
TEST_P(Stages, AWrongWeightFailsAtItsBlock) {
  auto wrong = tensors();
  save("model.pth", wrong);
  for (NamedTensor& tensor : wrong) {
    if (tensor.name != "stages.0.1.ffn.conv_out.weight") continue;
    for (double& value : tensor.values) value *= 1.5;
  }
  save("wrong.pth", wrong);
  ASSERT_EQ(run("wrong.pth out.onnx --shape 1x3x12x9 --quiet" + generation()).exit_code, 0);
  const CommandResult result = run("verify out.onnx --against model.pth" + generation());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "first block that differs is stages.0.1")) << result.err;
}

std::string value_of(const Json& json, const std::string& what) {
  for (const Json& each : json["verification"]["assumptions"]) {
    if (each["what"] == what) return each["value"].get<std::string>();
  }
  return "";
}

// The metadata note how a model was made. What the checkpoint leaves open is taken from there, and
// is never called proven; an option that says otherwise shows the difference.
TEST_P(Stages, WhatTheFileLeavesOpenIsTakenFromTheMetadata) {
  save("model.pth", tensors());
  std::vector<std::pair<std::string, std::string>> options = {{"img_range", "2"}};
  if (GetParam() > "G5.0") options.emplace_back("res_scale", "0.9");
  for (const auto& [name, value] : options) {
    const std::string option = " --" + name + " " + value;
    ASSERT_EQ(run("model.pth out.onnx --shape 1x3x12x9 --quiet" + generation() + option).exit_code,
              0);
    for (const std::string& again : {std::string(), generation(), generation() + option}) {
      const CommandResult result = run("verify out.onnx --against model.pth --json" + again);
      EXPECT_EQ(result.exit_code, 3) << result.err;
      const Json json = passed(result);
      ASSERT_FALSE(json.is_null());
      EXPECT_EQ(value_of(json, name), value);
      EXPECT_TRUE(contains(result.err, "assumed     " + name + " " + value)) << result.err;
      EXPECT_TRUE(contains(result.err, "as assumed: ")) << result.err;
    }
    const CommandResult other =
        run("verify out.onnx --against model.pth" + generation() + " --" + name + " 0.5");
    EXPECT_EQ(other.exit_code, 1) << other.out;
  }
}

// --- guesses -----------------------------------------------------------------------------------

// A checkpoint that leaves a fact open, and an option that decides it otherwise than the default.
struct Guess {
  std::string name;
  StageShape shape;
  std::string what;
  std::string value;
  std::string option;
};

std::vector<Guess> guesses() {
  const auto shape = [](const std::string& generation) {
    StageShape result;
    result.generation = generation;
    return result;
  };
  StageShape one_stage = shape("G3");
  one_stage.depths = {2};
  return {{"G6_0", shape("G6.0"), "generation", "G6.0", " --generation G6.0"},
          {"G3_of_one_stage", one_stage, "generation", "G3", " --generation G3"},
          {"G7b", shape("G7b"), "norm_eps", "1e-05", " --norm_eps 1e-5"},
          {"res_scale", shape("G7d"), "res_scale", "0.7", " --generation G7d --res_scale 0.7"},
          {"img_range", shape("G5.0"), "img_range", "2", " --img_range 2"}};
}

class Guesses : public testing::TestWithParam<Guess> {
 protected:
  CommandResult run(const std::string& arguments) const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " +
                           quoted(AETHER2ONNX_PROGRAM) + " " + arguments);
  }
  // Expects that the verdict is "equal-as-assumed", with this origin of the fact, in the exit code,
  // the log, the JSON and the report.
  void expect_assumed(const std::string& command, const std::string& origin) const {
    const CommandResult result = run(command + " --json --report report.html");
    EXPECT_EQ(result.exit_code, 3) << command << result.err;
    if (result.exit_code != 3) return;
    const Json verification = Json::parse(result.out)["verification"];
    EXPECT_EQ(verification["verdict"], "equal-as-assumed");
    const Guess& guess = GetParam();
    const std::string line = guess.what + " " + guess.value;
    bool found = false;
    for (const Json& each : verification["assumptions"]) {
      if (each["what"] != guess.what) continue;
      found = true;
      EXPECT_EQ(each["value"], guess.value) << command;
      EXPECT_EQ(each["origin"], origin) << command;
      EXPECT_TRUE(contains(result.err, "assumed     " + each["text"].get<std::string>()))
          << result.err;
    }
    EXPECT_TRUE(found) << command << result.err;
    EXPECT_TRUE(contains(result.err, "as assumed: ")) << result.err;
    const std::string report = test::read_text(folder_ / "report.html");
    EXPECT_TRUE(contains(report, "Equal as assumed: ")) << command;
    EXPECT_TRUE(contains(report, "<li>" + line)) << command;
  }
  Json assumed_by_inspect(const std::string& file) const {
    const CommandResult result = run("inspect " + file + " --json");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const Json inspection = Json::parse(result.out);
    for (const Json& each : inspection["network"]["evidence"]) {
      if (each["what"] == GetParam().what) return each;
    }
    ADD_FAILURE() << "no evidence of " << GetParam().what;
    return {{"certain", nullptr}, {"value", nullptr}};
  }

  test::TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(All, Guesses, testing::ValuesIn(guesses()),
                         [](const auto& given) { return given.param.name; });

TEST_P(Guesses, AreNeverCalledProven) {
  const Guess& guess = GetParam();
  std::vector<NamedTensor> tensors = tools::make_tensors(guess.shape);
  tools::fill_random(tensors, 6);
  test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors));

  // inspect and the conversion say that the default is an assumption; img_range 1 is none.
  const bool open = guess.what != "img_range";
  EXPECT_EQ(assumed_by_inspect("model.pth")["certain"], !open);
  const CommandResult inspected = run("inspect model.pth");
  EXPECT_EQ(contains(inspected.out, "assumed     " + guess.what), open) << inspected.out;
  const CommandResult plain = run("model.pth plain.onnx --shape 1x3x12x9");
  EXPECT_EQ(contains(plain.out, "note        " + guess.what + " "), open) << plain.out;

  // A right model that was made with the option: its metadata tell how.
  const std::string as_given = "model.pth right.onnx --shape 1x3x12x9" + guess.option;
  expect_assumed(as_given + " --verify_onnx", "option");
  expect_assumed("verify right.onnx --against model.pth", "metadata");
  expect_assumed("verify right.onnx --against model.pth" + guess.option, "option");
  // A batch answers the same.
  const CommandResult batch =
      run("model.pth --output_dir batch --shape 1x3x12x9 --verify_onnx --json" + guess.option);
  EXPECT_EQ(batch.exit_code, 3) << batch.err;
  EXPECT_EQ(Json::parse(batch.out)["exit_code"], 3) << batch.out;
  // The model of the default is another one.
  EXPECT_EQ(run("verify plain.onnx --against model.pth" + guess.option).exit_code, 1);

  // Whoever told fuse is not in the fused checkpoint: the fact stays an assumption there, and no
  // option is needed any more.
  ASSERT_EQ(run("fuse model.pth fused.pth --quiet" + guess.option).exit_code, 0);
  const Json noted = assumed_by_inspect("fused.pth");
  EXPECT_EQ(noted["certain"], false) << noted;
  EXPECT_EQ(noted["value"], guess.value) << noted;
  expect_assumed("fused.pth of_fused.onnx --shape 1x3x12x9 --verify_onnx", "default");
  expect_assumed("verify of_fused.onnx --against fused.pth", "default");
  // The fused checkpoint and the unfused one are the same network.
  const CommandResult other = run("verify of_fused.onnx --against model.pth" + guess.option);
  EXPECT_EQ(other.exit_code, 3) << other.err;
}

// Anybody can write metadata. A generation that the keys exclude, and a text that is no number,
// decide nothing.
TEST_P(Stages, ForgedMetadataDecideNothing) {
  const auto bytes = tools::write_checkpoint(tensors());
  const MemoryInput input(bytes);
  const Context context;
  const auto state_dict = state_dict::StateDict::open(input, {}, context);
  const auto own = verify::settle(state_dict, {}, {});
  for (const auto& [generation, number] : std::vector<std::pair<std::string, std::string>>{
           {"G1", "1e999"}, {"G2", "0x1p9999"}, {"G9\x1b[31m", "nan"}, {"", "-1"}}) {
    onnx::Model model;
    model.metadata = {{"architecture", "AetherNet"},
                      {"generation", generation},
                      {"res_scale", number},
                      {"img_range", number},
                      {"fused_from", "norms with eps " + number}};
    const auto settled = verify::settle(state_dict, model, {});
    EXPECT_EQ(settled.network.facts.generation, own.network.facts.generation) << generation;
    ASSERT_EQ(settled.assumptions.size(), own.assumptions.size()) << number;
    for (std::size_t i = 0; i < own.assumptions.size(); ++i) {
      EXPECT_EQ(verify::text_of(settled.assumptions[i]), verify::text_of(own.assumptions[i]));
    }
  }
}

// Fusion proves nothing: a guess stays a guess in the fused checkpoint and in all that is made of
// it.
TEST_P(Stages, AGuessStaysAGuessWhenFused) {
  save("model.pth", tensors());
  const auto assumed = [&](const std::string& checkpoint) {
    const CommandResult result =
        run(checkpoint + " out.onnx --shape 1x3x12x9 --verify_onnx --json");
    const Json json = passed(result);
    std::vector<std::string> facts;
    if (json.is_null()) return facts;
    for (const Json& each : json["verification"]["assumptions"]) facts.push_back(each["what"]);
    return facts;
  };
  const std::vector<std::string> before = assumed("model.pth");
  for (const std::string name : {"fused.pth", "fused.safetensors"}) {
    ASSERT_EQ(run("fuse model.pth " + name + " --quiet").exit_code, 0);
    const std::vector<std::string> after = assumed(name);
    // A folded epsilon no longer follows from the generation: it may come in addition.
    for (const std::string& fact : before) {
      EXPECT_NE(std::find(after.begin(), after.end(), fact), after.end()) << name << ' ' << fact;
    }
    EXPECT_EQ(before.empty(), after.empty()) << name;
    EXPECT_EQ(run("scan " + name).exit_code, 0);
  }
}

}  // namespace
}  // namespace aether2onnx::stages_test
