// The command inspect as a user meets it.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program_fixture.h"

namespace aether2onnx::inspect_test {
namespace {

using nlohmann::json;
using test::CommandResult;
using test::contains;

class InspectCommand : public test::ModelProgramTest {};

TEST_F(InspectCommand, TellsAPersonWhatItIs) {
  const CommandResult result = run("inspect model.pth");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "AetherNet G1, custom x2, 3 channels")) << result.out;
  EXPECT_TRUE(contains(result.out, "unfused")) << result.out;
  EXPECT_TRUE(contains(result.out, "once fused")) << result.out;
  EXPECT_TRUE(contains(result.out, "multiply-adds for each megapixel")) << result.out;
  EXPECT_FALSE(contains(result.out, "conv_first.weight")) << result.out;
  EXPECT_EQ(test::list_files(folder_.path()), (std::vector<std::string>{"model.pth"}));
}

TEST_F(InspectCommand, ListsTensors) {
  const CommandResult result = run("inspect --tensors model.pth");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "conv_first.weight")) << result.out;
  EXPECT_TRUE(contains(result.out, "(8, 3, 3, 3)")) << result.out;
}

TEST_F(InspectCommand, JsonHasTheSameOfBoth) {
  ASSERT_EQ(run("model.pth model.onnx --fp_mode fp16").exit_code, 0);
  const json before = json::parse(run("inspect model.pth --json").out);
  const json after = json::parse(run("inspect model.onnx --json --tensors").out);
  EXPECT_EQ(before["status"], "ok");
  EXPECT_EQ(before["onnx"], nullptr);
  EXPECT_EQ(before["tensors"], nullptr);
  EXPECT_EQ(before["not_recognised"], nullptr);
  EXPECT_EQ(before["source"]["container"], "PyTorch zip");
  EXPECT_EQ(after["source"]["container"], "ONNX");
  for (const char* key : {"model_type", "scale", "input_channels", "depths", "embed_dim"}) {
    EXPECT_EQ(before["network"][key], after["network"][key]) << key;
  }
  EXPECT_EQ(before["fused_cost"]["multiply_adds_per_megapixel"],
            after["cost"]["multiply_adds_per_megapixel"]);
  EXPECT_EQ(after["onnx"]["precision"], "fp16");
  EXPECT_EQ(after["onnx"]["opsets"][""], 17);
  EXPECT_EQ(after["onnx"]["metadata"]["source_name"], "model.pth");
  EXPECT_EQ(after["onnx"]["metadata"]["source_sha256"], before["source"]["sha256"]);
  EXPECT_GT(after["tensors"].size(), 40U);
  for (const json& tensor : after["tensors"]) {
    EXPECT_EQ(tensor["problem"], nullptr) << tensor;
    EXPECT_LE(tensor["min"].get<double>(), tensor["mean"].get<double>()) << tensor;
  }
}

TEST_F(InspectCommand, AnotherNetworkIsNoFailure) {
  test::write_file(folder_ / "other.pth",
                   tools::write_checkpoint({{"evil\x1b[31m", {2}, {1, std::nan("")}}}));
  const CommandResult result = run("inspect --tensors other.pth");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "isn't AetherNet")) << result.out;
  EXPECT_TRUE(contains(result.out, "1/0")) << result.out;
  EXPECT_FALSE(contains(result.out, "\x1b")) << "a terminal escape got out";
}

TEST_F(InspectCommand, WhatCantBeReadFails) {
  test::write_text(folder_ / "note.txt", "hello");
  const CommandResult text = run("inspect note.txt");
  EXPECT_EQ(text.exit_code, 1);
  EXPECT_TRUE(contains(text.err, "note.txt: the file is text")) << text.err;
  const CommandResult missing = run("inspect missing.pth --json");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_EQ(json::parse(missing.out)["error"]["kind"], "io");
  const auto model = test::read_file(folder_ / "model.pth");
  test::write_file(folder_ / "half.pth", std::span(model).first(model.size() / 2));
  EXPECT_EQ(run("inspect half.pth").exit_code, 1);
}

TEST_F(InspectCommand, WrongUsage) {
  EXPECT_EQ(run("inspect").exit_code, 2);
  EXPECT_EQ(run("inspect model.pth model.pth").exit_code, 2);
  EXPECT_EQ(run("inspect model.pth --opset 17").exit_code, 2);
  EXPECT_TRUE(contains(run("inspect --help").out, "--tensors"));
  EXPECT_TRUE(contains(run("--help").out, "inspect"));
}

}  // namespace
}  // namespace aether2onnx::inspect_test
