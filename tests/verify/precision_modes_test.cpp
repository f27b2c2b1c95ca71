// Modes of 16 bits, proven with a real libtorch and a real ONNX Runtime.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::precision_modes_test {
namespace {

using test::CommandResult;
using test::quoted;
using Json = nlohmann::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Modes : public testing::Test {
 protected:
  void SetUp() override {
    tools::fill_random(tensors_, 5);
    save();
  }
  void save() const { test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors_)); }
  // A factor that the normalization behind the convolution takes out again.
  void scale_depthwise(const std::string& block, double factor) {
    for (tools::NamedTensor& tensor : tensors_) {
      if (!tensor.name.starts_with(block + ".conv.")) continue;
      for (double& value : tensor.values) value *= factor;
    }
    save();
  }
  CommandResult run(const std::string& arguments) const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " +
                           quoted(AETHER2ONNX_PROGRAM) + " " + arguments);
  }
  CommandResult convert(const std::string& arguments) const {
    return run("model.pth out.onnx --shape 1x3x16x12 --verify_onnx " + arguments);
  }
  bool saved() const { return std::filesystem::exists(folder_ / "out.onnx"); }

  std::vector<tools::NamedTensor> tensors_ = tools::make_tensors(tools::NetworkShape{});
  test::TemporaryFolder folder_;
};

TEST_F(Modes, AllAreEqualWithinTheirTolerance) {
  for (const std::string mode : {"fp32", "fp16", "bf16", "mixed_fp16", "mixed_bf16"}) {
    for (const std::string form : {"standard", "channels_first"}) {
      const CommandResult result =
          convert("--json --fp_mode " + mode + " --graph_form " + form + " --opset_version 22");
      ASSERT_EQ(result.exit_code, 0) << mode << form << result.err;
      const Json json = Json::parse(result.out);
      EXPECT_EQ(json["onnx"]["precision"], mode);
      EXPECT_EQ(json["onnx"]["graph_form"], form);
      const bool bfloat16 = contains(mode, "bf16");
      const double atol = mode == "fp32" ? 1e-3 : bfloat16 ? 5e-2 : 1e-2;
      EXPECT_EQ(json["verification"]["atol"], atol);
      for (const Json& checked : json["verification"]["results"]) {
        EXPECT_LT(checked["max_absolute"], mode == "fp32" ? 1e-5 : atol);
        // The rounding is there: no mode of 16 bits is as close as float32.
        if (mode != "fp32") {
          EXPECT_GT(checked["max_absolute"], bfloat16 ? 1e-4 : 1e-5) << mode << form;
        }
      }
      EXPECT_TRUE(json["onnx"]["fp32_blocks"].empty());
      ASSERT_FALSE(json["verification"]["ranges"].empty());
      for (const Json& range : json["verification"]["ranges"]) {
        EXPECT_GT(range["fp16_headroom"], 4) << range;
      }
      // Another run, of the file alone.
      const CommandResult again = run("verify out.onnx --against model.pth");
      EXPECT_EQ(again.exit_code, 0) << again.err;
    }
  }
}

TEST_F(Modes, OverflowIsFoundInFp16AndAvoidedInMixedFp16) {
  scale_depthwise("layers.0.1", 3e4);
  const CommandResult plain = convert("--fp_mode fp16");
  EXPECT_EQ(plain.exit_code, 1);
  EXPECT_FALSE(saved());
  EXPECT_TRUE(contains(plain.err, "not finite")) << plain.err;
  EXPECT_TRUE(contains(plain.err, "The first block that differs is layers.0.1")) << plain.err;
  EXPECT_TRUE(contains(plain.out, "close to or beyond 65504, the limit of float16: layers.0.1 ("))
      << plain.out;
  EXPECT_TRUE(contains(plain.out, "--fp_mode mixed_fp16")) << plain.out;

  const CommandResult mixed = convert("--fp_mode mixed_fp16 --json --report report.html");
  ASSERT_EQ(mixed.exit_code, 0) << mixed.err;
  EXPECT_TRUE(contains(mixed.err, "float32     layers.0.1 (largest value ")) << mixed.err;
  EXPECT_FALSE(contains(mixed.err, "FAIL")) << mixed.err;
  const Json json = Json::parse(mixed.out);
  EXPECT_EQ(json["onnx"]["fp32_blocks"], Json::array({"layers.0.1"}));
  for (const Json& checked : json["verification"]["results"]) EXPECT_TRUE(checked["passed"]);
  const std::string report = test::read_text(folder_ / "report.html");
  EXPECT_TRUE(contains(report, "<tr class=\"first\"><td>layers.0.1</td>")) << report;

  // What was found out once needs no verification the next time, and gives the same file.
  const auto verified = test::read_file(folder_ / "out.onnx");
  const CommandResult repeated =
      run("model.pth out.onnx --shape 1x3x16x12 --fp_mode mixed_fp16 --fp32_blocks layers.0.1");
  ASSERT_EQ(repeated.exit_code, 0) << repeated.err;
  EXPECT_EQ(test::read_file(folder_ / "out.onnx"), verified);
}

TEST_F(Modes, AModelWithPartsThatWereFoundOutIsSkippedTheNextTime) {
  scale_depthwise("layers.0.1", 3e4);
  const std::string batch =
      "model.pth --output_dir out --shape 1x3x16x12 --fp_mode mixed_fp16 --skip_existing --json ";
  const auto result_of = [&](const std::string& arguments) {
    const CommandResult result = run(batch + arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out)["results"][0];
  };
  const Json first = result_of("--verify_onnx");
  EXPECT_EQ(first["result"], "saved");
  EXPECT_EQ(first["onnx"]["fp32_blocks"], Json::array({"layers.0.1"}));
  EXPECT_EQ(result_of("--verify_onnx")["result"], "skipped");
  // Without verification nothing else than what is asked for is float32.
  EXPECT_EQ(result_of("")["result"], "saved");
}

TEST_F(Modes, Bf16HasTheRange) {
  scale_depthwise("layers.0.1", 3e4);
  for (const std::string mode : {"bf16", "mixed_bf16"}) {
    const CommandResult result = convert("--json --fp_mode " + mode);
    ASSERT_EQ(result.exit_code, 0) << mode << result.err;
    EXPECT_TRUE(Json::parse(result.out)["onnx"]["fp32_blocks"].empty());
  }
}

TEST_F(Modes, WhatHalfIsTooCoarseForBecomesFloat32) {
  // A tolerance that float32 keeps and 16 bits don't.
  for (const std::string mode : {"mixed_fp16", "mixed_bf16"}) {
    const CommandResult result = convert("--json --atol 3e-5 --rtol 0 --fp_mode " + mode);
    ASSERT_EQ(result.exit_code, 0) << mode << result.err;
    const Json json = Json::parse(result.out);
    EXPECT_GE(json["onnx"]["fp32_blocks"].size(), 1) << mode;
    for (const Json& checked : json["verification"]["results"]) {
      EXPECT_LE(checked["max_absolute"], 3e-5);
    }
  }
  // No precision keeps the tolerance 0. --keep_failed saves the model that failed, with the parts
  // in float32 that the comparisons added.
  const CommandResult result = convert("--atol 0 --rtol 0 --keep_failed --fp_mode mixed_fp16");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "differs from PyTorch's output")) << result.err;
  ASSERT_EQ(run("model.pth first.onnx --shape 1x3x16x12 --fp_mode mixed_fp16").exit_code, 0);
  EXPECT_NE(test::read_file(folder_ / "out.failed.onnx"), test::read_file(folder_ / "first.onnx"));
}

TEST_F(Modes, AFileWithFloat32EdgesIsComparedAsWell) {
  for (const std::string mode : {"fp16", "bf16", "mixed_fp16", "mixed_bf16"}) {
    for (const std::string edges : {"same", "fp32"}) {
      EXPECT_EQ(convert("--depthwise_fp32 --fp_mode " + mode + " --io_type " + edges).exit_code, 0)
          << mode << edges;
    }
  }
}

}  // namespace
}  // namespace aether2onnx::precision_modes_test
