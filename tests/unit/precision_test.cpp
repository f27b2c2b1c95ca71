// The types of graphs: every operator has one type, and every Cast is needed.

#include "graph/passes/passes.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "built_graph.h"
#include "support.h"

namespace aether2onnx::precision_test {
namespace {

using graph::Graph;
using graph::Node;
using test::Built;
using tools::NetworkShape;

constexpr std::array kPrecisions = {Precision::fp32, Precision::fp16, Precision::bf16,
                                    Precision::mixed_fp16, Precision::mixed_bf16};
constexpr std::array kForms = {GraphForm::standard, GraphForm::channels_first};

DType half_of(Precision precision) {
  if (precision == Precision::fp32) return DType::float32;
  const bool bfloat16 = precision == Precision::bf16 || precision == Precision::mixed_bf16;
  return bfloat16 ? DType::bfloat16 : DType::float16;
}

const Node* maker_of(const Graph& graph, graph::ValueId value) {
  for (const Node& node : graph.nodes()) {
    if (node.output == value) return &node;
  }
  return nullptr;
}

// --- rules -----------------------------------------------------------------------------------

void types_are_strong(const Graph& graph, const ConvertOptions& /*options*/) {
  for (const Node& node : graph.nodes()) {
    const DType made = graph.value(node.output).dtype;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const DType taken = graph.value(node.inputs[i]).dtype;
      if (node.op == "ReduceMean" && i == 1) {
        EXPECT_EQ(taken, DType::int64) << node.name;
      } else if (node.op == "Cast") {
        EXPECT_NE(taken, made) << node.name;
      } else {
        EXPECT_EQ(taken, made) << node.name;
      }
    }
  }
}

void no_cast_repeats_or_cancels(const Graph& graph, const ConvertOptions& /*options*/) {
  std::set<std::pair<graph::ValueId, DType>> seen;
  for (const Node& node : graph.nodes()) {
    if (node.op != "Cast") continue;
    const Node* maker = maker_of(graph, node.inputs[0]);
    EXPECT_TRUE(maker == nullptr || maker->op != "Cast") << node.name;
    EXPECT_TRUE(seen.emplace(node.inputs[0], graph.value(node.output).dtype).second) << node.name;
    const bool of_weight =
        std::any_of(graph.initializers().begin(), graph.initializers().end(),
                    [&](const auto& initializer) { return initializer.value == node.inputs[0]; });
    EXPECT_FALSE(of_weight) << node.name << ": weights are converted when they are written";
  }
}

void edges_are_as_asked_for(const Graph& graph, const ConvertOptions& options) {
  const DType edge = options.io_type == IoType::fp32 ? DType::float32 : half_of(options.precision);
  EXPECT_EQ(graph.value(graph.inputs().at(0)).dtype, edge);
  EXPECT_EQ(graph.value(graph.outputs().at(0)).dtype, edge);
}

void what_is_sensitive_is_float32_in_mixed_modes(const Graph& graph,
                                                 const ConvertOptions& options) {
  if (!is_mixed(options.precision)) return;
  for (const Node& node : graph.nodes()) {
    const DType type = graph.value(node.output).dtype;
    const bool of_norm = node.path.ends_with("norm");
    const bool of_mean = node.path.starts_with("mean_");
    if ((of_norm && node.op != "Transpose" && node.op != "Cast") ||
        (of_mean && node.op != "Cast")) {
      EXPECT_EQ(type, DType::float32) << node.name;
    }
    const bool residual = node.op == "Add" && node.inputs.size() == 2 &&
                          (node.path.starts_with("layers.0.") || node.path == "body_residual") &&
                          !of_norm && node.path.find("ffn") == std::string::npos;
    if (residual && options.precision == Precision::mixed_bf16) {
      EXPECT_EQ(type, DType::float32) << node.name;
    }
  }
}

void convolutions_are_half(const Graph& graph, const ConvertOptions& options) {
  for (const Node& node : graph.nodes()) {
    if (node.op != "Conv") continue;
    const bool at_edge = node.path == "conv_first" || node.path == "conv_last";
    const bool wide = options.precision == Precision::fp32 ||
                      (options.depthwise_fp32 && node.path.ends_with("fused_conv")) ||
                      (!options.fp32_blocks.empty() && node.path.starts_with("layers.0.1.")) ||
                      (options.precision == Precision::mixed_bf16 && at_edge);
    EXPECT_EQ(graph.value(node.output).dtype, wide ? DType::float32 : half_of(options.precision))
        << node.name;
  }
}

// All operators of a float32 block are float32.
void blocks_stay_float32(const Graph& graph, const ConvertOptions& options) {
  if (options.fp32_blocks.empty()) return;
  for (const Node& node : graph.nodes()) {
    const bool within = node.path == "layers.0.1" || node.path.starts_with("layers.0.1.");
    if (within && node.op != "Cast") {
      EXPECT_EQ(graph.value(node.output).dtype, DType::float32) << node.name;
    }
  }
}

void channels_first_moves_nothing(const Graph& graph, const ConvertOptions& options) {
  if (options.graph_form != GraphForm::channels_first) return;
  for (const Node& node : graph.nodes()) {
    EXPECT_NE(node.op, "Transpose") << node.name;
    EXPECT_NE(node.op, "Reshape") << node.name;
    EXPECT_NE(node.op, "Pow") << node.name;  // NVIDIA's AutoCast would see a LayerNormalization
    EXPECT_NE(node.op, graph::kChannelNormalization) << node.name;
  }
}

// A rule for every graph, with any options.
struct Rule {
  const char* name;
  void (*check)(const Graph& graph, const ConvertOptions& options);
};

constexpr std::array kRules = {Rule{"types_are_strong", types_are_strong},
                               Rule{"no_cast_repeats_or_cancels", no_cast_repeats_or_cancels},
                               Rule{"edges_are_as_asked_for", edges_are_as_asked_for},
                               Rule{"what_is_sensitive_is_float32_in_mixed_modes",
                                    what_is_sensitive_is_float32_in_mixed_modes},
                               Rule{"convolutions_are_half", convolutions_are_half},
                               Rule{"blocks_stay_float32", blocks_stay_float32},
                               Rule{"channels_first_moves_nothing", channels_first_moves_nothing}};

class EveryMode : public testing::TestWithParam<Precision> {};

// Every combination of options that affect types. Each graph is built once for all rules: with the
// sanitizers, building takes most of the time.
TEST_P(EveryMode, KeepsTheRules) {
  const Precision precision = GetParam();
  for (const GraphForm form : kForms) {
    for (const IoType io : {IoType::same, IoType::fp32}) {
      for (const bool depthwise_fp32 : {false, true}) {
        for (const bool with_block : {false, true}) {
          for (const int opset : {11, 17, 18, 20, 22, 24}) {
            ConvertOptions options;
            options.precision = precision;
            options.graph_form = form;
            options.io_type = io;
            options.depthwise_fp32 = depthwise_fp32;
            if (with_block) options.fp32_blocks = {"layers.0.1"};
            options.opset_version = opset;
            if (opset < default_opset(precision) && default_opset(precision) > 17) continue;
            SCOPED_TRACE(fmt::format("{} io {} depthwise_fp32 {} block {} opset {}",
                                     to_string(form), to_string(io), depthwise_fp32, with_block,
                                     opset));
            const Built built(NetworkShape{}, options);
            for (const Rule& rule : kRules) {
              SCOPED_TRACE(rule.name);
              rule.check(*built, options);
            }
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, EveryMode, testing::ValuesIn(kPrecisions),
                         [](const auto& tested) { return std::string(to_string(tested.param)); });

TEST(Types, EdgesByDefault) {
  EXPECT_EQ(ConvertOptions{}.input_output(), IoType::same);
  ConvertOptions options;
  for (const Precision precision :
       {Precision::bf16, Precision::mixed_fp16, Precision::mixed_bf16}) {
    options.precision = precision;
    EXPECT_EQ(options.input_output(), IoType::fp32) << to_string(precision);
  }
}

// The sum behind a float32 block stays float32 in the next block.
TEST(Types, ResidualSumStaysFloat32BehindAFloat32Block) {
  ConvertOptions options;
  options.precision = Precision::mixed_fp16;
  options.fp32_blocks = {"layers.0.0"};
  const Built built(NetworkShape{}, options);
  for (const Node& node : built->nodes()) {
    if (node.path == "layers.0.1" || node.path == "layers.1.0" || node.path == "body_residual") {
      const bool behind = node.path != "body_residual";
      EXPECT_EQ(built->value(node.output).dtype, behind ? DType::float32 : DType::float16)
          << node.name;
    }
  }
}

TEST(Types, MixedModesNeedTwoCastsANormalization) {
  for (const GraphForm form : kForms) {
    ConvertOptions options;
    options.precision = Precision::mixed_fp16;
    options.graph_form = form;
    const Built built(NetworkShape{}, options);  // three blocks, and the norm of the body
    const auto casts = std::count_if(built->nodes().begin(), built->nodes().end(),
                                     [](const Node& node) { return node.op == "Cast"; });
    EXPECT_EQ(casts, 2 * 4 + 2);  // and one at each edge
  }
}

TEST(Types, WithoutMeanThereIsNothingToAdd) {
  NetworkShape network;
  network.channels = 1;
  for (const Precision precision : kPrecisions) {
    ConvertOptions options;
    options.precision = precision;
    const Built built(network, options);
    EXPECT_EQ(built->value(built->outputs().at(0)).name, "output");
    for (const Node& node : built->nodes()) EXPECT_FALSE(node.path.starts_with("mean_"));
  }
}

// --- options ----------------------------------------------------------------------------------

TEST(Types, UnknownBlocksAreNamedWithWhatThereIs) {
  for (const char* block : {"layers.7", "layers.0.", "layer", "", "LAYERS.0.0"}) {
    ConvertOptions options;
    options.precision = Precision::mixed_fp16;
    options.fp32_blocks = {block};
    const auto caught = test::catch_error([&] { Built(NetworkShape{}, options); });
    ASSERT_TRUE(caught.thrown) << block;
    EXPECT_EQ(caught.code, "option-fp32-blocks");
    EXPECT_EQ(caught.kind, ErrorKind::mismatch);
    EXPECT_NE(caught.message.find("layers.0.0, layers.0.1, layers.1.0"), std::string::npos)
        << caught.message;
  }
}

TEST(Types, Bfloat16NeedsAnOpsetThatHasIt) {
  for (const Precision precision : {Precision::bf16, Precision::mixed_bf16}) {
    ConvertOptions options;
    options.precision = precision;
    EXPECT_EQ(options.opset(), 22);
    options.opset_version = 21;
    const auto caught = test::catch_error([&] { validate(options); });
    ASSERT_TRUE(caught.thrown);
    EXPECT_EQ(caught.code, "option-opset-bfloat16");
    options.opset_version = 22;
    EXPECT_FALSE(test::catch_error([&] { validate(options); }).thrown);
  }
}

TEST(Types, WeightsBeyondTheRangeKeepTheirConvolutionFloat32) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(NetworkShape{});
  tools::fill_sines(tensors);
  for (tools::NamedTensor& tensor : tensors) {
    if (tensor.name == "layers.0.1.ffn.fc2.weight") tensor.values[3] = -70000;
  }
  const auto checkpoint = tools::write_checkpoint(tensors);
  const MemoryInput input(checkpoint);
  ConvertOptions options;
  options.precision = Precision::mixed_fp16;
  test::MemoryOutput output;
  const ConvertReport report = convert(input, {&output, nullptr, {}}, options);
  EXPECT_EQ(report.graph.fp32_for_weights, std::vector<std::string>{"layers.0.1.ffn.fc2"});
  ASSERT_FALSE(report.warnings.empty());
  EXPECT_EQ(report.warnings.front().code, "precision-weights-out-of-range");
  EXPECT_EQ(report.warnings.front().subject, "layers.0.1.ffn.fc2");

  options.precision = Precision::fp16;
  const auto caught = test::catch_error([&] { convert(input, {&output, nullptr, {}}, options); });
  EXPECT_EQ(caught.kind, ErrorKind::precision);
  EXPECT_NE(caught.message.find("mixed_fp16"), std::string::npos) << caught.message;
}

TEST(Blocks, AreTheFirstNameAndItsNumbers) {
  EXPECT_EQ(graph::block_of("layers.0.1.ffn.fc2"), "layers.0.1");
  EXPECT_EQ(graph::block_of("layers.0.1"), "layers.0.1");
  EXPECT_EQ(graph::block_of("stages.2.10.channel_attn.fc.0"), "stages.2.10");
  EXPECT_EQ(graph::block_of("conv_before_upsample.0"), "conv_before_upsample.0");
  EXPECT_EQ(graph::block_of("conv_last"), "conv_last");
  EXPECT_EQ(graph::block_of("norm.x.0"), "norm");
  EXPECT_EQ(graph::block_of(""), "");
  EXPECT_EQ(graph::block_of("a."), "a");
  EXPECT_EQ(graph::block_of("a..0"), "a");
}

}  // namespace
}  // namespace aether2onnx::precision_test
