// engine --run, against a program that behaves as trtexec does when it succeeds, fails, crashes,
// and is interrupted.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine_fixture.h"

namespace aether2onnx::engine_run_test {
namespace {

using nlohmann::json;
using test::CommandResult;
using test::list_files;
using test::quoted;

class EngineRun : public test::EngineCommandTest {
 protected:
  void SetUp() override {
    EngineCommandTest::SetUp();
    add_trtexec("trtexec");
  }

  CommandResult build(const std::string& arguments, const std::string& mode,
                      const std::string& before = "") const {
    return run(arguments + " --run --trtexec ./trtexec", before + " FAKE_TRT_MODE=" + mode);
  }
};

TEST_F(EngineRun, EveryVersionTakesItsLine) {
  const std::vector<std::pair<const char*, const char*>> versions = {
      {"8503", "8.5"},    {"8601", "8.6"},    {"9000", "9.0"},     {"9300", "9.3"},
      {"100001", "10.0"}, {"100300", "10.3"}, {"101600", "10.16"}, {"110100", "11.1"}};
  // TensorRT 8.5 lacks LayerNormalization.
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 5);
  test::write_file(folder_ / "m.pth", tools::write_checkpoint(tensors));
  ConvertOptions options;
  options.opset_version = 16;
  convert_file(folder_ / "m.pth", folder_ / "fixed.onnx", options);
  options.precision = Precision::fp16;
  convert_file(folder_ / "m.pth", folder_ / "fixed16.onnx", options);
  options.shape = {Axis::fixed(1), Axis::range(32, 64, 128), Axis::range(32, 64, 128)};
  convert_file(folder_ / "m.pth", folder_ / "dynamic16.onnx", options);
  options.precision = Precision::fp32;
  convert_file(folder_ / "m.pth", folder_ / "dynamic.onnx", options);

  for (const auto& [number, version] : versions) {
    for (const std::string name : {"fixed", "fixed16", "dynamic", "dynamic16"}) {
      const bool has_level = std::string(version) != "8.5";
      const CommandResult result =
          build(name + ".onnx --workspace 512 --timing_cache t.cache --device 0" +
                    (has_level ? " --builder_optimization_level 4" : ""),
                "ok", fmt::format("FAKE_TRT_VERSION={}", number));
      EXPECT_EQ(result.exit_code, 0) << result.err;
      const std::string engine =
          fmt::format("{}_trt{}_{}.engine", name, version,
                      name.starts_with("fixed") ? "1x3x64x64" : "1x3x32x32-1x3x128x128");
      EXPECT_TRUE(contains(result.out, "saved       " + engine)) << result.out;
      EXPECT_EQ(std::filesystem::file_size(folder_ / engine), 5000U) << engine;
      EXPECT_TRUE(contains(test::read_text(folder_ / (engine + ".log")), "&&&& PASSED"));
    }
  }
  for (const std::string& name : list_files(folder_.path())) {
    EXPECT_FALSE(name.starts_with(".aether2onnx")) << name;
  }
}

TEST_F(EngineRun, BothPrecisionsOfAFloat32Model) {
  for (const char* precision : {"fp16", "bf16"}) {
    const CommandResult result = build(fmt::format("fixed.onnx --precision {}", precision), "ok");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_TRUE(contains(result.out, fmt::format("fixed_{}_trt10.3_", precision))) << result.out;
  }
}

TEST_F(EngineRun, TellsWhatItDid) {
  const CommandResult result = build("fixed.onnx --save_engine new/dir/e.engine --log l.txt", "ok");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(list_files(folder_ / "new"), (std::vector<std::string>{"dir", "dir/e.engine"}));
  EXPECT_TRUE(contains(result.out, "TensorRT 10.3.0, ./trtexec")) << result.out;
  EXPECT_TRUE(contains(result.out, "--saveEngine=new/dir/e.engine")) << result.out;
  EXPECT_TRUE(contains(result.out, "l.txt")) << result.out;
  EXPECT_FALSE(contains(result.out, "\r")) << "progress in a pipe";
  // Both of trtexec's streams are in the log.
  const std::string log = test::read_text(folder_ / "l.txt");
  EXPECT_TRUE(contains(log, "&&&& RUNNING")) << log;
  EXPECT_TRUE(contains(log, "a warning of no weight")) << log;

  const CommandResult quiet = build("fixed.onnx --quiet", "ok");
  EXPECT_EQ(quiet.exit_code, 0);
  EXPECT_EQ(quiet.out, "");
  EXPECT_EQ(quiet.err, "");
  const json object = json::parse(build("fixed.onnx --json --quiet", "ok").out);
  EXPECT_EQ(object["built"]["bytes"], 5000);
  EXPECT_EQ(object["built"]["log"], "fixed_trt10.3_1x3x64x64.engine.log");
  EXPECT_EQ(object["tensorrt"]["version"], "10.3.0");
}

TEST_F(EngineRun, ProgressIsForTerminals) {
  if (test::run_shell("command -v script").exit_code != 0) GTEST_SKIP() << "no script(1)";
  const std::string command = "cd " + quoted(folder_.path().string()) + " && FAKE_TRT_MODE=slow " +
                              quoted(AETHER2ONNX_PROGRAM) +
                              " engine fixed.onnx --run --trtexec ./trtexec";
  const CommandResult result =
      test::run_shell("script -qec " + quoted("sh -c " + quoted(command)) + " /dev/null");
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_TRUE(contains(result.out, "\rbuilding    1 s  a warning of no weight")) << result.out;
}

struct FailingMode {
  const char* mode;
  const char* what;
};
constexpr FailingMode kFailingModes[] = {
    {"memory", "the GPU has too little memory"},
    {"gpu", "trtexec finds no usable GPU"},
    {"operator", "does not support an operator"},
    {"implementation", "no implementation for a layer"},
    {"grouped", "Convert the checkpoint with --depthwise_fp32"},
    {"unknown", "does not know the option --skipInference"},
    {"puzzling", "the exit code is 1"},
    {"crash", "a crash"},
    {"killed", "memory ran out"},
    {"small", "there is no engine"},
    {"nothing", "there is no engine"},
};

TEST_F(EngineRun, AFailureIsExplainedAndLeavesNothing) {
  const std::vector<std::string> before = list_files(folder_.path());
  for (const auto& [mode, what] : kFailingModes) {
    for (const bool old : {false, true}) {
      if (old) test::write_text(folder_ / "e.engine", "old");
      const CommandResult result = build("fixed.onnx --save_engine e.engine", mode);
      EXPECT_EQ(result.exit_code, 1) << mode;
      EXPECT_TRUE(contains(result.err, what)) << mode << ": " << result.err;
      EXPECT_TRUE(contains(result.err, "e.engine.log")) << result.err;
      EXPECT_FALSE(contains(result.err, "\x1b")) << result.err;
      EXPECT_EQ(engine(), old ? "old" : "none") << mode;
      std::filesystem::remove(folder_ / "e.engine");
      EXPECT_EQ(added(before), std::vector<std::string>{"e.engine.log"}) << mode;
    }
  }
}

// The releases of TensorRT for RTX are 1.x, which are not old releases of TensorRT.
TEST_F(EngineRun, TheProgramOfTensorRtForRtxIsNotTakenForTrtexec) {
  const CommandResult result = build("fixed.onnx", "ok", "FAKE_TRT_VERSION=10701");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "the program of TensorRT for RTX 1.7.1")) << result.err;
  EXPECT_TRUE(contains(result.err, "--for tensorrt-rtx:1.7.1")) << result.err;
}

TEST_F(EngineRun, AFailureShowsTheLastErrors) {
  const CommandResult result = build("fixed.onnx --json", "memory");
  const json failure = json::parse(result.out);
  EXPECT_EQ(failure["error"]["kind"], "engine");
  EXPECT_EQ(failure["exit_code"], 1);
  ASSERT_EQ(failure["error"]["findings"].size(), 2U);
  EXPECT_TRUE(contains(failure["error"]["findings"][0], "OutOfMemory"));
  EXPECT_TRUE(contains(result.err, "Engine could not be created")) << result.err;
}

TEST_F(EngineRun, ANewFolderStaysOnlyForTheLog) {
  const std::vector<std::string> before = list_files(folder_.path());
  EXPECT_EQ(build("fixed.onnx --save_engine new/e.engine --log l.txt", "memory").exit_code, 1);
  EXPECT_EQ(added(before), std::vector<std::string>{"l.txt"});
  EXPECT_EQ(build("fixed.onnx --save_engine new/e.engine", "memory").exit_code, 1);
  EXPECT_EQ(added(before), (std::vector<std::string>{"l.txt", "new", "new/e.engine.log"}));
}

TEST_F(EngineRun, IsRefusedBeforeAnythingIsWritten) {
  const std::vector<std::string> before = list_files(folder_.path());
  const auto expect = [&](const std::string& arguments, int exit_code, const std::string& text) {
    const CommandResult result = build(arguments, "ok");
    EXPECT_EQ(result.exit_code, exit_code) << arguments << ": " << result.err;
    EXPECT_TRUE(contains(result.err, text)) << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << arguments;
  };
  expect("fixed.onnx --trt_version 8.6", 2, "belongs to TensorRT 10.3.0");
  expect("fixed.onnx --trt_version 10.2", 2, "belongs to TensorRT 10.3.0");
  expect("fixed.onnx --for tensorrt:8.6", 2, "--for asks for TensorRT 8.6");
  expect("fixed.onnx --save_engine fixed.onnx", 1, "the input itself");
  expect("fixed.onnx --save_engine .", 1, "is a folder");
  expect("fixed.onnx --save_engine e.engine --log e.engine", 2, "is also the path of the engine");
  expect("fixed.onnx --log fixed.onnx", 1, "the input itself");
  expect("fixed.onnx --log no/such/l.txt", 1, "can't be written");
  expect("fixed.onnx --log .", 1, "regular file");
  expect("fixed.onnx --workspace 0", 2, "--workspace 0");
  EXPECT_EQ(build("fixed.onnx --trt_version 10", "ok").exit_code, 0);
  EXPECT_EQ(build("fixed.onnx --trt_version 10.3", "ok").exit_code, 0);
}

TEST_F(EngineRun, WithoutTrtexecItFails) {
  const CommandResult result = run("fixed.onnx --run");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "--trtexec")) << result.err;
}

TEST_F(EngineRun, ASignalEndsTrtexecAndLeavesNothing) {
  const std::vector<std::string> before = list_files(folder_.path());
  test::TemporaryFolder elsewhere;
  const std::filesystem::path started = elsewhere / "started";
  for (const std::string signal : {"INT", "TERM", "HUP"}) {
    for (const bool old : {false, true}) {
      if (old) test::write_text(folder_ / "e.engine", "old");
      // A shell ignores SIGINT for what it runs in the background.
      const std::string file = quoted(started.string());
      const CommandResult result = test::run_shell(
          "cd " + quoted(folder_.path().string()) + " && { FAKE_TRT_MODE=hang FAKE_TRT_STARTED=" +
          file + " env --default-signal=INT " + quoted(AETHER2ONNX_PROGRAM) +
          " engine fixed.onnx --run --trtexec ./trtexec --save_engine e.engine & } && program=$! &&"
          " while [ ! -s " +
          file + " ]; do sleep 0.02; done && kill -s " + signal + " $program && wait $program");
      EXPECT_GT(result.exit_code, 128) << result.err;
      const std::string pid = test::read_text(started);
      ASSERT_FALSE(pid.empty());
      EXPECT_NE(test::run_shell("kill -0 " + pid).exit_code, 0) << "trtexec still runs";
      EXPECT_EQ(engine(), old ? "old" : "none") << signal;
      std::filesystem::remove(folder_ / "e.engine");
      std::filesystem::remove(started);
      EXPECT_EQ(added(before), std::vector<std::string>{"e.engine.log"}) << signal;
    }
  }
}

TEST_F(EngineRun, ATrtexecThatDoesntEndIsKilled) {
  const std::vector<std::string> before = list_files(folder_.path());
  const CommandResult result = run("fixed.onnx --run --trtexec ./trtexec --save_engine e.engine",
                                   "FAKE_TRT_MODE=stubborn timeout -s TERM 1");
  EXPECT_EQ(result.exit_code, 124) << result.err;
  EXPECT_EQ(added(before), std::vector<std::string>{"e.engine.log"});
}

}  // namespace
}  // namespace aether2onnx::engine_run_test
