// Checkpoints that torch.save wrote, fused, and loaded by PyTorch. make_cases.py makes the files;
// check_fused.py compares.

#include <gtest/gtest.h>

#include <algorithm>

#include "support.h"

namespace aether2onnx::torch_fused_test {
namespace {

const std::filesystem::path kCases = AETHER2ONNX_TORCH_CASES;

constexpr const char* kNames[] = {
    "x2_unfused",    "x2_fused",      "x1_unfused",     "x3_unfused",       "x8_unfused",
    "grey",          "four_channels", "odd_dimensions", "kernels_equal",    "kernel_one",
    "channels_last", "double",        "half_storage",   "bfloat16_storage", "data_parallel",
    "training_file", "aether_small"};

constexpr WeightType kTypes[] = {WeightType::same, WeightType::float32, WeightType::float16,
                                 WeightType::bfloat16, WeightType::float64};

TEST(TorchFused, PyTorchLoadsThemStrictlyAndComputesTheSame) {
  const test::TemporaryFolder folder;
  std::ptrdiff_t files = 0;
  for (const std::string name : kNames) {
    for (const WeightType type : kTypes) {
      for (const CheckpointFormat format : {CheckpointFormat::pth, CheckpointFormat::safetensors}) {
        FuseOptions options;
        options.dtype = type;
        const std::string file =
            name + "." + std::string(to_string(type)) + "." + std::string(to_string(format));
        fuse_file(kCases / (name + ".pth"), folder / file, options);
        ++files;
      }
    }
  }
  const test::CommandResult result =
      test::run_shell("OMP_NUM_THREADS=1 " + test::quoted(AETHER2ONNX_PYTHON) + " " +
                      test::quoted(AETHER2ONNX_CHECK_FUSED) + " " + test::quoted(kCases.string()) +
                      " " + test::quoted(folder.path().string()));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), files) << result.out;
}

}  // namespace
}  // namespace aether2onnx::torch_fused_test
