// Many conversions at once: names, failures among them, what is skipped, what is left behind.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "program_fixture.h"

namespace aether2onnx::batch_test {
namespace {

using test::CommandResult;
using test::contains;
using test::list_files;
using test::quoted;

class Batch : public test::ProgramTest {
 protected:
  void SetUp() override { std::filesystem::create_directory(folder_ / "in"); }

  void save(const std::string& name, std::uint64_t seed = 5,
            const tools::NetworkShape& shape = {}) {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
    tools::fill_random(tensors, seed);
    test::write_file(folder_ / name, tools::write_checkpoint(tensors));
  }

  nlohmann::json json_of(const std::string& arguments, int exit_code) const {
    const CommandResult result = run(arguments + " --json");
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    return nlohmann::json::parse(result.out, nullptr, false);
  }

  // Results in the order of the inputs, one word each.
  std::string results(const std::string& arguments, int exit_code = 0) const {
    std::string text;
    const nlohmann::json json = json_of(arguments, exit_code);
    for (const auto& result : json["results"]) text += result["result"].get<std::string>() + " ";
    return text;
  }

  void expect_refused(const std::string& arguments, int exit_code, const std::string& text) const {
    const std::vector<std::string> before = list_files(folder_.path());
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << arguments << '\n' << result.err;
    EXPECT_NE(result.err.find(text), std::string::npos) << arguments << '\n' << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << arguments;
  }

  std::vector<std::string> files(const std::string& folder) const {
    return list_files(folder_ / folder);
  }
};

TEST_F(Batch, TypesAndFormAreTakenIntoAccount) {
  save("in/a.pth");
  const std::string base = "in --output_dir out --name_template {stem}.onnx --skip_existing ";
  // Each differs from the one before in one option, and is made anew; once more, it is skipped.
  for (const std::string options :
       {"", "--fp_mode mixed_fp16", "--fp_mode mixed_fp16 --io_type same",
        "--fp_mode mixed_fp16 --graph_form channels_first",
        "--fp_mode mixed_fp16 --fp32_blocks layers.0.0", "--fp_mode mixed_fp16 --depthwise_fp32",
        "--fp_mode mixed_fp16"}) {
    EXPECT_EQ(results(base + options), "saved ") << options;
    EXPECT_EQ(results(base + options), "skipped ") << options;
  }
  EXPECT_EQ(results("in --output_dir named --graph_form channels_first"), "saved ");
  EXPECT_EQ(files("named"),
            (std::vector<std::string>{"2x_a_fp32_1x3x64x64_op17_channels_first.onnx"}));
}

TEST_F(Batch, AFolderOfFiftyWithFiveBroken) {
  std::vector<std::string> expected;
  for (int i = 10; i < 60; ++i) {
    const std::string name = "model" + std::to_string(i);
    if (i % 10 == 3) {
      test::write_text(folder_ / ("in/" + name + ".pth"), "hello\n");
    } else {
      save("in/" + name + ".pth", static_cast<std::uint64_t>(i));
      expected.push_back("2x_" + name + "_fp32_1x3x64x64_op17.onnx");
    }
  }
  const CommandResult result = run("in --output_dir new/out");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(files("new/out"), expected);
  EXPECT_TRUE(contains(result.out, "45 saved, 0 skipped, 5 failed")) << result.out;
  for (int i = 13; i < 60; i += 10) {
    const std::string message = "error: in/model" + std::to_string(i) + ".pth: ";
    EXPECT_TRUE(contains(result.err, message)) << result.err;
  }
  EXPECT_FALSE(contains(result.out, "\r")) << "a progress bar in a pipe";
  // The table has a line for each, with what was found and why it failed.
  EXPECT_TRUE(contains(result.out, "model13.pth")) << result.out;
  EXPECT_TRUE(contains(result.out, "failed")) << result.out;
  EXPECT_TRUE(contains(result.out, "custom x2")) << result.out;
}

TEST_F(Batch, JsonHasAResultForEachInput) {
  save("in/a.pth");
  test::write_text(folder_ / "in/b.pth", "hello\n");
  save("in/c.ckpt");
  const auto json = json_of("in/a.pth in/b.pth in/c.ckpt --output_dir out", 1);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["status"], "error");
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_EQ(json["saved"], 2);
  EXPECT_EQ(json["failed"], 1);
  ASSERT_EQ(json["results"].size(), 3U);
  EXPECT_EQ(json["results"][0]["input"], "in/a.pth");
  EXPECT_EQ(json["results"][0]["output"]["path"], "out/2x_a_fp32_1x3x64x64_op17.onnx");
  EXPECT_EQ(json["results"][0]["output"]["bytes"],
            std::filesystem::file_size(folder_ / "out/2x_a_fp32_1x3x64x64_op17.onnx"));
  EXPECT_EQ(json["results"][1]["result"], "failed");
  EXPECT_EQ(json["results"][1]["error"]["kind"], "unsupported");
  EXPECT_EQ(json["results"][2]["result"], "saved");
}

TEST_F(Batch, SameBytesAsOneByOneAndForAnyNumberOfJobs) {
  for (int i = 0; i < 6; ++i) save("in/m" + std::to_string(i) + ".pth", 7);
  ASSERT_EQ(run("in --output_dir one --jobs 1 --fp_mode fp16 --opset 20").exit_code, 0);
  ASSERT_EQ(run("in --output_dir two --jobs 4 --fp_mode fp16 --opset 20").exit_code, 0);
  ASSERT_EQ(files("one"), files("two"));
  ASSERT_EQ(files("one").size(), 6U);
  for (const std::string& name : files("one")) {
    EXPECT_EQ(test::read_file(folder_ / ("one/" + name)),
              test::read_file(folder_ / ("two/" + name)));
  }
  ASSERT_EQ(run("in/m0.pth single.onnx --fp_mode fp16 --opset 20").exit_code, 0);
  EXPECT_EQ(test::read_file(folder_ / "single.onnx"),
            test::read_file(folder_ / "one/2x_m0_fp16_1x3x64x64_op20.onnx"));
}

TEST_F(Batch, AFolderIsNotLookedIntoDeeper) {
  std::filesystem::create_directory(folder_ / "in/deeper");
  for (const char* name : {"a.pth", "b.pt", "c.ckpt", "deeper/d.pth", ".hidden.pth", "e.bin"}) {
    save(std::string("in/") + name);
  }
  test::write_text(folder_ / "in/notes.txt", "hello");
  EXPECT_EQ(run("in --output_dir out").exit_code, 0);
  EXPECT_EQ(files("out"), (std::vector<std::string>{"2x_a_fp32_1x3x64x64_op17.onnx",
                                                    "2x_b_fp32_1x3x64x64_op17.onnx",
                                                    "2x_c_fp32_1x3x64x64_op17.onnx"}));
}

TEST_F(Batch, WithoutAFolderModelsGoBesideTheirCheckpoints) {
  save("a.pth");
  save("in/b.pth");
  EXPECT_EQ(run("a.pth in/b.pth").exit_code, 0);
  EXPECT_EQ(list_files(folder_.path()),
            (std::vector<std::string>{"2x_a_fp32_1x3x64x64_op17.onnx", "a.pth", "in",
                                      "in/2x_b_fp32_1x3x64x64_op17.onnx", "in/b.pth"}));
}

TEST_F(Batch, TwoArgumentsAreACheckpointAndItsModelUnlessBothAreCheckpoints) {
  save("a.pth");
  save("b.pth", 6);
  const auto before = test::read_file(folder_ / "b.pth");
  EXPECT_EQ(run("a.pth out.onnx").exit_code, 0);
  EXPECT_EQ(run("a.pth --output_onnx_path other").exit_code, 0);
  EXPECT_EQ(run("a.pth b.pth").exit_code, 0);
  EXPECT_EQ(test::read_file(folder_ / "b.pth"), before);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "2x_b_fp32_1x3x64x64_op17.onnx"));
  expect_refused("a.pth out.onnx --output_dir out", 2, "out.onnx: the file is not a checkpoint");
  expect_refused("in out", 2, "aether2onnx in --output_dir out");
  expect_refused("in --output_onnx_path x.onnx", 2, "in is a folder");
  expect_refused("a.pth --output_onnx_path x.onnx --output_dir out", 2, "x.onnx names one model");
  expect_refused("a.pth --jobs 0", 2, "--jobs 0: must be 1 to");
  expect_refused("a.pth --jobs 1000", 2, "--jobs 1000: must be 1 to");
  expect_refused("in", 1, "no checkpoint in this folder");
}

TEST_F(Batch, NameTemplates) {
  save("a.pth");
  EXPECT_EQ(run("a.pth --output_dir out --name_template "
                "'{model}-{stem}-{scale}-{precision}-{opset}-{shape}{options}.onnx' --fp_mode fp16 "
                "--io_type fp32")
                .exit_code,
            0);
  EXPECT_EQ(files("out"), std::vector<std::string>{"custom-a-2-fp16-17-1x3x64x64_io_fp32.onnx"});
  expect_refused("a.pth --name_template '{name}.onnx'", 2, "there is no placeholder {name}");
  expect_refused("a.pth --name_template '{stem.onnx'", 2, "a { or } is missing");
  expect_refused("a.pth --name_template 'stem}.onnx'", 2, "a { or } is missing");
  expect_refused("a.pth --name_template '{{stem}}.onnx'", 2, "a { or } is missing");
  expect_refused("a.pth --name_template '../{stem}.onnx'", 2, "a name without a folder");
  expect_refused("a.pth --name_template '{stem}.pth'", 2, "must end in .onnx");
}

TEST_F(Batch, TwoModelsOfOneNameAreRefusedBeforeAnyWork) {
  save("a.pth");
  save("in/a.pth", 6);
  save("c.pth");
  expect_refused("c.pth a.pth in/a.pth --output_dir out", 2,
                 "a.pth and in/a.pth would both be saved as out/2x_a_fp32_1x3x64x64_op17.onnx");
  expect_refused("a.pth c.pth --output_dir out --name_template '{model}.onnx'", 2,
                 "would both be saved as out/custom.onnx");
  expect_refused("a.pth ./a.pth", 2, "would both be saved as");
  // Telling them apart makes it work.
  save("in/a.pth", 6, [] {
    tools::NetworkShape shape;
    shape.scale = 4;
    return shape;
  }());
  EXPECT_EQ(run("a.pth in/a.pth --output_dir out").exit_code, 0);
  EXPECT_EQ(files("out"), (std::vector<std::string>{"2x_a_fp32_1x3x64x64_op17.onnx",
                                                    "4x_a_fp32_1x3x64x64_op17.onnx"}));
}

TEST_F(Batch, SkipsWhatIsThereAlready) {
  save("in/a.pth");
  save("in/b.pth", 6);
  EXPECT_EQ(results("in --output_dir out --skip_existing"), "saved saved ");
  EXPECT_EQ(results("in --output_dir out --skip_existing"), "skipped skipped ");
  const CommandResult told = run("in --output_dir out --skip_existing");
  EXPECT_TRUE(contains(told.out, "0 saved, 2 skipped, 0 failed")) << told.out;
  // Without the option everything is made anew.
  EXPECT_EQ(results("in --output_dir out"), "saved saved ");
  // Another source of the same name.
  save("in/b.pth", 7);
  EXPECT_EQ(results("in --output_dir out --skip_existing"), "skipped saved ");
  // Other options have other names. Under one name they are told apart as well.
  EXPECT_EQ(results("in --output_dir out --skip_existing --shape 1x3x32x32"), "saved saved ");
  EXPECT_EQ(results("in --output_dir out --skip_existing"), "skipped skipped ");
  const std::string named = "in --output_dir out --skip_existing --name_template {stem}.onnx ";
  EXPECT_EQ(results(named), "saved saved ");
  EXPECT_EQ(results(named), "skipped skipped ");
  EXPECT_EQ(results(named + "--shape 1x3x32x32"), "saved saved ");
  EXPECT_EQ(results(named + "--shape 1x3xHxW"), "saved saved ");
  EXPECT_EQ(results(named + "--shape Nx3xHxW --max_batch 1"), "saved saved ");
  EXPECT_EQ(results(named + "--fp_mode fp16"), "saved saved ");
  EXPECT_EQ(results(named + "--fp_mode fp16 --opset 18"), "saved saved ");
  EXPECT_EQ(results(named + "--fp_mode fp16 --opset 18"), "skipped skipped ");
  // A file that is something else, or cut off.
  test::write_text(folder_ / "out/a.onnx", "hello");
  std::filesystem::resize_file(folder_ / "out/b.onnx",
                               std::filesystem::file_size(folder_ / "out/b.onnx") / 2);
  EXPECT_EQ(results(named + "--fp_mode fp16 --opset 18"), "saved saved ");
  // A single model named in full.
  EXPECT_EQ(results("in/a.pth out/a.onnx --fp_mode fp16 --opset 18 --skip_existing"), "skipped ");
}

TEST_F(Batch, FailuresLeaveNothingAndOldFilesStay) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tensors.back().values[0] = 1e6;
  test::write_file(folder_ / "in/a.pth", tools::write_checkpoint(tensors));
  test::write_file(folder_ / "in/b.pth", tools::write_checkpoint(tensors));
  expect_refused("in --output_dir new/out --fp_mode fp16", 1, "conv_last.bias");
  std::filesystem::create_directory(folder_ / "out");
  test::write_text(folder_ / "out/2x_a_fp16_1x3x64x64_op17.onnx", "old");
  expect_refused("in --output_dir out --fp_mode fp16", 1, "conv_last.bias");
  EXPECT_EQ(test::read_text(folder_ / "out/2x_a_fp16_1x3x64x64_op17.onnx"), "old");
  test::write_text(folder_ / "file", "");
  expect_refused("in --output_dir file/out", 1, "can't create the folder");
}

TEST_F(Batch, ASignalLeavesNoTemporaryFiles) {
  save("in/m.pth", 5, tools::aether_medium(2, false));
  for (int i = 0; i < 7; ++i) {
    std::filesystem::copy_file(folder_ / "in/m.pth",
                               folder_ / ("in/m" + std::to_string(i) + ".pth"));
  }
  int interrupted = 0;
  for (int i = 0; i < 8; ++i) {
    const CommandResult result =
        test::run_shell("cd " + quoted(folder_.path().string()) + " && timeout -s TERM 0." +
                        std::to_string(10 + 6 * i) + " " + quoted(AETHER2ONNX_PROGRAM) +
                        " in --output_dir out --jobs 4");
    if (result.exit_code == 124) ++interrupted;
    for (const std::string& name : list_files(folder_.path())) {
      EXPECT_FALSE(contains(name, ".aether2onnx-")) << name;
    }
    std::filesystem::remove_all(folder_ / "out");
  }
  EXPECT_GT(interrupted, 0);
}

TEST_F(Batch, AProgressBarOnATerminal) {
  for (int i = 0; i < 4; ++i) save("in/m" + std::to_string(i) + ".pth");
  const CommandResult result =
      test::run_shell("cd " + quoted(folder_.path().string()) + " && script -qec " +
                      quoted(quoted(AETHER2ONNX_PROGRAM) + " in --output_dir out") + " /dev/null");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "[########################] 4 of 4")) << result.out;
  EXPECT_TRUE(contains(result.out, "4 saved, 0 skipped, 0 failed")) << result.out;
}

TEST_F(Batch, QuietPrintsErrorsOnly) {
  save("in/a.pth");
  test::write_text(folder_ / "in/b.pth", "hello\n");
  const CommandResult result = run("in --output_dir out --quiet");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(result.err.starts_with("error: in/b.pth: ")) << result.err;
}

}  // namespace
}  // namespace aether2onnx::batch_test
