// The files of a comparison: names of any bytes, reports that would replace something, and the end
// of a comparison by a signal.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>

#include "onnxruntime.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::files_test {
namespace {

namespace fs = std::filesystem;
using test::CommandResult;
using test::list_files;
using test::quoted;

class VerifyFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
    tools::fill_random(tensors, 5);
    test::write_file(folder_ / "net.pth", tools::write_checkpoint(tensors));
    ConvertOptions options;
    options.shape.height = Axis::fixed(16);
    options.shape.width = Axis::fixed(16);
    convert_file(folder_ / "net.pth", folder_ / "net.onnx", options);
    options.external_data_threshold = 1000;
    convert_file(folder_ / "net.pth", folder_ / "large.onnx", options);
    test::write_text(folder_ / "run.toml", "atol = 1e-3\n");
    fs::create_directory_symlink(".", folder_ / "here");
    fs::create_directory(folder_ / "pictures");
    fs::copy(AETHER2ONNX_TEST_DATA "/pictures/b.jpg", folder_ / "pictures/b.jpg");
  }

  CommandResult run(const std::string& arguments) const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " +
                           quoted(AETHER2ONNX_PROGRAM) + " " + arguments);
  }

  std::vector<std::string> aliases(const std::string& name) const {
    const fs::path full = folder_ / name;
    for (const char* old : {"link", "hard", "late"}) fs::remove(folder_ / old);
    fs::create_symlink(name, folder_ / "link");
    fs::create_hard_link(full, folder_ / "hard");
    fs::create_symlink("new/../" + name, folder_ / "late");
    return {name, full.string(), "here/" + name, "link", "hard", "late", "new/../" + name};
  }

  void expect_untouched(const std::string& line, const std::string& file) const {
    for (const std::string& alias : aliases(file)) {
      const std::vector<std::string> before = list_files(folder_.path());
      const auto bytes = test::read_file(folder_ / file);
      const CommandResult result = run(line + " --reference builtin --report " + quoted(alias));
      EXPECT_EQ(result.exit_code, 1) << line << ' ' << alias << '\n' << result.err;
      EXPECT_NE(result.err.find("the output is the input itself"), std::string::npos) << result.err;
      EXPECT_EQ(list_files(folder_.path()), before) << line << ' ' << alias;
      EXPECT_TRUE(test::read_file(folder_ / file) == bytes) << line << ' ' << alias;
    }
  }

  test::TemporaryFolder folder_;
};

TEST_F(VerifyFiles, AReportReplacesNothingThatIsRead) {
  const std::string verify = "verify net.onnx --against net.pth";
  expect_untouched(verify, "net.pth");
  expect_untouched(verify, "net.onnx");
  expect_untouched(verify + " --config run.toml", "run.toml");
  expect_untouched(verify + " --verify_images pictures", "pictures/b.jpg");
  expect_untouched("verify large.onnx --against net.pth", "large.onnx.data");
  const std::string conversion = "net.pth out.onnx --shape 1x3x16x16 --verify_onnx";
  expect_untouched(conversion, "net.pth");
  expect_untouched(conversion + " --config run.toml", "run.toml");
}

TEST_F(VerifyFiles, AModelReplacesNoPicture) {
  fs::rename(folder_ / "pictures/b.jpg", folder_ / "pictures/b.onnx.jpg");
  const auto picture = test::read_file(folder_ / "pictures/b.onnx.jpg");
  const CommandResult result =
      run("net.pth --output_onnx_path new/../pictures/b.onnx.jpg --verify_onnx --verify_images "
          "pictures");
  EXPECT_EQ(result.exit_code, 1) << result.out;
  EXPECT_NE(result.err.find("the output is the input itself"), std::string::npos) << result.err;
  EXPECT_TRUE(test::read_file(folder_ / "pictures/b.onnx.jpg") == picture);
}

TEST_F(VerifyFiles, AReportIsNotTheModelEither) {
  for (const char* report : {"out.onnx", "new/../out.onnx", "here/out.onnx", "out.onnx.data"}) {
    const std::vector<std::string> before = list_files(folder_.path());
    const CommandResult result =
        run("net.pth out.onnx --verify_onnx --reference builtin --report " + std::string(report));
    EXPECT_EQ(result.exit_code, 2) << report << '\n' << result.err;
    EXPECT_NE(result.err.find("written over the model"), std::string::npos) << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << report;
  }
  EXPECT_EQ(run("net.pth --verify_onnx --report 2x_net_fp32_1x3x64x64_op17.onnx").exit_code, 2);
}

TEST_F(VerifyFiles, AReportKeepsTheModeOfTheOldOne) {
  test::write_text(folder_ / "report.html", "old");
  ASSERT_EQ(::chmod((folder_ / "report.html").c_str(), 0600), 0);
  const CommandResult result = run("verify net.onnx --against net.pth --report report.html");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  struct stat status {};
  ASSERT_EQ(::stat((folder_ / "report.html").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_GT(status.st_size, 1000);
}

// ONNX Runtime 1.20 would read the file.
TEST_F(VerifyFiles, WeightsInAnotherFolderAreNotRead) {
  std::string model = test::read_text(folder_ / "large.onnx");
  const std::string name = "large.onnx.data";
  for (const std::string other : {"../ge.onnx.data", "/arge.onnx.data", "here/.onnx.data"}) {
    std::string changed = model;
    ASSERT_NE(changed.find(name), std::string::npos);
    for (auto at = changed.find(name); at != std::string::npos; at = changed.find(name)) {
      changed.replace(at, name.size(), other);
    }
    test::write_text(folder_ / "changed.onnx", changed);
    const CommandResult result = run("verify changed.onnx --against net.pth --reference builtin");
    EXPECT_EQ(result.exit_code, 1) << result.out;
    EXPECT_NE(result.err.find("'" + other + "', in another folder"), std::string::npos)
        << result.err;
  }
}

TEST_F(VerifyFiles, NamesOfAnyBytes) {
  for (const std::string name :
       {"\xff\xfe", "ünï-コード\nline", "{option:scale}", "a\\\"b\xe2\x80\xae", "-caf\xc3"}) {
    fs::create_directory(folder_ / name);
    const fs::path here = folder_ / name;
    fs::copy_file(folder_ / "net.pth", here / (name + ".pth"));
    fs::copy_file(folder_ / "pictures/b.jpg", here / (name + ".jpg"));
    const std::string path = quoted("./" + name + "/" + name);
    const CommandResult converted =
        run(path + ".pth --output_onnx_path " + path +
            ".onnx --shape 1x3xHxW --max_width 40 --verify_onnx "
            "--verify_images " +
            quoted("./" + name) + " --reference builtin --report " + path + ".html");
    EXPECT_EQ(converted.exit_code, 0) << converted.err;
    EXPECT_TRUE(fs::exists(here / (name + ".onnx"))) << name;
    EXPECT_TRUE(fs::exists(here / (name + ".html"))) << name;
    const CommandResult verified =
        run("verify " + path + ".onnx --against " + path +
            ".pth --reference builtin --shape 1x3x16x16 --report " + path + ".again.html");
    EXPECT_EQ(verified.exit_code, 0) << verified.err;
    EXPECT_TRUE(fs::exists(here / (name + ".again.html"))) << name;
    // External data bear the model's name.
    ConvertOptions options;
    options.external_data_threshold = 1000;
    options.shape.height = options.shape.width = Axis::fixed(16);
    convert_file(folder_ / "net.pth", here / (name + ".large.onnx"), options);
    const CommandResult large =
        run("verify " + path + ".large.onnx --against " + path + ".pth --reference builtin");
    EXPECT_EQ(large.exit_code, 0) << large.err;
    for (const CommandResult& result : {converted, verified, large}) {
      EXPECT_EQ(result.out.find("\xe2\x80\xae"), std::string::npos);
      EXPECT_EQ((result.out + result.err).find('\xff'), std::string::npos) << result.out;
    }
    fs::remove_all(here);
  }
}

TEST_F(VerifyFiles, AKeyOfAnyBytes) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 5);
  tools::CheckpointLayout layout;
  layout.wrapper = "caf\xc3\xa9 {option:scale}";
  test::write_file(folder_ / "wrapped.pth", tools::write_checkpoint(tensors, layout));
  const CommandResult result =
      run("verify net.onnx --against wrapped.pth --params_key " + test::quoted(layout.wrapper));
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

// --- signals ----------------------------------------------------------------------------------

TEST_F(VerifyFiles, ACancelledRunOfOnnxRuntimeEndsEarly) {
  ConvertOptions options;
  options.shape.height = options.shape.width = Axis::fixed(512);
  convert_file(folder_ / "net.pth", folder_ / "wide.onnx", options);
  const verify::Session session = verify::OnnxRuntime::load({}).open(folder_ / "wide.onnx");
  verify::FloatTensor input{{1, 3, 512, 512}, std::vector<float>(std::size_t{3} * 512 * 512, 0.5F)};
  std::atomic<bool> cancelled = false;
  EXPECT_EQ(session.run(input, &cancelled).values.size(), std::size_t{3} * 1024 * 1024);
  cancelled = true;
  const auto caught = test::catch_error([&] { session.run(input, &cancelled); });
  EXPECT_EQ(caught.kind, ErrorKind::cancelled) << caught.message;
  // The session is as good as before.
  cancelled = false;
  EXPECT_EQ(session.run(input, &cancelled).values.size(), std::size_t{3} * 1024 * 1024);
}

TEST_F(VerifyFiles, ASignalEndsAComparison) {
  // A shell ignores SIGINT for what it runs in the background.
  const std::vector<std::string> before = list_files(folder_.path());
  for (const std::string signal : {"INT", "TERM"}) {
    const auto start = std::chrono::steady_clock::now();
    const CommandResult result = test::run_shell(
        "cd " + quoted(folder_.path().string()) + " && timeout -k 60 -s " + signal +
        " --preserve-status 1.5 env --default-signal=INT " + quoted(AETHER2ONNX_PROGRAM) +
        " net.pth out.onnx --verify_onnx --shape 1x3x512x512 --report report.html");
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(result.exit_code, signal == "INT" ? 130 : 143) << result.out << result.err;
    EXPECT_LT(took.count(), 30) << result.out;
    EXPECT_EQ(list_files(folder_.path()), before);
  }
}

}  // namespace
}  // namespace aether2onnx::files_test
