#include "network/network.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::network::network_test {
namespace {

using test::catch_error;
using test::Caught;
using tools::NamedTensor;
using tools::NetworkShape;

Network recognise_tensors(const std::vector<NamedTensor>& tensors,
                          const tools::CheckpointLayout& layout = {}) {
  const auto bytes = tools::write_checkpoint(tensors, layout);
  const MemoryInput input(bytes);
  return recognise(state_dict::StateDict::open(input, {}, {}));
}

Network recognise_shape(const NetworkShape& shape) {
  return recognise_tensors(tools::make_tensors(shape));
}

TEST(Recognise, NamedVariants) {
  struct Case {
    NetworkShape (*make)(std::int64_t, bool);
    const char* name;
    std::size_t fused_tensors_x2;
  };
  for (const Case& variant : {Case{tools::aether_small, "aether_small", 172},
                              {tools::aether_medium, "aether_medium", 372},
                              {tools::aether_large, "aether_large", 652}}) {
    for (const bool fused : {true, false}) {
      const Network network = recognise_shape(variant.make(2, fused));
      EXPECT_EQ(network.facts.model_type, variant.name);
      EXPECT_EQ(network.facts.fused, fused);
      EXPECT_EQ(network.facts.scale, 2);
      EXPECT_EQ(network.facts.small_kernel, fused ? 0 : 3);
      EXPECT_EQ(network.facts.generation, "G1");
      if (fused) {
        EXPECT_EQ(network.parameters.size(), variant.fused_tensors_x2);
      }
    }
  }
}

TEST(Recognise, EveryScale) {
  for (const std::int64_t scale : {1, 2, 3, 4, 8, 16}) {
    NetworkShape shape;
    shape.scale = scale;
    EXPECT_EQ(recognise_shape(shape).facts.scale, scale);
  }
}

TEST(Recognise, CustomDimensions) {
  NetworkShape shape;
  shape.channels = 1;
  shape.embed_dim = 10;
  shape.depths = {1, 3, 2};
  shape.hidden_dim = 7;
  shape.large_kernel = 9;
  shape.small_kernel = 5;
  shape.scale = 3;
  const NetworkInfo facts = recognise_shape(shape).facts;
  EXPECT_EQ(facts.model_type, "custom");
  EXPECT_EQ(facts.input_channels, 1);
  EXPECT_EQ(facts.embed_dim, 10);
  EXPECT_EQ(facts.depths, (std::vector<std::int64_t>{1, 3, 2}));
  EXPECT_EQ(facts.hidden_dim, 7);
  EXPECT_EQ(facts.large_kernel, 9);
  EXPECT_EQ(facts.small_kernel, 5);
  EXPECT_EQ(facts.scale, 3);
}

TEST(Recognise, AVariantWithAnotherSmallKernelIsCustom) {
  NetworkShape shape = tools::aether_small(2, false);
  shape.small_kernel = 5;
  EXPECT_EQ(recognise_shape(shape).facts.model_type, "custom");
}

TEST(Recognise, OnlyThreeChannelsHaveAMean) {
  const auto shifts = [](std::int64_t channels) {
    NetworkShape shape;
    shape.channels = channels;
    const Network network = recognise_shape(shape);
    return std::count_if(network.modules.begin(), network.modules.end(), [](const Module& module) {
      return std::holds_alternative<Shift>(module.operation);
    });
  };
  EXPECT_EQ(shifts(3), 2);
  EXPECT_EQ(shifts(1), 0);
  EXPECT_EQ(shifts(4), 0);
}

TEST(Recognise, EpsilonsByPosition) {
  const Network network = recognise_shape(NetworkShape{});
  int norms = 0;
  for (const Module& module : network.modules) {
    if (const auto* norm = std::get_if<LayerNorm>(&module.operation)) {
      ++norms;
      EXPECT_EQ(norm->epsilon, module.path == "norm" ? 1e-5 : 1e-6) << module.path;
    }
  }
  EXPECT_EQ(norms, 4);
}

// --- what doesn't fit -------------------------------------------------------------------------

void remove(std::vector<NamedTensor>& tensors, const std::string& name) {
  ASSERT_EQ(std::erase_if(tensors, [&](const NamedTensor& t) { return t.name == name; }), 1U);
}

NamedTensor& find(std::vector<NamedTensor>& tensors, const std::string& name) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [&](const NamedTensor& tensor) { return tensor.name == name; });
}

void reshape(NamedTensor& tensor, std::vector<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  tensor.shape = std::move(shape);
  tensor.values.assign(static_cast<std::size_t>(count), 0);
}

TEST(Strict, EveryDifferenceIsListedAtOnce) {
  std::vector<NamedTensor> tensors = tools::make_tensors(NetworkShape{});
  remove(tensors, "layers.0.1.ffn.fc2.bias");
  remove(tensors, "conv_last.bias");
  reshape(find(tensors, "layers.1.0.norm.weight"), {9});
  reshape(find(tensors, "conv_after_body.weight"), {8, 8, 1, 1});
  tensors.push_back({"extra.weight", {2}, {0, 0}});
  tensors.push_back({"layers.0.0.surplus", {1}, {0}});
  const Caught caught = catch_error([&] { recognise_tensors(tensors); });
  EXPECT_EQ(caught.kind, ErrorKind::mismatch);
  const std::vector<std::string> expected = {
      "missing key: layers.0.1.ffn.fc2.bias (8)",
      "wrong shape: layers.1.0.norm.weight is (9), expected (8)",
      "wrong shape: conv_after_body.weight is (8, 8, 1, 1), expected (8, 8, 3, 3)",
      "missing key: conv_last.bias (3)",
      "unexpected key: extra.weight (2)",
      "unexpected key: layers.0.0.surplus (1)",
  };
  EXPECT_EQ(caught.findings, expected);
  for (const std::string& finding : expected) {
    EXPECT_NE(caught.message.find(finding), std::string::npos) << finding;
  }
  EXPECT_EQ(caught.code, "network-keys");
}

TEST(Strict, AMissingBlockIsReportedAsMissing) {
  NetworkShape shape;
  shape.depths = {3, 3};
  std::vector<NamedTensor> tensors = tools::make_tensors(shape);
  std::erase_if(tensors, [](const NamedTensor& t) { return t.name.starts_with("layers.0.1."); });
  const Caught caught = catch_error([&] { recognise_tensors(tensors); });
  EXPECT_EQ(caught.findings.size(), 12U);
  EXPECT_EQ(caught.findings.at(0), "missing key: layers.0.1.conv.lk_bias (8)");
}

TEST(Strict, ABlockNumberOutOfAnyProportionIsUnexpected) {
  std::vector<NamedTensor> tensors = tools::make_tensors(NetworkShape{});
  tensors.push_back({"layers.999999999.0.ffn.fc2.bias", {8}, std::vector<double>(8)});
  tensors.push_back({"layers.0.18446744073709551615.ffn.fc2.bias", {8}, std::vector<double>(8)});
  tensors.push_back({"layers.99999999999999999999.0.norm.bias", {8}, std::vector<double>(8)});
  const Caught caught = catch_error([&] { recognise_tensors(tensors); });
  EXPECT_EQ(caught.findings.size(), 3U) << caught.message;
}

TEST(Strict, EachTensorIsNeededAndChecked) {
  for (const bool fused : {true, false}) {
    NetworkShape shape;
    shape.fused = fused;
    const std::vector<NamedTensor> whole = tools::make_tensors(shape);
    for (std::size_t i = 0; i < whole.size(); i += test::kTensorStep) {
      std::vector<NamedTensor> without = whole;
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
      const Caught missing = catch_error([&] { recognise_tensors(without); });
      EXPECT_EQ(missing.kind, ErrorKind::mismatch) << whole[i].name << '\n' << missing.message;

      std::vector<NamedTensor> reshaped = whole;
      std::vector<std::int64_t> other_shape = whole[i].shape;
      other_shape.push_back(1);
      reshape(reshaped[i], other_shape);
      const Caught wrong = catch_error([&] { recognise_tensors(reshaped); });
      EXPECT_EQ(wrong.kind, ErrorKind::mismatch) << whole[i].name << '\n' << wrong.message;
    }
  }
}

TEST(Strict, HalfFusedIsRefused) {
  NetworkShape shape;
  std::vector<NamedTensor> tensors = tools::make_tensors(shape);
  shape.fused = true;
  for (const NamedTensor& tensor : tools::make_tensors(shape)) {
    if (tensor.name.starts_with("layers.0.0.conv.fused")) tensors.push_back(tensor);
  }
  const Caught caught = catch_error([&] { recognise_tensors(tensors); });
  EXPECT_EQ(caught.kind, ErrorKind::mismatch);
  EXPECT_EQ(caught.code, "network-partly-fused");
}

TEST(Strict, EvenKernelsAreRefused) {
  const auto refused = [](const NetworkShape& shape, const char* kernel) {
    const Caught caught = catch_error([&] { recognise_shape(shape); });
    EXPECT_EQ(caught.code, "network-kernel");
    EXPECT_NE(caught.message.find(kernel), std::string::npos) << caught.message;
  };
  NetworkShape even_large;
  even_large.large_kernel = 6;
  refused(even_large, "6 x 6");
  NetworkShape even_small;
  even_small.small_kernel = 2;
  refused(even_small, "2 x 2");
  NetworkShape swapped;
  swapped.large_kernel = 3;
  swapped.small_kernel = 5;
  refused(swapped, "5 x 5");
}

TEST(Strict, GiantDimensionsAreRefused) {
  std::vector<NamedTensor> tensors = tools::make_tensors(NetworkShape{});
  reshape(find(tensors, "conv_first.weight"), {(1 << 20) + 1, 1, 1, 1});
  EXPECT_EQ(catch_error([&] { recognise_tensors(tensors); }).code, "network-tensor-size");
}

// --- other networks ---------------------------------------------------------------------------

std::string refusal(const std::vector<std::string>& keys) {
  std::vector<NamedTensor> tensors;
  for (const std::string& key : keys) tensors.push_back({key, {1}, {0}});
  const Caught caught = catch_error([&] { recognise_tensors(tensors); });
  EXPECT_EQ(caught.kind, ErrorKind::unsupported) << caught.message;
  return fmt::format("{}: {}", caught.code, caught.message);
}

TEST(OtherFiles, AreNamed) {
  const auto says = [](const std::vector<std::string>& keys, const char* text) {
    const std::string message = refusal(keys);
    EXPECT_NE(message.find(text), std::string::npos) << message;
  };
  says({"stages.0.0.norm.weight", "conv_first.weight"}, "network-unknown");
  says({"conv_first.weight", "body.0.rdb1.conv1.weight"}, "ESRGAN");
  says({"conv_first.weight", "layers.0.residual_group.blocks.0.attn.qkv.weight"}, "transformer");
  says({"body.0.weight", "body.1.weight"}, "SRVGGNetCompact");
  says({"conv0.weight", "conv1.weight_orig"}, "discriminator");
  says({"something.weight"}, "(1 key: something.weight)");
}

// --- options ----------------------------------------------------------------------------------

TEST(Expectations, ContradictionsNameBothSides) {
  const Network network = recognise_shape(tools::aether_small(2, true));
  Expectations expected;
  check_expectations(network.facts, expected);
  expected = {"aether_small", 2, 3};
  check_expectations(network.facts, expected);
  expected = {"aether_large", 4, 1};
  const auto check = [&] { check_expectations(network.facts, expected); };
  EXPECT_EQ(catch_error(check).code, "network-expectations");
  try {
    check();
  } catch (const Error& error) {
    const auto finding = [&](std::size_t i) {
      const Diagnostic& each = error.findings.at(i);
      return fmt::format("{} {} {}", each.subject, each.expected, each.found);
    };
    ASSERT_EQ(error.findings.size(), 3U);
    EXPECT_EQ(finding(0), "model_type aether_large aether_small");
    EXPECT_EQ(finding(1), "scale 4 2");
    EXPECT_EQ(finding(2), "input_channels 1 3");
  }
}

}  // namespace
}  // namespace aether2onnx::network::network_test
