// Completion scripts, run in their shells, and the manual page.

#include <gtest/gtest.h>

#include <algorithm>

#include <set>
#include <sstream>

#include "support.h"

namespace aether2onnx::completion_test {
namespace {

using test::CommandResult;
using test::quoted;

const std::string kProgram = quoted(AETHER2ONNX_PROGRAM);
constexpr const char* kCommandNames[] = {"convert", "inspect",    "verify", "fuse",
                                         "check",   "scan",       "engine", "help",
                                         "version", "completion", "manual", "upscale"};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The text with its dashes as roff has them.
std::string in_roff(const std::string& text) {
  std::string result;
  for (const char c : text) result += c == '-' ? std::string("\\-") : std::string(1, c);
  return result;
}

bool has_shell(const std::string& name) {
  return test::run_shell("command -v " + name).exit_code == 0;
}

// The long options in the help of a command.
std::set<std::string> options_in_help(const std::string& command) {
  const CommandResult help = test::run_shell(kProgram + " " + command + " --help-all");
  EXPECT_EQ(help.exit_code, 0) << command;
  std::set<std::string> names;
  std::istringstream lines(help.out);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find("--");
    const std::size_t first = line.find_first_not_of(' ');
    if (at == std::string::npos || first > 2 || line[first] != '-') continue;
    names.insert(line.substr(at, line.find_first_of(" ,=", at) - at));
  }
  EXPECT_TRUE(names.contains("--help")) << help.out;
  return names;
}

// What bash offers for these words, the last of which is being typed.
std::string offered(const std::vector<std::string>& words, const std::string& folder = "/") {
  std::string list;
  for (const std::string& word : words) list += " " + quoted(word);
  const CommandResult result = test::run_shell(
      "cd " + quoted(folder) + " && bash -c " +
      quoted("set -u; source <(" + kProgram + " completion bash); COMP_WORDS=(aether2onnx" + list +
             "); COMP_CWORD=" + std::to_string(words.size()) +
             "; _aether2onnx; printf '%s ' \"${COMPREPLY[@]}\""));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

TEST(Completion, Bash) {
  if (!has_shell("bash")) GTEST_SKIP() << "bash isn't installed";
  EXPECT_EQ(offered({"--fp"}), "--fp_mode --fp32_operators --fp32_blocks ");
  EXPECT_EQ(offered({"--fp-m"}), "--fp_mode ");
  EXPECT_EQ(offered({"--fp_mode", ""}), "fp32 fp16 bf16 mixed_fp16 mixed_bf16 ");
  EXPECT_EQ(offered({"--fp-mode", "fp1"}), "fp16 ");
  EXPECT_EQ(offered({"model.pth", "--fp_mode", "=", "fp3"}), "fp32 ");
  EXPECT_EQ(offered({"--fp_mode", "="}), "fp32 fp16 bf16 mixed_fp16 mixed_bf16 ");
  EXPECT_EQ(offered({"check", "--for", "open"}), "openvino ");
  EXPECT_EQ(offered({"--for", "vsmlrt-o"}), "vsmlrt-ort vsmlrt-ov ");
  EXPECT_EQ(offered({"ver"}), "verify version ");
  EXPECT_EQ(offered({"veri"}), "verify ");
  EXPECT_EQ(offered({"verify", "--ag"}), "--against ");
  EXPECT_EQ(offered({"verify", "--opset"}), " ");
  EXPECT_EQ(offered({"completion", ""}), "bash zsh fish ");
  EXPECT_EQ(offered({"--opset_version", ""}), " ");
}

TEST(Completion, BashOffersFilesAndFolders) {
  if (!has_shell("bash")) GTEST_SKIP() << "bash isn't installed";
  const test::TemporaryFolder folder;
  test::write_text(folder / "my model.pth", "");
  std::filesystem::create_directory(folder / "models");
  EXPECT_EQ(offered({"my"}, folder.path().string()), "my model.pth ");
  EXPECT_EQ(offered({"--input_model_path", "my"}, folder.path().string()), "my model.pth ");
  EXPECT_EQ(offered({"--output_dir", "m"}, folder.path().string()), "models ");
}

TEST(Completion, EveryOptionIsInEveryScriptAndInTheManual) {
  const std::string bash = test::run_shell(kProgram + " completion bash").out;
  const std::string zsh = test::run_shell(kProgram + " completion zsh").out;
  const std::string fish = test::run_shell(kProgram + " completion fish").out;
  const std::string manual = test::run_shell(kProgram + " manual").out;
  const std::string help = test::run_shell(kProgram + " --help").out;
  for (const std::string command : kCommandNames) {
    EXPECT_TRUE(contains(help, "\n  " + command + " ")) << command;
    EXPECT_TRUE(contains(manual, "\n.SS " + command + "\n")) << command;
    for (const std::string& option : options_in_help(command)) {
      EXPECT_TRUE(contains(bash, option)) << command << ' ' << option;
      EXPECT_TRUE(contains(zsh, "'" + option + "[") || contains(zsh, "'" + option + "=["))
          << command << ' ' << option;
      EXPECT_TRUE(contains(fish, " -l " + option.substr(2) + " ")) << command << ' ' << option;
      EXPECT_TRUE(contains(manual, in_roff(option) + "\\fR")) << command << option;
    }
  }
}

TEST(Completion, TheScriptsAreWellFormed) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    if (!has_shell(shell)) continue;
    const CommandResult result =
        test::run_shell(kProgram + " completion " + shell + " | " + shell + " -n");
    EXPECT_EQ(result.exit_code, 0) << shell << result.err;
    EXPECT_EQ(result.err, "") << shell;
  }
  if (has_shell("fish")) {
    const CommandResult result =
        test::run_shell("fish -c " + quoted(kProgram + " completion fish | source; "
                                                       "complete -C 'aether2onnx --fp_mode fp1'"));
    EXPECT_TRUE(result.out.starts_with("fp16\t")) << result.out << result.err;
    EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
  }
}

TEST(Completion, TheManualPageIsWellFormed) {
  if (!has_shell("man")) GTEST_SKIP() << "man isn't installed";
  const CommandResult result =
      test::run_shell(kProgram + " manual | LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l -");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(contains(result.out, "--opset_version N")) << result.out;
}

TEST(Completion, WrongUsage) {
  EXPECT_EQ(test::run_shell(kProgram + " completion").exit_code, 2);
  EXPECT_EQ(test::run_shell(kProgram + " completion csh").exit_code, 2);
  EXPECT_EQ(test::run_shell(kProgram + " completion bash zsh").exit_code, 2);
  EXPECT_EQ(test::run_shell(kProgram + " manual page").exit_code, 2);
}

}  // namespace
}  // namespace aether2onnx::completion_test
