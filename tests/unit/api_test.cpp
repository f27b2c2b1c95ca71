// The public header's promises.

#include <aether2onnx/aether2onnx.h>
#include <gtest/gtest.h>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx {
namespace {

using test::catch_error;
using test::Caught;
using test::list_files;
using test::MemoryOutput;

std::vector<std::byte> sample_checkpoint() {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors({});
  tools::fill_random(tensors, 9);
  return tools::write_checkpoint(tensors);
}

class ConvertFile : public testing::Test {
 protected:
  void SetUp() override { test::write_file(folder_ / "model.pth", sample_checkpoint()); }
  test::TemporaryFolder folder_;
};

TEST_F(ConvertFile, GivesTheSameBytesAsConversionInMemory) {
  const Report report = convert_file(folder_ / "model.pth", folder_ / "model.onnx", {});
  const auto checkpoint = sample_checkpoint();
  const MemoryInput input(checkpoint);
  MemoryOutput output;
  Options options;
  options.source_name = "model.pth";
  const Report in_memory = convert(input, {&output, nullptr, {}}, options);
  EXPECT_EQ(test::read_file(folder_ / "model.onnx"), output.bytes());
  EXPECT_EQ(report.output.bytes, output.bytes().size());
  EXPECT_EQ(report.source.sha256, in_memory.source.sha256);
  EXPECT_EQ(in_memory.output.path, "");
}

class RecordingObserver : public Observer {
 public:
  void on_stage(const Stage& stage) override { stages.push_back(stage.name); }
  void on_progress(std::string_view /*stage*/, std::uint64_t done, std::uint64_t total) override {
    EXPECT_LE(done, total);
    last_done = done;
    last_total = total;
  }
  std::vector<std::string> stages;
  std::uint64_t last_done = 0;
  std::uint64_t last_total = 1;
};

TEST_F(ConvertFile, TellsTheObserver) {
  RecordingObserver observer;
  convert_file(folder_ / "model.pth", folder_ / "model.onnx", {}, {{}, &observer});
  EXPECT_EQ(observer.stages, (std::vector<std::string>{"read", "recognised", "fused", "written"}));
  EXPECT_EQ(observer.last_done, observer.last_total);
}

class StoppingObserver final : public Observer {
 public:
  explicit StoppingObserver(int after) : calls_left_(after) {}
  void on_progress(std::string_view /*stage*/, std::uint64_t /*done*/,
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
               [&](const Report& report, const std::filesystem::path& candidate) {
                 EXPECT_FALSE(std::filesystem::exists(target));
                 EXPECT_EQ(report.output.path, target);
                 candidate_bytes = test::read_file(candidate);
               });
  EXPECT_EQ(test::read_file(target), candidate_bytes);
}

TEST_F(ConvertFile, ARefusalBeforeSavingLeavesNothing) {
  const std::vector<std::string> before = list_files(folder_.path());
  EXPECT_THROW(convert_file(folder_ / "model.pth", folder_ / "new/model.onnx", {}, {},
                            [](const Report&, const std::filesystem::path&) {
                              throw std::runtime_error("refused");
                            }),
               std::runtime_error);
  EXPECT_EQ(list_files(folder_.path()), before);
}

TEST_F(ConvertFile, ExternalDataLiesBesideTheModel) {
  Options options;
  options.external_data_threshold = 1000;
  bool seen = false;
  const Report report =
      convert_file(folder_ / "model.pth", folder_ / "out/model.onnx", options, {},
                   [&](const Report&, const std::filesystem::path& candidate) {
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
    if (writes_left_-- <= 0) throw Error(ErrorKind::io, "the disk is full");
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
  Options options;
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

TEST(Names, OfACheckpointWithoutItsEnding) {
  EXPECT_EQ(checkpoint_stem("in/net_g.50.pth"), "net_g.50");
  EXPECT_EQ(checkpoint_stem("in/net.safetensors.index.json"), "net");
  EXPECT_EQ(checkpoint_stem(".safetensors.index.json"), ".safetensors.index");
}

TEST(Names, DefaultOutput) {
  EXPECT_EQ(default_output_name(2, "net_g_50000", Precision::fp16, 17),
            "2x_net_g_50000_fp16_op17.onnx");
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
}  // namespace aether2onnx
