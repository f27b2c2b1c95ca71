// `aether2onnx fuse` as a user meets it.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "program_fixture.h"

namespace aether2onnx::fuse_test {
namespace {

using test::CommandResult;
using test::contains;
using test::list_files;
using test::quoted;

const std::string kProgram = AETHER2ONNX_PROGRAM;

class FuseProgram : public test::ModelProgramTest {};

TEST_F(FuseProgram, WritesBesideTheCheckpoint) {
  const CommandResult result = run("fuse model.pth");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(list_files(folder_.path()), (std::vector<std::string>{"model.pth", "model_fused.pth"}));
  std::size_t at = 0;
  for (const char* line : {"read ", "recognised ", "fused ", "3 pairs of depthwise", "written ",
                           "saved       model_fused.pth", "\n  "}) {
    const std::size_t found = result.out.find(line, at);
    EXPECT_NE(found, std::string::npos) << line << '\n' << result.out;
    at = found;
  }
  EXPECT_TRUE(result.out.ends_with(" model_fused.pth\n")) << result.out;
}

TEST_F(FuseProgram, ItsOutputConvertsToTheSameModel) {
  ASSERT_EQ(run("fuse model.pth sub/fused.pth").exit_code, 0);
  ASSERT_EQ(run("fuse model.pth sub/fused.safetensors").exit_code, 0);
  for (const auto& [precision, file] :
       {std::pair{"fp32", "fused.pth"}, {"fp16", "fused.pth"}, {"fp32", "fused.safetensors"}}) {
    const std::string options = std::string(" --fp_mode ") + precision + " --quiet";
    ASSERT_EQ(run("model.pth unfused.onnx" + options).exit_code, 0);
    ASSERT_EQ(run(std::string("sub/") + file + " fused.onnx" + options).exit_code, 0);
    std::string unfused = test::read_text(folder_ / "unfused.onnx");
    std::string fused = test::read_text(folder_ / "fused.onnx");
    // Behind the key source_name come only the name, the hash and our version.
    const std::size_t names = unfused.find("source_name");
    ASSERT_NE(names, std::string::npos);
    EXPECT_TRUE(unfused.substr(0, names - 4) == fused.substr(0, names - 4)) << precision;
  }
}

TEST_F(FuseProgram, TypesAndFormats) {
  const CommandResult half = run("fuse model.pth half.safetensors --dtype float16");
  EXPECT_EQ(half.exit_code, 0) << half.err;
  EXPECT_TRUE(contains(half.out, "safetensors")) << half.out;
  EXPECT_TRUE(contains(half.out, "float16")) << half.out;
  const std::string file = test::read_text(folder_ / "half.safetensors");
  EXPECT_EQ(file.substr(8, 34), R"({"__metadata__":{"format":"pt","fu)");

  EXPECT_EQ(run("fuse model.pth --format=safetensors").exit_code, 0);
  EXPECT_TRUE(has("model_fused.safetensors"));
  EXPECT_EQ(run("fuse --input-model-path model.pth --output_model_path named.pth").exit_code, 0);
  EXPECT_TRUE(has("named.pth"));
}

TEST_F(FuseProgram, AFusedCheckpointIsWrittenAnew) {
  tools::NetworkShape shape;
  shape.fused = true;
  save("fused.pth", shape);
  const CommandResult result = run("fuse fused.pth out.safetensors --dtype bfloat16");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "the checkpoint is fused already")) << result.out;
  EXPECT_TRUE(has("out.safetensors"));
}

TEST_F(FuseProgram, WarnsOnStderrOfSumsThatLoseDigits) {
  tools::CheckpointLayout layout;
  layout.type = tools::StorageType::float16;
  save("half.pth", {}, layout);
  const CommandResult result = run("fuse half.pth");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(
      contains(result.out + result.err, "each weight that fuse computed was rounded to float16"));
  EXPECT_FALSE(contains(run("fuse half.pth --dtype float32").out, "rounded to float16"));
}

TEST_F(FuseProgram, QuietAndJson) {
  const CommandResult quiet = run("fuse model.pth quiet.pth --quiet");
  EXPECT_EQ(quiet.exit_code, 0);
  EXPECT_EQ(quiet.out + quiet.err, "");

  const CommandResult result = run("fuse model.pth out.pth --json --dtype float64");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "written")) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["status"], "ok");
  EXPECT_EQ(json["source"]["name"], "model.pth");
  EXPECT_EQ(json["network"]["fused"], false);
  EXPECT_EQ(json["output"]["path"], "out.pth");
  EXPECT_EQ(json["output"]["format"], "pth");
  EXPECT_EQ(json["output"]["dtype"], "float64");
  EXPECT_EQ(json["output"]["bytes"], std::filesystem::file_size(folder_ / "out.pth"));
  EXPECT_EQ(json["convolutions"], 3);
  EXPECT_EQ(json["stages"].size(), 4U);
  EXPECT_EQ(json["warnings"].size(), 0U);
  EXPECT_TRUE(contains(json["next"]["convert"].get<std::string>(), " out.pth"));
  EXPECT_EQ(run("fuse model.pth out2.pth --json --quiet").err, "");

  const CommandResult failed = run("fuse missing.pth --json --quiet");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_EQ(nlohmann::json::parse(failed.out)["error"]["kind"], "io");
}

TEST_F(FuseProgram, Help) {
  const CommandResult help = run("fuse --help");
  EXPECT_EQ(help.exit_code, 0);
  for (const char* option : {"aether2onnx fuse", "--input_model_path", "--output_model_path",
                             "--dtype", "--format", "--model_type", "--json", "--quiet"}) {
    EXPECT_TRUE(contains(help.out, option)) << option;
  }
  EXPECT_FALSE(contains(help.out, "--opset")) << help.out;
  EXPECT_TRUE(contains(run("--help").out, "  fuse "));
}

TEST_F(FuseProgram, WrongUsage) {
  expect_failure("fuse", 2, "no checkpoint was given");
  expect_failure("fuse model.pth a.pth b.pth", 2, "'b.pth' is one argument too many");
  expect_failure("fuse model.pth --dtype float8", 2, "--dtype float8: must be same, float32");
  expect_failure("fuse model.pth --format onnx", 2, "--format onnx: must be pth or safetensors");
  expect_failure("fuse model.pth out.safetensors --format pth", 2, "ends in .safetensors");
  expect_failure("fuse model.pth --opset_version 17", 2, "there is no option --opset_version");
  expect_failure("fuse model.pth --model_type aether_giant", 2, "--model_type aether_giant");
}

TEST_F(FuseProgram, FailuresLeaveNothing) {
  expect_failure("fuse missing.pth", 1, "there is no such file");
  expect_failure("fuse model.pth model.pth", 1, "never overwritten");
  expect_failure("fuse model.pth new/folder/ --dtype float32", 1, "names a folder");
  expect_failure("fuse model.pth new/out.pth --scale 4", 1, "the checkpoint's scale is 2");
  test::write_text(folder_ / "text.pth", "no checkpoint at all, just a line of text\n");
  expect_failure("fuse text.pth", 1, "the file is text");
}

TEST_F(FuseProgram, AFolderThatMayNotBeWrittenTo) {
  std::filesystem::create_directory(folder_ / "locked");
  ::chmod((folder_ / "locked").c_str(), 0555);
  if (::access((folder_ / "locked").c_str(), W_OK) == 0) {
    ::chmod((folder_ / "locked").c_str(), 0755);
    GTEST_SKIP() << "root may write everywhere";
  }
  expect_failure("fuse model.pth locked/out.pth", 1, "can't write into");
  ::chmod((folder_ / "locked").c_str(), 0755);
}

TEST_F(FuseProgram, AFullDiskLeavesTheOldFile) {
  test::write_text(folder_ / "out.pth", "old");
  const std::vector<std::string> before = list_files(folder_.path());
  const CommandResult result =
      test::run_shell("cd " + quoted(folder_.path().string()) + " && ulimit -f 8 && " +
                      quoted(kProgram) + " fuse model.pth out.pth");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "writing failed after")) << result.err;
  EXPECT_EQ(test::read_text(folder_ / "out.pth"), "old");
  EXPECT_EQ(list_files(folder_.path()), before);
}

TEST_F(FuseProgram, AResultThatCannotBePrintedIsAFailure) {
  const CommandResult result = run("fuse model.pth out.pth --json > /dev/full");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "out.pth was saved, but the result can't be printed"));
}

}  // namespace
}  // namespace aether2onnx::fuse_test
