// The forms of the graph: which operators each form has, and that the weights are the same numbers.

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/dtype.h"
#include "built_graph.h"
#include "support.h"

namespace aether2onnx::forms_test {
namespace {

using graph::Graph;
using graph::Node;
using test::Built;
using tools::NetworkShape;
using Ints = std::vector<std::int64_t>;

std::size_t count(const Graph& graph, std::string_view op) {
  return static_cast<std::size_t>(std::count_if(graph.nodes().begin(), graph.nodes().end(),
                                                [&](const Node& node) { return node.op == op; }));
}

const Node* node_named(const Graph& graph, std::string_view name) {
  for (const Node& node : graph.nodes()) {
    if (node.name == name) return &node;
  }
  return nullptr;
}

std::vector<double> elements(const Graph& graph, graph::ValueId value) {
  for (const graph::Initializer& initializer : graph.initializers()) {
    if (initializer.value != value) continue;
    const TensorData data = initializer.load();
    return to_doubles(data.bytes, data.dtype);
  }
  ADD_FAILURE() << "no initializer";
  return {};
}

ConvertOptions with(const std::function<void(ConvertOptions&)>& change) {
  ConvertOptions options;
  change(options);
  return options;
}

TEST(Projections, AreProductsWithTheChannelsLast) {
  for (const Precision precision : {Precision::fp32, Precision::fp16, Precision::mixed_fp16}) {
    const auto options = with([&](ConvertOptions& each) {
      each.projections = Projections::matmul;
      each.precision = precision;
    });
    const Built standard(NetworkShape{}, with([&](auto& each) { each.precision = precision; }));
    const Built built(NetworkShape{}, options);
    const std::size_t blocks = count(*built, "LayerNormalization") - 1;
    EXPECT_EQ(count(*built, "MatMul"), 3 * blocks);
    EXPECT_EQ(count(*built, "Conv") + count(*built, "MatMul"), count(*standard, "Conv"));
    // One Transpose before each normalization, and one behind each block or the last norm.
    EXPECT_EQ(count(*built, "Transpose"), count(*standard, "Transpose"));
    EXPECT_EQ(count(*built, "Cast"), count(*standard, "Cast"));
    for (const Node& node : built->nodes()) {
      if (node.op != "MatMul") continue;
      EXPECT_EQ(built->value(node.output).dtype,
                precision == Precision::fp32 ? DType::float32 : DType::float16);
    }
  }
}

TEST(Projections, HaveTheTransposedWeight) {
  const Built standard(NetworkShape{}, ConvertOptions{});
  const Built built(NetworkShape{},
                    with([](auto& each) { each.projections = Projections::matmul; }));
  const Node* conv = node_named(*standard, "layers.0.0.ffn.fc1_gate/Conv");
  const Node* product = node_named(*built, "layers.0.0.ffn.fc1_gate/MatMul");
  ASSERT_NE(conv, nullptr);
  ASSERT_NE(product, nullptr);
  const graph::Shape& shape = standard->value(conv->inputs[1]).shape;
  const auto rows = static_cast<std::size_t>(shape[0].value);
  const auto columns = static_cast<std::size_t>(shape[1].value);
  EXPECT_EQ(built->value(product->inputs[1]).name, standard->value(conv->inputs[1]).name);
  const std::vector<double> before = elements(*standard, conv->inputs[1]);
  const std::vector<double> after = elements(*built, product->inputs[1]);
  ASSERT_EQ(before.size(), rows * columns);
  ASSERT_EQ(after.size(), rows * columns);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      EXPECT_EQ(before[row * columns + column], after[column * rows + row]);
    }
  }
}

TEST(SplitKernels, AreFourPartsThatAddUpToTheKernel) {
  for (const std::int64_t kernel : {9, 11, 13}) {
    NetworkShape shape;
    shape.large_kernel = kernel;
    const Built whole(shape, ConvertOptions{});
    const Built built(shape, with([](auto& each) { each.split_kernels_over = 7; }));
    const std::string path = "layers.0.0.conv.fused_conv";
    const Node* conv = node_named(*whole, path + "/Conv");
    ASSERT_NE(conv, nullptr);
    std::vector<double> expected = elements(*whole, conv->inputs[1]);
    const auto channels = static_cast<std::int64_t>(expected.size()) / (kernel * kernel);
    std::vector<double> sum(expected.size(), 0);
    std::size_t parts = 0;
    for (const Node& node : built->nodes()) {
      if (node.path != path || node.op != "Conv") continue;
      ++parts;
      EXPECT_EQ(std::get<Ints>(node.attributes.at("kernel_shape")), (Ints{7, 7}));
      const Ints& pads = std::get<Ints>(node.attributes.at("pads"));
      for (const std::int64_t pad : pads) EXPECT_GE(pad, 0);
      EXPECT_EQ(node.inputs.size(), parts == 1 ? 3U : 2U);  // the bias counts once
      const std::vector<double> part = elements(*built, node.inputs[1]);
      ASSERT_EQ(part.size(), static_cast<std::size_t>(channels * 49));
      const std::int64_t top = kernel / 2 - pads[0];
      const std::int64_t left = kernel / 2 - pads[1];
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t y = 0; y < 7; ++y) {
          for (std::int64_t x = 0; x < 7; ++x) {
            sum[static_cast<std::size_t>((c * kernel + top + y) * kernel + left + x)] +=
                part[static_cast<std::size_t>((c * 7 + y) * 7 + x)];
          }
        }
      }
    }
    EXPECT_EQ(parts, 4U);
    EXPECT_EQ(sum, expected) << kernel;
  }
}

TEST(SplitKernels, LeavesOtherKernelsWhole) {
  const auto convolutions = [](std::int64_t kernel, std::optional<int> over) {
    NetworkShape shape;
    shape.large_kernel = kernel;
    const Built built(shape, with([&](auto& each) { each.split_kernels_over = over; }));
    return count(*built, "Conv");
  };
  for (const std::int64_t kernel : {5, 7, 15, 31}) {
    EXPECT_EQ(convolutions(kernel, 7), convolutions(kernel, {})) << kernel;
  }
  EXPECT_EQ(convolutions(11, 11), convolutions(11, {}));
  EXPECT_GT(convolutions(13, 11), convolutions(13, {}));
}

TEST(GeluForms, AreTheOperatorOrErf) {
  const auto built = [](int opset, std::optional<GeluForm> form) {
    return Built(NetworkShape{}, with([&](auto& each) {
                   each.opset_version = opset;
                   each.gelu = form;
                 }));
  };
  EXPECT_EQ(count(*built(20, {}), "Gelu"), 3U);
  EXPECT_EQ(count(*built(20, GeluForm::erf), "Gelu"), 0U);
  EXPECT_EQ(count(*built(20, GeluForm::erf), "Erf"), 3U);
  EXPECT_EQ(count(*built(17, GeluForm::erf), "Erf"), 3U);
}

TEST(Fp32Operators, HaveCastsAround) {
  for (const Precision precision : {Precision::bf16, Precision::mixed_bf16, Precision::fp16}) {
    const Built built(NetworkShape{}, with([&](auto& each) {
                        each.precision = precision;
                        each.fp32_operators = {"LeakyRelu", "DepthToSpace"};
                      }));
    for (const Node& node : built->nodes()) {
      const DType dtype = built->value(node.output).dtype;
      if (node.op == "LeakyRelu" || node.op == "DepthToSpace") {
        EXPECT_EQ(dtype, DType::float32) << node.name;
      }
      if (node.op == "Conv" && node.path.starts_with("layers")) {
        EXPECT_NE(dtype, DType::float32) << node.name;
      }
    }
  }
}

TEST(Forms, NamesAreUniqueAndNothingIsUnused) {
  for (const Precision precision : {Precision::fp32, Precision::fp16, Precision::mixed_bf16}) {
    NetworkShape shape;
    shape.large_kernel = 13;
    const Built built(shape, with([&](auto& each) {
                        each.precision = precision;
                        each.projections = Projections::matmul;
                        each.split_kernels_over = 7;
                        each.gelu = GeluForm::erf;
                        each.fp32_operators = {"LeakyRelu"};
                      }));
    std::set<std::string> names;
    std::set<graph::ValueId> used(built->outputs().begin(), built->outputs().end());
    for (const graph::Value& value : built->values()) {
      EXPECT_TRUE(names.insert(value.name).second) << value.name;
    }
    for (const Node& node : built->nodes()) used.insert(node.inputs.begin(), node.inputs.end());
    EXPECT_EQ(used.size(), built->values().size());
  }
}

TEST(Forms, ContradictionsAreErrors) {
  const auto code = [](const std::function<void(ConvertOptions&)>& change) {
    return test::catch_error([&] { validate(with(change)); }).code;
  };
  EXPECT_EQ(code([](auto& options) {
              options.projections = Projections::matmul;
              options.graph_form = GraphForm::channels_first;
            }),
            "option-conflict");
  EXPECT_EQ(code([](auto& options) { options.gelu = GeluForm::op; }), "option-conflict");
  EXPECT_EQ(code([](auto& options) { options.split_kernels_over = 6; }), "option-range");
  EXPECT_EQ(code([](auto& options) { options.split_kernels_over = 13; }), "option-range");
  EXPECT_EQ(code([](auto& options) { options.fp32_operators = {"Softmax"}; }), "option-range");
  EXPECT_EQ(code([](auto& options) { options.fp32_operators = {"Cast"}; }), "option-range");
}

}  // namespace
}  // namespace aether2onnx::forms_test
