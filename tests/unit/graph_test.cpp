#include "graph/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <set>

#include "built_graph.h"
#include "formats/onnx/onnx.h"
#include "graph/to_onnx.h"
#include "support.h"

namespace aether2onnx::graph_test {
namespace {

using graph::Graph;
using test::Built;
using tools::NetworkShape;

// A graph as text, for comparison with a file.
std::string dump(const Graph& graph) {
  const auto value_text = [&](graph::ValueId id) {
    const graph::Value& value = graph.value(id);
    std::string shape;
    for (const graph::Dim& dim : value.shape) {
      shape += (shape.empty() ? "" : ", ") + graph::dim_text(dim, graph, id);
    }
    return fmt::format("{}: {} [{}]", value.name, to_string(value.dtype), shape);
  };
  std::string text = "graph " + graph.name + "\n";
  for (const graph::ValueId id : graph.inputs()) text += "input " + value_text(id) + "\n";
  for (const graph::Initializer& initializer : graph.initializers()) {
    text += fmt::format("{} {}\n", initializer.is_parameter ? "weight" : "constant",
                        value_text(initializer.value));
  }
  for (const graph::Node& node : graph.nodes()) {
    std::string inputs;
    for (const graph::ValueId id : node.inputs) {
      inputs += (inputs.empty() ? "" : ", ") + graph.value(id).name;
    }
    std::string attributes;
    for (const auto& [name, value] : node.attributes) {
      const std::string shown = std::visit(
          [](const auto& v) -> std::string {
            if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::vector<std::int64_t>>) {
              return fmt::format("[{}]", fmt::join(v, ","));
            } else {
              return fmt::format("{}", v);
            }
          },
          value);
      attributes += fmt::format(" {}={}", name, shown);
    }
    text += fmt::format("node {} = {}({}){}\n", node.name, node.op, inputs, attributes);
    text += "  -> " + value_text(node.output) + "\n";
  }
  return text;
}

// Compares with a committed file. If AETHER2ONNX_UPDATE_GOLDEN is set, writes the file first.
void expect_golden(const std::string& text, const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(AETHER2ONNX_TEST_DATA) / "graphs" / name;
  if (std::getenv("AETHER2ONNX_UPDATE_GOLDEN") != nullptr) test::write_text(path, text);
  EXPECT_EQ(text, test::read_text(path))
      << "Names and forms of graphs are kept from release to release. If the change is meant,\n"
         "run this test with AETHER2ONNX_UPDATE_GOLDEN=1 and commit the file.";
}

TEST(GraphText, StaysTheSame) {
  NetworkShape shape;
  shape.depths = {1};
  expect_golden(dump(*Built(shape, InputShape::dynamic_defaults(), 17)), "x2_dynamic_op17.txt");
  expect_golden(dump(*Built(shape, InputShape{}, 20)), "x2_static_op20.txt");
  expect_golden(dump(*Built(shape, InputShape::dynamic_defaults(), 11, Precision::fp16)),
                "x2_dynamic_fp16_op11.txt");
  ConvertOptions options;
  options.shape = InputShape::dynamic_defaults();
  options.precision = Precision::mixed_fp16;
  expect_golden(dump(*Built(shape, options)), "x2_dynamic_mixed_fp16_op17.txt");
  options.precision = Precision::mixed_bf16;
  options.graph_form = GraphForm::channels_first;
  expect_golden(dump(*Built(shape, options)), "x2_dynamic_mixed_bf16_channels_first_op22.txt");
  shape.channels = 1;
  shape.scale = 8;
  expect_golden(dump(*Built(shape, InputShape::dynamic_defaults(), 17)), "x8_grey_op17.txt");
}

TEST(Graph, SmallIsSmallerThanTheExporters) {
  const Built built(tools::aether_small(2, false), InputShape{}, 17);
  EXPECT_LE(built->nodes().size(), 240U);
}

TEST(Graph, NamesAreUniqueAndNothingIsUnused) {
  for (int opset = kMinOpset; opset <= kMaxOpset; ++opset) {
    for (const Precision precision : {Precision::fp32, Precision::fp16, Precision::bf16,
                                      Precision::mixed_fp16, Precision::mixed_bf16}) {
      if (default_opset(precision) > 17 && opset < default_opset(precision)) continue;
      const Built built(NetworkShape{}, InputShape{}, opset, precision);
      std::set<std::string> names;
      std::set<graph::ValueId> used(built->outputs().begin(), built->outputs().end());
      for (const graph::Value& value : built->values()) {
        EXPECT_TRUE(names.insert(value.name).second) << value.name;
      }
      std::set<std::string> node_names;
      for (const graph::Node& node : built->nodes()) {
        EXPECT_TRUE(node_names.insert(node.name).second) << node.name;
        for (const graph::ValueId input : node.inputs) {
          EXPECT_LT(input, built->values().size());
          used.insert(input);
        }
      }
      EXPECT_EQ(used.size(), built->values().size());
    }
  }
}

TEST(Graph, NoIdentityArithmetic) {
  // Nothing adds 0, multiplies or divides by 1, or casts to the same type.
  for (const std::int64_t channels : {1, 3}) {
    NetworkShape shape;
    shape.channels = channels;
    for (int opset = kMinOpset; opset <= kMaxOpset; ++opset) {
      for (const Precision precision : {Precision::fp32, Precision::fp16}) {
        const Built built(shape, InputShape{}, opset, precision);
        for (const graph::Node& node : built->nodes()) {
          const std::string& second =
              node.inputs.size() > 1 ? built->value(node.inputs[1]).name : std::string();
          EXPECT_NE(second, "const/0") << node.name;
          if (node.op == "Mul" || node.op == "Div" || node.op == "Pow") {
            EXPECT_NE(second, "const/1") << node.name;
          }
          if (node.op == "Cast") {
            EXPECT_NE(built->value(node.inputs[0]).dtype, built->value(node.output).dtype);
          }
          EXPECT_NE(node.op, "Identity");
          EXPECT_NE(node.op, "Constant");
          EXPECT_NE(node.op, "Shape");
        }
      }
    }
  }
}

TEST(Graph, OperatorsOfEachOpset) {
  const auto count = [](int opset, const std::string& op) {
    const Built built(NetworkShape{}, InputShape{}, opset);
    return std::count_if(built->nodes().begin(), built->nodes().end(),
                         [&](const graph::Node& node) { return node.op == op; });
  };
  EXPECT_EQ(count(16, "LayerNormalization"), 0);
  EXPECT_EQ(count(16, "ReduceMean"), 8);
  EXPECT_EQ(count(17, "LayerNormalization"), 4);
  EXPECT_EQ(count(17, "ReduceMean"), 0);
  EXPECT_EQ(count(19, "Gelu"), 0);
  EXPECT_EQ(count(19, "Erf"), 3);
  EXPECT_EQ(count(20, "Gelu"), 3);
  EXPECT_EQ(count(20, "Erf"), 0);
}

TEST(Graph, HalfPrecisionKeepsStatisticsInFloat) {
  const Built lowered(NetworkShape{}, InputShape{}, 16, Precision::fp16);
  for (const graph::Node& node : lowered->nodes()) {
    const DType dtype = lowered->value(node.output).dtype;
    const bool statistics = node.op == "ReduceMean" || node.op == "Pow" || node.op == "Sqrt";
    if (statistics) {
      EXPECT_EQ(dtype, DType::float32) << node.name;
    }
    if (node.op == "Conv" || node.op == "Erf") {
      EXPECT_EQ(dtype, DType::float16) << node.name;
    }
  }
  const Built whole(NetworkShape{}, InputShape{}, 17, Precision::fp16);
  for (const graph::Node& node : whole->nodes()) {
    EXPECT_EQ(whole->value(node.output).dtype, DType::float16) << node.name;
    if (node.op == "LayerNormalization") {
      EXPECT_EQ(std::get<std::int64_t>(node.attributes.at("stash_type")), 1);
    }
  }
}

TEST(Graph, AxesMayBeFixedOneByOne) {
  const InputShape shape{Axis::fixed(2), Axis::range(8, 16, 32), Axis::fixed(24)};
  const Built built(NetworkShape{}, shape, 17);
  const auto text = [&](graph::ValueId id) {
    std::string result;
    for (const graph::Dim& dim : built->value(id).shape) {
      result += graph::dim_text(dim, *built, id) + " ";
    }
    return result;
  };
  EXPECT_EQ(text(built->inputs()[0]), "2 3 height 24 ");
  EXPECT_EQ(text(built->outputs()[0]), "2 3 output_height 48 ");
}

TEST(Infer, RefusesWhatDoesNotFit) {
  // Shape inference must refuse every wrong graph: later changes of the code rely on this.
  const graph::Value picture{
      "x",
      DType::float32,
      {graph::Dim::fixed(1), graph::Dim::fixed(4), graph::Dim::fixed(8), graph::Dim::fixed(8)}};
  const auto fixed = [](std::vector<std::int64_t> sizes) {
    graph::Value value{"v", DType::float32, {}};
    for (const std::int64_t size : sizes) value.shape.push_back(graph::Dim::fixed(size));
    return value;
  };
  using Ints = std::vector<std::int64_t>;
  const auto conv = [&](const graph::Value& weight, const graph::Value& bias, Ints pads,
                        std::int64_t group) {
    return graph::infer(
        "Conv", {&picture, &weight, &bias},
        {{"group", group}, {"kernel_shape", Ints{3, 3}}, {"pads", std::move(pads)}});
  };
  EXPECT_EQ(conv(fixed({6, 4, 3, 3}), fixed({6}), {1, 1, 1, 1}, 1).shape[1].value, 6);
  EXPECT_THROW(conv(fixed({6, 5, 3, 3}), fixed({6}), {1, 1, 1, 1}, 1), Error);
  EXPECT_THROW(conv(fixed({6, 4, 3, 3}), fixed({5}), {1, 1, 1, 1}, 1), Error);
  EXPECT_THROW(conv(fixed({6, 4, 3, 3}), fixed({6}), {0, 0, 0, 0}, 1), Error);
  EXPECT_THROW(conv(fixed({6, 4, 5, 5}), fixed({6}), {1, 1, 1, 1}, 1), Error);
  EXPECT_THROW(conv(fixed({6, 1, 3, 3}), fixed({6}), {1, 1, 1, 1}, 4), Error);
  const graph::Value half{"h", DType::float16, picture.shape};
  const graph::Value other = fixed({1, 4, 8, 7});
  EXPECT_THROW(graph::infer("Add", {&picture, &half}, {}), Error);
  EXPECT_THROW(graph::infer("Add", {&picture, &other}, {}), Error);
  EXPECT_THROW(graph::infer("DepthToSpace", {&picture}, {{"blocksize", std::int64_t{3}}}), Error);
  EXPECT_THROW(graph::infer("Softmax", {&picture}, {}), Error);
}

TEST(IrVersion, IsTheLowestOfEachOpset) {
  const std::vector<std::pair<int, int>> expected = {{11, 6},  {12, 7},  {13, 7},  {14, 7}, {15, 8},
                                                     {16, 8},  {17, 8},  {18, 8},  {19, 9}, {20, 9},
                                                     {21, 10}, {22, 10}, {23, 11}, {24, 12}};
  for (const auto& [opset, ir] : expected) EXPECT_EQ(onnx::ir_version(opset), ir) << opset;
}

}  // namespace
}  // namespace aether2onnx::graph_test
