// What the command engine prints: for shells, for programs, for ONNX Runtime and vs-mlrt.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine_fixture.h"

namespace aether2onnx::engine_test {
namespace {

using nlohmann::json;
using test::CommandResult;
using test::quoted;

class EngineCommand : public test::EngineCommandTest {
 protected:
  void expect_failure(const std::string& arguments, int exit_code, const std::string& text) const {
    const auto before = test::list_files(folder_.path());
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << arguments << '\n' << result.err;
    EXPECT_TRUE(contains(result.err, text)) << arguments << '\n' << result.err;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_LE(std::count(result.err.begin(), result.err.end(), '\n'), 4) << result.err;
    EXPECT_EQ(test::list_files(folder_.path()), before) << arguments;
  }
};

// --- the line ---------------------------------------------------------------------------------

TEST_F(EngineCommand, PrintsTheLineAlone) {
  const CommandResult result = run("dynamic16.onnx");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "trtexec --onnx=dynamic16.onnx "
            "--saveEngine=dynamic16_trt10_1x3x32x32-4x3x256x256.engine "
            "--minShapes=input:1x3x32x32 --optShapes=input:1x3x64x64 "
            "--maxShapes=input:4x3x256x256 --stronglyTyped --skipInference\n");
  EXPECT_TRUE(contains(result.err, "no trtexec was found")) << result.err;
  const CommandResult quiet = run("dynamic16.onnx --quiet");
  EXPECT_EQ(quiet.out, result.out);
  EXPECT_EQ(quiet.err, "");
  EXPECT_FALSE(contains(run("fixed.onnx").out, "Shapes"));
}

TEST_F(EngineCommand, ByVersion) {
  const auto line = [&](const std::string& arguments) { return run(arguments + " --quiet").out; };
  EXPECT_TRUE(contains(line("fixed16.onnx --trt_version 8.6"), " --fp16 --skipInference"));
  EXPECT_TRUE(contains(line("fixed16.onnx --trt_version 10.3.0"), " --stronglyTyped "));
  EXPECT_TRUE(contains(line("fixed16.onnx --trt_version 10.3.0"), "_trt10.3_1x3x64x64.engine"));
  EXPECT_FALSE(contains(line("fixed16.onnx --trt_version 11.1"), "--stronglyTyped"));
  EXPECT_TRUE(contains(line("fixed.onnx --trt_version 10 --precision bf16"), " --bf16 "));
  EXPECT_TRUE(contains(line("fixed.onnx --workspace 4096 --timing_cache t.cache --device 1 "
                            "--builder_optimization_level 5 --save_engine my.engine"),
                       "--saveEngine=my.engine --memPoolSize=workspace:4096 "
                       "--timingCacheFile=t.cache --builderOptimizationLevel=5 --device=1 "));
  expect_failure("fixed.onnx --trt_version 11 --precision fp16", 1, "--fp_mode mixed_fp16");
  expect_failure("fixed.onnx --trt_version 8.6 --precision bf16", 1, "9.0 and newer");
  expect_failure("fixed.onnx --trt_version 8.5", 1, "--opset_version 16");
}

TEST_F(EngineCommand, SizesCanBeSet) {
  const auto line = [&](const std::string& arguments) {
    const CommandResult result = run(arguments + " --quiet");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  EXPECT_TRUE(contains(line("dynamic.onnx --max_height 1080 --max-width=1920 --max_batch 1"),
                       "--minShapes=input:1x3x32x32 --optShapes=input:1x3x1080x1920 "
                       "--maxShapes=input:1x3x1080x1920"));
  EXPECT_TRUE(contains(line("dynamic.onnx --shape 1x3x720x1280"),
                       "--minShapes=input:1x3x720x1280 --optShapes=input:1x3x720x1280 "
                       "--maxShapes=input:1x3x720x1280"));
  EXPECT_TRUE(contains(line("dynamic.onnx --shape 1x3xHx640 --opt_height 480"),
                       "--minShapes=input:1x3x32x640 --optShapes=input:1x3x480x640 "
                       "--maxShapes=input:1x3x480x640"));
  EXPECT_FALSE(contains(line("fixed.onnx --shape 1x3x64x64"), "Shapes"));
  EXPECT_TRUE(contains(run("dynamic.onnx --opt_height 720").err, "--max_height is 720"));
  expect_failure("fixed.onnx --opt_height 720", 2, "fixed to 64");
  expect_failure("fixed.onnx --shape 1x3x720x1280", 2, "fixed to 64");
  expect_failure("dynamic.onnx --shape 1x4x720x1280", 2, "4 channels");
  expect_failure("dynamic.onnx --shape 720x1280", 2, "--shape 720x1280");
  expect_failure("dynamic.onnx --min_height 0", 2, "--min_height 0");
  expect_failure("dynamic.onnx --max_width 65537", 2, "65536");
  expect_failure("dynamic.onnx --min_width 100 --max_width 50", 2, "larger than");
}

TEST_F(EngineCommand, ADynamicModelWithoutAProfileNeedsSizes) {
  std::string model = test::read_text(folder_ / "dynamic.onnx");
  model.replace(model.find("min_shape"), 9, "nim_shape");
  test::write_text(folder_ / "bare.onnx", model);
  expect_failure("bare.onnx", 2, "--opt_height");
  const CommandResult result = run("bare.onnx --opt_height 720 --opt_width 1280");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "--optShapes=input:1x3x720x1280")) << result.out;
  EXPECT_TRUE(contains(result.err, "the metadata contain no range")) << result.err;
}

TEST_F(EngineCommand, WrongUsage) {
  expect_failure("", 2, "one ONNX file is expected");
  expect_failure("fixed.onnx dynamic.onnx", 2, "one ONNX file is expected");
  expect_failure("fixed.onnx --trt_version ten", 2, "10.3.0");
  expect_failure("fixed.onnx --trt_version 7.2", 2, "8.4");
  expect_failure("fixed.onnx --for tensorflow", 2, "onnxruntime");
  expect_failure("fixed.onnx --shell fish", 2, "powershell");
  expect_failure("fixed.onnx --precision int4", 2, "as_model");
  expect_failure("fixed.onnx --workspace 0", 2, "--workspace 0");
  expect_failure("fixed.onnx --save_engine ''", 2, "--save_engine");
  expect_failure("fixed.onnx --for onnxruntime --run", 2, "--run");
  expect_failure("fixed.onnx --for onnxruntime --save_engine x", 2, "--save_engine");
  expect_failure("fixed.onnx --for vsmlrt --shell cmd", 2, "--shell");
  expect_failure("dynamic.onnx --for vsmlrt --timing_cache x", 2, "--timing_cache");
  expect_failure("missing.onnx", 1, "missing.onnx");
  test::write_text(folder_ / "text.onnx", "hello");
  expect_failure("text.onnx", 1, "no ONNX model");
  EXPECT_TRUE(contains(run("fixed.onnx --log x.log").err, "--log has no effect without --run"));
}

TEST_F(EngineCommand, AsJson) {
  const CommandResult result = run("dynamic16.onnx --json --trt_version 10.3 --shell cmd");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json object = json::parse(result.out);
  EXPECT_EQ(object["status"], "ok");
  EXPECT_EQ(object["for"], "tensorrt");
  EXPECT_EQ(object["model"]["types"], "float16");
  EXPECT_EQ(object["model"]["opset_version"], 17);
  EXPECT_EQ(object["model"]["batch_size"]["max"], 4);
  EXPECT_EQ(object["tensorrt"]["version"], "10.3");
  EXPECT_EQ(object["tensorrt"]["origin"], "--trt_version");
  EXPECT_EQ(object["tensorrt"]["trtexec"], nullptr);
  EXPECT_EQ(object["arguments"][0], "--onnx=dynamic16.onnx");
  EXPECT_TRUE(contains(object["command"], "trtexec --onnx=dynamic16.onnx"));
  EXPECT_EQ(object["shell"], "cmd");
  EXPECT_EQ(object["engine"], "dynamic16_trt10.3_1x3x32x32-4x3x256x256.engine");
  EXPECT_EQ(object["built"], nullptr);
  const json failure = json::parse(run("fixed.onnx --json --trt_version 11 --precision fp16").out);
  EXPECT_EQ(failure["error"]["kind"], "unsupported");
}

TEST_F(EngineCommand, OptionsFromAFile) {
  test::write_text(folder_ / "run.toml", "trt_version = \"8.6\"\nworkspace = 512\n");
  const CommandResult result = run("fixed.onnx --config run.toml --workspace 1024");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "_trt8.6_")) << result.out;
  EXPECT_TRUE(contains(result.out, "workspace:1024")) << result.out;
}

// --- shells -----------------------------------------------------------------------------------

constexpr const char* kNames[] = {
    "plain",          "with space", "it's",          "say \"x\"",    "$HOME `id` $(id)",
    "a;b&c|d<e>f",    "*?[x]{y,z}", "back\\slash\\", "!bang ^caret", "#hash ~tilde",
    "-dash --onnx=x", "~tilde",     "ünï ’cürly‘",   "100% %PATH%",  "@at,comma=equals:colon"};

TEST_F(EngineCommand, ABashLineMeansTheFile) {
  std::vector<std::string> names(std::begin(kNames), std::end(kNames));
  names.emplace_back("new\nline \x1b[31m \t\x01");
  for (const std::string& name : names) {
    std::filesystem::copy_file(folder_ / "fixed.onnx", folder_ / (name + ".onnx"));
    const std::string file = quoted("./" + name + ".onnx");
    const CommandResult result = run(file + " --quiet");
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
    EXPECT_FALSE(contains(result.out, "\x1b"));
    // In single quotes a POSIX shell takes it, too; escapes need bash.
    const bool escaped = contains(result.out, "$'");
    for (const char* shell : {"bash", escaped ? "bash" : "sh"}) {
      const CommandResult pasted =
          test::run_shell("cd / && " + std::string(shell) + " -c " +
                          quoted("trtexec() { printf '%s|' \"$@\"; }; " + result.out));
      EXPECT_EQ(pasted.out, "--onnx=./" + name + ".onnx|--saveEngine=./" + name +
                                "_trt10_1x3x64x64.engine|--skipInference|")
          << result.out;
      EXPECT_EQ(pasted.err, "");
    }
  }
}

// What PowerShell makes of a line of words that are bare or in single quotes.
std::vector<std::string> powershell_words(const std::string& line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < line.size() && line[at] != '\n') {
    std::string word;
    if (line[at] == '\'') {
      for (++at; at < line.size(); ++at) {
        const bool curly = line.compare(at, 3, "‘") == 0 || line.compare(at, 3, "’") == 0;
        if (curly) {
          EXPECT_EQ(line.substr(at, 3), line.substr(at + 3, 3)) << "it would end here: " << line;
          word += line.substr(at, 3);
          at += 5;
        } else if (line[at] != '\'') {
          word += line[at];
        } else if (line[at + 1] == '\'') {
          word += line[at++];
        } else {
          break;
        }
      }
      ++at;
    } else {
      for (; at < line.size() && line[at] != ' ' && line[at] != '\n'; ++at) {
        EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(line[at])) != 0 || line[at] == '-' ||
                    line[at] == '&')
            << line;
        word += line[at];
      }
    }
    words.push_back(word);
    if (line[at] == ' ') ++at;
  }
  return words;
}

TEST_F(EngineCommand, APowershellLineMeansTheFile) {
  for (const std::string name : kNames) {
    std::filesystem::copy_file(folder_ / "fixed.onnx", folder_ / (name + ".onnx"));
    const CommandResult result = run(quoted("./" + name + ".onnx") + " --quiet --shell powershell");
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(powershell_words(result.out),
              (std::vector<std::string>{"trtexec", "--onnx=./" + name + ".onnx",
                                        "--saveEngine=./" + name + "_trt10_1x3x64x64.engine",
                                        "--skipInference"}));
  }
  std::filesystem::copy_file(folder_ / "fixed.onnx", folder_ / "a\x1b.onnx");
  expect_failure(quoted("a\x1b.onnx") + " --shell powershell", 1, "another --shell");
}

TEST_F(EngineCommand, PowershellCallsAQuotedProgram) {
  add_trtexec("bin folder/trtexec");
  const CommandResult result =
      run("fixed.onnx --quiet --shell powershell --trtexec 'bin folder/trtexec'");
  EXPECT_TRUE(result.out.starts_with("& 'bin folder/trtexec' '--onnx=fixed.onnx' ")) << result.out;
}

TEST_F(EngineCommand, ACmdLineIsInQuotes) {
  std::filesystem::copy_file(folder_ / "fixed.onnx", folder_ / "a &b^(c).onnx");
  const CommandResult result = run("'a &b^(c).onnx' --quiet --shell cmd");
  EXPECT_EQ(result.out,
            "trtexec \"--onnx=a &b^(c).onnx\" \"--saveEngine=a &b^(c)_trt10_1x3x64x64.engine\" "
            "--skipInference\n");
  EXPECT_EQ(run("fixed.onnx --quiet --shell cmd --save_engine 'C:\\out dir\\'").out,
            "trtexec --onnx=fixed.onnx \"--saveEngine=C:\\out dir\\\\\" --skipInference\n");
  for (const std::string name : {"50%.onnx", "a\"b.onnx", "a\nb.onnx", "a\x1b.onnx"}) {
    std::filesystem::copy_file(folder_ / "fixed.onnx", folder_ / name);
    expect_failure(quoted(name) + " --shell cmd", 1, "can't be written in a command line for cmd");
  }
}

// --- other users of TensorRT ------------------------------------------------------------------

TEST_F(EngineCommand, ForOnnxRuntime) {
  const CommandResult result = run("dynamic16.onnx --for onnxruntime --workspace 2 --quiet");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "trt_profile_max_shapes=input:4x3x256x256\n")) << result.out;
  EXPECT_TRUE(contains(result.out, "trt_max_workspace_size=2097152\n")) << result.out;
  EXPECT_TRUE(contains(result.out, "trt_fp16_enable=1\n")) << result.out;
  EXPECT_TRUE(contains(result.out, "\n\nproviders=[(\"TensorrtExecutionProvider\", {"))
      << result.out;
  const json object = json::parse(run("dynamic16.onnx --for onnxruntime --json").out);
  EXPECT_EQ(object["provider_options"]["trt_profile_min_shapes"], "input:1x3x32x32");
  EXPECT_EQ(object["for"], "onnxruntime");
  EXPECT_FALSE(object.contains("command"));
  expect_failure("fixed.onnx --for onnxruntime --trt_version 11 --precision fp16", 1, "mixed_fp16");
}

TEST_F(EngineCommand, ProviderOptionsArePython) {
  std::filesystem::create_directory(folder_ / "a \"b\" \\");
  std::filesystem::copy_file(folder_ / "dynamic16.onnx", folder_ / "a \"b\" \\/m.onnx");
  const json object =
      json::parse(run(quoted("a \"b\" \\/m.onnx") + " --for onnxruntime --json").out);
  const CommandResult python = test::run_shell(
      "python3 -c " + quoted("import json; print(json.dumps(dict(" +
                             object["python"].get<std::string>() + ")['providers'][0][1]))"));
  ASSERT_EQ(python.exit_code, 0) << python.err;
  EXPECT_EQ(json::parse(python.out), object["provider_options"]);
  EXPECT_EQ(object["provider_options"]["trt_engine_cache_path"], "a \"b\" \\");
}

TEST_F(EngineCommand, ForVsmlrt) {
  EXPECT_EQ(run("dynamic.onnx --for vsmlrt --quiet --max_height 1080 --max_width 1920").out,
            "vsmlrt.inference(clip, network_path=\"dynamic.onnx\", "
            "backend=vsmlrt.Backend.TRT(static_shape=False, min_shapes=(32, 32), "
            "opt_shapes=(1920, 1080), max_shapes=(1920, 1080)))\n");
  expect_failure("fixed.onnx --for vsmlrt", 1, "--shape 1x3xHxW");
  const json object = json::parse(run("dynamic16.onnx --for vsmlrt --json").out);
  EXPECT_TRUE(contains(object["python"], "fp16=True"));
}

// --- which trtexec ----------------------------------------------------------------------------

TEST_F(EngineCommand, FindsTrtexec) {
  add_trtexec("in path/trtexec");
  add_trtexec("home/bin/trtexec");
  add_trtexec("elsewhere/trtexec");
  const std::string here = folder_.path().string();
  const auto version_and_word = [&](const std::string& arguments, const std::string& before) {
    const CommandResult result = run("fixed.onnx --json " + arguments, before);
    const json object = json::parse(result.out);
    const std::string command = object["command"];
    return object["tensorrt"]["version"].get<std::string>() + " " +
           command.substr(0, command.find(" --onnx"));
  };
  const std::string in_path = "PATH=" + quoted(here + "/in path") + ":$PATH ";
  const std::string at_home = "TENSORRT_HOME=" + quoted(here + "/home") + " ";
  EXPECT_EQ(version_and_word("", in_path + "FAKE_TRT_VERSION=8601"), "8.6.1 trtexec");
  EXPECT_EQ(version_and_word("", in_path + "FAKE_TRT_VERSION=110100"), "11.1.0 trtexec");
  EXPECT_EQ(version_and_word("", at_home + "FAKE_TRT_VERSION=101600"),
            "10.16.0 " + here + "/home/bin/trtexec");
  EXPECT_EQ(version_and_word("--trtexec elsewhere/trtexec", in_path + "FAKE_TRT_VERSION=9300"),
            "9.3.0 elsewhere/trtexec");
  EXPECT_EQ(version_and_word("--trt_version 8.6", in_path), "8.6 trtexec") << "nothing is asked";
  EXPECT_EQ(version_and_word("--for trtexec", in_path + "FAKE_TRT_MODE=hang_on_help"),
            "10.3.0 trtexec");
  // One that doesn't say its version isn't used, nor what isn't in an absolute folder.
  EXPECT_EQ(version_and_word("", in_path + at_home + "FAKE_TRT_MODE=mute"), "10 trtexec");
  EXPECT_EQ(version_and_word("", "PATH='in path':$PATH FAKE_TRT_VERSION=8601"), "10 trtexec");
  expect_failure("fixed.onnx --trtexec missing", 1, "--trtexec missing");
  expect_failure("fixed.onnx --trtexec fixed.onnx", 1, "is not executable");
  expect_failure("fixed.onnx --trtexec /bin/true", 1, "[TensorRT v100300]");
}

}  // namespace
}  // namespace aether2onnx::engine_test
