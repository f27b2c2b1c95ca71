#include "golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace aether2onnx::test {

using verify::DoubleTensor;
using verify::FloatTensor;

namespace {

constexpr std::int64_t kHeight = 7;
constexpr std::int64_t kWidth = 6;

Golden golden(std::int64_t scale, std::int64_t hidden, const OutputSummary& output) {
  Golden golden;
  golden.network.scale = scale;
  golden.network.hidden_dim = hidden;
  golden.output = output;
  return golden;
}

StageGolden stage_golden(const std::string& generation, double norm_eps, bool epsilon_sensitive,
                         const OutputSummary& output) {
  StageGolden golden;
  golden.name = generation + (epsilon_sensitive ? "_epsilon_sensitive" : "");
  golden.network.generation = generation;
  golden.network.channel_attention = true;
  golden.network.spatial_attention = true;
  golden.norm_eps = norm_eps;
  golden.epsilon_sensitive = epsilon_sensitive;
  golden.output = output;
  return golden;
}

StageGolden last_generation(bool epsilon_sensitive, const OutputSummary& output) {
  StageGolden golden = stage_golden("G7d", 1e-4, epsilon_sensitive, output);
  golden.network.embed_dim = 17;
  golden.network.hidden_dim = 25;
  golden.res_scale = 0.2;
  return golden;
}

StageGolden last_generation_with_layer_norm(const OutputSummary& output) {
  StageGolden golden = stage_golden("G7d", 0, false, output);
  golden.name = "G7d_layer_norm";
  golden.network.hidden_dim = 24;
  golden.network.scale = 4;
  golden.network.spatial_attention = false;
  golden.network.layer_norm = true;
  golden.res_scale = 0.1;
  return golden;
}

template <typename T>
OutputSummary summary_of(const verify::TensorOf<T>& output) {
  OutputSummary summary;
  for (const T value : output.values) {
    const auto number = static_cast<double>(value);
    summary.sum += number;
    summary.sum_of_squares += number * number;
  }
  const std::int64_t height = output.shape.at(2);
  const std::int64_t width = output.shape.at(3);
  const auto at = [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    return static_cast<double>(
        output.values.at(static_cast<std::size_t>((c * height + y) * width + x)));
  };
  summary.points = {at(0, 0, 0), at(1, height / 2, width / 2), at(2, height - 1, width - 1),
                    at(0, 3, 1)};
  return summary;
}

void expect_summary(const FloatTensor& output, std::int64_t scale, const OutputSummary& expected,
                    double tolerance) {
  ASSERT_EQ(output.shape, (std::vector<std::int64_t>{1, 3, kHeight * scale, kWidth * scale}));
  const OutputSummary actual = summarize(output);
  double largest = 0;
  for (const float value : output.values) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  const auto count = static_cast<double>(output.values.size());
  EXPECT_NEAR(actual.sum / count, expected.sum / count, tolerance * largest);
  EXPECT_NEAR(actual.sum_of_squares / count, expected.sum_of_squares / count,
              2 * tolerance * largest * largest);
  for (std::size_t i = 0; i < expected.points.size(); ++i) {
    EXPECT_NEAR(actual.points[i], expected.points[i], tolerance * largest) << i;
  }
}

}  // namespace

const std::map<std::int64_t, Golden>& goldens() {
  static const std::map<std::int64_t, Golden> table = {
      {2,
       golden(
           2, 16,
           {69.145351251, 102.953092280, {0.310502256, -0.614804446, -0.050019296, -0.438833121}})},
      {3, golden(3, 20,
                 {194.139690778,
                  11158.238108706,
                  {-0.728532295, -3.139479033, 2.514102071, -6.064844049}})},
      {4,
       golden(
           4, 16,
           {1859.169837739, 1729.640747975, {0.897553169, 1.100234095, 0.869389754, 0.885781780}})},
      {1,
       golden(
           1, 16,
           {42.066589971, 2083.861857255, {-0.384662412, 5.447490579, -3.142033012, 6.996830949}})},
  };
  return table;
}

Golden epsilon_sensitive() {
  return golden(
      2, 16, {69.375366346, 20.627628702, {0.061827199, 0.013990989, 0.260607188, -0.011581049}});
}

const std::vector<StageGolden>& stage_goldens() {
  static const std::vector<StageGolden> table = {
      stage_golden(
          "G3", 1e-5, false,
          {115.777647322, 5494.989328536, {1.337641499, 3.783845079, 0.633282163, 4.424797645}}),
      stage_golden(
          "G4", 1e-5, false,
          {126.720887253, 5438.588709416, {1.302026505, 3.841567950, 0.488364688, 4.378222883}}),
      stage_golden(
          "G5.0", 1e-5, false,
          {290.847984450, 1276.730229720, {1.344534987, 0.051837622, -0.499347132, 0.779935003}}),
      last_generation(
          false,
          {337.028603305, 289.865930138, {1.069055944, 0.572968558, 0.113492153, 0.889500065}}),
      last_generation_with_layer_norm(
          {822.404453520, 8540.371551639, {1.082504942, -3.164589691, 0.608747154, 1.620470292}}),
      stage_golden("G3", 1e-5, true,
                   {1330.209124864,
                    8842160.971716827,
                    {20.831004626, 350.593200657, 51.379054130, 145.922673637}}),
      stage_golden("G4", 1e-5, true,
                   {1326.360655281,
                    8844080.015772132,
                    {20.815892269, 350.652909621, 51.442098426, 145.873936396}}),
      stage_golden("G5.0", 1e-5, true,
                   {-2183.891385522,
                    1858421.354258498,
                    {-1.803671049, -43.799190547, -33.726438914, -16.679848619}}),
      last_generation(
          true,
          {344.021223567, 333.743572516, {1.270393940, 0.549363595, 0.295671692, 1.039239171}}),
  };
  return table;
}

std::vector<tools::NamedTensor> golden_tensors(const StageGolden& golden, bool fused) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(golden.network);
  tools::fill_sines(tensors);
  if (golden.epsilon_sensitive) tools::make_epsilon_sensitive(tensors);
  return fused ? tools::fuse(tensors, golden.network) : tensors;
}

DoubleTensor exact_golden_input() {
  DoubleTensor input{{1, 3, kHeight, kWidth}, {}};
  for (int n = 0; n < 3 * kHeight * kWidth; ++n) {
    input.values.push_back(0.5 + 0.5 * std::sin(0.3 * n));
  }
  return input;
}

FloatTensor golden_input() {
  const DoubleTensor exact = exact_golden_input();
  FloatTensor input{exact.shape, {}};
  for (const double value : exact.values) input.values.push_back(static_cast<float>(value));
  return input;
}

OutputSummary summarize(const FloatTensor& output) { return summary_of(output); }
OutputSummary summarize(const DoubleTensor& output) { return summary_of(output); }

void expect_golden(const FloatTensor& output, const Golden& golden, double tolerance) {
  expect_summary(output, golden.network.scale, golden.output, tolerance);
}

void expect_golden(const FloatTensor& output, const StageGolden& golden, double tolerance) {
  expect_summary(output, golden.network.scale, golden.output, tolerance);
}

}  // namespace aether2onnx::test
