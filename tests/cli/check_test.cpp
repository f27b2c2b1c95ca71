// The command check as a user meets it.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program_fixture.h"

namespace aether2onnx::check_test {
namespace {

using nlohmann::json;
using test::CommandResult;
using test::contains;

class CheckCommand : public test::ProgramTest {
 protected:
  void SetUp() override {
    save("model.pth");
    ASSERT_EQ(run("model.pth model.onnx").exit_code, 0);
    ASSERT_EQ(run("model.pth gelu.onnx --opset 20").exit_code, 0);
  }
};

TEST_F(CheckCommand, TellsAPerson) {
  const CommandResult good = run("check model.onnx");
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_TRUE(contains(good.out, "0 errors, 0 warnings, 2 notes")) << good.out;
  EXPECT_TRUE(contains(good.out, "fp32-only: ")) << good.out;
  EXPECT_TRUE(contains(good.out, "for TensorRT 11.0 or newer")) << good.out;
  EXPECT_EQ(test::list_files(folder_.path()),
            (std::vector<std::string>{"gelu.onnx", "model.onnx", "model.pth"}));

  const CommandResult bad = run("check gelu.onnx --for tensorrt:8.6");
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_TRUE(contains(bad.out, "error")) << bad.out;
  EXPECT_TRUE(contains(bad.out, "operator-unsupported: 3 Gelu nodes")) << bad.out;
  EXPECT_TRUE(contains(bad.out, "--opset_version 17")) << bad.out;
  EXPECT_EQ(bad.err, "");
}

TEST_F(CheckCommand, ExitCodesFollowTheTargets) {
  EXPECT_EQ(run("check gelu.onnx").exit_code, 0);
  EXPECT_EQ(run("check gelu.onnx --strict").exit_code, 1);
  EXPECT_EQ(run("check model.onnx --strict").exit_code, 0);
  EXPECT_EQ(run("check gelu.onnx --for tensorrt:10 --strict").exit_code, 0);
  EXPECT_EQ(run("check gelu.onnx --for onnxruntime:1.16").exit_code, 1);
  EXPECT_EQ(run("check gelu.onnx --for vsmlrt,videojanai --strict").exit_code, 0);
  EXPECT_EQ(run("check gelu.onnx --for onnxruntime,tensorrt:9.3").exit_code, 1);
  // On TensorRT 11 a float32 model is slow, and nothing says so there.
  EXPECT_EQ(run("check model.onnx --for tensorrt:11").exit_code, 0);
  EXPECT_EQ(run("check model.onnx --for tensorrt:11 --strict").exit_code, 1);
}

TEST_F(CheckCommand, Json) {
  const CommandResult result = run("check gelu.onnx --for tensorrt:8.6,vsmlrt --json --quiet");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "");
  const json report = json::parse(result.out);
  EXPECT_EQ(report["status"], "ok");
  EXPECT_EQ(report["exit_code"], 1);
  EXPECT_EQ(report["errors"], 2);  // the opset, and the operator
  std::size_t seen = 0;
  for (const json& finding : report["findings"]) {
    EXPECT_FALSE(finding["what"].get<std::string>().empty());
    EXPECT_FALSE(finding["remedy"].get<std::string>().empty());
    if (finding["code"] != "operator-unsupported") continue;
    if (finding["count"] != 3) continue;
    ++seen;
    EXPECT_EQ(finding["severity"], "error");
    EXPECT_EQ(finding["concerns"][0]["target"], "tensorrt");
    EXPECT_EQ(finding["concerns"][0]["versions"], "below 10.0");
  }
  EXPECT_EQ(seen, 1U) << report;
  EXPECT_EQ(json::parse(run("check model.onnx --json").out)["errors"], 0);
  EXPECT_EQ(run("check gelu.onnx --quiet").out, "");
}

TEST_F(CheckCommand, WhatCantBeReadFails) {
  const CommandResult checkpoint = run("check model.pth");
  EXPECT_EQ(checkpoint.exit_code, 1);
  EXPECT_TRUE(contains(checkpoint.err, "model.pth: the file is no ONNX model")) << checkpoint.err;
  const CommandResult missing = run("check missing.onnx --json");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_EQ(json::parse(missing.out)["error"]["kind"], "io");
}

TEST_F(CheckCommand, WrongUsage) {
  for (const char* arguments :
       {"check", "check model.onnx gelu.onnx", "check model.onnx --for", "check model.onnx --for x",
        "check model.onnx --for tensorrt:", "check model.onnx --for tensorrt:x",
        "check model.onnx --for vsmlrt:15", "check model.onnx --for tensorrt,",
        "check model.onnx --opset 17"}) {
    EXPECT_EQ(run(arguments).exit_code, 2) << arguments;
  }
  EXPECT_TRUE(contains(run("check --help").out, "--for"));
  EXPECT_TRUE(contains(run("--help").out, "  check "));
}

}  // namespace
}  // namespace aether2onnx::check_test
