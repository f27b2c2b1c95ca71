// The public header's promises.

#include <aether2onnx/aether2onnx.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::api_test {
namespace {

using test::catch_error;
using test::Caught;
using test::list_files;
using test::MemoryOutput;

std::vector<std::byte> sample_checkpoint() {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 9);
  return tools::write_checkpoint(tensors);
}

class ConvertFile : public testing::Test {
 protected:
  void SetUp() override { test::write_file(folder_ / "model.pth", sample_checkpoint()); }
  test::TemporaryFolder folder_;
};

TEST_F(ConvertFile, GivesTheSameBytesAsConversionInMemory) {
  const ConvertReport report = convert_file(folder_ / "model.pth", folder_ / "model.onnx", {});
  const auto checkpoint = sample_checkpoint();
  const MemoryInput input(checkpoint);
  MemoryOutput output;
  ConvertOptions options;
  options.source_name = "model.pth";
  const ConvertReport in_memory = convert(input, {&output, nullptr, {}}, options);
  EXPECT_EQ(test::read_file(folder_ / "model.onnx"), output.bytes());
  EXPECT_EQ(report.output.bytes, output.bytes().size());
  EXPECT_EQ(report.source.sha256, in_memory.source.sha256);
  EXPECT_EQ(in_memory.output.path, "");
}

class RecordingObserver : public Observer {
 public:
  void on_step(const Step& step) override { steps.push_back(step.name); }
  void on_progress(std::string_view /*step*/, std::uint64_t done, std::uint64_t total) override {
    EXPECT_LE(done, total);
    last_done = done;
    last_total = total;
  }
  std::vector<std::string> steps;
  std::uint64_t last_done = 0;
  std::uint64_t last_total = 1;
};

TEST_F(ConvertFile, TellsTheTypesOfTheWeights) {
  ConvertOptions options;
  for (const auto& [precision, dtype] : {std::pair(Precision::fp32, "float32"),
                                         {Precision::fp16, "float16"},
                                         {Precision::bf16, "bfloat16"},
                                         {Precision::mixed_bf16, "bfloat16 + float32"}}) {
    options.precision = precision;
    const ConvertReport plan = plan_file(folder_ / "model.pth", "", options);
    EXPECT_EQ(plan.graph.dtype, dtype);
  }
}

TEST_F(ConvertFile, TellsTheObserver) {
  RecordingObserver observer;
  convert_file(folder_ / "model.pth", folder_ / "model.onnx", {}, {{}, &observer});
  EXPECT_EQ(observer.steps, (std::vector<std::string>{"read", "recognised", "fused", "written"}));
  EXPECT_EQ(observer.last_done, observer.last_total);
}

class StoppingObserver final : public Observer {
 public:
  explicit StoppingObserver(int after) : calls_left_(after) {}
  void on_progress(std::string_view /*step*/, std::uint64_t /*done*/,
                   std::uint64_t /*total*/) override {
    if (calls_left_-- <= 0) throw std::runtime_error("stopped");
  }

 private:
  int calls_left_;
};

TEST_F(ConvertFile, AnObserverMayStopItAtAnyPointAndNothingIsLeft) {
  test::write_text(folder_ / "old.onnx", "old");
  const std::vector<std::string> before = list_files(folder_.path());
  int stopped = 0;
  for (int calls = 0; calls < 40; ++calls) {
    StoppingObserver observer(calls);
    EXPECT_THROW(convert_file(folder_ / "model.pth", folder_ / "old.onnx", {}, {{}, &observer}),
                 std::runtime_error);
    EXPECT_EQ(list_files(folder_.path()), before);
    ++stopped;
  }
  EXPECT_EQ(stopped, 40);
  EXPECT_EQ(test::read_text(folder_ / "old.onnx"), "old");
}

TEST_F(ConvertFile, ShowsTheFinishedFileBeforeItIsSaved) {
  std::vector<std::byte> candidate_bytes;
  const auto target = folder_ / "new/model.onnx";
  convert_file(folder_ / "model.pth", target, {}, {},
               [&](const ConvertReport& report, const std::filesystem::path& candidate) {
                 EXPECT_FALSE(std::filesystem::exists(target));
                 EXPECT_EQ(report.output.path, target);
                 candidate_bytes = test::read_file(candidate);
               });
  EXPECT_EQ(test::read_file(target), candidate_bytes);
}

TEST_F(ConvertFile, ARefusalBeforeSavingLeavesNothing) {
  const std::vector<std::string> before = list_files(folder_.path());
  EXPECT_THROW(convert_file(folder_ / "model.pth", folder_ / "new/model.onnx", {}, {},
                            [](const ConvertReport&, const std::filesystem::path&) {
                              throw std::runtime_error("refused");
                            }),
               std::runtime_error);
  EXPECT_EQ(list_files(folder_.path()), before);
}

TEST_F(ConvertFile, ExternalDataLiesBesideTheModel) {
  ConvertOptions options;
  options.external_data_threshold = 1000;
  bool seen = false;
  const ConvertReport report =
      convert_file(folder_ / "model.pth", folder_ / "out/model.onnx", options, {},
                   [&](const ConvertReport&, const std::filesystem::path& candidate) {
                     seen = std::filesystem::exists(candidate.parent_path() / "model.onnx.data");
                   });
  EXPECT_TRUE(seen);
  EXPECT_EQ(report.output.external_data_path, folder_ / "out/model.onnx.data");
  EXPECT_EQ(std::filesystem::file_size(report.output.external_data_path),
            report.output.external_data_bytes);
  EXPECT_EQ(list_files(folder_ / "out"),
            (std::vector<std::string>{"model.onnx", "model.onnx.data"}));
}

// An output that fails at some write, as a full disk does.
class FailingOutput final : public Output {
 public:
  explicit FailingOutput(int writes) : writes_left_(writes) {}
  void write(std::span<const std::byte> /*bytes*/) override {
    if (writes_left_-- <= 0)
      throw Error(ErrorKind::io, {"disk-full", "", "", "", "the disk is full"});
  }
  bool failed() const { return writes_left_ < 0; }

 private:
  int writes_left_;
};

TEST(Convert, AFailingOutputIsReportedAsItself) {
  const auto checkpoint = sample_checkpoint();
  const MemoryInput input(checkpoint);
  int failures = 0;
  for (int writes = 0;; ++writes) {
    FailingOutput output(writes);
    const Caught caught = catch_error([&] { convert(input, {&output, nullptr, {}}, {}); });
    if (!output.failed()) break;
    EXPECT_EQ(caught.kind, ErrorKind::io);
    EXPECT_EQ(caught.message, "the disk is full");
    ++failures;
  }
  EXPECT_GT(failures, 50);
}

TEST(Convert, ChecksTheOptionsFirst) {
  const MemoryInput nothing({});
  MemoryOutput output;
  ConvertOptions options;
  options.opset_version = 25;
  EXPECT_EQ(catch_error([&] {
              convert(nothing, {&output, nullptr, {}}, options);
            }).kind,
            ErrorKind::usage);
  options.opset_version = 17;
  EXPECT_EQ(catch_error([&] {
              convert(nothing, {&output, nullptr, {}}, options);
            }).kind,
            ErrorKind::unsupported);
}

// --- options ----------------------------------------------------------------------------------

struct BadOption {
  const char* name;
  const char* code;
  void (*set)(ConvertOptions& options);
};

class BadOptions : public testing::TestWithParam<BadOption> {};

TEST_P(BadOptions, AreNamed) {
  ConvertOptions options;
  EXPECT_NO_THROW(validate(options));
  GetParam().set(options);
  try {
    validate(options);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::usage);
    EXPECT_EQ(error.diagnostic.code, GetParam().code);
    EXPECT_EQ(error.diagnostic.subject, GetParam().name);
    EXPECT_FALSE(error.diagnostic.expected.empty());
    EXPECT_FALSE(error.diagnostic.found.empty());
    const std::string option = std::string("{option:") + GetParam().name + "}";
    EXPECT_NE(error.diagnostic.text.find(option), std::string::npos) << error.diagnostic.text;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, BadOptions,
    testing::Values(
        BadOption{"scale", "option-range", [](auto& options) { options.expect.scale = 5; }},
        BadOption{"model_type", "option-range",
                  [](auto& options) { options.expect.model_type = "aether_huge"; }},
        BadOption{"input_channels", "option-range",
                  [](auto& options) { options.expect.input_channels = 0; }},
        BadOption{"generation", "option-range",
                  [](auto& options) { options.read.generation = "G9"; }},
        BadOption{"res_scale", "option-range", [](auto& options) { options.read.res_scale = 0; }},
        BadOption{"norm_eps", "option-range", [](auto& options) { options.read.norm_eps = -1; }},
        BadOption{"img_range", "option-range",
                  [](auto& options) { options.read.img_range = std::nan(""); }},
        BadOption{"opset_version", "option-range",
                  [](auto& options) { options.opset_version = 25; }},
        BadOption{"opset_version", "option-opset-bfloat16",
                  [](auto& options) {
                    options.opset_version = 17;
                    options.precision = Precision::bf16;
                  }},
        BadOption{"opt_height", "option-range",
                  [](auto& options) { options.shape.height = Axis::fixed(70000); }},
        BadOption{"max_width", "option-range",
                  [](auto& options) { options.shape.width = Axis::range(1, 2, 70000); }},
        BadOption{"min_batch_size", "option-order",
                  [](auto& options) { options.shape.batch = Axis::range(3, 3, 2); }}),
    [](const testing::TestParamInfo<BadOption>& test) {
      return fmt::format("{}_{}", test.param.name, test.index);
    });

TEST(SpellOptions, ReplacesOnlyNamesOfOptions) {
  const auto spelled = [](std::string_view text) {
    return spell_options(text, [](std::string_view name) { return fmt::format("<{}>", name); });
  };
  EXPECT_EQ(spelled("give {option:io_type} or {option:opset_version}."),
            "give <io_type> or <opset_version>.");
  for (const char* text : {"", "{option:", "{option:}", "{option:a", "{option:a b}",
                           "{option:\", \"b\": {}}", "{options}"}) {
    EXPECT_EQ(spelled(text), text);
  }
  EXPECT_EQ(spelled("{option:{option:a}"), "{option:<a>");
}

TEST(Names, OfACheckpointWithoutItsEnding) {
  EXPECT_EQ(checkpoint_stem("in/net_g.50.pth"), "net_g.50");
  EXPECT_EQ(checkpoint_stem("in/net.safetensors.index.json"), "net");
  EXPECT_EQ(checkpoint_stem(".safetensors.index.json"), ".safetensors.index");
}

TEST(Names, DefaultOutput) {
  NetworkInfo network;
  network.scale = 2;
  network.input_channels = 3;
  const auto name = [&](const ConvertOptions& options) {
    return default_output_name("net_g_50000", network, options);
  };
  ConvertOptions options;
  EXPECT_EQ(name(options), "2x_net_g_50000_fp32_1x3x64x64_op17.onnx");
  options.precision = Precision::bf16;
  options.shape.height = Axis::fixed(720);
  EXPECT_EQ(name(options), "2x_net_g_50000_bf16_1x3x720x64_op22.onnx");
  options.precision = Precision::fp16;
  options.graph_form = GraphForm::channels_first;
  options.io_type = IoType::fp32;
  options.depthwise_fp32 = true;
  options.fp32_blocks = {"conv_last"};
  options.read.generation = "G6.0";
  options.read.params_key = "model/net g";
  options.read.res_scale = 0.2;
  EXPECT_EQ(name(options),
            "2x_net_g_50000_fp16_1x3x720x64_op17_channels_first_io_fp32_depthwise_fp32_fp32_blocks_"
            "G6.0_model-net-g_res_scale0.2.onnx");
  options = {};
  options.precision = Precision::mixed_fp16;
  options.io_type = IoType::same;
  EXPECT_EQ(unusual_options_name(options), "_io_fp16");
  options.precision = Precision::mixed_bf16;
  EXPECT_EQ(unusual_options_name(options), "_io_bf16");
}

TEST(Names, OfShapes) {
  const Axis one = Axis::fixed(1);
  const Axis height = Axis::range(32, 64, 1080);
  const Axis width = Axis::range(32, 64, 1920);
  EXPECT_EQ(shape_name({}, 3), "1x3x64x64");
  EXPECT_EQ(shape_name({one, height, width}, 3), "dyn1080x1920");
  EXPECT_EQ(shape_name({Axis::fixed(2), height, width}, 3), "dyn2x3x1080x1920");
  EXPECT_EQ(shape_name({one, Axis::fixed(720), width}, 3), "dynW_1x3x720x1920");
  EXPECT_EQ(shape_name({one, height, Axis::fixed(64)}, 1), "dynH_1x1x1080x64");
  EXPECT_EQ(shape_name(InputShape::dynamic_defaults(), 3), "dynBHW_4x3x256x256");
}

TEST(Names, DefaultFusedCheckpoint) {
  FuseOptions options;
  EXPECT_EQ(default_fused_name("net", options), "net_fused.pth");
  options.dtype = WeightType::float16;
  options.format = CheckpointFormat::safetensors;
  EXPECT_EQ(default_fused_name("net", options), "net_fused_float16.safetensors");
}

TEST(Names, EveryErrorKindHasItsOwn) {
  std::vector<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::internal); ++kind) {
    names.push_back(to_string(static_cast<ErrorKind>(kind)));
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace aether2onnx::api_test
