// What the program refuses, and that nothing is left of it.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program_fixture.h"

namespace aether2onnx::refusals_test {
namespace {

using test::CommandResult;
using test::contains;
using test::list_files;
using test::quoted;

const std::string kProgram = AETHER2ONNX_PROGRAM;

class Refusals : public test::ModelProgramTest {};

// --- wrong usage ------------------------------------------------------------------------------

TEST_F(Refusals, OptionsOutOfRange) {
  expect_failure("model.pth --scale 5", 2, "--scale 5: must be 1, 2, 3, 4, 8");
  expect_failure("model.pth --opset_version 10", 2, "--opset_version 10: must be 11 to 24");
  expect_failure("model.pth --opset_version 25", 2, "--opset_version 25: must be 11 to 24");
  expect_failure("model.pth --opt_batch_size 0", 2, "--opt_batch_size 0: must be 1 to 65536");
  expect_failure("model.pth --dynamic_shapes --min_width -1", 2, "--min_width -1");
  expect_failure("model.pth --opt_height 65537", 2, "--opt_height 65537");
  expect_failure("model.pth --input_channels 0", 2, "--input_channels 0");
  expect_failure("model.pth --model_type aether_huge", 2, "must be aether_mobile, aether_tiny");
  expect_failure("model.pth --fp_mode int8", 2,
                 "--fp_mode int8: must be fp32, fp16, bf16, mixed_fp16 or mixed_bf16.");
  expect_failure("model.pth --io_type fp16", 2, "--io_type fp16: must be same or fp32.");
  expect_failure("model.pth --graph_form nhwc", 2,
                 "--graph_form nhwc: must be standard or channels_first.");
  expect_failure("model.pth --fp_mode bf16 --opset_version 17", 2, "Give --opset_version 22");
  expect_failure("model.pth --fp_mode mixed_fp16 --fp32_blocks layers.9.9", 1,
                 "--fp32_blocks layers.9.9: the network has no part of this name. Its parts are");
  expect_failure("model.pth --device tpu", 2, "--device tpu: must be cpu, cuda or cuda:N");
  expect_failure("model.pth --atol -1", 2, "--atol");
  expect_failure("model.pth --rtol nan", 2, "--rtol");
  expect_failure("model.pth --opset_version abc", 2, "--opset_version");
  expect_failure("model.pth --opset_version 99999999999999999999", 2, "--opset_version");
  expect_failure("model.pth --opset_version", 2, "--opset_version");
}

TEST_F(Refusals, OptionsThatContradictEachOther) {
  expect_failure("model.pth --min_height 300 --max_height 256", 2,
                 "--min_height 300 is larger than --max_height 256");
  expect_failure("model.pth --dynamic_shapes --min_width 64 --opt_width 32", 2,
                 "--min_width 64 is larger than --opt_width 32");
  expect_failure("model.pth --dynamic_shapes --opt_batch_size 8 --max_batch_size 4", 2,
                 "--opt_batch_size 8 is larger than --max_batch_size 4");
  expect_failure("model.pth --shape 1x3x64x64 --dynamic_shapes", 2, "fixes every axis");
  expect_failure("model.pth --shape 1x3x64x64 --opt_height 32", 2,
                 "fixes the height to 64, but --opt_height 32 was given");
  expect_failure("model.pth --shape 1x1x64x64 --input_channels 3", 2, "contradict each other");
}

TEST_F(Refusals, MalformedShapes) {
  for (const char* shape :
       {"1x3x64", "1x3x64x64x64", "1x3x64x", "1x3xHx-3", "", "1,3,64,64", "1x3x6_4x64"}) {
    expect_failure("model.pth --shape " + quoted(shape), 2, "must be batch x channels x height");
  }
  expect_failure("model.pth --shape 1x3x0x64", 2, "--shape 1x3x0x64: 0 must be 1 to 65536");
  expect_failure("model.pth --shape 1x0x64x64", 2, "--shape 1x0x64x64: 0 must be 1 to 65536");
  expect_failure("model.pth --shape 1x3x99999999999999999999x64", 2, "must be 1 to 65536");
}

TEST_F(Refusals, UnknownAndAmbiguousOptions) {
  expect_failure("model.pth --opset_versoin 17", 2, "did you mean --opset_version?");
  expect_failure("model.pth --frobnicate", 2, "there is no option --frobnicate");
  expect_failure("model.pth --opt 3", 2, "--opt is ambiguous");
  expect_failure("model.pth a.onnx b.onnx", 2, "a.onnx: the file is not a checkpoint");
  expect_failure("", 2, "no checkpoint was given");
}

// --- options against the checkpoint -----------------------------------------------------------

TEST_F(Refusals, OptionsThatTheCheckpointContradicts) {
  expect_failure("model.pth --scale 4", 1, "--scale 4 was given, but the checkpoint's scale is 2");
  expect_failure("model.pth --model_type aether_small", 1,
                 "--model_type aether_small was given, but the checkpoint's model_type is custom");
  expect_failure("model.pth --input_channels 1", 1,
                 "--input_channels 1 was given, but the checkpoint's input_channels is 3");
  expect_failure("model.pth --shape 1x4x64x64", 1,
                 "--shape 1x4x64x64 was given, but the checkpoint's input_channels is 3");
}

// --- bad input --------------------------------------------------------------------------------

TEST_F(Refusals, FilesThatAreNoCheckpoint) {
  const auto expect = [&](const std::string& content, const std::string& text) {
    test::write_text(folder_ / "bad.pth", content);
    expect_failure("bad.pth", 1, text);
  };
  expect("", "the file is empty");
  expect("<!DOCTYPE html><html></html>", "web page");
  expect("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull");
  expect("{\"error\":\"gated\"}", "JSON");
  expect("hello\n", "is text");
  expect("\x08\x08\x12\x0bpytorch", "ONNX model already");
  expect("\x1f\x8b\x08 gzip", "gunzip");
  expect(std::string("\x80\x02}q\x00.", 6), "bare pickle");
  expect("\x01\x02\x03", "no PyTorch checkpoint");
  const auto whole = test::read_text(folder_ / "model.pth");
  expect(whole.substr(0, whole.size() / 2), "The file is cut off");
  expect(whole.substr(0, 100), "The file is cut off");
  const auto zip = tools::write_zip({{"readme.txt", "hello"}});
  expect({reinterpret_cast<const char*>(zip.data()), zip.size()}, "no data.pkl");
  expect_failure("missing.pth", 1, "missing.pth: there is no such file");
  std::filesystem::create_directory(folder_ / "folder.pth");
  expect_failure("folder.pth", 1, "no checkpoint in this folder");
  ASSERT_EQ(::mkfifo((folder_ / "pipe.pth").c_str(), 0600), 0);
  expect_failure("pipe.pth", 1, "isn't a regular file");
}

TEST_F(Refusals, FilesOfPyTorchThatAreNoCheckpoint) {
  const std::string data = AETHER2ONNX_TEST_DATA "/torch/";
  expect_failure(data + "not_torchscript.pth", 1, "TorchScript");
  expect_failure(data + "not_optimizer.pth", 1, "state of an optimizer");
  expect_failure(data + "dtype_float32.pth", 1, "isn't AetherNet");
}

TEST_F(Refusals, ACheckpointThatDoesNotFitListsEverything) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  std::erase_if(tensors, [](const auto& t) { return t.name == "norm.bias"; });
  tensors.push_back({"extra", {1}, {0}});
  test::write_file(folder_ / "broken.pth", tools::write_checkpoint(tensors));
  const CommandResult result = run("broken.pth --json");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "missing key: norm.bias (8)")) << result.err;
  EXPECT_TRUE(contains(result.err, "unexpected key: extra (1)")) << result.err;
  const auto json = nlohmann::json::parse(result.out, nullptr, false);
  EXPECT_EQ(json["error"]["findings"].size(), 2U);
}

TEST_F(Refusals, OutputsThatCannotBe) {
  std::filesystem::create_directory(folder_ / "folder");
  expect_failure("model.pth folder", 2, "--output_dir");
  expect_failure("model.pth folder/", 2, "--output_dir");
  expect_failure("model.pth --output_onnx_path folder", 1, "is a folder");
  expect_failure("model.pth --output_onnx_path folder/", 1, "names a folder");
  expect_failure("model.pth --output_onnx_path model.pth", 1, "is the input itself");
  std::filesystem::create_hard_link(folder_ / "model.pth", folder_ / "same.onnx");
  expect_failure("model.pth same.onnx", 1, "is the input itself");
  expect_failure("model.pth model.pth/out.onnx", 1, "can't");
  expect_failure("model.pth --output_onnx_path /dev/null", 1, "isn't a regular file");
  expect_failure("model.pth /proc/out.onnx", 1, "can't write into");
  expect_failure("model.pth /proc/new/out.onnx", 1, "can't create the folder");
}

TEST_F(Refusals, ReadOnlyFolder) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere; /proc is tested instead";
  std::filesystem::create_directory(folder_ / "locked");
  ::chmod((folder_ / "locked").c_str(), 0500);
  expect_failure("model.pth locked/out.onnx", 1, "can't write into");
  ::chmod((folder_ / "locked").c_str(), 0700);
}

TEST_F(Refusals, AFullDisk) {
  // A limit on the size of files makes every write beyond it fail, as a full disk does.
  test::write_text(folder_ / "old.onnx", "old");
  for (const char* output : {"out.onnx", "old.onnx", "new/folder/out.onnx"}) {
    const std::vector<std::string> before = list_files(folder_.path());
    const CommandResult result =
        test::run_shell("cd " + quoted(folder_.path().string()) + " && ulimit -f 100 && " +
                        quoted(kProgram) + " model.pth " + output);
    EXPECT_EQ(result.exit_code, 1) << result.err;
    EXPECT_TRUE(contains(result.err, "writing failed after")) << result.err;
    EXPECT_TRUE(contains(result.err, "Free some space")) << result.err;
    EXPECT_EQ(list_files(folder_.path()), before);
  }
  EXPECT_EQ(test::read_text(folder_ / "old.onnx"), "old");
}

TEST_F(Refusals, AFailureInTheMiddleLeavesNothing) {
  // The last weight is beyond half's range: all before it are written by then.
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tensors.back().values[0] = 1e6;
  test::write_file(folder_ / "large.pth", tools::write_checkpoint(tensors));
  test::write_text(folder_ / "out.onnx", "old");
  expect_failure("large.pth out.onnx --fp_mode fp16", 1, "conv_last.bias");
  expect_failure("large.pth new/out.onnx --fp_mode fp16", 1, "conv_last.bias");
  EXPECT_EQ(test::read_text(folder_ / "out.onnx"), "old");
}

TEST_F(Refusals, ASignalLeavesNothing) {
  // A model that takes long enough to be interrupted in the middle, many times.
  save("large.pth", tools::aether_large(2, false));
  EXPECT_EQ(run("large.pth whole.onnx").exit_code, 0);
  const std::string whole = test::read_text(folder_ / "whole.onnx");
  const std::vector<std::string> before = list_files(folder_.path());
  int interrupted = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string delay = "0.0" + std::to_string(i % 10) + std::to_string(i % 7);
    const CommandResult result =
        test::run_shell("cd " + quoted(folder_.path().string()) + " && timeout -s TERM " + delay +
                        " " + quoted(kProgram) + " large.pth new/out.onnx");
    if (result.exit_code == 124 && std::filesystem::exists(folder_ / "new/out.onnx")) {
      // The signal came when the model was in its place already.
      EXPECT_EQ(test::read_text(folder_ / "new/out.onnx"), whole) << "after " << delay;
      EXPECT_EQ(list_files(folder_ / "new"), std::vector<std::string>{"out.onnx"});
    } else if (result.exit_code == 124) {
      ++interrupted;
      EXPECT_EQ(list_files(folder_.path()), before) << "after " << delay;
    }
    std::filesystem::remove_all(folder_ / "new");
  }
  EXPECT_GT(interrupted, 0);
}

}  // namespace
}  // namespace aether2onnx::refusals_test
