// --verify_onnx, with a real libtorch and a real ONNX Runtime.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::verify_test {
namespace {

using test::CommandResult;
using test::quoted;

const std::string kProgram = AETHER2ONNX_PROGRAM;

class Verify : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
    tools::fill_random(tensors, 5);
    test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors));
  }
  CommandResult run(const std::string& arguments, const std::string& program = kProgram) const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " + quoted(program) +
                           " model.pth out.onnx --verify_onnx " + arguments);
  }
  bool saved() const { return std::filesystem::exists(folder_ / "out.onnx"); }
  // A copy of the program without its modules, which finds ONNX Runtime.
  std::string program_alone() const {
    const auto lib = std::filesystem::path(kProgram).parent_path() / "../lib/libonnxruntime.so.1";
    std::filesystem::create_directory(folder_ / "bin");
    std::filesystem::copy(kProgram, folder_ / "bin/aether2onnx");
    if (std::filesystem::exists(lib)) {
      std::filesystem::create_symlink(std::filesystem::canonical(lib),
                                      folder_ / "bin/libonnxruntime.so.1");
    }
    return (folder_ / "bin/aether2onnx").string();
  }
  static bool has_pytorch() {
    return std::filesystem::exists(std::filesystem::path(kProgram).parent_path() /
                                   "../lib/libaether2onnx_torch.so");
  }

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
  const std::string judge = has_pytorch() ? "against PyTorch" : "against the built-in reference";
  EXPECT_TRUE(contains(result.out, judge)) << result.out;
  // An estimate comes first, the verdict last.
  EXPECT_TRUE(contains(result.out, "of the expected value, about ")) << result.out;
  EXPECT_TRUE(contains(result.out, "compared with the rounding noise of float32")) << result.out;
  EXPECT_TRUE(contains(result.out, "equal       out.onnx computes the same output as "))
      << result.out;
}

TEST_F(Verify, ADynamicModelIsCheckedAtTheEndsAndBetween) {
  const CommandResult result =
      run("--dynamic_shapes --min_height 8 --opt_height 16 --max_height 24 --min_width 8 "
          "--opt_width 16 --max_width 40 --max_batch_size 3 --json --device cpu --thorough");
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
  EXPECT_TRUE(contains(result.err, "differs from PyTorch's output")) << result.err;
  EXPECT_TRUE(contains(result.err, "FAIL 1x3x64x64, noise")) << result.err;
  EXPECT_EQ(test::list_files(folder_.path()), (std::vector<std::string>{"model.pth"}));
  // Half precision against the tolerance of float32.
  EXPECT_EQ(run("--fp_mode fp16 --atol 1e-6 --rtol 1e-6").exit_code, 1);
  EXPECT_FALSE(saved());
}

TEST_F(Verify, LimitsReachTheModule) {
  const std::string in_folder = "cd " + quoted(folder_.path().string()) + " && ";
  EXPECT_EQ(run("--shape 1x3x16x16 --limit pickle_values=3000000").exit_code, 0);
  const CommandResult result =
      test::run_shell(in_folder + quoted(kProgram) +
                      " verify out.onnx --against model.pth --limit pickle_values=20");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "--limit pickle_values=N")) << result.err;
}

#if defined(__x86_64__)
TEST_F(Verify, OpenBlasIsToldTheProcessor) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    GTEST_SKIP() << "a processor without AVX2, for which nothing is said";
  }
  // OpenBLAS tells which processor it takes this one for.
  const auto core_of = [&](const std::string& environment) {
    const CommandResult result = test::run_shell(
        "cd " + quoted(folder_.path().string()) + " && OPENBLAS_VERBOSE=2 " + environment + " " +
        quoted(kProgram) + " model.pth out.onnx --quiet --verify_onnx --shape 1x3x8x8");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.err;
  };
  const std::string chosen = core_of("");
  if (!contains(chosen, "Core: ") || !has_pytorch())
    GTEST_SKIP() << "PyTorch has another library than OpenBLAS";
  EXPECT_TRUE(contains(chosen, "SkylakeX") || contains(chosen, "Haswell")) << chosen;
  const std::string named = core_of("OPENBLAS_CORETYPE=Nehalem");
  EXPECT_TRUE(contains(named, "Core: Nehalem")) << named;
}
#endif

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

TEST_F(Verify, WithoutTheModuleTheProgramJudges) {
  const std::string program = program_alone();
  const CommandResult result = run("--shape 1x3x16x12 --json", program);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(saved());
  const auto json = nlohmann::json::parse(result.out)["verification"];
  EXPECT_EQ(json["judge"], "builtin");
  EXPECT_EQ(json["reference"], "the built-in reference, float64");
  EXPECT_LT(json["results"][0]["max_absolute"], 1e-5);
  EXPECT_FALSE(contains(result.err, "note")) << result.err;
  // Asked for, the module is missed.
  const CommandResult asked = run("--reference pytorch", program);
  EXPECT_EQ(asked.exit_code, 1);
  EXPECT_TRUE(contains(asked.err, "libaether2onnx_torch.so is not installed")) << asked.err;
  // So is the one for pictures.
  const CommandResult pictures = run("--verify_images .", program);
  EXPECT_EQ(pictures.exit_code, 1);
}

TEST_F(Verify, BothReferencesAgree) {
  if (!has_pytorch()) GTEST_SKIP() << "the module with libtorch isn't built";
  const auto figures = [&](const std::string& reference) {
    const CommandResult result =
        run("--json --shape 2x3x21x17 --reference_precision fp64 --reference " + reference);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto json = nlohmann::json::parse(result.out)["verification"];
    EXPECT_EQ(json["judge"], reference);
    return json["results"];
  };
  const auto builtin = figures("builtin");
  const auto pytorch = figures("pytorch");
  for (std::size_t i = 0; i < builtin.size(); ++i) {
    EXPECT_NEAR(builtin[i]["max_absolute"], pytorch[i]["max_absolute"], 1e-12);
  }
}

TEST_F(Verify, EveryScaleFusedAndUnfusedInBothPrecisions) {
  for (const int scale : {1, 2, 3, 4, 8}) {
    for (const bool fused : {true, false}) {
      tools::NetworkShape shape;
      shape.scale = scale;
      shape.fused = fused;
      std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
      tools::fill_random(tensors, 7);
      test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors));
      for (const char* mode : {"fp32", "fp16"}) {
        const CommandResult result =
            run(std::string("--shape 2x3x9x14 --fp_mode ") + mode + " --json");
        ASSERT_EQ(result.exit_code, 0) << scale << fused << mode << result.err;
        const auto json = nlohmann::json::parse(result.out);
        EXPECT_EQ(json["verification"]["results"].size(), 2U);
        EXPECT_EQ(json["verification"]["atol"], std::string(mode) == "fp16" ? 1e-2 : 1e-3);
      }
    }
  }
}

TEST_F(Verify, EveryNamedVariant) {
  for (const auto& [variant, scale] : {std::pair{&tools::aether_small, 3},
                                       {&tools::aether_medium, 4},
                                       {&tools::aether_large, 2}}) {
    for (const bool fused : {true, false}) {
      std::vector<tools::NamedTensor> tensors = tools::make_tensors(variant(scale, fused));
      tools::fill_random(tensors, 9);
      test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors));
      const CommandResult result = run("--shape 1x3x10x13");
      EXPECT_EQ(result.exit_code, 0) << result.err;
    }
  }
}

TEST_F(Verify, Float64ReferenceIsCloser) {
  const auto largest = [&](const char* precision) {
    const CommandResult result =
        run(std::string("--json --shape 1x3x24x24 --reference_precision ") + precision);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto json = nlohmann::json::parse(result.out)["verification"];
    EXPECT_NE(
        json["reference"].dump().find(precision == std::string("fp64") ? "float64" : "float32"),
        std::string::npos);
    return json["results"][0]["max_absolute"].get<double>();
  };
  const double single = largest("fp32");
  const double twice = largest("fp64");
  EXPECT_NE(single, twice);
  EXPECT_LT(twice, 5e-6);
}

TEST_F(Verify, TheSeedChoosesTheNoise) {
  const auto noise = [&](const std::string& options) {
    const CommandResult result = run("--json --shape 1x3x12x12 " + options);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out)["verification"]["results"].dump();
  };
  EXPECT_EQ(noise("--seed 1"), noise("--seed 1"));
  EXPECT_NE(noise("--seed 1"), noise("--seed 2"));
}

TEST_F(Verify, RealPicturesAreComparedToo) {
  std::filesystem::create_directory(folder_ / "pictures");
  std::filesystem::copy(AETHER2ONNX_SOURCE "/examples/picture.png", folder_ / "pictures/a.png");
  std::filesystem::copy(AETHER2ONNX_TEST_DATA "/pictures/b.jpg", folder_ / "pictures/b.jpg");
  const CommandResult result =
      run("--json --shape 1x3xHxW --max_width 40 --verify_images pictures");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::vector<std::string> inputs;
  const auto json = nlohmann::json::parse(result.out);
  for (const auto& checked : json["verification"]["results"]) {
    inputs.push_back(checked["input"]);
    EXPECT_LE(checked["shape"][3], 40);
  }
  ASSERT_GT(inputs.size(), 2U);
  EXPECT_EQ(inputs[inputs.size() - 2], "a.png");
  EXPECT_EQ(inputs.back(), "b.jpg");
  EXPECT_EQ(run("--verify_images model.pth").exit_code, 2);
  EXPECT_EQ(run("--verify_images .").exit_code, 1);  // there is none
}

TEST_F(Verify, AFailedModelIsKeptUnderAnotherName) {
  const CommandResult result = run("--atol 0 --rtol 0 --keep_failed --json");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_FALSE(saved());
  EXPECT_TRUE(contains(result.err, "kept as out.failed.onnx")) << result.err;
  EXPECT_EQ(test::list_files(folder_.path()),
            (std::vector<std::string>{"model.pth", "out.failed.onnx"}));
  // The figures are in the JSON of the failure, too.
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["status"], "error");
  EXPECT_EQ(json["verification"]["results"].size(), 2U);
  EXPECT_FALSE(json["verification"]["passed"]);
  // What was kept is the model that failed.
  EXPECT_EQ(
      test::run_shell("cd " + quoted(folder_.path().string()) + " && " + quoted(kProgram) +
                      " model.pth --quiet && cmp 2x_model_fp32_1x3x64x64_op17.onnx out.failed.onnx")
          .exit_code,
      0);
}

TEST_F(Verify, AShapeThatWouldNotFitIsRefusedWithTheEstimate) {
  const CommandResult result = run("--shape 1x3x60000x60000");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_FALSE(saved());
  EXPECT_TRUE(contains(result.err, "1x3x60000x60000")) << result.err;
  EXPECT_TRUE(contains(result.err, "TB of memory, but only")) << result.err;
}

TEST_F(Verify, TheEstimateOfMemoryIsAnUpperBound) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::aether_small(4, true));
  tools::fill_random(tensors, 9);
  test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors));
  const CommandResult result = run("--json --shape 1x3x96x96");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto estimate =
      nlohmann::json::parse(result.out)["verification"]["memory_estimate"].get<double>();
  rusage usage{};
  ASSERT_EQ(::getrusage(RUSAGE_CHILDREN, &usage), 0);
  const double used = static_cast<double>(usage.ru_maxrss) * 1024;
  EXPECT_LT(used, estimate);
  EXPECT_GT(used, estimate / 10);
}

TEST_F(Verify, ADeviceThatIsNotThereIsAnErrorBeforeAnyWork) {
  if (std::filesystem::exists("/dev/nvidia0")) GTEST_SKIP() << "this machine has a GPU";
  for (const char* device : {"--device cuda", "--device cuda:7", "--provider tensorrt"}) {
    const CommandResult result = run(device);
    EXPECT_EQ(result.exit_code, 1) << device;
    EXPECT_FALSE(saved());
    EXPECT_TRUE(contains(result.err, "--device cpu")) << result.err;
    EXPECT_FALSE(contains(result.out, "read ")) << result.out;
  }
  EXPECT_EQ(run("--device tpu").exit_code, 2);
  EXPECT_EQ(run("--device cuda:").exit_code, 2);
  EXPECT_EQ(run("--device cpu --provider cuda").exit_code, 2);
  EXPECT_EQ(run("--device cpu --provider cpu").exit_code, 0);
  EXPECT_EQ(run("--device cpu --tf32").exit_code, 0);
}

TEST_F(Verify, ProgressIsShownOnATerminalAlone) {
  const std::string command =
      quoted(kProgram) + " model.pth out.onnx --verify_onnx --shape 1x3x8x8";
  const std::string there = "cd " + quoted(folder_.path().string()) + " && ";
  const CommandResult terminal =
      test::run_shell(there + "script -qec " + quoted(command) + " /dev/null </dev/null");
  EXPECT_TRUE(contains(terminal.out, "\rverifying   2 of 2, 1x3x8x8, picture")) << terminal.out;
  const CommandResult pipe = test::run_shell(there + command);
  EXPECT_EQ(pipe.out.find('\r'), std::string::npos) << pipe.out;
}

TEST_F(Verify, AModuleThatCannotBeLoadedIsTold) {
  const std::string program = program_alone();
  test::write_text(folder_ / "bin/libaether2onnx_torch.so", "no library");
  const CommandResult result = run("--shape 1x3x16x12", program);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "libaether2onnx_torch.so cannot be loaded")) << result.out;
  EXPECT_TRUE(contains(result.out, "against the built-in reference")) << result.out;
  EXPECT_EQ(run("--reference pytorch", program).exit_code, 1);
}

// --- the command verify -----------------------------------------------------------------------

class VerifyCommand : public Verify {
 protected:
  CommandResult program(const std::string& arguments) const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " + quoted(kProgram) +
                           " " + arguments);
  }
};

TEST_F(VerifyCommand, ComparesAFileAtItsOwnShapesOrAtGivenOnes) {
  ASSERT_EQ(program("model.pth m.onnx --shape 1x3xHxW --min_height 8 --opt_height 9 --max_height "
                    "12 --min_width 8 --opt_width 9 --max_width 12 --quiet")
                .exit_code,
            0);
  const auto shapes = [&](const std::string& options) {
    const CommandResult result = program("verify m.onnx --against model.pth --json " + options);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::vector<std::string> found;
    const auto json = nlohmann::json::parse(result.out);
    for (const auto& checked : json["verification"]["results"]) {
      if (checked["input"] == "noise") found.push_back(checked["shape"].dump());
    }
    return found;
  };
  EXPECT_EQ(shapes("--thorough"),
            (std::vector<std::string>{"[1,3,8,8]", "[1,3,12,12]", "[1,3,9,9]"}));
  // Quick: one shape, odd, not square, not the optimum.
  EXPECT_EQ(shapes(""), (std::vector<std::string>{"[1,3,9,11]"}));
  EXPECT_EQ(shapes("--shape 1x3x5x7 --shape 1x3x6x6"),
            (std::vector<std::string>{"[1,3,5,7]", "[1,3,6,6]"}));
}

TEST_F(VerifyCommand, AnotherCheckpointFailsAndTheMetadataTellsIt) {
  ASSERT_EQ(program("model.pth m.onnx --shape 1x3x8x8 --quiet").exit_code, 0);
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 6);
  test::write_file(folder_ / "other.pth", tools::write_checkpoint(tensors));
  const CommandResult result = program("verify m.onnx --against other.pth");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "name another source file (model.pth)")) << result.err;
  EXPECT_TRUE(contains(result.err, "first block that differs is conv_first")) << result.err;
}

TEST_F(VerifyCommand, FollowsTheKeyOfTheStateDict) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 8);
  tools::CheckpointLayout layout;
  layout.wrapper = "params";
  test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors, layout));
  EXPECT_EQ(run("--shape 1x3x8x8 --params_key params").exit_code, 0);
  EXPECT_EQ(program("verify out.onnx --against model.pth --params_key params").exit_code, 0);
  const CommandResult other = program("verify out.onnx --against model.pth --params_key ema");
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_TRUE(contains(other.err, "params")) << other.err;
}

TEST_F(VerifyCommand, WrongUsageAndWrongFiles) {
  ASSERT_EQ(program("model.pth m.onnx --shape 1x3x8x8 --quiet").exit_code, 0);
  EXPECT_EQ(program("verify").exit_code, 2);
  EXPECT_EQ(program("verify m.onnx").exit_code, 2);
  EXPECT_EQ(program("verify m.onnx n.onnx --against model.pth").exit_code, 2);
  EXPECT_EQ(program("verify m.onnx --against model.pth --shape 1x3xHx8").exit_code, 2);
  EXPECT_EQ(program("verify m.onnx --against model.pth --shape 0x3x8x8").exit_code, 2);
  EXPECT_EQ(program("verify m.onnx --against model.pth --dynamic_shapes").exit_code, 2);
  EXPECT_EQ(program("verify --help").exit_code, 0);
  EXPECT_EQ(program("verify m.onnx --against none.pth").exit_code, 1);
  EXPECT_EQ(program("verify model.pth --against model.pth").exit_code, 1);
  EXPECT_EQ(program("verify m.onnx --against model.pth --shape 1x4x8x8").exit_code, 1);
  // A static model can't be run at another shape: ONNX Runtime's own word is passed on.
  const CommandResult other_shape = program("verify m.onnx --against model.pth --shape 1x3x9x9");
  EXPECT_EQ(other_shape.exit_code, 1);
  EXPECT_TRUE(contains(other_shape.err, "ONNX Runtime failed to run the model")) << other_shape.err;
}

}  // namespace
}  // namespace aether2onnx::verify_test
