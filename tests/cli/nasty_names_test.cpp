// Names out of files in what the program prints and writes: they can't break terminals, JSON, shell
// lines or file names.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::nasty_names_test {
namespace {

using namespace std::string_literals;
using nlohmann::json;
using test::CommandResult;
using test::quoted;

// Escapes of terminals (of 7 and 8 bits), a title, line ends, direction overrides, markup, quotes
// of shells and of JSON, substitutions, formats, half a character as Python writes it (no UTF-8).
const std::string kNasty =
    "\x1b[2J\x1b]0;title\x07\r\n\xc2\x9b"
    "31m\xe2\x80\xae\xe2\x80\x8b\xe2\x80\x8e\xd8\x9c\xef\xbb\xbf\xf3\xa0\x81\x81<script>\"'`$(touch pwned);touch pwned|&%s%n{}\\\xed\xa0\x80"s;

// Characters that show nothing or change the order of a line.
const std::array<std::string, 9> kInvisible = {"\xc2\x9b",           // CSI
                                               "\xe2\x80\xae",       // direction override
                                               "\xe2\x80\x8b",       // zero width space
                                               "\xe2\x80\x8e",       // left-to-right mark
                                               "\xe2\x80\x8f",       // right-to-left mark
                                               "\xd8\x9c",           // Arabic letter mark
                                               "\xef\xbb\xbf",       // byte order mark
                                               "\xef\xb8\x8f",       // variation selector
                                               "\xf3\xa0\x81\x81"};  // tag

bool is_visible(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) {
                       const auto byte = static_cast<unsigned char>(c);
                       return (byte >= 0x20 && byte != 0x7f) || c == '\n';
                     }) &&
         std::none_of(kInvisible.begin(), kInvisible.end(), [&](const std::string& character) {
           return text.find(character) != std::string::npos;
         });
}

class NastyNames : public testing::Test {
 protected:
  void SetUp() override {
    tools::CheckpointLayout layout;
    layout.wrapper = kNasty;
    save("wrapped.pth", layout);
    layout.wrapper = "";
    layout.prefix = kNasty + ".";
    save("prefixed.pth", layout);
  }
  void save(const std::string& name, const tools::CheckpointLayout& layout) {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
    tools::fill_random(tensors, 5);
    test::write_file(folder_ / name, tools::write_checkpoint(tensors, layout));
  }
  // Runs the program and expects that what it prints is harmless.
  CommandResult run(const std::string& arguments) const {
    const CommandResult result = test::run_shell("cd " + quoted(folder_.path().string()) + " && " +
                                                 quoted(AETHER2ONNX_PROGRAM) + " " + arguments);
    EXPECT_TRUE(is_visible(result.out)) << arguments << '\n' << result.out;
    EXPECT_TRUE(is_visible(result.err)) << arguments << '\n' << result.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "pwned"));
    return result;
  }
  test::TemporaryFolder folder_;
};

TEST_F(NastyNames, OfWrappersAndTensors) {
  for (const std::string file : {"wrapped.pth", "prefixed.pth"}) {
    for (const std::string& line :
         {file + " out.onnx", "fuse " + file + " out.pth", "inspect " + file,
          "inspect " + file + " --tensors", "scan " + file, file + " --dry_run",
          file + " --output_dir new"}) {
      run(line);
      const CommandResult as_json = run(line + " --json --quiet");
      const json object = json::parse(as_json.out);
      EXPECT_TRUE(object.is_object());
    }
  }
  EXPECT_EQ(run("wrapped.pth out.onnx").exit_code, 0);
  EXPECT_EQ(run("wrapped.pth out.onnx --params_key " + quoted(kNasty)).exit_code, 0);
  run("wrapped.pth out.onnx --params_key " + quoted(kNasty + "x"));
  // What stands in the model is told by others.
  run("inspect out.onnx");
  run("check out.onnx");
  run("engine out.onnx");
}

TEST_F(NastyNames, OfOptions) {
  std::string all = "\x1b[2J\x07\xff";
  for (const std::string& character : kInvisible) all += character;
  const std::string bad = test::quoted(all);
  for (const std::string& line : {"--" + bad,
                                  "--" + bad + "=1",
                                  "--s" + bad,
                                  "-" + bad,
                                  "--scale " + bad,
                                  "--scale=" + bad,
                                  "--fp_mode " + bad,
                                  "--shape " + bad,
                                  "--limit " + bad,
                                  "--limit pickle_values=" + bad,
                                  "--limit " + bad + "=1",
                                  "--config " + bad,
                                  "--name_template " + bad,
                                  "--jobs " + bad,
                                  "--generation " + bad,
                                  "--params_key " + bad,
                                  "--model_type " + bad,
                                  "--res_scale " + bad,
                                  "--fp32_blocks " + bad,
                                  "--device " + bad,
                                  "--provider " + bad,
                                  "--seed " + bad,
                                  "--verify_images " + bad,
                                  "--report " + bad + "/.",
                                  "--dynamic_shapes=" + bad,
                                  "--output_dir " + bad + "/" + bad,
                                  "--onnxruntime_library " + bad + " --verify_onnx"}) {
    for (const std::string before : {"wrapped.pth out.onnx ", "wrapped.pth "}) {
      run(before + line);
      const json object = json::parse(run(before + line + " --json --quiet").out, nullptr, false);
      EXPECT_TRUE(object.is_object()) << line;
    }
  }
  for (const std::string& line : {"check x.onnx --for " + bad,
                                  "check x.onnx --for tensorrt:" + bad,
                                  "check " + bad,
                                  "engine x.onnx --trt_version " + bad,
                                  "engine x.onnx --for " + bad,
                                  "engine " + bad,
                                  "engine x.onnx --trtexec " + bad,
                                  "fuse wrapped.pth a.pth " + bad,
                                  "fuse wrapped.pth a.pth --format " + bad,
                                  "fuse wrapped.pth x." + bad + " --format pth",
                                  "verify " + bad + " --against " + bad,
                                  "verify " + bad,
                                  "scan " + bad,
                                  "inspect " + bad,
                                  "completion " + bad,
                                  "completion bash " + bad,
                                  "manual " + bad,
                                  "inspect x --" + bad,
                                  bad + " " + bad,
                                  bad + " " + bad + " " + bad}) {
    run(line);
    run(line + " --json --quiet");
  }
  const std::string config = "scale = \"" + all + "\"\n";
  for (const std::string& text : {config, all + " = 1\n", "[" + all + "]\nscale = 2\n"}) {
    test::write_text(folder_ / "run.toml", text);
    run("wrapped.pth out.onnx --config run.toml");
    test::write_text(folder_ / (all + ".toml"), text);
    run("wrapped.pth out.onnx --config " + test::quoted(all + ".toml"));
  }
}

TEST_F(NastyNames, OfFiles) {
  const std::string name = "\x1b[2J\r\n\xe2\x80\xae\"'`$(touch pwned);touch pwned|&%s{}\xff.pth"s;
  std::filesystem::rename(folder_ / "prefixed.pth", folder_ / name);
  std::filesystem::copy_file(folder_ / "wrapped.pth", folder_ / ("x" + name));
  const std::string good = quoted("./x" + name);
  const std::string bad = quoted("./" + name);
  for (const std::string& line :
       {good, good + " " + good + ".onnx", bad, "inspect " + good, "scan " + bad, "fuse " + good,
        "check " + good, "engine " + good, good + " --dry_run", ". --output_dir out"s,
        good + " missing\x1b[2J/.."}) {
    run(line);
  }
  const CommandResult result = run(good + " --json --quiet --output_onnx_path made.onnx");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json object = json::parse(result.out);
  // The commands to paste do what they say.
  const std::string trtexec = object["next"]["trtexec"].get<std::string>();
  test::run_shell("cd " + quoted(folder_.path().string()) + " && trtexec() { :; } && " + trtexec);
  const std::string verify = object["next"]["verify"].get<std::string>();
  const std::size_t at = verify.find(" verify ");
  ASSERT_NE(at, std::string::npos) << verify;
  const CommandResult words =
      test::run_shell("cd " + quoted(folder_.path().string()) + " && bash -c " +
                      quoted("printf '%s\\n' " + verify.substr(at)));
  EXPECT_NE(words.out.find("$(touch pwned)"), std::string::npos) << words.out;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "pwned"));
}

}  // namespace
}  // namespace aether2onnx::nasty_names_test
