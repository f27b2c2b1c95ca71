// No honest file is suspected. AETHER2ONNX_ALL_FORMS=1 in the environment runs the whole product of
// generations, forms, opsets, precisions and seeds, N every Nth of it; otherwise a small sample.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "networks.h"
#include "support.h"

namespace aether2onnx::noise_test {
namespace {

using Json = nlohmann::ordered_json;

struct Case {
  Precision precision = Precision::fp32;
  GraphForm form = GraphForm::standard;
  int opset = 17;

  std::string name() const {
    return fmt::format("{} {} opset {}", to_string(precision), to_string(form), opset);
  }
};

std::vector<Case> cases() {
  std::vector<Case> cases;
  for (const Precision precision : {Precision::fp32, Precision::fp16, Precision::bf16,
                                    Precision::mixed_fp16, Precision::mixed_bf16}) {
    const bool bfloat16 = precision == Precision::bf16 || precision == Precision::mixed_bf16;
    for (const GraphForm form : {GraphForm::standard, GraphForm::channels_first}) {
      // The opsets at which the operators of a graph change, and those that people ask for.
      for (const int opset : {11, 13, 16, 17, 18, 20, 22, 24}) {
        if (bfloat16 && opset < kMinOpsetOfBfloat16) continue;
        cases.push_back({precision, form, opset});
      }
    }
  }
  return cases;
}

// The step through the product: a number that has no factor in common with the numbers of values
// visits all of them.
std::size_t step(std::size_t usual) {
  const char* text = std::getenv("AETHER2ONNX_ALL_FORMS");
  return text == nullptr ? usual : static_cast<std::size_t>(std::max(1, std::atoi(text)));
}

class RoundingNoise : public testing::TestWithParam<std::string> {
 protected:
  void expect_unsuspected(const test::Checkpoint& network, const Case& which) {
    const std::string name = network.name + " " + which.name();
    test::write_file(folder_ / "model.pth", network.bytes);
    ConvertOptions options;
    options.read.generation = network.generation;
    options.read.dequantize = true;
    options.precision = which.precision;
    options.graph_form = which.form;
    options.opset_version = which.opset;
    options.shape.height = Axis::fixed(19);
    options.shape.width = Axis::fixed(14);
    convert_file(folder_ / "model.pth", folder_ / "model.onnx", options);
    const Json details =
        test::verify_loosely(folder_ / "model.onnx", folder_ / "model.pth", network.generation);
    EXPECT_TRUE(details["passed"]) << name << details["first_difference"]["text"]
                                   << details["noise"]["text"] << details["rewriting"]["text"];
    EXPECT_TRUE(details["noise"]["examined"]) << name;
    EXPECT_GT(details["noise"]["parts"].size(), 10U) << name;
    EXPECT_TRUE(details["rewriting"]["compared"]) << name << details["rewriting"]["why_not"];
    for (const auto& [list, suffix] :
         {std::pair{"parts", ""}, std::pair{"unrounded_parts", " weights"}}) {
      for (const Json& part : details["noise"][list]) {
        double& largest = most_[std::string(to_string(which.precision)) + suffix];
        largest = std::max(largest, part["times"].get<double>());
      }
    }
    ++examined_;
  }

  // The margin to the limit of 8.
  void expect_margin() {
    std::string text = fmt::format("{} files", examined_);
    for (const auto& [precision, times] : most_) {
      EXPECT_LT(times, 6) << precision;
      text += fmt::format(", {} at most {:.2f} times the noise", precision, times);
    }
    RecordProperty("noise", text);
    if (step(0) > 0) std::printf("%s\n", text.c_str());
  }

  test::TemporaryFolder folder_;
  std::map<std::string, double> most_;
  std::size_t examined_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Generations, RoundingNoise, testing::ValuesIn(test::generations()),
                         [](const auto& given) {
                           std::string name = given.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST_P(RoundingNoise, NoHonestFileIsSuspected) {
  std::size_t index = 0;
  for (const Case& which : cases()) {
    for (unsigned seed = 1; seed <= 5; ++seed) {
      if (++index % step(41) != 0) continue;
      expect_unsuspected(test::random_network(GetParam(), seed, index % 2 == 0), which);
    }
  }
  EXPECT_GE(examined_, 6U);
  expect_margin();
}

// Rounding to 16 bits changes no weight of such a checkpoint, but may change products of weights.
TEST_P(RoundingNoise, NoCheckpointOf16BitsIsSuspected) {
  for (const Precision precision : {Precision::fp16, Precision::bf16}) {
    expect_unsuspected(test::random_network(GetParam(), 2, true, true),
                       {.precision = precision, .opset = 22});
  }
  expect_margin();
}

class TrainedNoise : public RoundingNoise {};
INSTANTIATE_TEST_SUITE_P(All, TrainedNoise, testing::Values("trained", "published"));

TEST_P(TrainedNoise, NoHonestFileIsSuspected) {
  const bool trained = GetParam() == "trained";
  const std::vector<test::Checkpoint> networks =
      trained ? test::trained_networks() : test::published_networks();
  if (networks.empty()) GTEST_SKIP() << "the published networks aren't there";
  std::size_t index = 0;
  for (const test::Checkpoint& network : networks) {
    for (const Case& which : cases()) {
      if (++index % step(trained ? 37 : 13) != 0) continue;
      expect_unsuspected(network, which);
    }
  }
  EXPECT_GE(examined_, trained ? 10U : 4U);
  expect_margin();
}

}  // namespace
}  // namespace aether2onnx::noise_test
