// --for TARGET in convert, check and engine, as a user types it.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine_fixture.h"
#include "program_fixture.h"

namespace aether2onnx::targets_test {
namespace {

using nlohmann::json;
using test::CommandResult;
using test::contains;
using test::quoted;

class ForTarget : public test::ModelProgramTest {};

TEST_F(ForTarget, SaysWhatItSetAndWhy) {
  const CommandResult result = run("model.pth rtx.onnx --for vsmlrt-rtx");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "--fp_mode mixed_fp16  (vsmlrt-rtx: ")) << result.out;
  EXPECT_TRUE(contains(result.out, "--shape 1xCxHxW  (vsmlrt-rtx: ")) << result.out;
  EXPECT_TRUE(contains(result.out, "--io_type fp32  (vsmlrt-rtx: ")) << result.out;
  EXPECT_EQ(run("check rtx.onnx --for vsmlrt-rtx --strict").exit_code, 0);
}

// The same file without --for: the options that the log names.
TEST_F(ForTarget, IsTheSameAsTheOptionsThatItNames) {
  ASSERT_EQ(run("model.pth a.onnx --for onnxruntime-cuda").exit_code, 0);
  ASSERT_EQ(run("model.pth b.onnx --shape 1x3xHxW --fp_mode fp16 --opset_version 17 --io_type fp32 "
                "--projections matmul --split_kernels_over 11")
                .exit_code,
            0);
  EXPECT_EQ(test::read_text(folder_ / "a.onnx"), test::read_text(folder_ / "b.onnx"));
}

TEST_F(ForTarget, AsJson) {
  const CommandResult result =
      run("model.pth m.onnx --for vsmlrt --for tensorrt:11.2 --fp_mode fp16 --json --quiet");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json object = json::parse(result.out);
  EXPECT_EQ(object["for"]["targets"], json({"vsmlrt", "tensorrt:11.2"}));
  bool shape = false;
  for (const json& setting : object["for"]["set"]) {
    EXPECT_NE(setting["option"], "fp_mode");
    if (setting["option"] == "shape") shape = setting["value"] == "1xCxHxW";
    EXPECT_FALSE(setting["why"].get<std::string>().empty());
  }
  EXPECT_TRUE(shape);
  EXPECT_TRUE(contains(object["for"]["notes"].dump(), "--depthwise_fp32"));
  EXPECT_EQ(object["onnx"]["precision"], "fp16");
  EXPECT_EQ(object["onnx"]["projections"], "conv");
  EXPECT_TRUE(json::parse(run("model.pth m.onnx --json --quiet").out)["for"].is_null());
}

TEST_F(ForTarget, GivenSizesStay) {
  const json object = json::parse(
      run("model.pth m.onnx --for vsmlrt --max_height 1080 --max_width 1920 --json --quiet").out);
  EXPECT_EQ(object["onnx"]["height"]["max"], 1080);
  EXPECT_EQ(object["onnx"]["width"]["max"], 1920);
  EXPECT_EQ(object["onnx"]["batch_size"], json(1)) << object["onnx"].dump();
  const json batches =
      json::parse(run("model.pth m.onnx --for onnxruntime --max_batch_size 3 --json --quiet").out);
  EXPECT_EQ(batches["onnx"]["batch_size"]["max"], 3);
}

TEST_F(ForTarget, ClashesAreNotes) {
  const CommandResult result =
      run("model.pth m.onnx --for vsmlrt-ov --fp_mode fp16 --io_type same --shape 1x3x32x32");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(contains(result.out, "--io_type same does not suit vsmlrt-ov")) << result.out;
}

TEST_F(ForTarget, DryRunNamesTheOrigin) {
  const CommandResult result = run("model.pth --for vsmlrt-any --fp_mode fp32 --dry_run");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(contains(result.out, "channels_first  (--for)")) << result.out;
  EXPECT_TRUE(contains(result.out, "fp32  (command line)")) << result.out;
  EXPECT_EQ(test::list_files(folder_.path()), (std::vector<std::string>{"model.pth"}));
}

TEST_F(ForTarget, AFileOfOptionsCountsAsGiven) {
  test::write_text(folder_ / "run.toml", "for = \"vsmlrt\"\nfp_mode = \"fp32\"\n");
  const json object = json::parse(run("model.pth m.onnx --config run.toml --json --quiet").out);
  EXPECT_EQ(object["onnx"]["precision"], "fp32");
  EXPECT_EQ(object["for"]["targets"], json({"vsmlrt"}));
}

TEST_F(ForTarget, ABatchHasItInEachResult) {
  const CommandResult result = run("model.pth --for ncnn --output_dir out --json --quiet");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json object = json::parse(result.out);
  EXPECT_EQ(object["results"][0]["for"]["targets"], json({"ncnn"}));
  EXPECT_EQ(object["results"][0]["onnx"]["graph_form"], "channels_first");
}

TEST_F(ForTarget, WrongNamesAndModesAreWrongUsage) {
  const auto fails = [&](const std::string& arguments, const std::string& part) {
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments;
    EXPECT_TRUE(contains(result.err, part)) << result.err;
  };
  fails("model.pth m.onnx --for tensort", "The nearest names: tensorrt");
  fails("model.pth m.onnx --for ncnn,", "there is no such target");
  fails("model.pth m.onnx --for ncnn --fp_mode fp16", "--for ncnn allows fp32.");
  fails("model.pth m.onnx --for onnxruntime,tensorrt --fp_mode bf16",
        "onnxruntime does not run this precision");
  fails("model.pth m.onnx --for tensorrt:8.6,vsmlrt", "Convert once for each target.");
  fails("model.pth m.onnx --for tensorrt:1.7", "Write tensorrt-rtx:1.7.");
  fails("check model.pth --for vsmlrt:3", "Only the targets tensorrt, tensorrt-rtx, onnxruntime");
  EXPECT_EQ(test::list_files(folder_.path()), (std::vector<std::string>{"model.pth"}));
}

class EngineForTarget : public test::EngineCommandTest {};

TEST_F(EngineForTarget, PrintsTheCommandOfTensorRtForRtx) {
  const CommandResult fixed = run("fixed16.onnx --for tensorrt-rtx");
  EXPECT_EQ(fixed.exit_code, 0) << fixed.err;
  EXPECT_EQ(fixed.out,
            "tensorrt_rtx --onnx=fixed16.onnx --saveEngine=fixed16_rtx1_1x3x64x64.engine "
            "--skipInference\n");
  const CommandResult dynamic =
      run("dynamic.onnx --for tensorrt-rtx:1.7 --compute_capabilities 7.5,8.9,120 --workspace 1024 "
          "--timing_cache rtx.cache --builder_optimization_level 5");
  EXPECT_EQ(dynamic.exit_code, 0) << dynamic.err;
  EXPECT_EQ(dynamic.out,
            "tensorrt_rtx --onnx=dynamic.onnx "
            "--saveEngine=dynamic_rtx1.7_1x3x32x32-4x3x256x256.engine "
            "--minShapes=input:1x3x32x32 --optShapes=input:1x3x64x64 --maxShapes=input:4x3x256x256 "
            "--memPoolSize=workspace:1024 --timingCacheFile=rtx.cache "
            "--builderOptimizationLevel=5 --computeCapabilities=75,89,120 --skipInference\n");
  EXPECT_TRUE(contains(run("fixed.onnx --for tensorrt-rtx --device 1").out, "--useGpu --device=1"));
  const json object = json::parse(run("fixed16.onnx --for tensorrt-rtx --json --quiet").out);
  EXPECT_EQ(object["for"], "tensorrt-rtx");
  EXPECT_EQ(object["tensorrt"]["version"], "1");
}

TEST_F(EngineForTarget, RefusesWhatTensorRtForRtxLacks) {
  const auto fails = [&](const std::string& arguments, int exit_code, const std::string& part) {
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << arguments;
    EXPECT_TRUE(contains(result.err, part)) << result.err;
  };
  fails("fixed.onnx --for tensorrt-rtx --precision fp16", 1, "only from the ONNX file");
  fails("fixed.onnx --for tensorrt-rtx --run", 2, "--run can't be used with --for tensorrt-rtx");
  fails("fixed.onnx --build", 2, "--build can't be used with --for tensorrt");
  fails("fixed.onnx --for tensorrt-rtx --compute_capabilities 9.0", 2, "9.x (Hopper)");
  fails("fixed.onnx --for tensorrt-rtx --compute_capabilities 6.1", 2, "from 7.5 on");
  fails("fixed.onnx --for tensorrt-rtx --compute_capabilities x", 2, "from 7.5 on");
  fails("fixed.onnx --for tensorrt-rtx --compute_capabilities 8.9 --device 0", 2,
        "Omit one of the two options");
  fails("fixed.onnx --compute_capabilities 8.9", 2, "builds for the GPU on which it runs");
  fails("fixed.onnx --for tensorrt-rtx:1.4", 2, "the oldest supported version is 1.5");
  const std::string pth = quoted((folder_ / "model.pth").string());
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 5);
  test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors));
  ASSERT_EQ(test::run_shell(quoted(AETHER2ONNX_PROGRAM) + " " + pth + " " +
                            quoted((folder_ / "bf16.onnx").string()) + " --fp_mode bf16")
                .exit_code,
            0);
  fails("bf16.onnx --for tensorrt-rtx --compute_capabilities 7.5,8.9", 1,
        "contains bfloat16. GPUs of compute capability 7.5 cannot compute in this type; 8.0 and "
        "newer can");
  EXPECT_EQ(run("bf16.onnx --for tensorrt-rtx --compute_capabilities 8.0").exit_code, 0);
}

// check and engine know the same targets by the same names, and agree about a file.
TEST_F(EngineForTarget, WhatEngineRefusesCheckFinds) {
  const CommandResult engine = run("fixed.onnx --for vsmlrt");
  EXPECT_EQ(engine.exit_code, 1);
  EXPECT_TRUE(contains(engine.err, "the size is fixed")) << engine.err;
  const CommandResult check =
      test::run_shell("cd " + quoted(folder_.path().string()) + " && " +
                      quoted(AETHER2ONNX_PROGRAM) + " check fixed.onnx --for vsmlrt --json");
  bool found = false;
  const json object = json::parse(check.out);
  for (const json& finding : object["findings"]) {
    found = found || finding["code"] == "fixed-size";
  }
  EXPECT_TRUE(found) << check.out;
}

TEST_F(EngineForTarget, VersionsAndOtherTargets) {
  EXPECT_EQ(run("dynamic16.onnx --for tensorrt:8.6").out,
            run("dynamic16.onnx --trt_version 8.6").out);
  EXPECT_EQ(run("dynamic16.onnx --for trtexec:8.6").out,
            run("dynamic16.onnx --trt_version 8.6").out);
  const auto fails = [&](const std::string& arguments, const std::string& part) {
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments;
    EXPECT_TRUE(contains(result.err, part)) << result.err;
  };
  fails("fixed.onnx --for tensorrt:8.6 --trt_version 10", "contradicts --for tensorrt:8.6");
  fails("fixed.onnx --for openvino", "OpenVINO reads the ONNX file itself");
  fails("fixed.onnx --for videojanai", "VideoJaNai builds the engine itself");
  fails("fixed.onnx --for tensorrt,vsmlrt", "one target is expected");
  fails("fixed.onnx --for onnxruntime:1.20", "--trt_version");
}

}  // namespace
}  // namespace aether2onnx::targets_test
