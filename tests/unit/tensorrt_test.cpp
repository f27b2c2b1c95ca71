// What TensorRT must be told of a model, for every version, precision and kind of shape. The tables
// here were written from NVIDIA's sources by themselves; they share nothing with judge/engine.

#include <aether2onnx/aether2onnx.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "engine_models.h"
#include "judge/engine/engine.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::tensorrt_test {
namespace {

using test::any_contains;
using test::catch_error;
using test::Caught;
using test::contains;
using test::file_of;
using test::has;
using test::kFloat;
using test::model_of;

// --- versions ---------------------------------------------------------------------------------

TEST(TensorRtVersions, AreRead) {
  EXPECT_EQ(parse_tensorrt_version("10.3.0"), (TensorRtVersion{10, 3, 0}));
  EXPECT_EQ(parse_tensorrt_version("8.6"), (TensorRtVersion{8, 6, TensorRtVersion::kNewest}));
  EXPECT_EQ(parse_tensorrt_version("11.1"), (TensorRtVersion{11, 1, TensorRtVersion::kNewest}));
  EXPECT_EQ(parse_tensorrt_version("10.13.3.9"), (TensorRtVersion{10, 13, 3}));
  EXPECT_EQ(parse_tensorrt_version("10.13.3.2024"), (TensorRtVersion{10, 13, 3}));
  for (const char* text : {"8.4", "8.6.1", "9.3.0", "10", "10.0", "10.3.0", "11.1", "11"}) {
    EXPECT_EQ(to_string(parse_tensorrt_version(text)), text);
  }
}

TEST(TensorRtVersions, ThatAreNoneAreRefused) {
  for (const char* text :
       {"", ".", "10.", ".10", "v10", "10.3.0.1.2", "-10", "10.-3", "+10", " 10", "10 ", "10,3",
        "1e1", "100", "10.100", "10.99", "99999999999999999999", "10\x1b[31m"}) {
    const Caught caught = catch_error([&] { parse_tensorrt_version(text); });
    EXPECT_TRUE(caught.thrown) << text;
    EXPECT_EQ(caught.kind, ErrorKind::usage) << text;
    EXPECT_EQ(caught.code, "engine-version") << text;
    EXPECT_FALSE(contains(caught.message, "\x1b"));
  }
  for (const char* text : {"8.2", "8.3.9", "7", "1", "0"}) {
    const Caught caught = catch_error([&] { parse_tensorrt_version(text); });
    EXPECT_EQ(caught.kind, ErrorKind::usage) << text;
    EXPECT_EQ(caught.code, "engine-version-too-old") << text << ": " << caught.message;
  }
}

TEST(TensorRtVersions, AnUnsaidPartIsTheNewest) {
  EXPECT_GT(parse_tensorrt_version("10"), parse_tensorrt_version("10.16.1"));
  EXPECT_LT(parse_tensorrt_version("10"), parse_tensorrt_version("11.0.0"));
  EXPECT_GT(parse_tensorrt_version("10.3"), parse_tensorrt_version("10.3.5"));
}

TEST(TensorRtVersions, AreReadFromBanners) {
  const std::map<std::string, std::string> banners = {
      {"&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --help\n", "8.6.1"},
      {"&&&& RUNNING TensorRT.trtexec [TensorRT v8503] # ./trtexec", "8.5.3"},
      {"&&&& RUNNING TensorRT.trtexec [TensorRT v9300] #", "9.3.0"},
      {"&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec --help", "10.3.0"},
      {"&&&& RUNNING TensorRT.trtexec [TensorRT v101303] [b9] # trtexec --help", "10.13.3"},
      {"&&&& RUNNING TensorRT.trtexec [TensorRT v110100] [b114] # trtexec --help", "11.1.0"},
      {"[TensorRT v] [TensorRT vx] [TensorRT v10000", ""},
      {"[TensorRT v99999999999999999999]", ""},
      {"[TensorRT v-8601]", ""},
      {"[TensorRT v12] then [TensorRT v100001]", "10.0.1"},
      {"usage: trtexec", ""},
      {"", ""},
  };
  for (const auto& [text, expected] : banners) {
    const auto version = tensorrt_version_in(text);
    EXPECT_EQ(version ? to_string(*version) : "", expected) << text;
  }
}

// --- the table of versions --------------------------------------------------------------------

// Which options a trtexec takes and heeds, by version: y or -. From sampleOptions.cpp of each.
struct OptionRow {
  const char* name;
  const char* versions;  // as kColumns
};
constexpr const char* kColumns[] = {"8.4.1", "8.5.3",  "8.6.1", "9.0.0",
                                    "9.3.0", "10.0.1", "10.16", "11.1"};
constexpr OptionRow kOptionRows[] = {
    {"--onnx", "yyyyyyyy"},
    {"--saveEngine", "yyyyyyyy"},
    {"--minShapes", "yyyyyyyy"},
    {"--optShapes", "yyyyyyyy"},
    {"--maxShapes", "yyyyyyyy"},
    {"--fp16", "yyyyyyy-"},
    {"--bf16", "---yyyy-"},
    {"--int8", "yyyyyyy-"},
    {"--stronglyTyped", "----yyy-"},
    {"--memPoolSize", "yyyyyyyy"},
    {"--timingCacheFile", "yyyyyyyy"},
    {"--builderOptimizationLevel", "--yyyyyy"},
    {"--device", "yyyyyyyy"},
    {"--buildOnly", "yy------"},
    {"--skipInference", "--yyyyyy"},
};

// How a model comes to its precision: "-" no flag, "!" not at all.
struct PrecisionRow {
  const char* model;
  const char* wish;
  const char* routes;  // as kColumns
};
constexpr PrecisionRow kPrecisionRows[] = {
    {"fp32", "as_model", "-    -    -    -    -      -      -      -"},
    {"fp32", "fp16", "    fp16 fp16 fp16 fp16 fp16   fp16   fp16   !"},
    {"fp32", "bf16", "    !    !    !    bf16 bf16   bf16   bf16   !"},
    {"fp16", "as_model", "fp16 fp16 fp16 fp16 strong strong strong -"},
    {"fp16", "fp16", "    fp16 fp16 fp16 fp16 strong strong strong -"},
    {"fp16", "bf16", "    !    !    !    !    !      !      !      !"},
    {"bf16", "as_model", "!    !    !    bf16 strong strong strong -"},
    {"bf16", "bf16", "    !    !    !    bf16 strong strong strong -"},
    {"bf16", "fp16", "    !    !    !    !    !      !      !      !"},
    {"int8", "as_model", "int8 int8 int8 int8 strong strong strong -"},
    {"int8", "fp16", "    fp16+int8 fp16+int8 fp16+int8 fp16+int8 fp16+int8 fp16+int8 fp16+int8 !"},
};

EnginePrecision wish_of(const std::string& text) {
  for (const EnginePrecision precision : {EnginePrecision::fp16, EnginePrecision::bf16}) {
    if (text == to_string(precision)) return precision;
  }
  return EnginePrecision::as_model;
}

std::string name_of(const std::string& argument) { return argument.substr(0, argument.find('=')); }

// Judges a command line by the tables above.
void expect_command(const std::vector<std::string>& arguments, std::size_t column,
                    const std::string& route, bool dynamic) {
  std::set<std::string> seen;
  for (const std::string& argument : arguments) {
    const std::string name = name_of(argument);
    EXPECT_TRUE(seen.insert(name).second) << name << " is given twice";
    const auto row =
        std::find_if(std::begin(kOptionRows), std::end(kOptionRows),
                     [&](const OptionRow& candidate) { return name == candidate.name; });
    ASSERT_NE(row, std::end(kOptionRows)) << name << " isn't in the table";
    EXPECT_EQ(row->versions[column], 'y') << name << " isn't there in " << kColumns[column];
  }
  EXPECT_EQ(seen.contains("--minShapes"), dynamic);
  EXPECT_EQ(seen.contains("--optShapes"), dynamic);
  EXPECT_EQ(seen.contains("--maxShapes"), dynamic);
  EXPECT_EQ(seen.contains("--buildOnly") + seen.contains("--skipInference"), 1);
  EXPECT_EQ(seen.contains("--stronglyTyped"), route == "strong");
  EXPECT_EQ(seen.contains("--fp16"), contains(route, "fp16"));
  EXPECT_EQ(seen.contains("--bf16"), contains(route, "bf16"));
  EXPECT_EQ(seen.contains("--int8"), contains(route, "int8"));
}

TEST(TrtexecCommand, OfEveryVersionPrecisionAndShape) {
  int built = 0;
  int refused = 0;
  for (const PrecisionRow& row : kPrecisionRows) {
    std::istringstream routes(row.routes);
    for (std::size_t column = 0; column < std::size(kColumns); ++column) {
      std::string route;
      ASSERT_TRUE(routes >> route);
      for (const bool dynamic : {false, true}) {
        for (const bool mixed : {false, true}) {
          SCOPED_TRACE(fmt::format("{} {} {}{}{}", kColumns[column], row.model, row.wish,
                                   dynamic ? " dynamic" : "", mixed ? " mixed" : ""));
          EngineOptions options;
          options.version = parse_tensorrt_version(kColumns[column]);
          options.precision = wish_of(row.wish);
          options.workspace = 4096;
          options.timing_cache = "t.cache";
          options.device = 1;
          const EngineModel model = model_of(file_of(row.model, mixed, dynamic));
          EngineCommand command;
          const Caught caught = catch_error([&] { command = trtexec_command(model, options); });
          EXPECT_EQ(caught.thrown, route == "!") << caught.message;
          if (caught.thrown) {
            EXPECT_TRUE(caught.kind == ErrorKind::usage || caught.kind == ErrorKind::unsupported);
            EXPECT_TRUE(caught.code.starts_with("engine-precision")) << caught.code;
            EXPECT_TRUE(contains(caught.message, "\n")) << "no remedy: " << caught.message;
            ++refused;
            continue;
          }
          expect_command(command.arguments, column, route, dynamic);
          EXPECT_TRUE(has(command.arguments, "--onnx=dir/2x_net.onnx"));
          EXPECT_TRUE(has(command.arguments, "--memPoolSize=workspace:4096"));
          EXPECT_TRUE(has(command.arguments, "--timingCacheFile=t.cache"));
          EXPECT_TRUE(has(command.arguments, "--device=1"));
          if (dynamic) {
            EXPECT_TRUE(has(command.arguments, "--minShapes=input:1x3x32x40"));
            EXPECT_TRUE(has(command.arguments, "--optShapes=input:1x3x64x80"));
            EXPECT_TRUE(has(command.arguments, "--maxShapes=input:4x3x256x320"));
          }
          ++built;
        }
      }
    }
  }
  EXPECT_GT(built, 200);
  EXPECT_GT(refused, 100);
}

TEST(TrtexecCommand, TheOptimizationLevelIsOf86) {
  EngineOptions options;
  options.builder_optimization_level = 5;
  const EngineModel model = model_of(file_of("fp32", false, false));
  for (std::size_t column = 0; column < std::size(kColumns); ++column) {
    options.version = parse_tensorrt_version(kColumns[column]);
    const bool there = column >= 2;
    EngineCommand command;
    const Caught caught = catch_error([&] { command = trtexec_command(model, options); });
    EXPECT_EQ(caught.thrown, !there) << kColumns[column];
    EXPECT_EQ(has(command.arguments, "--builderOptimizationLevel=5"), there) << kColumns[column];
  }
}

TEST(TrtexecCommand, OptionsOutOfRangeAreNamed) {
  const EngineModel model = model_of(file_of("fp32", false, false));
  const auto expect = [&](const EngineOptions& options, const std::string& text) {
    const Caught caught = catch_error([&] { trtexec_command(model, options); });
    EXPECT_EQ(caught.kind, ErrorKind::usage);
    EXPECT_EQ(caught.code, "option-range");
    EXPECT_TRUE(contains(caught.message, text)) << caught.message;
  };
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{16'777'217},
                                   std::numeric_limits<std::int64_t>::max()}) {
    EngineOptions options;
    options.workspace = value;
    expect(options, "workspace");
  }
  EngineOptions options;
  options.builder_optimization_level = 6;
  expect(options, "builder_optimization_level 6");
  options = {};
  options.device = -1;
  expect(options, "device -1");
}

TEST(TrtexecCommand, OpsetsByVersion) {
  const std::map<std::string, int> newest = {
      {"8.4", 17},  {"8.5.3", 17},  {"8.6", 17},  {"9.0", 19},  {"9.3.0", 19}, {"10.0.1", 20},
      {"10.1", 20}, {"10.3", 20},   {"10.6", 22}, {"10.9", 22}, {"10.15", 24}, {"10.16", 24},
      {"11.0", 24}, {"11.4.1", 24}, {"11.5", 25}, {"10", 24},   {"9", 19},     {"8", 17}};
  for (const auto& [version, most] : newest) {
    EngineOptions options;
    options.version = parse_tensorrt_version(version);
    for (const int opset : {most, most + 1}) {
      const EngineModel model = model_of(file_of("fp32", false, false, opset));
      const Caught caught = catch_error([&] { trtexec_command(model, options); });
      EXPECT_EQ(caught.thrown, opset > most) << version << ' ' << opset;
      if (caught.thrown) {
        EXPECT_EQ(caught.code, "engine-opset");
        EXPECT_TRUE(contains(caught.message, "opset_version")) << caught.message;
        EXPECT_TRUE(contains(caught.message, fmt::format("up to {}", most))) << caught.message;
      }
    }
  }
}

TEST(TrtexecCommand, ALateOpsetOfSomeRelease) {
  EngineOptions options;
  options.version = parse_tensorrt_version("10");
  EXPECT_TRUE(any_contains(
      trtexec_command(model_of(file_of("fp32", false, false, 22)), options).notes, "10.0"));
  EXPECT_FALSE(any_contains(
      trtexec_command(model_of(file_of("fp32", false, false, 20)), options).notes, "10.0"));
}

TEST(TrtexecCommand, LayerNormalizationIsOf86) {
  onnx::Model file = file_of("fp32", false, false, 17);
  file.nodes.push_back({"n", "LayerNormalization", "", {}, {}, {}});
  EngineOptions options;
  options.version = parse_tensorrt_version("8.5");
  const Caught caught = catch_error([&] { trtexec_command(model_of(file), options); });
  EXPECT_EQ(caught.kind, ErrorKind::unsupported);
  EXPECT_EQ(caught.code, "engine-operator");
  EXPECT_TRUE(contains(caught.message, "opset_version 16")) << caught.message;
  options.version = parse_tensorrt_version("8.6");
  EXPECT_NO_THROW(trtexec_command(model_of(file), options));
}

TEST(TrtexecCommand, NotesSayWhatTheEngineWillBe) {
  const auto notes = [](const std::string& precision, const std::string& version,
                        EnginePrecision wish = EnginePrecision::as_model) {
    EngineOptions options;
    options.version = parse_tensorrt_version(version);
    options.precision = wish;
    return trtexec_command(model_of(file_of(precision, true, false)), options).notes;
  };
  EXPECT_TRUE(any_contains(notes("fp32", "11"), "mixed_fp16"));
  EXPECT_FALSE(any_contains(notes("fp32", "11"), "{option:precision}"));
  EXPECT_TRUE(any_contains(notes("fp32", "10"), "{option:precision} fp16"));
  EXPECT_TRUE(any_contains(notes("fp16", "8.6"), "no strong typing"));
  EXPECT_TRUE(any_contains(notes("fp32", "10", EnginePrecision::bf16), "mixed_bf16"));
  EXPECT_TRUE(any_contains(notes("fp32", "12"), "newer than every known release"));
  EXPECT_TRUE(notes("fp16", "10").empty());
  EXPECT_TRUE(notes("fp16", "11").empty());
}

TEST(TrtexecCommand, NamesOfEngines) {
  const auto name = [](const EngineModel& model, const std::string& version,
                       EnginePrecision wish = EnginePrecision::as_model) {
    EngineOptions options;
    options.version = parse_tensorrt_version(version);
    options.precision = wish;
    return default_engine_name(model, options);
  };
  EngineModel fixed = model_of(file_of("fp16", false, false));
  fixed.path = "some/dir/2x_model_fp16_op17.onnx";
  EXPECT_EQ(name(fixed, "10.3.0"), "2x_model_fp16_op17_trt10.3_1x3x64x64.engine");
  EXPECT_EQ(name(fixed, "10"), "2x_model_fp16_op17_trt10_1x3x64x64.engine");
  EXPECT_EQ(name(fixed, "10", EnginePrecision::fp16), name(fixed, "10"));
  const EngineModel dynamic = model_of(file_of("fp32", false, true));
  EXPECT_EQ(name(dynamic, "8.6.1", EnginePrecision::fp16),
            "2x_net_fp16_trt8.6_1x3x32x40-4x3x256x320.engine");
  EXPECT_EQ(trtexec_command(fixed, {}).engine,
            std::filesystem::path("some/dir") / name(fixed, "10"));
}

TEST(TrtexecCommand, ATildeStaysOne) {
  EngineModel model = model_of(file_of("fp32", false, false));
  model.path = "~net.onnx";
  const EngineCommand command = trtexec_command(model, {});
  EXPECT_TRUE(has(command.arguments, "--onnx=./~net.onnx"));
  EXPECT_TRUE(has(command.arguments, "--saveEngine=./~net_trt10_1x3x64x64.engine"));
}

TEST(TrtexecCommand, OfAConversion) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 9);
  const test::TemporaryFolder folder;
  test::write_file(folder / "net.pth", tools::write_checkpoint(tensors));
  for (const bool dynamic : {false, true}) {
    for (const Precision precision : {Precision::fp32, Precision::fp16}) {
      for (const int opset : {11, 17, 20, 24}) {
        ConvertOptions options;
        options.precision = precision;
        options.opset_version = opset;
        if (dynamic) {
          options.shape = {Axis::fixed(1), Axis::range(8, 16, 32), Axis::fixed(640)};
        }
        const ConvertReport report = convert_file(folder / "net.pth", folder / "net.onnx", options);
        const EngineModel told = engine_model(report);
        const EngineModel read = read_engine_model(folder / "net.onnx");
        EXPECT_EQ(trtexec_command(told, {}).arguments, trtexec_command(read, {}).arguments);
        EXPECT_EQ(onnxruntime_options(told, {}).options, onnxruntime_options(read, {}).options);
        EXPECT_EQ(told.input_dtype, read.input_dtype);
        EXPECT_EQ(told.output_dtype, read.output_dtype);
        EXPECT_EQ(told.opset_version, read.opset_version);
        EXPECT_EQ(told.has_layer_normalization, read.has_layer_normalization);
        EXPECT_EQ(told.has_decomposed_normalization, read.has_decomposed_normalization);
        EXPECT_EQ(told.has_layer_normalization, opset >= 17);
        EXPECT_EQ(told.has_decomposed_normalization, opset < 17);
        EXPECT_EQ(read.has_float16, precision == Precision::fp16);
        EXPECT_EQ(read.profile_problem, "");
        EXPECT_EQ(told.shape, read.shape);
        if (dynamic) {
          EXPECT_TRUE(has(trtexec_command(read, {}).arguments, "--maxShapes=input:1x3x32x640"));
        }
      }
    }
  }
}

}  // namespace
}  // namespace aether2onnx::tensorrt_test
