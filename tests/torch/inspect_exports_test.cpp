// What PyTorch's exporter wrote of a network, inspected, against the checkpoint of that network.

#include <aether2onnx/aether2onnx.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

namespace aether2onnx::inspect_exports_test {
namespace {

const std::filesystem::path kCases = AETHER2ONNX_TORCH_CASES;

const InspectedTensor* find(const Inspection& inspection, const std::string& name) {
  const auto found =
      std::find_if(inspection.tensors.begin(), inspection.tensors.end(),
                   [&](const InspectedTensor& tensor) { return tensor.name == name; });
  return found == inspection.tensors.end() ? nullptr : &*found;
}

TEST(InspectExports, SaysTheSameOfTheExportAndTheCheckpoint) {
  std::ifstream list(kCases / "inspected.txt");
  int cases = 0;
  std::size_t compared = 0;
  for (std::string name; std::getline(list, name); ++cases) {
    SCOPED_TRACE(name);
    InspectOptions options;
    options.tensors = true;
    const Inspection before = inspect_file(kCases / (name + ".pth"), options);
    const Inspection after = inspect_file(kCases / (name + ".onnx"), options);
    ASSERT_TRUE(before.network && after.network && before.cost && after.cost);
    EXPECT_EQ(before.network->generation, after.network->generation);
    EXPECT_EQ(before.network->model_type, after.network->model_type);
    EXPECT_EQ(before.network->scale, after.network->scale);
    EXPECT_EQ(before.network->input_channels, after.network->input_channels);
    EXPECT_EQ(before.network->embed_dim, after.network->embed_dim);
    EXPECT_EQ(before.network->depths, after.network->depths);
    EXPECT_EQ(before.network->hidden_dim, after.network->hidden_dim);
    EXPECT_EQ(before.network->large_kernel, after.network->large_kernel);
    EXPECT_EQ(before.network->small_kernel, after.network->small_kernel);
    EXPECT_EQ(before.network->fused, after.network->fused);
    EXPECT_EQ(before.cost->parameters, after.cost->parameters);
    EXPECT_EQ(before.cost->multiply_adds_per_megapixel, after.cost->multiply_adds_per_megapixel);
    EXPECT_EQ(before.cost->weight_bytes, after.cost->weight_bytes);
    EXPECT_EQ(before.cost->activation_bytes_per_megapixel,
              after.cost->activation_bytes_per_megapixel);
    EXPECT_EQ(before.fused_cost.has_value(), after.fused_cost.has_value());
    EXPECT_EQ(after.onnx->producer_name, "pytorch");
    EXPECT_EQ(after.onnx->precision, "fp32");
    EXPECT_TRUE(after.warnings.empty());
    EXPECT_EQ(to_string(scan_file(kCases / (name + ".onnx")).result), "clean");
    for (const InspectedTensor& tensor : after.tensors) {
      EXPECT_EQ(tensor.problem, "") << tensor.name;
      const InspectedTensor* stored = find(before, tensor.name);
      if (stored == nullptr) continue;  // a constant, or a weight that the exporter turned around
      EXPECT_EQ(tensor.shape, stored->shape) << tensor.name;
      EXPECT_EQ(tensor.min, stored->min) << tensor.name;
      EXPECT_EQ(tensor.max, stored->max) << tensor.name;
      EXPECT_EQ(tensor.mean, stored->mean) << tensor.name;
      ++compared;
    }
  }
  EXPECT_EQ(cases, 10);
  EXPECT_GT(compared, 200U);
}

}  // namespace
}  // namespace aether2onnx::inspect_exports_test
