// --config and --dry_run.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program_fixture.h"

namespace aether2onnx::config_test {
namespace {

using test::CommandResult;
using test::contains;
using test::list_files;

class Config : public test::ModelProgramTest {
 protected:
  nlohmann::json convert(const std::string& config, const std::string& arguments = "") const {
    test::write_text(folder_ / "run.toml", config);
    const CommandResult result = run("model.pth out.onnx --json --config run.toml " + arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out, nullptr, false);
  }

  void expect_refused(const std::string& config, const std::string& text) const {
    test::write_text(folder_ / "run.toml", config);
    const std::vector<std::string> before = list_files(folder_.path());
    const CommandResult result = run("model.pth out.onnx --config run.toml");
    EXPECT_EQ(result.exit_code, 2) << config << '\n' << result.err;
    EXPECT_NE(result.err.find(text), std::string::npos) << config << '\n' << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << config;
  }
};

TEST_F(Config, ListsAndChoices) {
  const auto json = convert(
      "fp_mode = \"mixed_fp16\"\ngraph_form = \"channels_first\"\nio_type = \"same\"\n"
      "fp32_blocks = [\"layers.0.0\", \"conv_last\"]\ndepthwise_fp32 = true\n");
  EXPECT_EQ(json["onnx"]["fp32_blocks"], (std::vector<std::string>{"layers.0.0", "conv_last"}));
  EXPECT_EQ(json["onnx"]["graph_form"], "channels_first");
  EXPECT_EQ(json["onnx"]["io_type"], "same");
  EXPECT_EQ(json["onnx"]["depthwise_fp32"], true);
}

TEST_F(Config, OptionsFromAFile) {
  const auto json = convert(
      "# how we deploy\nfp_mode = \"fp16\"\nopset-version = 20\ndynamic_shapes = true\n"
      "max_height = 512\n");
  EXPECT_EQ(json["onnx"]["precision"], "fp16");
  EXPECT_EQ(json["onnx"]["opset_version"], 20);
  EXPECT_EQ(json["onnx"]["dynamic"], true);
  EXPECT_EQ(json["onnx"]["height"]["max"], 512);
}

TEST_F(Config, TheCommandLineCountsForMore) {
  const auto json = convert("fp_mode = \"fp16\"\nopset_version = 20\ndynamic_shapes = true\n",
                            "--fp-mode fp32 --opset 18 --dynamic_shapes=false");
  EXPECT_EQ(json["onnx"]["precision"], "fp32");
  EXPECT_EQ(json["onnx"]["opset_version"], 18);
  EXPECT_EQ(json["onnx"]["dynamic"], false);
}

TEST_F(Config, ErrorsNameTheFileAndTheKey) {
  expect_refused("fp_mod = \"fp16\"\n",
                 "run.toml: there is no option 'fp_mod'; did you mean fp_mode?");
  expect_refused("hello there\n", "run.toml: there is no option 'hello there'");
  expect_refused("[shapes]\nmax_height = 2\n", "section");
  expect_refused("json = true\n", "run.toml: json can be given on the command line only");
  expect_refused("help = true\n", "run.toml: help can be given on the command line only");
  expect_refused("config = \"run.toml\"\n", "run.toml: config can be given on the command line");
  expect_refused("files = \"a.pth\"\n", "run.toml: there is no option 'files'");
  expect_refused("opset_version = abc\n", "run.toml: --opset_version abc: expected a whole number");
  expect_refused("opset_version = 99\n", "--opset_version 99: must be 11 to 24");
  expect_refused("opset_version = [11, 12]\n", "run.toml: opset_version has 2 values");
  expect_refused("opset_version = 11\nfp_mode = \"fp32\"\nopset_version = 12\n",
                 "run.toml: opset_version is given twice");
  expect_refused("dynamic_shapes = maybe\n", "run.toml: ");
  expect_refused("half = true\n", "fp_mode = \"fp16\"");
  expect_refused("imgsz = 640\n", "--shape");
  const CommandResult missing = run("model.pth out.onnx --config none.toml");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_TRUE(contains(missing.err, "--config none.toml: there is no such file")) << missing.err;
}

TEST_F(Config, DryRunWritesNothingAndSaysWhy) {
  test::write_text(folder_ / "run.toml", "fp_mode = \"fp16\"\nmax_height = 512\n");
  const std::string command =
      "model.pth new/out.onnx --dynamic_shapes --config run.toml --dry_run ";
  const std::vector<std::string> before = list_files(folder_.path());
  const CommandResult result = run(command);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(list_files(folder_.path()), before);
  for (const char* text :
       {"recognised  AetherNet G1", "pairs of depthwise convolutions", "fp16  (run.toml)",
        "17  (default)", "custom  (checkpoint)", "32 to 512, usually 512  (run.toml)",
        "32 to 256, usually 256  (--dynamic_shapes, command line)",
        "would write new/out.onnx  (the file does not exist)", "nothing was written"}) {
    EXPECT_TRUE(contains(result.out, text)) << text << '\n' << result.out;
  }
  const auto json = nlohmann::json::parse(run(command + "--json").out, nullptr, false);
  EXPECT_EQ(json["dry_run"], true);
  EXPECT_EQ(json["network"]["scale"], 2);
  EXPECT_EQ(json["output"]["action"], "write");
}

TEST_F(Config, DryRunOnWhatIsThere) {
  const auto action = [&](const std::string& arguments) {
    const CommandResult result = run("model.pth out.onnx --dry_run --json " + arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto json = nlohmann::json::parse(result.out, nullptr, false);
    // One is told as a batch where an option for many is given.
    const auto& plan = json.contains("results") ? json["results"][0] : json;
    return plan["output"]["action"].get<std::string>() + ": " +
           plan["output"]["why"].get<std::string>();
  };
  ASSERT_EQ(run("model.pth out.onnx").exit_code, 0);
  const auto bytes = test::read_file(folder_ / "out.onnx");
  EXPECT_EQ(action(""),
            "replace: the file exists; it was made from this checkpoint with these options");
  EXPECT_EQ(action("--skip_existing"),
            "skip: the file was made from this checkpoint with these options");
  EXPECT_EQ(action("--skip_existing --opset 20"),
            "replace: the file exists; its opset_version is 17, not 20");
  EXPECT_EQ(action("--fp_mode fp16"), "replace: the file exists; its precision is fp32, not fp16");
  EXPECT_EQ(action("--opt_height 32"),
            "replace: the file exists; its min_shape is input:1x3x64x64, not input:1x3x32x64");
  EXPECT_EQ(test::read_file(folder_ / "out.onnx"), bytes);
  test::write_text(folder_ / "out.onnx", "hello");
  EXPECT_EQ(action(""), "replace: the file exists; it can't be read as an ONNX file");
}

TEST_F(Config, DryRunFindsWhatFails) {
  EXPECT_EQ(run("missing.pth --dry_run").exit_code, 1);
  EXPECT_EQ(run("model.pth --scale 4 --dry_run").exit_code, 1);
  EXPECT_EQ(run("model.pth --output_onnx_path model.pth --dry_run").exit_code, 1);
  test::write_text(folder_ / "bad.pth", "hello");
  const std::vector<std::string> before = list_files(folder_.path());
  const CommandResult result = run("model.pth bad.pth --output_dir new --dry_run");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.out, "would write")) << result.out;
  EXPECT_TRUE(contains(result.err, "error: bad.pth: ")) << result.err;
  EXPECT_EQ(list_files(folder_.path()), before);
}

}  // namespace
}  // namespace aether2onnx::config_test
