// The rounding noise of each part: damages far below the tolerance are found, and no honest file is
// suspected. AETHER2ONNX_ALL_FORMS in the environment runs the whole product of generations, forms,
// opsets, precisions and seeds; otherwise a sample of it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "quantized_networks.h"
#include "sample_networks.h"
#include "stage_networks.h"
#include "support.h"
#include "verifier.h"

namespace aether2onnx {
namespace {

using Json = nlohmann::ordered_json;

struct Case {
  std::string generation;
  Precision precision = Precision::fp32;
  GraphForm form = GraphForm::standard;
  int opset = 17;
  unsigned seed = 1;
  bool fused = false;

  std::string name() const {
    return fmt::format("{} {} {} opset {} seed {}{}", generation, to_string(precision),
                       to_string(form), opset, seed, fused ? " fused" : "");
  }
};

std::vector<tools::NamedTensor> tensors_of(const Case& which) {
  std::vector<tools::NamedTensor> tensors;
  if (which.generation == "G1") {
    tools::NetworkShape shape;
    tensors = tools::make_tensors(shape);
    tools::fill_random(tensors, which.seed);
    return which.fused ? tools::fuse(tensors) : tensors;
  }
  tools::StageShape shape;
  shape.generation = which.generation;
  shape.channel_attention = which.seed % 2 == 1;
  shape.spatial_attention = which.seed % 3 == 1;
  const bool has_choice = which.generation > "G5.0";
  shape.layer_norm = has_choice && which.seed % 2 == 0;
  tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, which.seed);
  return which.fused ? tools::fuse(tensors, shape) : tensors;
}

std::vector<std::string> generations() {
  std::vector<std::string> names = tools::stage_generations();
  std::erase(names, "G2");
  names.insert(names.begin(), "G1");
  return names;
}

class RoundingNoise : public testing::Test {
 protected:
  Json verified(const Case& which) const {
    test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors_of(which)));
    ConvertOptions options;
    options.read.generation = which.generation;
    options.precision = which.precision;
    options.graph_form = which.form;
    options.opset_version = which.opset;
    options.shape.height = Axis::fixed(19);
    options.shape.width = Axis::fixed(14);
    convert_file(folder_ / "model.pth", folder_ / "model.onnx", options);
    return verify_file(which.generation);
  }

  Json verify_file(const std::string& generation) const {
    verify::Request request;
    request.settings.reference = verify::Settings::Judge::builtin;
    request.settings.device = "cpu";
    // The outputs of networks with random weights are large, and so are their errors in 16 bits.
    // The noise is measured whatever the tolerance is.
    request.settings.atol = request.settings.rtol = 1;
    request.checkpoint = folder_ / "model.pth";
    request.reading.generation = generation;
    request.model = folder_ / "model.onnx";
    request.model_name = "model.onnx";
    return verify::verify(request, {}, nullptr);
  }

  test::TemporaryFolder folder_;
};

TEST_F(RoundingNoise, NoHonestFileIsSuspected) {
  const bool all = std::getenv("AETHER2ONNX_ALL_FORMS") != nullptr;
  const std::vector<Precision> precisions = {Precision::fp32, Precision::fp16, Precision::bf16,
                                             Precision::mixed_fp16, Precision::mixed_bf16};
  std::size_t index = 0;
  std::size_t examined = 0;
  std::map<std::string, double> most;
  for (const std::string& generation : generations()) {
    for (const Precision precision : precisions) {
      const bool bfloat16 = precision == Precision::bf16 || precision == Precision::mixed_bf16;
      for (const GraphForm form : {GraphForm::standard, GraphForm::channels_first}) {
        // The opsets at which the operators of a graph change: LayerNormalization, Gelu, bfloat16.
        for (const int opset : {11, 13, 16, 17, 18, 19, 20, 22, 24}) {
          if (bfloat16 && opset < kMinOpsetOfBfloat16) continue;
          for (unsigned seed = 1; seed <= 5; ++seed) {
            // A step that has no factor in common with the numbers of values visits all of them.
            if (index++ % 41 != 0 && !all) continue;
            const Case which = {generation, precision, form, opset, seed, index % 2 == 0};
            const Json details = verified(which);
            EXPECT_TRUE(details["passed"])
                << which.name() << details["first_difference"]["text"] << details["noise"]["text"];
            EXPECT_TRUE(details["noise"]["examined"]) << which.name();
            EXPECT_GT(details["noise"]["parts"].size(), 10U) << which.name();
            for (const Json& part : details["noise"]["parts"]) {
              double& largest = most[std::string(to_string(precision))];
              largest = std::max(largest, part["times"].get<double>());
            }
            ++examined;
          }
        }
      }
    }
  }
  EXPECT_GT(examined, 40U);
  // The margin to the limit of 8.
  for (const auto& [precision, times] : most) {
    RecordProperty(precision, fmt::format("{:.2f}", times));
    EXPECT_LT(times, 6) << precision;
    if (all) std::printf("%s: at most %.2f times the noise\n", precision.c_str(), times);
  }
}

}  // namespace
}  // namespace aether2onnx
