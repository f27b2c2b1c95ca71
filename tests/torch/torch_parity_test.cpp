// Checkpoints that torch.save wrote, converted and run in ONNX Runtime, against PyTorch's own
// outputs. make_cases.py makes the files; ctest runs it first.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "npy.h"
#include "onnxruntime.h"
#include "support.h"

namespace aether2onnx::torch_parity_test {
namespace {

using verify::FloatTensor;

const std::filesystem::path kCases = AETHER2ONNX_TORCH_CASES;

FloatTensor to_tensor(const test::Array& array) {
  return {array.shape, std::vector<float>(array.values.begin(), array.values.end())};
}

struct Difference {
  double absolute = 0;  // the largest
  double magnitude = 0;
};

Difference compare(const FloatTensor& output, const test::Array& expected) {
  EXPECT_EQ(output.shape, expected.shape);
  Difference difference;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double found = output.values.at(i);
    EXPECT_TRUE(std::isfinite(found));
    difference.absolute = std::max(difference.absolute, std::abs(found - expected.values[i]));
    difference.magnitude = std::max(difference.magnitude, std::abs(expected.values[i]));
  }
  return difference;
}

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// The opsets at which an operator of the graph changes, and both ends.
const std::vector<int> kOpsets = {11, 13, 14, 16, 17, 18, 20, 21, 22, 23, 24};

struct Checked {
  Difference worst;
  std::size_t comparisons = 0;
};

Checked check_case(const std::string& name, Precision precision, const std::vector<int>& opsets) {
  Checked result;
  for (const int opset : opsets) {
    SCOPED_TRACE(name + " opset " + std::to_string(opset));
    const test::TemporaryFolder folder;
    ConvertOptions options;
    options.opset_version = opset;
    options.precision = precision;
    options.shape = {Axis::range(1, 1, 4), Axis::range(1, 8, 64), Axis::range(1, 8, 64)};
    const auto model = folder / "model.onnx";
    convert_file(kCases / (name + ".pth"), model, options);
    const verify::Session session = verify::OnnxRuntime::load({}).open(model);
    for (const std::string& line : lines_of(kCases / (name + ".txt"))) {
      const FloatTensor output =
          session.run(to_tensor(test::load_npy(kCases / (line + ".in.npy"))));
      const Difference difference = compare(output, test::load_npy(kCases / (line + ".out.npy")));
      result.worst.absolute = std::max(result.worst.absolute, difference.absolute);
      result.worst.magnitude = std::max(result.worst.magnitude, difference.magnitude);
      ++result.comparisons;
    }
  }
  return result;
}

bool is_named_variant(const std::string& name) { return name.starts_with("aether_"); }

TEST(TorchParity, EveryCaseAtEveryOpsetThatMatters) {
  const std::vector<std::string> cases = lines_of(kCases / "cases.txt");
  ASSERT_GE(cases.size(), 20U);
  for (const std::string& name : cases) {
    const std::vector<int> opsets = is_named_variant(name) ? std::vector<int>{16, 17, 20} : kOpsets;
    const Checked checked = check_case(name, Precision::fp32, opsets);
    EXPECT_GE(checked.comparisons, opsets.size());
    EXPECT_LE(checked.worst.absolute, 1e-5) << name;
    EXPECT_GT(checked.worst.magnitude, 0.1) << name << ": an output of zeros would prove nothing";
    RecordProperty(name, std::to_string(checked.worst.absolute));
    std::printf("%-20s largest difference %.2e of %.2f\n", name.c_str(), checked.worst.absolute,
                checked.worst.magnitude);
  }
}

// The files that PyTorch's exporter makes of the same checkpoints.
TEST(TorchExport, PassesVerification) {
  const std::vector<std::string> exports = lines_of(kCases / "exports.txt");
  ASSERT_GE(exports.size(), 8U);
  for (const std::string& name : exports) {
    const std::string file = (kCases / name).string();
    const std::string shape = name == "grey"            ? "2x1x9x20"
                              : name == "four_channels" ? "2x4x9x20"
                                                        : "2x3x9x20";
    const auto verify = [&](const std::string& checkpoint, const std::string& options) {
      return test::run_shell(test::quoted(AETHER2ONNX_PROGRAM) + " verify " +
                             test::quoted(file + ".exported.onnx") + " --against " +
                             test::quoted(checkpoint) + " --atol 1e-4 " + options);
    };
    const bool dynamic = name != "x3_unfused" && name != "x8_unfused" && name != "aether_medium";
    const test::CommandResult result = verify(file + ".pth", dynamic ? "--shape " + shape : "");
    EXPECT_EQ(result.exit_code, 0) << name << result.err;
    EXPECT_NE(result.out.find("pass "), std::string::npos) << result.out;
  }
}

// An exporter's file of other weights fails, and the block is found by the exporter's names.
TEST(TorchExport, OfAnotherNetworkFailsAtTheFirstBlock) {
  const test::CommandResult result =
      test::run_shell(test::quoted(AETHER2ONNX_PROGRAM) + " verify " +
                      test::quoted((kCases / "x2_fused.exported.onnx").string()) + " --against " +
                      test::quoted((kCases / "x2_unfused.pth").string()) + " --shape 1x3x9x20");
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_NE(result.err.find("first block that differs is conv_first"), std::string::npos)
      << result.err;
}

TEST(TorchParity, HalfPrecision) {
  for (const std::string& name : lines_of(kCases / "cases.txt")) {
    const Checked checked = check_case(name, Precision::fp16, {11, 17, 20});
    EXPECT_LE(checked.worst.absolute, 1e-2 * std::max(1.0, checked.worst.magnitude)) << name;
    EXPECT_GT(checked.worst.absolute, 0) << name << ": this can't have been half precision";
  }
}

}  // namespace
}  // namespace aether2onnx::torch_parity_test
