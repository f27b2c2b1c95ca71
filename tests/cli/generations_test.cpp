// The later generations as a user of the program meets them.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program_fixture.h"
#include "quantized_networks.h"
#include "stage_networks.h"

namespace aether2onnx::generations_test {
namespace {

using nlohmann::json;
using test::CommandResult;
using test::contains;
using tools::CheckpointLayout;
using tools::StageShape;

class GenerationsCommand : public test::ProgramTest {
 protected:
  void save(const std::string& name, const StageShape& shape,
            const CheckpointLayout& layout = {}) const {
    auto tensors = tools::make_tensors(shape);
    tools::fill_random(tensors, 7);
    test::write_file(folder_ / name, tools::write_checkpoint(tensors, layout));
  }
  void expect_failure(const std::string& arguments, int exit_code, const std::string& text) const {
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << arguments;
    EXPECT_TRUE(contains(result.err, text)) << result.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out.onnx"));
  }

  StageShape shape_;  // G7d
};

TEST_F(GenerationsCommand, WhatTheFileLeavesOpenIsSaidInOneLineEach) {
  save("model.pth", shape_);
  const CommandResult result = run("model.pth out.onnx");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "AetherNet G7d")) << result.out;
  const std::string all = result.out + result.err;
  EXPECT_TRUE(contains(all, "--generation sets another")) << all;
  EXPECT_TRUE(contains(all, "--res_scale sets another")) << all;
  EXPECT_FALSE(contains(all, "--norm_eps")) << all;
  const CommandResult told = run("model.pth out.onnx --generation G7d --res_scale 0.1");
  EXPECT_FALSE(contains(told.out + told.err, "sets another")) << told.out;
}

TEST_F(GenerationsCommand, ArchConfigLeavesNothingOpen) {
  CheckpointLayout layout;
  layout.wrapper = "params";
  layout.beside.items.emplace_back("arch_config", tools::arch_config(shape_, 0.15));
  save("model.pth", shape_, layout);
  const CommandResult result = run("model.pth out.onnx --json");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  EXPECT_TRUE(report["warnings"].empty()) << report["warnings"];
  EXPECT_EQ(report["network"]["res_scale"], 0.15);
  EXPECT_EQ(report["network"]["norm_eps"], 1e-4);
  const CommandResult inspected = run("inspect model.pth");
  EXPECT_TRUE(contains(inspected.out, "res_scale 0.15: stated in arch_config")) << inspected.out;
  EXPECT_TRUE(contains(inspected.out, "generation G7d: ")) << inspected.out;
  const CommandResult model = run("inspect out.onnx --json");
  EXPECT_EQ(json::parse(model.out)["onnx"]["metadata"]["res_scale"], "0.15");
  EXPECT_TRUE(json::parse(model.out)["warnings"].empty()) << model.out;
}

TEST_F(GenerationsCommand, InspectShowsTheEvidence) {
  save("model.pth", shape_);
  const CommandResult result = run("inspect model.pth --json");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  bool unsure = false;
  for (const json& evidence : report["network"]["evidence"]) {
    EXPECT_FALSE(evidence["because"].get<std::string>().empty());
    unsure = unsure || (evidence["what"] == "generation" && !evidence["certain"].get<bool>());
  }
  EXPECT_TRUE(unsure);
  EXPECT_EQ(
      json::parse(run("inspect model.pth --json --generation G6.0").out)["network"]["generation"],
      "G6.0");
}

TEST_F(GenerationsCommand, OptionsOutOfRangeAreWrongUsage) {
  save("model.pth", shape_);
  expect_failure("model.pth out.onnx --generation G9", 2, "--generation G9: must be G1, G2");
  expect_failure("model.pth out.onnx --res_scale 0", 2, "--res_scale 0: must be a number above 0");
  expect_failure("model.pth out.onnx --norm_eps -1", 2, "--norm_eps -1: must be a number above 0");
  expect_failure("model.pth out.onnx --img_range nan", 2, "--img_range nan");
  expect_failure("inspect model.pth --generation G9", 2, "--generation G9: must be");
}

TEST_F(GenerationsCommand, OptionsThatContradictTheFileFail) {
  save("model.pth", shape_);
  expect_failure("model.pth out.onnx --generation G3", 1,
                 "--generation G3 was given, but the checkpoint's keys are those of G6.0");
  StageShape third;
  third.generation = "G3";
  save("third.pth", third);
  expect_failure("third.pth out.onnx --res_scale 0.1", 1, "not multiply their output by a factor");
  StageShape fused = shape_;
  fused.fused = true;
  save("fused.pth", fused);
  expect_failure("fused.pth out.onnx --norm_eps 0.1", 1, "folded into weight and bias already");
  StageShape second;
  second.generation = "G2";
  save("second.pth", second);
  expect_failure("second.pth out.onnx", 1, "generation G2. The published code of G2 can't run");
}

TEST_F(GenerationsCommand, AnotherFactorIsAnotherModel) {
  std::filesystem::create_directory(folder_ / "in");
  save("in/model.pth", shape_);
  const auto result_of = [&](const std::string& arguments) {
    const CommandResult result = run("in --output_dir out --skip_existing --json " + arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out)["results"][0]["result"].get<std::string>();
  };
  EXPECT_EQ(result_of("--res_scale 0.1"), "saved");
  EXPECT_EQ(result_of("--res_scale 0.1"), "skipped");
  EXPECT_EQ(result_of("--res_scale 0.2"), "saved");
  EXPECT_EQ(result_of("--res_scale 1"), "saved");
  EXPECT_EQ(result_of("--res_scale 1"), "skipped");
  EXPECT_EQ(result_of("--res_scale 1 --norm_eps 0.01"), "saved");
  EXPECT_EQ(result_of("--res_scale 1 --norm_eps 0.01"), "skipped");
}

TEST_F(GenerationsCommand, Int8IsRefusedUnlessDequantized) {
  StageShape fused = shape_;
  fused.channel_attention = true;
  auto tensors = tools::make_tensors(fused);
  tools::fill_random(tensors, 8);
  tensors = tools::convert_to_int8(tools::fuse(tensors, fused), true);
  test::write_file(folder_ / "int8.pth", tools::write_checkpoint(tensors));
  expect_failure("int8.pth out.onnx", 1, "Give --dequantize");
  const CommandResult inspected = run("inspect int8.pth");
  EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
  EXPECT_TRUE(contains(inspected.out, "dequantized from int8")) << inspected.out;
  const CommandResult result = run("int8.pth out.onnx --dequantize --res_scale 0.1");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  // As a float checkpoint, too, and that gives the same model.
  ASSERT_EQ(run("fuse int8.pth float.pth --dequantize --res_scale 0.1").exit_code, 0);
  ASSERT_EQ(run("float.pth again.onnx").exit_code, 0);
  const json a = json::parse(run("inspect out.onnx --tensors --json").out);
  const json b = json::parse(run("inspect again.onnx --tensors --json").out);
  EXPECT_EQ(a["tensors"], b["tensors"]);
}

// The command to compare the model with is given what the conversion was.
TEST_F(GenerationsCommand, TheNextCommandHasTheOptions) {
  save("model.pth", shape_);
  const CommandResult result =
      run("model.pth out.onnx --json --generation G7d --res_scale 0.25 --norm_eps 0.001");
  EXPECT_TRUE(contains(json::parse(result.out)["next"]["verify"],
                       "--generation G7d --res_scale 0.25 --norm_eps 0.001"))
      << result.out;
}

}  // namespace
}  // namespace aether2onnx::generations_test
