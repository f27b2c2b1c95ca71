// Signals while the program waits, and streams that have no end.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::signals_test {
namespace {

namespace fs = std::filesystem;
using test::CommandResult;
using test::list_files;
using test::quoted;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kConfigBytes = std::size_t{1} << 20U;  // as in docs/security.md

// Another program, with one end of a pipe as its standard output.
class Child {
 public:
  Child(const std::vector<std::string>& words, int output) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    if (output >= 0) ::dup2(output, STDOUT_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  bool still_runs() {
    if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = 0;
    return pid_ > 0;
  }

  // The signal that ends the program after the signal `sent`; -1 if the program does not end soon.
  int end_by(int sent) {
    ::kill(pid_, sent);
    const auto until = Clock::now() + std::chrono::seconds(20);
    while (still_runs() && Clock::now() < until) ::usleep(5000);
    return pid_ == 0 && WIFSIGNALED(status_) ? WTERMSIG(status_) : -1;
  }

 private:
  pid_t pid_ = 0;
  int status_ = 0;
};

class Signals : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
    tools::fill_random(tensors, 5);
    test::write_file(folder_ / "net.pth", tools::write_checkpoint(tensors));
    ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0666), 0);
  }

  std::vector<std::string> conversion(const std::string& config) const {
    return {AETHER2ONNX_PROGRAM, (folder_ / "net.pth").string(),
            (folder_ / "new/out.onnx").string(), "--config", config};
  }

  // In bash, for <(…).
  CommandResult run(const std::string& arguments, const std::string& before = "") const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && bash -c " +
                           quoted(before + " " + quoted(AETHER2ONNX_PROGRAM) + " " + arguments));
  }

  test::TemporaryFolder folder_;
};

TEST_F(Signals, EndARunThatWaitsForAPipe) {
  const std::string pipe = (folder_ / "pipe").string();
  const std::vector<std::string> before = list_files(folder_.path());
  for (const bool opened : {false, true}) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      // The pipe has no writer, or one that writes nothing.
      const int writer = opened ? ::open(pipe.c_str(), O_RDWR) : -1;
      Child child(conversion(pipe), -1);
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      EXPECT_TRUE(child.still_runs());
      EXPECT_EQ(child.end_by(signal), signal) << opened;
      if (opened) ::close(writer);
      EXPECT_EQ(list_files(folder_.path()), before);
    }
  }
}

TEST_F(Signals, EndARunWhoseOutputNobodyReads) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{AETHER2ONNX_PROGRAM, "inspect", (folder_ / "net.pth").string(),
                                 "--json"},
        std::vector<std::string>{AETHER2ONNX_PROGRAM, (folder_ / "net.pth").string(),
                                 (folder_ / "new/out.onnx").string()},
        std::vector<std::string>{AETHER2ONNX_PROGRAM, "manual"}}) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    const std::string filling(4096, 'x');
    while (::write(ends[1], filling.data(), filling.size()) > 0) {
    }
    ASSERT_EQ(::fcntl(ends[1], F_SETFL, 0), 0);  // from now on writing waits
    {
      Child child(words, ends[1]);
      std::this_thread::sleep_for(std::chrono::milliseconds(700));
      EXPECT_TRUE(child.still_runs()) << words[1];
      EXPECT_EQ(child.end_by(SIGTERM), SIGTERM) << words[1];
    }
    ::close(ends[0]);
    ::close(ends[1]);
    EXPECT_FALSE(fs::exists(folder_ / "new")) << words[1];
  }
}

TEST_F(Signals, EndARunThatWaitsForTrtexec) {
  convert_file(folder_ / "net.pth", folder_ / "net.onnx", {});
  // A program that says nothing, so that its version is waited for.
  test::write_text(
      folder_ / "trtexec",
      "#!/bin/sh\necho $$ >" + quoted((folder_ / "pid").string()) + "\nexec sleep 1000\n");
  fs::permissions(folder_ / "trtexec", fs::perms::owner_all);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    test::write_text(folder_ / "pid", "");
    Child child({AETHER2ONNX_PROGRAM, "engine", (folder_ / "net.onnx").string(), "--quiet",
                 "--trtexec", (folder_ / "trtexec").string()},
                -1);
    const auto until = Clock::now() + std::chrono::seconds(20);
    while (test::read_text(folder_ / "pid").empty() && Clock::now() < until) ::usleep(5000);
    const auto sent = Clock::now();
    EXPECT_EQ(child.end_by(signal), signal);
    EXPECT_LT(Clock::now() - sent, std::chrono::seconds(5));  // it waits for 10
    EXPECT_NE(test::run_shell("kill -0 " + test::read_text(folder_ / "pid")).exit_code, 0);
  }
}

TEST_F(Signals, AnInterruptedCallIsNotRepeatedAfterASignal) {
  convert_file(folder_ / "net.pth", folder_ / "net.onnx", {});
  test::write_text(folder_ / "out.onnx", "old");
  const std::vector<std::string> before = list_files(folder_.path());
  const auto expect_end = [&](const std::string& call, const std::string& arguments) {
    // Every such call is interrupted: a program that only repeats it would never end.
    const CommandResult result = run(
        arguments, "exec timeout -k 1 60 env LD_PRELOAD=" + quoted(AETHER2ONNX_FAULT_SHIM) +
                       " ASAN_OPTIONS=verify_asan_link_order=0 FAULT_EVERY=1 FAULT_CALL=" + call +
                       " FAULT_ERRNO=" + std::to_string(EINTR) +
                       " FAULT_SIGNAL=" + std::to_string(SIGTERM));
    EXPECT_EQ(result.exit_code, 128 + SIGTERM) << call << ' ' << arguments << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << call << ' ' << arguments;
    EXPECT_EQ(test::read_text(folder_ / "out.onnx"), "old") << call << ' ' << arguments;
  };
  expect_end("write", "net.pth out.onnx");
  expect_end("write", "fuse net.pth out.pth");
  for (const char* arguments :
       {"net.pth out.onnx", "fuse net.pth out.pth", "net.pth --output_dir new", "inspect net.pth",
        "inspect net.onnx", "check net.onnx", "scan net.pth net.onnx", "engine net.onnx"}) {
    expect_end("pread", arguments);
  }
}

// --- files of options -------------------------------------------------------------------------

TEST_F(Signals, OptionsComeFromPipesToo) {
  for (const char* line : {"net.pth out.onnx --json --config <(echo fp_mode = fp16; sleep 0.3; "
                           "echo opset_version = 20)",
                           "net.pth out.onnx --json --config /dev/stdin < <(printf "
                           "\"fp_mode=fp16\\nopset_version=20\")"}) {
    const CommandResult result = run(line);
    ASSERT_EQ(result.exit_code, 0) << line << '\n' << result.err;
    const auto json = nlohmann::json::parse(result.out);
    EXPECT_EQ(json["onnx"]["precision"], "fp16");
    EXPECT_EQ(json["onnx"]["opset_version"], 20);
  }
}

TEST_F(Signals, OptionsHaveALimit) {
  const std::vector<std::string> before = list_files(folder_.path());
  const auto code = [&](const std::string& config) {
    const CommandResult result = run("net.pth out.onnx --json --config " + config);
    EXPECT_EQ(result.exit_code, 1) << config;
    const auto json = nlohmann::json::parse(result.out, nullptr, false);
    return json.is_object() ? json["error"]["code"].get<std::string>() : result.err;
  };
  EXPECT_EQ(code("/dev/zero"), "option-config-limit");
  EXPECT_EQ(code("<(yes fp_mode = fp16)"), "option-config-limit");
  EXPECT_EQ(code("."), "option-config-file");
  EXPECT_EQ(code("none.toml"), "option-config-file");
  EXPECT_EQ(list_files(folder_.path()), before);

  std::string text = "fp_mode = \"fp16\"\n";
  text.resize(kConfigBytes - 1, '#');
  for (std::size_t i = 100; i < text.size(); i += 100) text[i - 1] = '\n';
  text[text.find('#') - 1] = '\n';
  test::write_text(folder_ / "run.toml", text + "\n");
  const CommandResult result = run("net.pth out.onnx --json --config run.toml");
  ASSERT_EQ(result.exit_code, 0) << result.err.substr(0, 500);
  EXPECT_EQ(nlohmann::json::parse(result.out)["onnx"]["precision"], "fp16");
  test::write_text(folder_ / "run.toml", text + "\n\n");
  EXPECT_EQ(code("run.toml"), "option-config-limit");
}

}  // namespace
}  // namespace aether2onnx::signals_test
