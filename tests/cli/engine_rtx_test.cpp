// engine --for tensorrt-rtx --build, in a Python with a package that behaves as NVIDIA's does when
// it builds, fails, crashes and is interrupted. tests/clients/rtx_kernels.py has the real package.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine_fixture.h"

namespace aether2onnx::engine_rtx_test {
namespace {

using nlohmann::json;
using test::CommandResult;
using test::list_files;
using test::quoted;

class RtxBuild : public test::EngineCommandTest {
 protected:
  void SetUp() override {
    EngineCommandTest::SetUp();
    python_ = test::run_shell("command -v python3").out;
    python_.erase(python_.find_last_not_of('\n') + 1);
    if (python_.empty()) GTEST_SKIP() << "no python3";
  }

  static std::string variables(const std::string& mode) {
    return "PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=" + quoted(AETHER2ONNX_FAKE_RTX) +
           " FAKE_RTX_MODE=" + mode;
  }

  CommandResult build(const std::string& arguments, const std::string& mode,
                      const std::string& before = "") const {
    return run(arguments + " --for tensorrt-rtx --build --python " + test::quoted(python_),
               before + " " + variables(mode));
  }

  std::string python_;
};

TEST_F(RtxBuild, TheBuilderGetsWhatWasAsked) {
  const CommandResult fixed = build("fixed16.onnx --save_engine e.engine", "ok");
  EXPECT_EQ(fixed.exit_code, 0) << fixed.err;
  json facts = json::parse(engine());
  EXPECT_EQ(facts["capabilities"], json({"SM80", "SM86", "SM89", "SM120"}));
  EXPECT_EQ(facts["profiles"], json::array());
  EXPECT_EQ(facts["workspace"], nullptr);
  EXPECT_EQ(facts["level"], 3);

  const CommandResult dynamic = build(
      "dynamic.onnx --save_engine e.engine --compute_capabilities 7.5,121 --workspace 512 "
      "--builder_optimization_level 4 --max_height 300",
      "ok");
  EXPECT_EQ(dynamic.exit_code, 0) << dynamic.err;
  facts = json::parse(engine());
  EXPECT_EQ(facts["capabilities"], json({"SM75", "SM121"}));
  EXPECT_EQ(facts["profiles"][0]["input"],
            json::parse("[[1, 3, 32, 32], [1, 3, 300, 256], [4, 3, 300, 256]]"));
  EXPECT_EQ(facts["workspace"], 512 << 20);
  EXPECT_EQ(facts["level"], 4);
}

TEST_F(RtxBuild, TellsWhatItDid) {
  const CommandResult result = build("fixed16.onnx --log l.txt", "ok");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "TensorRT for RTX 1.7.1, module tensorrt_rtx of " + python_))
      << result.out;
  EXPECT_TRUE(contains(result.out, "compute capability 8.0, 8.6, 8.9, 12.0")) << result.out;
  EXPECT_TRUE(contains(result.out, "saved       fixed16_rtx1.7_1x3x64x64.engine")) << result.out;
  EXPECT_FALSE(contains(result.out, "\r")) << "progress in a pipe";
  const std::string log = test::read_text(folder_ / "l.txt");
  EXPECT_TRUE(contains(log, "[W] a warning of no weight")) << log;
  EXPECT_FALSE(contains(log, "never shown")) << log;

  const CommandResult quiet = build("fixed16.onnx --quiet", "ok");
  EXPECT_EQ(quiet.exit_code, 0);
  EXPECT_EQ(quiet.out + quiet.err, "");
  const json object = json::parse(build("fixed16.onnx --json --quiet", "ok").out);
  EXPECT_EQ(object["built"]["bytes"], 5000);
  EXPECT_EQ(object["tensorrt"]["version"], "1.7.1");
  EXPECT_EQ(object["tensorrt"]["python"], python_);
  EXPECT_EQ(object["engine"], "fixed16_rtx1.7_1x3x64x64.engine");
  EXPECT_EQ(run("fixed16.onnx --for tensorrt-rtx:1.7 --build --python " + test::quoted(python_),
                variables("ok"))
                .exit_code,
            0);
}

TEST_F(RtxBuild, ProgressIsForTerminals) {
  if (test::run_shell("command -v script").exit_code != 0) GTEST_SKIP() << "no script(1)";
  const std::string command = "cd " + quoted(folder_.path().string()) + " && " + variables("slow") +
                              " " + quoted(AETHER2ONNX_PROGRAM) +
                              " engine fixed.onnx --for tensorrt-rtx --build --python " +
                              test::quoted(python_);
  const CommandResult result =
      test::run_shell("script -qec " + quoted("sh -c " + quoted(command)) + " /dev/null");
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_TRUE(contains(result.out, "\rbuilding    1 s  ")) << result.out;
}

// A Python without the package, with a broken one, with an old one.
TEST_F(RtxBuild, AMissingPackageIsSaidWithWhatToInstall) {
  const std::vector<std::string> before = list_files(folder_.path());
  const auto expect = [&](const std::string& mode, const std::string& text,
                          const std::string& remedy, const std::string& variable = "") {
    const CommandResult result = build("fixed16.onnx", mode, variable);
    EXPECT_EQ(result.exit_code, 1) << mode << result.out;
    EXPECT_TRUE(contains(result.err, python_)) << result.err;
    EXPECT_TRUE(contains(result.err, text)) << mode << ": " << result.err;
    EXPECT_TRUE(contains(result.err, remedy)) << mode << ": " << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 2) << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << mode;
  };
  const std::string install = "-m pip install tensorrt-rtx";
  if (test::run_shell(test::quoted(python_) + " -c 'import tensorrt_rtx_bindings'").exit_code !=
      0) {
    expect("absent", "has no TensorRT for RTX", install);
  }
  expect("no_libraries", "can't be loaded: OSError: libtensorrt_rtx.so.1: cannot open", install);
  expect("no_numbers", "can't be loaded: No module named 'numbers_of_rtx'", install);
  expect("crash_on_import", "ended while it loaded TensorRT for RTX", install);
  expect("ok", "is TensorRT for RTX 1.4.0.1, but 1.5 or newer is needed",
         "-m pip install tensorrt-rtx --upgrade", "FAKE_RTX_VERSION=1.4.0.1");
  expect("ok", "is TensorRT for RTX what, but", "--upgrade", "FAKE_RTX_VERSION=what");
}

TEST_F(RtxBuild, WrongPythonsAndVersions) {
  const std::vector<std::string> before = list_files(folder_.path());
  const auto expect = [&](const std::string& arguments, int exit_code, const std::string& text) {
    const CommandResult result =
        run("fixed16.onnx --for tensorrt-rtx " + arguments, variables("ok"));
    EXPECT_EQ(result.exit_code, exit_code) << arguments;
    EXPECT_TRUE(contains(result.err, text)) << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << arguments;
  };
  const std::string with = " --python " + test::quoted(python_);
  expect("--build --python ./no/such", 1, "there is no such program");
  expect("--build --python no_such_python", 1, "no such program in PATH");
  expect("--build --python /bin/ls", 1, "is no Python 3.8 or newer");
  expect("--build --device 0" + with, 2, "--device can't be used with --for tensorrt-rtx");
  expect("--build --timing_cache t" + with, 2, "--timing_cache can't be used with");
  expect("--build --save_engine fixed16.onnx" + with, 1, "the input itself");
  expect("--build --compute_capabilities 10.3" + with, 1,
         "builds engines only for 7.5, 8.0, 8.6, 8.9, 12.0");
  const CommandResult other =
      run("fixed16.onnx --for tensorrt-rtx:1.6 --build" + with, variables("ok"));
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_TRUE(contains(other.err, "has TensorRT for RTX 1.7.1")) << other.err;
  EXPECT_EQ(run("fixed16.onnx --build").exit_code, 2);
  EXPECT_TRUE(contains(run("fixed16.onnx --for tensorrt-rtx --python x").err, "without --build"));
}

// Neither a module of the current folder nor a Python of a relative folder in PATH is run.
TEST_F(RtxBuild, TheCurrentFolderHoldsNoCode) {
  for (const char* name : {"json.py", "importlib.py", "platform.py", "tensorrt_rtx.py"}) {
    test::write_text(folder_ / name, "open('was_run', 'w')\n");
  }
  EXPECT_EQ(build("fixed16.onnx", "ok").exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "was_run"));
}

struct FailingBuild {
  const char* mode;
  const char* what;
};
constexpr FailingBuild kFailingBuilds[] = {
    {"operator", "does not support an operator"},
    {"types", "a data type that one of the GPUs does not support"},
    {"memory", "the computer has too little memory"},
    {"raise", "the exit code is 1"},
    {"crash", "a crash"},
    {"killed", "memory ran out"},
    {"small", "there is no engine"},
    {"nothing", "the exit code is 1"},
};

TEST_F(RtxBuild, AFailureIsExplainedAndLeavesNothing) {
  const std::vector<std::string> before = list_files(folder_.path());
  for (const auto& [mode, what] : kFailingBuilds) {
    for (const bool old : {false, true}) {
      if (old) test::write_text(folder_ / "e.engine", "old");
      const CommandResult result = build("fixed.onnx --save_engine e.engine", mode);
      EXPECT_EQ(result.exit_code, 1) << mode;
      EXPECT_TRUE(contains(result.err, "TensorRT for RTX built no engine: ")) << result.err;
      EXPECT_TRUE(contains(result.err, what)) << mode << ": " << result.err;
      EXPECT_FALSE(contains(result.err, "trtexec")) << result.err;
      EXPECT_FALSE(contains(result.err, "\x1b")) << result.err;
      EXPECT_EQ(engine(), old ? "old" : "none") << mode;
      std::filesystem::remove(folder_ / "e.engine");
      EXPECT_EQ(added(before), std::vector<std::string>{"e.engine.log"}) << mode;
    }
  }
}

TEST_F(RtxBuild, ASignalEndsPythonAndLeavesNothing) {
  const std::vector<std::string> before = list_files(folder_.path());
  test::TemporaryFolder elsewhere;
  const std::filesystem::path started = elsewhere / "started";
  for (const std::string signal : {"INT", "TERM"}) {
    const std::string file = quoted(started.string());
    const CommandResult result = test::run_shell(
        "cd " + quoted(folder_.path().string()) + " && { " + variables("hang") +
        " FAKE_RTX_STARTED=" + file + " env --default-signal=INT " + quoted(AETHER2ONNX_PROGRAM) +
        " engine fixed.onnx --for tensorrt-rtx --build --save_engine e.engine --python " +
        test::quoted(python_) + " & } && program=$! && while [ ! -s " + file +
        " ]; do sleep 0.02; done && kill -s " + signal + " $program && wait $program");
    EXPECT_GT(result.exit_code, 128) << result.err;
    const std::string pid = test::read_text(started);
    ASSERT_FALSE(pid.empty());
    EXPECT_NE(test::run_shell("kill -0 " + pid).exit_code, 0) << "Python still runs";
    EXPECT_EQ(engine(), "none") << signal;
    std::filesystem::remove(started);
    EXPECT_EQ(added(before), std::vector<std::string>{"e.engine.log"}) << signal;
  }
}

}  // namespace
}  // namespace aether2onnx::engine_rtx_test
