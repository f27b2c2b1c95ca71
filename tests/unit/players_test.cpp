// What ONNX Runtime's TensorRT execution provider and vs-mlrt must be told of a model.

#include <aether2onnx/aether2onnx.h>
#include <gtest/gtest.h>

#include <map>

#include "engine_models.h"
#include "support.h"

namespace aether2onnx::players_test {
namespace {

using test::catch_error;
using test::Caught;
using test::contains;
using test::file_of;
using test::model_of;

// --- ONNX Runtime -----------------------------------------------------------------------------

std::map<std::string, std::string> provider_options(const onnx::Model& file,
                                                    const EngineOptions& options) {
  std::map<std::string, std::string> map;
  for (const auto& [key, value] : onnxruntime_options(model_of(file), options).options) {
    EXPECT_TRUE(map.emplace(key, value).second) << key;
  }
  return map;
}

TEST(OnnxRuntimeOptions, HaveAProfileForDynamicModelsOnly) {
  auto options = provider_options(file_of("fp32", false, true), {});
  EXPECT_EQ(options["trt_profile_min_shapes"], "input:1x3x32x40");
  EXPECT_EQ(options["trt_profile_opt_shapes"], "input:1x3x64x80");
  EXPECT_EQ(options["trt_profile_max_shapes"], "input:4x3x256x320");
  EXPECT_EQ(options["trt_engine_cache_enable"], "1");
  EXPECT_EQ(options["trt_engine_cache_path"], "dir");
  EXPECT_FALSE(options.contains("trt_fp16_enable"));
  EXPECT_FALSE(options.contains("trt_timing_cache_enable"));
  EXPECT_FALSE(options.contains("trt_max_workspace_size"));
  options = provider_options(file_of("fp32", false, false), {});
  EXPECT_FALSE(options.contains("trt_profile_min_shapes"));
}

TEST(OnnxRuntimeOptions, CountTheWorkspaceInBytes) {
  EngineOptions options;
  options.workspace = 16'777'216;
  EXPECT_EQ(provider_options(file_of("fp32", false, false), options)["trt_max_workspace_size"],
            "17592186044416");
  options.workspace = 1;
  EXPECT_EQ(provider_options(file_of("fp32", false, false), options)["trt_max_workspace_size"],
            "1048576");
}

TEST(OnnxRuntimeOptions, EnableWhatTheModelComputesIn) {
  EngineOptions options;
  EXPECT_EQ(provider_options(file_of("fp16", false, false), options)["trt_fp16_enable"], "1");
  EXPECT_EQ(provider_options(file_of("fp16", true, false), options)["trt_fp16_enable"], "1");
  EXPECT_EQ(provider_options(file_of("bf16", true, false), options)["trt_bf16_enable"], "1");
  EXPECT_EQ(provider_options(file_of("int8", true, false), options)["trt_int8_enable"], "1");
  options.precision = EnginePrecision::fp16;
  EXPECT_EQ(provider_options(file_of("fp32", false, false), options)["trt_fp16_enable"], "1");
  // TensorRT 11 has no such flags.
  options.version = parse_tensorrt_version("11");
  EXPECT_FALSE(
      provider_options(file_of("fp16", false, false), options).contains("trt_fp16_enable"));
  EXPECT_THROW(provider_options(file_of("fp32", false, false), options), Error);
}

TEST(OnnxRuntimeOptions, KeepSquaresInFloat32) {
  onnx::Model file = file_of("fp16", false, false);
  EXPECT_FALSE(provider_options(file, {}).contains("trt_layer_norm_fp32_fallback"));
  file.nodes.push_back({"m", "ReduceMean", "", {}, {}, {}});
  file.nodes.push_back({"p", "Pow", "", {}, {}, {}});
  EXPECT_EQ(provider_options(file, {})["trt_layer_norm_fp32_fallback"], "1");
}

TEST(OnnxRuntimeOptions, AsPython) {
  EngineModel model = model_of(file_of("fp32", false, false));
  model.path = "a \"b\" \\c/net.onnx";
  EXPECT_EQ(onnxruntime_options(model, {}).python,
            "providers=[(\"TensorrtExecutionProvider\", {\"trt_engine_cache_enable\": \"1\", "
            "\"trt_engine_cache_path\": \"a \\\"b\\\" \\\\c\"}), \"CUDAExecutionProvider\"]");
  model.path = "a\nb/net.onnx";
  EXPECT_EQ(catch_error([&] { onnxruntime_options(model, {}); }).code, "engine-path-characters");
}

// --- vs-mlrt ----------------------------------------------------------------------------------

TEST(VsmlrtCall, HasWidthBeforeHeight) {
  EngineOptions options;
  options.workspace = 4096;
  options.device = 2;
  options.builder_optimization_level = 5;
  const EngineModel model = model_of(file_of("fp32", false, true));
  EXPECT_EQ(vsmlrt_call(model, options).python,
            "vsmlrt.inference(clip, network_path=\"dir/2x_net.onnx\", "
            "backend=vsmlrt.Backend.TRT(static_shape=False, min_shapes=(40, 32), "
            "opt_shapes=(80, 64), max_shapes=(320, 256), workspace=4096, "
            "builder_optimization_level=5, device_id=2))");
}

TEST(VsmlrtCall, OfOneSize) {
  EngineModel model = model_of(file_of("fp32", false, true));
  model.shape.height = Axis::range(720, 720, 720);
  model.shape.width = Axis::range(1280, 1280, 1280);
  model.input_name = "pixels";
  EXPECT_EQ(vsmlrt_call(model, {}).python,
            "vsmlrt.inference(clip, network_path=\"dir/2x_net.onnx\", input_name=\"pixels\", "
            "backend=vsmlrt.Backend.TRT(static_shape=True, opt_shapes=(1280, 720)))");
}

TEST(VsmlrtCall, Precision) {
  const auto call = [](const std::string& precision, bool mixed, const std::string& version) {
    EngineOptions options;
    options.version = parse_tensorrt_version(version);
    return vsmlrt_call(model_of(file_of(precision, mixed, true)), options).python;
  };
  EXPECT_TRUE(contains(call("fp16", false, "10"), "fp16=True"));
  EXPECT_TRUE(contains(call("fp16", false, "10"), "output_format=1"));
  EXPECT_TRUE(contains(call("fp16", true, "10"), "fp16=True"));
  EXPECT_FALSE(contains(call("fp16", true, "10"), "output_format"));
  EXPECT_TRUE(contains(call("bf16", true, "10"), "bf16=True"));
  EXPECT_FALSE(contains(call("fp16", true, "11"), "fp16=True"));
  EXPECT_FALSE(contains(call("bf16", true, "11"), "bf16=True"));
  EXPECT_THROW(call("bf16", true, "8.6"), Error);
  const Caught caught = catch_error([&] { call("bf16", false, "10"); });
  EXPECT_TRUE(contains(caught.message, "mixed_bf16")) << caught.message;
}

TEST(VsmlrtCall, WhatItCantRunIsSaid) {
  const auto expect = [](const onnx::Model& file, const std::string& text) {
    const Caught caught = catch_error([&] { vsmlrt_call(model_of(file), {}); });
    EXPECT_EQ(caught.kind, ErrorKind::unsupported);
    EXPECT_EQ(caught.code, "engine-vsmlrt");
    EXPECT_TRUE(contains(caught.message, text)) << caught.message;
  };
  expect(file_of("fp32", false, false), "shape 1x3xHxW");
  onnx::Model file = file_of("fp32", false, true);
  file.inputs[0].dims[1] = "4";
  for (auto& [key, value] : file.metadata) value.replace(value.find("x3x"), 3, "x4x");
  expect(file, "4 channels");
  file = file_of("fp32", false, true);
  file.metadata[0].second = "input:2x3x32x40";
  file.metadata[1].second = "input:2x3x64x80";
  expect(file, "2 pictures");
}

}  // namespace
}  // namespace aether2onnx::players_test
