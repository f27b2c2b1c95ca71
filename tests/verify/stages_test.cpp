// The later generations, proven with a real libtorch and a real ONNX Runtime by the program.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "sample_networks.h"
#include "stage_networks.h"
#include "support.h"

namespace aether2onnx {
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
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const Json json = Json::parse(result.out);
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
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::string parts;
  const Json json = Json::parse(result.out);
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

// An option that decides otherwise than the file fails against the file without it, and only then.
TEST_P(Stages, WhatAnOptionDecidedMustBeSaidAgain) {
  save("model.pth", tensors());
  std::vector<std::string> options = {"--img_range 2"};
  if (GetParam() > "G5.0") options.emplace_back("--res_scale 0.9");
  for (const std::string& option : options) {
    const std::string arguments = generation() + " " + option;
    ASSERT_EQ(run("model.pth out.onnx --shape 1x3x12x9 --quiet" + arguments).exit_code, 0);
    EXPECT_EQ(run("verify out.onnx --against model.pth" + generation()).exit_code, 1) << option;
    const CommandResult result = run("verify out.onnx --against model.pth" + arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
}

}  // namespace
}  // namespace aether2onnx
