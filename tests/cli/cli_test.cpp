// The program as a user meets it: command lines, what is printed, exit codes, files left behind.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program_fixture.h"

namespace aether2onnx::cli_test {
namespace {

using test::CommandResult;
using test::contains;
using test::list_files;
using test::quoted;

const std::string kProgram = AETHER2ONNX_PROGRAM;

class Program : public test::ModelProgramTest {};

// --- the main way -----------------------------------------------------------------------------

TEST_F(Program, ShortForm) {
  const CommandResult result = run("model.pth");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(has("2x_model_fp32_1x3x64x64_op17.onnx"));
  std::size_t at = 0;
  for (const char* line : {"read ", "recognised ", "fused ", "written ", "saved ",
                           "verify 2x_model_fp32_1x3x64x64_op17.onnx --against model.pth",
                           "trtexec --onnx=2x_model_fp32_1x3x64x64_op17.onnx"}) {
    const std::size_t found = result.out.find(line, at);
    EXPECT_NE(found, std::string::npos) << line << '\n' << result.out;
    at = found;
  }
}

TEST_F(Program, TheScriptsOptions) {
  save("fused_aether_medium_x2.pth", tools::aether_medium(2, true));
  // The two examples of the script's documentation, without the verification (tested elsewhere).
  const CommandResult fixed =
      run("--input_model_path fused_aether_medium_x2.pth --output_onnx_path ./static.onnx "
          "--model_type aether_medium --scale 2 --opt_height 128 --opt_width 128 --fp_mode fp32 "
          "--opset_version 17 --device cuda");
  EXPECT_EQ(fixed.exit_code, 0) << fixed.err;
  EXPECT_TRUE(has("static.onnx"));
  EXPECT_FALSE(contains(fixed.out, "--minShapes")) << fixed.out;

  const CommandResult dynamic =
      run("--input_model_path fused_aether_medium_x2.pth --output_onnx_path ./dynamic.onnx "
          "--model_type aether_medium --scale 2 --dynamic_shapes "
          "--min_batch_size 1 --opt_batch_size 1 --max_batch_size 2 "
          "--min_height 32 --opt_height 128 --max_height 256 "
          "--min_width 32 --opt_width 128 --max_width 256 "
          "--fp_mode fp32 --opset_version 17 --device cuda");
  EXPECT_EQ(dynamic.exit_code, 0) << dynamic.err;
  EXPECT_TRUE(contains(dynamic.out,
                       "--minShapes=input:1x3x32x32 --optShapes=input:1x3x128x128 "
                       "--maxShapes=input:2x3x256x256"))
      << dynamic.out;
}

TEST_F(Program, DashesEqualsSignsAndShortenedNames) {
  const CommandResult result = run(
      "--input-model-path=model.pth --output-onnx-path out.onnx --opset 20 --fp-mode=fp16 --dyn");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "opset 20")) << result.out;
  EXPECT_TRUE(contains(result.out, "fp16")) << result.out;
  EXPECT_TRUE(contains(result.out, "--stronglyTyped")) << result.out;
}

TEST_F(Program, TheLastOfRepeatedOptionsCounts) {
  const CommandResult result = run("model.pth out.onnx --opset_version 11 --opset_version 18");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "opset 18")) << result.out;
}

TEST_F(Program, OutputFoldersAreCreated) {
  const CommandResult result = run("model.pth some/new/folder/out.onnx");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has("some/new/folder/out.onnx"));
  EXPECT_EQ(list_files(folder_ / "some"),
            (std::vector<std::string>{"new", "new/folder", "new/folder/out.onnx"}));
}

TEST_F(Program, AnExistingFileIsReplaced) {
  test::write_text(folder_ / "out.onnx", "old");
  EXPECT_EQ(run("model.pth out.onnx").exit_code, 0);
  EXPECT_GT(std::filesystem::file_size(folder_ / "out.onnx"), 1000U);
}

TEST_F(Program, ThroughASymbolicLinkItsTargetIsReplaced) {
  test::write_text(folder_ / "real.onnx", "old");
  std::filesystem::create_symlink("real.onnx", folder_ / "link.onnx");
  EXPECT_EQ(run("model.pth link.onnx").exit_code, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "link.onnx"));
  EXPECT_GT(std::filesystem::file_size(folder_ / "real.onnx"), 1000U);
}

TEST_F(Program, UnusualFileNames) {
  const std::string name = "mödel 'x' $HOME\n\x1b[31m.pth";
  save(name, {});
  const CommandResult result = run(quoted(name));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has("2x_mödel 'x' $HOME\n\x1b[31m_fp32_1x3x64x64_op17.onnx"));
  EXPECT_FALSE(contains(result.out, "\x1b")) << result.out;
  // What is printed for pasting means that file in a shell.
  const std::size_t command = result.out.find("trtexec --onnx=");
  const std::size_t quoted_command = result.out.find("trtexec $'--onnx=");
  ASSERT_NE(std::min(command, quoted_command), std::string::npos) << result.out;
  const std::string line = result.out.substr(std::min(command, quoted_command));
  const CommandResult pasted =
      test::run_shell("bash -c " + quoted("printf '%s' " + line.substr(8, line.find('\n') - 8)));
  EXPECT_TRUE(
      pasted.out.starts_with("--onnx=2x_mödel 'x' $HOME\n\x1b[31m_fp32_1x3x64x64_op17.onnx--save"))
      << pasted.out;
}

TEST_F(Program, MemoryHoldsOneWeightAtATime) {
#ifdef AETHER2ONNX_SANITIZED
  GTEST_SKIP() << "AddressSanitizer takes terabytes of address space";
#endif
  // 73 MB in, 73 MB out, with 60 MB of address space for program, libraries and all.
  save("large.pth", tools::aether_large(2, false));
  ASSERT_GT(std::filesystem::file_size(folder_ / "large.pth"), 70'000'000U);
  const CommandResult result =
      test::run_shell("cd " + quoted(folder_.path().string()) + " && ulimit -v 60000 && " +
                      quoted(kProgram) + " large.pth out.onnx");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_GT(std::filesystem::file_size(folder_ / "out.onnx"), 70'000'000U);
}

TEST_F(Program, SameBytesEveryTime) {
  ASSERT_EQ(run("model.pth a.onnx").exit_code, 0);
  ASSERT_EQ(run("model.pth b.onnx").exit_code, 0);
  EXPECT_EQ(test::read_file(folder_ / "a.onnx"), test::read_file(folder_ / "b.onnx"));
}

// --- shapes -----------------------------------------------------------------------------------

nlohmann::json json_of(const CommandResult& result) {
  return nlohmann::json::parse(result.out, nullptr, false);
}

TEST_F(Program, ShapesInShort) {
  const auto shape_of = [&](const std::string& arguments) {
    const CommandResult result = run("model.pth out.onnx --json " + arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto json = json_of(result);
    std::string text;
    for (const auto& dim : json["onnx"]["inputs"][0]["shape"]) text += dim.get<std::string>() + " ";
    return text;
  };
  EXPECT_EQ(shape_of(""), "1 3 64 64 ");
  EXPECT_EQ(shape_of("--opt_batch_size 2 --opt_height 48"), "2 3 48 64 ");
  EXPECT_EQ(shape_of("--dynamic_shapes"), "batch_size 3 height width ");
  EXPECT_EQ(shape_of("--shape 1x3x72x128"), "1 3 72 128 ");
  EXPECT_EQ(shape_of("--shape 1x3xHxW"), "1 3 height width ");
  EXPECT_EQ(shape_of("--shape NxCx64xw"), "batch_size 3 64 width ");
  EXPECT_EQ(shape_of("--shape 1x3xHxW --dynamic_shapes"), "1 3 height width ");
}

TEST_F(Program, BoundsThatWereNotGivenGiveWay) {
  const CommandResult result =
      run("model.pth out.onnx --json --dynamic_shapes --opt_height 720 --min_width 128");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = json_of(result);
  EXPECT_EQ(json["onnx"]["height"]["max"], 720);
  EXPECT_EQ(json["onnx"]["width"]["opt"], 128);
  EXPECT_TRUE(contains(result.err, "--max_height is 720 instead of 256")) << result.err;
  EXPECT_TRUE(contains(result.err, "--opt_width is 128 instead of 64")) << result.err;
}

TEST_F(Program, BoundsOfAFixedAxisHaveNoEffectAndItIsSaid) {
  const CommandResult result = run("model.pth out.onnx --max_height 128");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(contains(result.out, "no effect on a fixed height")) << result.out;
}

// --- what is printed --------------------------------------------------------------------------

TEST_F(Program, QuietPrintsNothing) {
  const CommandResult result = run("model.pth out.onnx --quiet");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out + result.err, "");
}

TEST_F(Program, JsonIsOneObjectAndTheLogGoesToStderr) {
  const CommandResult result = run("model.pth out.onnx --json --fp_mode fp16");
  EXPECT_EQ(result.exit_code, 0);
  const auto json = json_of(result);
  ASSERT_TRUE(json.is_object()) << result.out;
  EXPECT_EQ(json["status"], "ok");
  EXPECT_EQ(json["network"]["model_type"], "custom");
  EXPECT_EQ(json["network"]["scale"], 2);
  EXPECT_EQ(json["network"]["depths"], (std::vector<int>{2, 1}));
  EXPECT_EQ(json["onnx"]["precision"], "fp16");
  EXPECT_EQ(json["onnx"]["ir_version"], 8);
  EXPECT_EQ(json["output"]["path"], "out.onnx");
  EXPECT_EQ(json["output"]["bytes"], std::filesystem::file_size(folder_ / "out.onnx"));
  EXPECT_EQ(json["stages"].size(), 5U);
  EXPECT_TRUE(json["verification"].is_null());
  EXPECT_TRUE(contains(json["next"]["trtexec"].get<std::string>(), "trtexec --onnx=out.onnx"));
  EXPECT_TRUE(contains(result.err, "recognised")) << result.err;
  const CommandResult quiet = run("model.pth out.onnx --json --quiet");
  EXPECT_EQ(quiet.err, "");
  EXPECT_TRUE(json_of(quiet).is_object());
}

TEST_F(Program, TypesAndForm) {
  const auto convert = [&](const std::string& arguments) {
    const CommandResult result = run("model.pth --json " + arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments << result.err;
    return json_of(result);
  };
  // The edges are the mode's own, or what is asked for.
  const auto edge = [&](const std::string& arguments) {
    return convert(arguments)["onnx"]["inputs"][0]["dtype"].get<std::string>();
  };
  EXPECT_EQ(edge("--fp_mode fp16"), "float16");
  EXPECT_EQ(edge("--fp_mode fp16 --io_type fp32"), "float32");
  EXPECT_EQ(edge("--fp_mode mixed_fp16"), "float32");
  EXPECT_EQ(edge("--fp_mode mixed_fp16 --io_type same"), "float16");
  EXPECT_EQ(edge("--fp_mode bf16"), "float32");
  EXPECT_EQ(edge("--fp_mode bf16 --io_type same"), "bfloat16");
  EXPECT_EQ(edge("--io_type same"), "float32");

  // bfloat16 begins with another opset; the form is in the name.
  const auto bfloat16 = convert("--fp_mode mixed_bf16 --graph_form channels_first");
  EXPECT_EQ(bfloat16["onnx"]["opset_version"], 22);
  EXPECT_EQ(bfloat16["output"]["path"], "2x_model_mixed_bf16_1x3x64x64_op22_channels_first.onnx");
  EXPECT_FALSE(bfloat16["onnx"]["operators"].contains("Transpose"));
  EXPECT_FALSE(bfloat16["onnx"]["operators"].contains("Reshape"));

  // Several parts, separated or repeated, before the checkpoint as well.
  const std::vector<std::string> two = {"layers.0.0", "conv_last"};
  EXPECT_EQ(
      convert("--fp_mode mixed_fp16 --fp32_blocks layers.0.0,conv_last")["onnx"]["fp32_blocks"],
      two);
  EXPECT_EQ(json_of(run("--json --fp_mode mixed_fp16 --fp32_blocks layers.0.0 --fp32_blocks "
                        "conv_last model.pth"))["onnx"]["fp32_blocks"],
            two);
  EXPECT_TRUE(convert("--fp_mode bf16 --depthwise_fp32")["onnx"]["depthwise_fp32"]);
}

TEST_F(Program, WithoutMeasurementTheMixedModeSaysSo) {
  const CommandResult mixed = run("model.pth out.onnx --fp_mode mixed_fp16");
  EXPECT_TRUE(contains(mixed.out, "were not measured, because --verify_onnx is missing"))
      << mixed.out;
  EXPECT_TRUE(contains(mixed.out, "in float16; in float32 4 normalizations")) << mixed.out;
  // bfloat16 has float32's range.
  const CommandResult bfloat16 = run("model.pth out.onnx --fp_mode mixed_bf16");
  EXPECT_FALSE(contains(bfloat16.out, "measured")) << bfloat16.out;
}

TEST_F(Program, InspectKnowsTheModes) {
  for (const std::string mode : {"fp32", "fp16", "bf16", "mixed_fp16", "mixed_bf16"}) {
    for (const std::string form : {"standard", "channels_first"}) {
      ASSERT_EQ(run("model.pth out.onnx --fp_mode " + mode + " --graph_form " + form).exit_code, 0);
      const auto json = json_of(run("inspect out.onnx --json"));
      EXPECT_EQ(json["onnx"]["precision"], mode);
      EXPECT_EQ(json["network"]["scale"], 2) << mode << form;
      EXPECT_TRUE(json["warnings"].empty()) << json["warnings"];
      EXPECT_EQ(json["cost"]["precision"], mode);
    }
  }
}

TEST_F(Program, JsonOfAFailure) {
  const CommandResult result = run("model.pth out.onnx --json --scale 4");
  EXPECT_EQ(result.exit_code, 1);
  const auto json = json_of(result);
  ASSERT_TRUE(json.is_object()) << result.out;
  EXPECT_EQ(json["status"], "error");
  EXPECT_EQ(json["error"]["kind"], "mismatch");
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_TRUE(contains(json["error"]["message"].get<std::string>(), "scale is 2"));
  const CommandResult usage = run("--json --nonsense");
  EXPECT_EQ(usage.exit_code, 2);
  EXPECT_EQ(json_of(usage)["error"]["kind"], "usage");
  EXPECT_EQ(json_of(usage)["error"]["code"], "option-unknown");
  EXPECT_EQ(json_of(usage)["error"]["subject"], "nonsense");
  const auto choice = json_of(run("model.pth --json --io_type fp16"))["error"];
  EXPECT_EQ(choice["code"], "option-choice");
  EXPECT_EQ(choice["subject"], "io_type");
  EXPECT_EQ(choice["expected"], "same or fp32");
  EXPECT_EQ(choice["found"], "fp16");
}

TEST_F(Program, AReaderThatGoesAwayStopsNothing) {
  const CommandResult result = run("model.pth out.onnx | true");
  EXPECT_TRUE(has("out.onnx"));
  EXPECT_EQ(list_files(folder_.path()), (std::vector<std::string>{"model.pth", "out.onnx"}));
  EXPECT_EQ(result.err, "");
  // What was asked for and can't be delivered is a failure.
  const CommandResult json = run("model.pth out.onnx --json --quiet >/dev/full");
  EXPECT_EQ(json.exit_code, 1);
  EXPECT_TRUE(contains(json.err, "the result can't be printed")) << json.err;
}

TEST_F(Program, WhatIsPrintedForPastingNamesFilesSafely) {
  std::filesystem::rename(folder_ / "model.pth", folder_ / "--a b.pth");
  const CommandResult result = run("-- '--a b.pth' -out.onnx");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "verify ./-out.onnx --against './--a b.pth'")) << result.out;
}

TEST_F(Program, VerboseAddsATable) {
  const CommandResult result = run("model.pth out.onnx --verbose");
  for (const char* text : {"checkpoint", "parameters", "float32 [1, 3, 64, 64]",
                           "float32 [1, 3, 128, 128]", "LayerNormalization", "nodes"}) {
    EXPECT_TRUE(contains(result.out, text)) << text << '\n' << result.out;
  }
}

TEST_F(Program, VerboseNamesTheTypeOfTheWeights) {
  for (const auto& [mode, type] : {std::pair("fp32", "float32"),
                                   {"fp16", "float16"},
                                   {"bf16", "bfloat16"},
                                   {"mixed_fp16", "float16 + float32"},
                                   {"mixed_bf16", "bfloat16 + float32"}}) {
    const CommandResult result =
        run(fmt::format("model.pth out.onnx --verbose --fp_mode {}", mode));
    std::istringstream lines(result.out);
    std::string line;
    while (std::getline(lines, line) && !line.starts_with("  type ")) {
    }
    EXPECT_TRUE(line.ends_with(fmt::format("  {}", type))) << mode << ": " << line;
  }
}

TEST_F(Program, HelpAndVersion) {
  const CommandResult all = run("--help-all");
  EXPECT_EQ(all.exit_code, 0);
  for (const char* option : {"--input_model_path",
                             "--output_onnx_path",
                             "--model_type",
                             "--scale",
                             "--input_channels",
                             "--dynamic_shapes",
                             "--opt_batch_size",
                             "--min_batch_size",
                             "--max_batch_size",
                             "--opt_height",
                             "--min_height",
                             "--max_height",
                             "--opt_width",
                             "--min_width",
                             "--max_width",
                             "--opset_version",
                             "--fp_mode",
                             "--verify_onnx",
                             "--atol",
                             "--rtol",
                             "--device",
                             "--shape",
                             "--quiet",
                             "--json",
                             "--verbose",
                             "--version",
                             "Default: 17",
                             "Default: 256",
                             "Default: 1e-3"}) {
    EXPECT_TRUE(contains(all.out, option)) << option;
  }
  EXPECT_EQ(run("help all").out, all.out);

  // --help has the options that people use, and they are few.
  const CommandResult help = run("--help");
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(run("-h").out, help.out);
  EXPECT_EQ(run("help").out, help.out);
  EXPECT_EQ(run("help convert").out, help.out);
  EXPECT_EQ(run("convert --help").out, help.out);
  std::istringstream lines(help.out);
  int options = 0;
  for (std::string line; std::getline(lines, line);) {
    options += line.starts_with("  --") || line.starts_with("  -h") ? 1 : 0;
  }
  EXPECT_GE(options, 12);
  EXPECT_LE(options, 18);
  EXPECT_TRUE(contains(help.out, "--help-all"));
  EXPECT_FALSE(contains(help.out, "--res_scale"));
  EXPECT_LT(all.out.find("--dynamic_shapes "), all.out.find("--res_scale "));

  for (const char* command : {"--version", "version"}) {
    const CommandResult version = run(command);
    EXPECT_EQ(version.exit_code, 0);
    EXPECT_EQ(version.out, "aether2onnx " + std::string(aether2onnx::version()) + "\n");
  }
}

}  // namespace
}  // namespace aether2onnx::cli_test
