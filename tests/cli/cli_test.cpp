// The program as a user meets it: command lines, what is printed, exit codes, files left behind.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx {
namespace {

using test::CommandResult;
using test::list_files;
using test::quoted;

const std::string kProgram = AETHER2ONNX_PROGRAM;

class Program : public testing::Test {
 protected:
  void SetUp() override { save("model.pth", {}); }

  void save(const std::string& name, const tools::NetworkShape& shape) {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
    tools::fill_random(tensors, 5);
    test::write_file(folder_ / name, tools::write_checkpoint(tensors));
  }

  // Runs the program in the temporary folder.
  CommandResult run(const std::string& arguments) const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " + quoted(kProgram) +
                           " " + arguments);
  }

  // Expects failure, a message with `text`, and nothing new in the folder.
  void expect_failure(const std::string& arguments, int exit_code, const std::string& text) {
    const std::vector<std::string> before = list_files(folder_.path());
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << arguments << '\n' << result.err;
    EXPECT_NE(result.err.find(text), std::string::npos) << arguments << '\n' << result.err;
    EXPECT_TRUE(result.err.starts_with("error: ")) << result.err;
    EXPECT_LE(std::count(result.err.begin(), result.err.end(), '\n'), 3) << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << arguments;
  }

  bool has(const std::string& name) const { return std::filesystem::exists(folder_ / name); }

  test::TemporaryFolder folder_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

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

// --- wrong usage ------------------------------------------------------------------------------

TEST_F(Program, OptionsOutOfRange) {
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
                 "--fp32_blocks layers.9.9: the network has no such part. Its parts are");
  expect_failure("model.pth --device tpu", 2, "--device tpu: must be cpu, cuda or cuda:N");
  expect_failure("model.pth --atol -1", 2, "--atol");
  expect_failure("model.pth --rtol nan", 2, "--rtol");
  expect_failure("model.pth --opset_version abc", 2, "--opset_version");
  expect_failure("model.pth --opset_version 99999999999999999999", 2, "--opset_version");
  expect_failure("model.pth --opset_version", 2, "--opset_version");
}

TEST_F(Program, OptionsThatContradictEachOther) {
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

TEST_F(Program, MalformedShapes) {
  for (const char* shape :
       {"1x3x64", "1x3x64x64x64", "1x3x64x", "1x3xHx-3", "", "1,3,64,64", "1x3x6_4x64"}) {
    expect_failure("model.pth --shape " + quoted(shape), 2, "must be batch x channels x height");
  }
  expect_failure("model.pth --shape 1x3x0x64", 2, "--shape 1x3x0x64: 0 must be 1 to 65536");
  expect_failure("model.pth --shape 1x0x64x64", 2, "--shape 1x0x64x64: 0 must be 1 to 65536");
  expect_failure("model.pth --shape 1x3x99999999999999999999x64", 2, "must be 1 to 65536");
}

TEST_F(Program, UnknownAndAmbiguousOptions) {
  expect_failure("model.pth --opset_versoin 17", 2, "did you mean --opset_version?");
  expect_failure("model.pth --frobnicate", 2, "there is no option --frobnicate");
  expect_failure("model.pth --opt 3", 2, "--opt is ambiguous");
  expect_failure("model.pth a.onnx b.onnx", 2, "a.onnx: the file is no checkpoint");
  expect_failure("", 2, "no checkpoint was given");
}

// --- options against the checkpoint -----------------------------------------------------------

TEST_F(Program, OptionsThatTheCheckpointContradicts) {
  expect_failure("model.pth --scale 4", 1, "--scale 4 was given, but the checkpoint's scale is 2");
  expect_failure("model.pth --model_type aether_small", 1,
                 "--model_type aether_small was given, but the checkpoint's model_type is custom");
  expect_failure("model.pth --input_channels 1", 1,
                 "--input_channels 1 was given, but the checkpoint's input_channels is 3");
  expect_failure("model.pth --shape 1x4x64x64", 1,
                 "--shape 1x4x64x64 was given, but the checkpoint's input_channels is 3");
}

// --- bad input --------------------------------------------------------------------------------

TEST_F(Program, FilesThatAreNoCheckpoint) {
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

TEST_F(Program, FilesOfPyTorchThatAreNoCheckpoint) {
  const std::string data = AETHER2ONNX_TEST_DATA "/torch/";
  expect_failure(data + "not_torchscript.pth", 1, "TorchScript");
  expect_failure(data + "not_optimizer.pth", 1, "state of an optimizer");
  expect_failure(data + "dtype_float32.pth", 1, "isn't AetherNet");
}

TEST_F(Program, ACheckpointThatDoesNotFitListsEverything) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  std::erase_if(tensors, [](const auto& t) { return t.name == "norm.bias"; });
  tensors.push_back({"extra", {1}, {0}});
  test::write_file(folder_ / "broken.pth", tools::write_checkpoint(tensors));
  const CommandResult result = run("broken.pth --json");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "missing key: norm.bias (8)")) << result.err;
  EXPECT_TRUE(contains(result.err, "unexpected key: extra (1)")) << result.err;
  EXPECT_EQ(json_of(result)["error"]["findings"].size(), 2U);
}

TEST_F(Program, OutputsThatCannotBe) {
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

TEST_F(Program, ReadOnlyFolder) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere; /proc is tested instead";
  std::filesystem::create_directory(folder_ / "locked");
  ::chmod((folder_ / "locked").c_str(), 0500);
  expect_failure("model.pth locked/out.onnx", 1, "can't write into");
  ::chmod((folder_ / "locked").c_str(), 0700);
}

TEST_F(Program, AFullDisk) {
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

TEST_F(Program, AFailureInTheMiddleLeavesNothing) {
  // The last weight is beyond half's range: all before it are written by then.
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tensors.back().values[0] = 1e6;
  test::write_file(folder_ / "large.pth", tools::write_checkpoint(tensors));
  test::write_text(folder_ / "out.onnx", "old");
  expect_failure("large.pth out.onnx --fp_mode fp16", 1, "conv_last.bias");
  expect_failure("large.pth new/out.onnx --fp_mode fp16", 1, "conv_last.bias");
  EXPECT_EQ(test::read_text(folder_ / "out.onnx"), "old");
}

TEST_F(Program, ASignalLeavesNothing) {
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
}  // namespace aether2onnx
