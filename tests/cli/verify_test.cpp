// --verify_onnx, with a real libtorch and a real ONNX Runtime.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "comparison.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx {
namespace {

using test::CommandResult;
using test::quoted;

const std::string kProgram = AETHER2ONNX_PROGRAM;

class Verify : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors({});
    tools::fill_random(tensors, 5);
    test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors));
  }
  CommandResult run(const std::string& arguments, const std::string& program = kProgram) const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " + quoted(program) +
                           " model.pth out.onnx --verify_onnx " + arguments);
  }
  bool saved() const { return std::filesystem::exists(folder_ / "out.onnx"); }

  test::TemporaryFolder folder_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Verify, AStaticModelPasses) {
  const CommandResult result = run("--shape 1x3x19x33");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(saved());
  EXPECT_TRUE(contains(result.out, "pass 1x3x19x33, noise")) << result.out;
  EXPECT_TRUE(contains(result.out, "pass 1x3x19x33, picture")) << result.out;
  EXPECT_TRUE(contains(result.out, "against PyTorch")) << result.out;
}

TEST_F(Verify, ADynamicModelIsCheckedAtTheEndsAndBetween) {
  const CommandResult result =
      run("--dynamic_shapes --min_height 8 --opt_height 16 --max_height 24 --min_width 8 "
          "--opt_width 16 --max_width 40 --max_batch_size 3 --json --device cpu");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  std::vector<std::string> shapes;
  for (const auto& checked : json["verification"]["results"]) {
    EXPECT_TRUE(checked["passed"]);
    EXPECT_LT(checked["max_absolute"], 1e-5);
    shapes.push_back(checked["shape"].dump());
  }
  const std::vector<std::string> expected = {"[1,3,8,8]",   "[1,3,8,8]",   "[3,3,15,25]",
                                             "[3,3,15,25]", "[1,3,16,16]", "[1,3,16,16]",
                                             "[3,3,24,40]", "[3,3,24,40]"};
  EXPECT_EQ(shapes, expected);
}

TEST_F(Verify, HalfPrecisionHasLooserDefaults) {
  EXPECT_EQ(run("--fp_mode fp16").exit_code, 0);
  EXPECT_TRUE(saved());
}

TEST_F(Verify, ADifferenceBeyondTheToleranceSavesNothing) {
  // No float32 graph is equal bit by bit; without any tolerance it must fail.
  const CommandResult result = run("--atol 0 --rtol 0");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_FALSE(saved());
  EXPECT_TRUE(contains(result.err, "isn't equal to PyTorch")) << result.err;
  EXPECT_TRUE(contains(result.err, "FAIL 1x3x64x64, noise")) << result.err;
  EXPECT_EQ(test::list_files(folder_.path()), (std::vector<std::string>{"model.pth"}));
  // Half precision against the tolerance of float32.
  EXPECT_EQ(run("--fp_mode fp16 --atol 1e-6 --rtol 1e-6").exit_code, 1);
  EXPECT_FALSE(saved());
}

TEST_F(Verify, ABatchIsVerifiedOneByOneAndOneFailureStopsNoOther) {
  std::filesystem::copy_file(folder_ / "model.pth", folder_ / "b.pth");
  test::write_text(folder_ / "a.pth", "hello");
  const auto batch = [&](const std::string& arguments) {
    const CommandResult result = test::run_shell(
        "cd " + quoted(folder_.path().string()) + " && " + quoted(kProgram) +
        " a.pth b.pth model.pth --output_dir out --verify_onnx --shape 1x3x16x16 --json " +
        arguments);
    EXPECT_EQ(result.exit_code, 1) << result.err;
    return nlohmann::json::parse(result.out);
  };
  const auto passed = batch("");
  EXPECT_EQ(passed["results"][0]["result"], "failed");
  for (const int i : {1, 2}) {
    EXPECT_EQ(passed["results"][i]["result"], "saved");
    EXPECT_TRUE(passed["results"][i]["verification"]["results"][0]["passed"]);
  }
  std::filesystem::remove_all(folder_ / "out");
  const auto failed = batch("--atol 0 --rtol 0");
  EXPECT_EQ(failed["failed"], 3);
  EXPECT_EQ(failed["results"][1]["error"]["kind"], "verification");
  EXPECT_FALSE(failed["results"][1]["verification"].is_null());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(Verify, WithoutOnnxRuntimeItFailsBeforeAnyWork) {
  const CommandResult result = run("--onnxruntime_library /nonexistent/libonnxruntime.so");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_FALSE(saved());
  EXPECT_TRUE(contains(result.err, "ONNX Runtime can't be loaded from /nonexistent")) << result.err;
  EXPECT_FALSE(contains(result.out, "read ")) << result.out;
  // A library that is something else.
  const CommandResult other = run("--onnxruntime_library /lib/x86_64-linux-gnu/libz.so.1");
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_TRUE(contains(other.err, "isn't ONNX Runtime") || contains(other.err, "can't be loaded"))
      << other.err;
}

TEST_F(Verify, WithoutTheModuleItFailsBeforeAnyWork) {
  std::filesystem::create_directory(folder_ / "bin");
  std::filesystem::copy(kProgram, folder_ / "bin/aether2onnx");
  const CommandResult result = run("", (folder_ / "bin/aether2onnx").string());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_FALSE(saved());
  EXPECT_TRUE(contains(result.err, "libaether2onnx_verify.so")) << result.err;
  EXPECT_TRUE(contains(result.err, "README")) << result.err;
}

// --- the comparison itself --------------------------------------------------------------------

using verify::DoubleTensor;
using verify::FloatTensor;

TEST(Compare, CountsWhatIsOutside) {
  const DoubleTensor reference{{1, 1, 2, 2}, {0, 1, 2, 100}};
  const FloatTensor same{{1, 1, 2, 2}, {0, 1, 2, 100}};
  EXPECT_TRUE(verify::compare(same, reference, 0, 0).passed);
  const FloatTensor near{{1, 1, 2, 2}, {0.5, 1, 2, 101}};
  EXPECT_TRUE(verify::compare(near, reference, 0.5, 0.01).passed);
  const verify::Comparison failed = verify::compare(near, reference, 0.4, 0.01);
  EXPECT_FALSE(failed.passed);
  EXPECT_EQ(failed.outside, 1U);
  EXPECT_EQ(failed.worst, (std::vector<std::int64_t>{0, 0, 0, 0}));
  EXPECT_EQ(failed.max_absolute, 1);
  EXPECT_DOUBLE_EQ(failed.mean_absolute, 1.5 / 4);
  EXPECT_NEAR(failed.psnr, 10 * std::log10(4 / 1.25), 1e-12);
}

TEST(Compare, NanAndInfinityAlwaysFail) {
  const DoubleTensor reference{{1, 1, 1, 2}, {1, 2}};
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const FloatTensor candidate{{1, 1, 1, 2}, {1, bad}};
    const FloatTensor good{{1, 1, 1, 2}, {1, 2}};
    const DoubleTensor bad_reference{{1, 1, 1, 2}, {1, bad}};
    EXPECT_FALSE(verify::compare(candidate, reference, 1e30, 1e30).passed);
    EXPECT_FALSE(verify::compare(good, bad_reference, 1e30, 1e30).passed);
    EXPECT_FALSE(verify::compare(candidate, bad_reference, 1e30, 1e30).passed);
  }
}

TEST(Compare, AnotherShapeFails) {
  const DoubleTensor reference{{1, 1, 1, 2}, {1, 2}};
  const FloatTensor candidate{{1, 1, 2, 1}, {1, 2}};
  EXPECT_FALSE(verify::compare(candidate, reference, 1, 1).passed);
}

}  // namespace
}  // namespace aether2onnx
