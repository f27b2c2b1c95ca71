/// @file
/// What published networks put out, computed in float64 by executing their classes, for weights by
/// tools::fill_sines() and one input.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "sample_networks.h"
#include "stage_networks.h"
#include "tensor.h"

namespace aether2onnx::test {

/// Numbers of an output (1, 3, H, W) that stand for all of it.
struct OutputSummary {
  double sum = 0;
  double sum_of_squares = 0;
  /// [0, 0, 0], [1, H / 2, W / 2], [2, H - 1, W - 1] and [0, 3, 1], as (channel, row, column).
  std::array<double, 4> points{};
};

/// Of the first generation.
struct Golden {
  tools::NetworkShape network;
  OutputSummary output;
};

/// By scale; unfused and fused weights give the same.
const std::map<std::int64_t, Golden>& goldens();

/// For weights by tools::make_epsilon_sensitive().
Golden epsilon_sensitive();

/// Of a later generation.
struct StageGolden {
  std::string name;
  tools::StageShape network;  ///< Unfused.
  double res_scale = 1;
  double norm_eps = 0;  ///< Of the deployment norms as long as they aren't fused; 0: LayerNorm2d.
  bool epsilon_sensitive = false;
  OutputSummary output;
};

/// What GoogleTest prints of it.
inline void PrintTo(const StageGolden& golden, std::ostream* out) { *out << golden.name; }

const std::vector<StageGolden>& stage_goldens();

/// The weights that its output is of.
std::vector<tools::NamedTensor> golden_tensors(const StageGolden& golden, bool fused);

/// The input (1, 3, 7, 6) of them all, and as it is before it is rounded to float32.
verify::FloatTensor golden_input();
verify::DoubleTensor exact_golden_input();

OutputSummary summarize(const verify::FloatTensor& output);
OutputSummary summarize(const verify::DoubleTensor& output);

/// `tolerance` is relative to the largest magnitude in the output.
void expect_golden(const verify::FloatTensor& output, const Golden& golden, double tolerance);
void expect_golden(const verify::FloatTensor& output, const StageGolden& golden, double tolerance);

}  // namespace aether2onnx::test
