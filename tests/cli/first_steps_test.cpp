// The first minutes of someone who has never seen the program: words in the wrong place, options of
// other programs, names of outputs.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "program_fixture.h"

namespace aether2onnx::first_steps_test {
namespace {

using nlohmann::json;
using test::CommandResult;
using test::contains;
using test::list_files;

class FirstSteps : public test::ModelProgramTest {
 protected:
  json json_of(const std::string& arguments) const {
    const CommandResult result = run(arguments + " --json");
    return json::parse(result.out, nullptr, false);
  }

  // The error's code. Expects exit code 2, an error of three lines at most, and an unchanged
  // folder.
  std::string refused(const std::string& arguments) const {
    const std::vector<std::string> before = list_files(folder_.path());
    const CommandResult result = run(arguments + " --json");
    EXPECT_EQ(result.exit_code, 2) << arguments << '\n' << result.err;
    EXPECT_LE(std::count(result.err.begin(), result.err.end(), '\n'), 3) << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << arguments;
    const json object = json::parse(result.out, nullptr, false);
    return object.is_object() ? object["error"]["code"].get<std::string>() : result.err;
  }

  // The value of an option as --dry_run reports it.
  std::string planned(const std::string& arguments, const std::string& name) const {
    const json plan = json_of("--dry_run " + arguments);
    if (!plan.is_object() || !plan.contains("options")) return "no plan";
    for (const json& option : plan["options"]) {
      if (option["name"] == name) return option["value"];
    }
    return "not there";
  }
};

// --- commands ---------------------------------------------------------------------------------

TEST_F(FirstSteps, AMistypedCommandConvertsNothing) {
  EXPECT_EQ(refused("sacn model.pth"), "command-unknown");
  EXPECT_EQ(refused("sacn *.pth"), "command-unknown");
  EXPECT_EQ(run("help sacn").exit_code, 2);
  for (const auto& [word, command] : {std::pair("sacn", "scan"),
                                      {"inspct", "inspect"},
                                      {"insp", "inspect"},
                                      {"info", "inspect"},
                                      {"export", "convert"},
                                      {"engin", "engine"},
                                      {"chekc", "check"}}) {
    const json object = json_of(std::string(word) + " model.pth");
    EXPECT_EQ(object["error"]["expected"], command) << word;
  }
  EXPECT_EQ(json_of("zzzzzz model.pth")["error"]["expected"], "");
}

TEST_F(FirstSteps, CommandsInAnyCaseAndFilesOfTheirNames) {
  EXPECT_EQ(run("Scan model.pth").exit_code, 0);
  EXPECT_EQ(run("CONVERT model.pth out.onnx").exit_code, 0);
  EXPECT_TRUE(has("out.onnx"));
  // A file without dot or slash is a file.
  std::filesystem::copy_file(folder_ / "model.pth", folder_ / "net");
  EXPECT_EQ(run("net net.onnx").exit_code, 0);
  std::filesystem::copy_file(folder_ / "model.pth", folder_ / "scan");
  EXPECT_EQ(run("./scan own.onnx").exit_code, 0);
  EXPECT_TRUE(has("own.onnx"));
  std::filesystem::create_directory(folder_ / "models");
  std::filesystem::copy_file(folder_ / "model.pth", folder_ / "models/a.pth");
  EXPECT_EQ(run("models --output_dir out").exit_code, 0);
}

TEST_F(FirstSteps, WordsInTheWrongPlace) {
  EXPECT_EQ(refused("--quiet scan model.pth"), "command-order");
  EXPECT_EQ(refused("out.onnx model.pth"), "command-swapped");
  EXPECT_EQ(refused("model.pth out"), "command-ending");
  EXPECT_EQ(refused("model.pth out.engine"), "command-ending");
  EXPECT_EQ(refused("model.pth fp16"), "command-ending");
  EXPECT_EQ(refused("model.pth model.pth sacn"), "command-files");
  EXPECT_EQ(refused("fuse model.pth out.onnx"), "command-ending");
  EXPECT_EQ(refused("fuse model.pth --output_model_path out.ONNX"), "command-ending");
  EXPECT_EQ(refused("half=True model.pth"), "option-dashes");
  EXPECT_EQ(refused("model=model.pth format=onnx half=True"), "option-dashes");
  EXPECT_EQ(refused("export model=model.pth"), "command-unknown");
  // The script's option takes any name.
  EXPECT_EQ(run("model.pth --output_onnx_path out").exit_code, 0);
  EXPECT_TRUE(has("out"));
}

TEST_F(FirstSteps, VerifyTakesItsFilesInEitherOrder) {
  ASSERT_EQ(run("model.pth out.onnx --quiet").exit_code, 0);
  // Whether or not there is a reference here, the words are understood.
  for (const char* words : {"out.onnx --against model.pth", "out.onnx model.pth",
                            "model.pth out.onnx", "model.pth --against out.onnx"}) {
    EXPECT_NE(run(std::string("verify ") + words).exit_code, 2) << words;
  }
  EXPECT_EQ(refused("verify out.onnx"), "command-files");
  EXPECT_EQ(refused("verify out.onnx model.pth --against model.pth"), "command-files");
}

// Before, options that may be repeated took the files behind their value for more values.
TEST_F(FirstSteps, OptionsMayStandBeforeTheFiles) {
  EXPECT_EQ(run("model.pth m.onnx").exit_code, 0);
  const std::vector<std::pair<std::string, std::string>> calls = {
      {"convert --dry_run --json", "--for ncnn"},
      {"convert --dry_run --json",
       "--for ncnn --limit pickle_values=100000 --fp32_blocks conv_last"},
      {"inspect --json", "--limit pickle_values=100000"},
      {"scan --json", "--limit scan_work=100000000"}};
  for (const auto& [command, options] : calls) {
    const CommandResult before = run(command + " " + options + " model.pth");
    EXPECT_EQ(before.exit_code, 0) << command << ' ' << options << '\n' << before.err;
    EXPECT_EQ(before.out, run(command + " model.pth " + options).out) << command;
  }
  for (const char* call : {"check --for ncnn,web", "engine --for tensorrt:10.3"}) {
    EXPECT_EQ(run(std::string(call) + " m.onnx").exit_code, 0) << call;
  }
}

TEST_F(FirstSteps, StandardInputAndOutput) {
  EXPECT_EQ(refused("- out.onnx"), "command-stream");
  EXPECT_EQ(refused("model.pth -"), "command-stream");
  EXPECT_EQ(refused("model.pth --output_onnx_path -"), "command-stream");
  EXPECT_EQ(refused("inspect -"), "command-stream");
  EXPECT_EQ(refused("/dev/stdin < model.pth"), "command-stream");
  EXPECT_EQ(refused("fuse /dev/stdin < model.pth"), "command-stream");
  EXPECT_EQ(run("/dev/stdin out.onnx < model.pth").exit_code, 0);
  EXPECT_TRUE(has("out.onnx"));
  std::filesystem::copy_file(folder_ / "model.pth", folder_ / "-");
  EXPECT_EQ(run("./- dash.onnx").exit_code, 0);
}

// --- options ----------------------------------------------------------------------------------

TEST_F(FirstSteps, ChoicesInAnyCaseAndByOtherNames) {
  for (const char* name : {"FP16", "fp16", "half", "float16", "Half"}) {
    EXPECT_EQ(planned(std::string("model.pth --fp_mode ") + name, "fp_mode"), "fp16") << name;
  }
  EXPECT_EQ(planned("model.pth --fp_mode Mixed-FP16", "fp_mode"), "mixed_fp16");
  EXPECT_EQ(planned("model.pth --graph_form Channels-First", "graph_form"), "channels_first");
  EXPECT_EQ(planned("model.pth --io_type float32 --fp_mode fp16", "io_type"), "fp32");
  save("small.pth", tools::aether_small(2, true));
  for (const char* name : {"small", "Small", "aether-small", "aether_small"}) {
    EXPECT_EQ(run(fmt::format("small.pth --dry_run --model_type {}", name)).exit_code, 0) << name;
  }
  for (const char* scale : {"2", "x2", "2x", "X2"}) {
    EXPECT_EQ(run(fmt::format("model.pth --dry_run --scale {}", scale)).exit_code, 0) << scale;
  }
  EXPECT_EQ(run("model.pth --dry_run --scale x4").exit_code, 1);
  EXPECT_EQ(refused("model.pth --scale two"), "option-number");
  EXPECT_EQ(refused("model.pth --opset_version abc"), "option-number");
  EXPECT_EQ(refused("model.pth --atol small"), "option-number");
  EXPECT_EQ(refused("model.pth --generation g9"), "option-range");
}

TEST_F(FirstSteps, OptionsOfOtherPrograms) {
  for (const char* options : {"--half", "--fp16", "-fp16", "--half=True", "--precision fp16",
                              "--dtype fp16", "--data-type half"}) {
    EXPECT_EQ(planned(std::string("model.pth ") + options, "fp_mode"), "fp16") << options;
  }
  EXPECT_EQ(planned("model.pth --half=False", "fp_mode"), "fp32");
  EXPECT_EQ(planned("model.pth --bf16", "fp_mode"), "bf16");
  EXPECT_EQ(planned("model.pth --dynamic", "dynamic_shapes"), "true");
  EXPECT_EQ(planned("model.pth --input_shape 1x3x32x32", "height"), "32");
  for (const char* option : {"--model", "--input", "-i", "--weights", "--checkpoint"}) {
    EXPECT_EQ(run(fmt::format("{} model.pth --dry_run", option)).exit_code, 0) << option;
  }
  EXPECT_EQ(run("-i model.pth -o out.onnx -q").exit_code, 0);
  EXPECT_TRUE(has("out.onnx"));
  for (const char* options : {"--imgsz 640", "--simplify", "--int8", "--dynamo", "--format onnx",
                              "--batch 1", "--static 3 64 64", "-opt train.yml", "--optimize",
                              "-net aether", "--minShapes=input:1x3x8x8"}) {
    EXPECT_EQ(refused(std::string("model.pth ") + options), "option-of-another-program") << options;
  }
  // Fused checkpoints and engines have other options for the precision.
  EXPECT_EQ(run("fuse model.pth --half").exit_code, 0);
  EXPECT_TRUE(has("model_fused_float16.pth"));
  EXPECT_TRUE(contains(run("engine out.onnx --fp16 --trt_version 10").out, "--fp16"));
}

// The script's parser takes any start of a name that is unambiguous among its own options.
TEST_F(FirstSteps, AbbreviationsOfTheScript) {
  save("small.pth", tools::aether_small(2, true));
  EXPECT_EQ(run("--input_m small.pth --out out.onnx --model aether_small --s 2 --input_c 3 --dy "
                "--ops 17 --fp fp32 --at 1e-3 --r 1e-5 --de cpu --quiet")
                .exit_code,
            0);
  EXPECT_TRUE(has("out.onnx"));
  // --verify is the script's --verify_onnx, whatever other options begin so.
  EXPECT_EQ(planned("small.pth --verify", "verify_onnx"), "true");
  EXPECT_EQ(refused("small.pth --min 3"), "option-ambiguous");
}

TEST_F(FirstSteps, SuggestionsAreClose) {
  EXPECT_FALSE(contains(run("model.pth --hafl").err, "did you mean --help"));
  EXPECT_TRUE(contains(run("model.pth --sacle 2").err, "did you mean --scale?"));
  EXPECT_TRUE(contains(run("model.pth --graphform standard").err, "did you mean --graph_form?"));
  EXPECT_FALSE(contains(run("model.pth --frobnicate").err, "did you mean"));
}

TEST_F(FirstSteps, MessagesNameTheOptionThatWasTyped) {
  const CommandResult channels = run("model.pth --shape 1x1x64x64");
  EXPECT_EQ(channels.exit_code, 1);
  EXPECT_TRUE(contains(channels.err, "--shape 1x1x64x64")) << channels.err;
  EXPECT_FALSE(contains(channels.err, "--input_channels")) << channels.err;
  EXPECT_TRUE(contains(run("model.pth --dtype int4").err, "--dtype (here --fp_mode) int4"));
  EXPECT_TRUE(contains(run("model.pth --dtype").err, "--dtype (here --fp_mode) needs a value"));
  EXPECT_TRUE(contains(run("model.pth --opset abc").err, "error: --opset_version abc"));
  const CommandResult size = run("model.pth --shape 1x3xHxW --max_height 100000");
  EXPECT_TRUE(contains(size.err, "error: --max_height 100000: must be 1 to 65536")) << size.err;
  EXPECT_TRUE(contains(run("model.pth --verify_onnx=maybe").err, "expected true or false"));
  test::write_text(folder_ / "run.toml", "opset_version = \"abc\"\n");
  EXPECT_TRUE(contains(run("model.pth --config run.toml").err, "run.toml: --opset_version abc"));
  test::write_text(folder_ / "run.toml", "fp_mode = \"int4\"\n");
  EXPECT_TRUE(contains(run("model.pth --config run.toml").err, "run.toml: --fp_mode int4"));
}

// --- outputs ----------------------------------------------------------------------------------

TEST_F(FirstSteps, NamesCarryWhatDiffers) {
  const std::vector<std::string> options = {"",
                                            "--shape 1x3x32x32",
                                            "--shape 1x3xHxW",
                                            "--shape 1x3xHxW --max_height 1080 --max_width 1920",
                                            "--shape 1x3x64xW",
                                            "--dynamic_shapes",
                                            "--fp_mode fp16",
                                            "--fp_mode fp16 --io_type fp32",
                                            "--opset 18",
                                            "--graph_form channels_first",
                                            "--depthwise_fp32 --fp_mode fp16",
                                            "--fp32_blocks conv_last --fp_mode fp16"};
  std::set<std::string> names;
  for (const std::string& option : options) {
    const json result = json_of("model.pth " + option);
    ASSERT_EQ(result["status"], "ok") << option;
    EXPECT_EQ(result["output"]["replaced"], false) << option;
    names.insert(result["output"]["path"].get<std::string>());
  }
  EXPECT_EQ(names.size(), options.size());
  EXPECT_TRUE(names.contains("2x_model_fp32_dyn1080x1920_op17.onnx"));
}

TEST_F(FirstSteps, AReplacedFileIsSaid) {
  EXPECT_FALSE(contains(run("model.pth").out, "replacing"));
  EXPECT_TRUE(contains(run("model.pth").out, "op17.onnx, replacing the file written at "));
  EXPECT_EQ(json_of("model.pth")["output"]["replaced"], true);
  EXPECT_EQ(json_of("fuse model.pth")["output"]["replaced"], false);
  EXPECT_EQ(json_of("fuse model.pth")["output"]["replaced"], true);
  EXPECT_TRUE(contains(run("model.pth model.pth --name_template x.onnx").err, "both be saved"));
  save("b.pth");
  EXPECT_TRUE(contains(run("b.pth model.pth").out, "op17.onnx, replacing the file written at "));
}

TEST_F(FirstSteps, TheDefaultsAreSaid) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(json_of("model.pth")["defaults"], (Names{"fp_mode", "opset_version", "shape"}));
  EXPECT_EQ(json_of("model.pth --half --opset 18")["defaults"], Names{"shape"});
  EXPECT_EQ(json_of("model.pth --opt_height 32")["defaults"], (Names{"fp_mode", "opset_version"}));
  const std::string line = "\nmodel       fp32, fixed 1x3x64x64, opset 17";
  EXPECT_TRUE(contains(run("model.pth").out, line));
  EXPECT_TRUE(contains(run("model.pth").out, "--shape 1x3xHxW"));
  const std::string named = run("model.pth --shape 1x3x32x32 --fp_mode fp32 --opset 17").out;
  EXPECT_FALSE(contains(named, "To change")) << named;
}

// --- sizes ------------------------------------------------------------------------------------

TEST_F(FirstSteps, TheOptimumFollowsTheLargestSize) {
  const auto sizes = [&](const std::string& options) {
    const json onnx = json_of("model.pth out.onnx " + options)["onnx"];
    std::string text;
    for (const char* axis : {"height", "width"}) {
      const json& size = onnx[axis];
      text += fmt::format("{}/{}/{} ", size["min"].get<int>(), size["opt"].get<int>(),
                          size["max"].get<int>());
    }
    return text;
  };
  const std::string large = "--shape 1x3xHxW --max_height 1080 --max_width 1920";
  EXPECT_EQ(sizes(large), "32/1080/1080 32/1920/1920 ");
  EXPECT_EQ(sizes(large + " --opt_height 720 --opt_width 1280"), "32/720/1080 32/1280/1920 ");
  EXPECT_EQ(sizes(large + " --opt_width 1280"), "32/1080/1080 32/1280/1920 ");
  EXPECT_EQ(sizes("--dynamic_shapes --max_width 1920"), "32/256/256 32/1920/1920 ");
  // Up to the script's ratio its sizes stay.
  EXPECT_EQ(sizes("--dynamic_shapes"), "32/64/256 32/64/256 ");
  EXPECT_EQ(sizes("--dynamic_shapes --max_height 256 --max_width 128"), "32/64/256 32/64/128 ");
  EXPECT_TRUE(contains(run("model.pth out.onnx " + large).out, "--opt_height to 1080"));
  // So it is for an engine.
  ASSERT_EQ(run("model.pth out.onnx --dynamic_shapes --quiet").exit_code, 0);
  const CommandResult engine = run("engine out.onnx --max_height 1080 --max_width 1920");
  EXPECT_TRUE(contains(engine.out, "--optShapes=input:1x3x1080x1920")) << engine.out;
}

TEST_F(FirstSteps, AQuietCheckSaysWhatFails) {
  ASSERT_EQ(run("model.pth out.onnx --quiet --shape 1x3xHxW --fp_mode fp16 --opset 11").exit_code,
            0);
  for (const char* options : {"", "--strict "}) {
    const std::string base = std::string("check out.onnx ") + options;
    const json report = json_of(base);
    const bool strict = *options != '\0';
    const std::size_t expected =
        report["errors"].get<std::size_t>() + (strict ? report["warnings"].get<std::size_t>() : 0);
    const CommandResult quiet = run(base + "--quiet");
    EXPECT_EQ(quiet.exit_code, expected > 0 ? 1 : 0) << quiet.err;
    EXPECT_EQ(quiet.out, "");
    EXPECT_EQ(std::count(quiet.err.begin(), quiet.err.end(), '\n'),
              static_cast<std::ptrdiff_t>(expected));
    if (strict) {
      EXPECT_GT(expected, 0U) << "no finding to show";
    }
  }
}

}  // namespace
}  // namespace aether2onnx::first_steps_test
