#include "examination.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <variant>

#include "blocks.h"

namespace aether2onnx::verify {

namespace {

// The rounding noise of a block or layer is the error that rounding alone causes. The error of a
// block or layer is suspicious if its root mean square is more than kSuspicious times the root mean
// square of the noise. The error is also suspicious if its maximum is more than kSuspiciousLargest
// times the maximum of the noise. In correct files of all generations, options, opsets and
// precisions, the root mean square of the error is less than 4 times the root mean square of the
// noise. The limit for maxima is higher, because maxima depend more on the order of summation.
constexpr double kSuspicious = 8;
constexpr double kSuspiciousLargest = 24;

// Returns the largest relative error of rounding one result to the type `arithmetic`.
double unit_of(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::float64:
      return 0x1p-53;
    case Arithmetic::float32:
      return 0x1p-24;
    case Arithmetic::float16:
      return 0x1p-11;
    case Arithmetic::bfloat16:
      return 0x1p-8;
  }
  return 0;
}

struct Distance {
  double mean_square = 0;  // root mean square of the differences
  double largest = 0;
};

template <typename A>
Distance distance_of(const std::vector<A>& values, const std::vector<double>& exact) {
  Distance distance;
  double sum = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double difference = std::abs(static_cast<double>(values[i]) - exact[i]);
    sum += difference * difference;
    // The negated comparison is also true if `difference` is NaN, so NaN is not skipped.
    if (!(difference <= distance.largest)) distance.largest = difference;
  }
  distance.mean_square =
      std::sqrt(sum / static_cast<double>(std::max<std::size_t>(1, exact.size())));
  return distance;
}

// Converts (N, H, W, C) to (N, C, H, W).
FloatTensor channels_first(const FloatTensor& tensor) {
  const auto size = [&](std::size_t axis) { return static_cast<std::size_t>(tensor.shape[axis]); };
  FloatTensor result{{tensor.shape[0], tensor.shape[3], tensor.shape[1], tensor.shape[2]}, {}};
  result.values.resize(tensor.values.size());
  const std::size_t pixels = size(1) * size(2);
  const std::size_t channels = size(3);
  for (std::size_t i = 0; i < tensor.values.size(); ++i) {
    const std::size_t channel = i % channels;
    const std::size_t pixel = i / channels % pixels;
    const std::size_t image = i / (channels * pixels);
    result.values[(image * channels + channel) * pixels + pixel] = tensor.values[i];
  }
  return result;
}

// Returns `found`, a tensor that the ONNX model computed, in the layout of `exact` (NCHW). `found`
// may be in the layout NCHW or NHWC. If both layouts fit the shape of `exact`, chooses the layout
// with values closer to `exact`. Returns nullopt if neither layout fits.
std::optional<FloatTensor> in_layout_of(const DoubleTensor& exact, const FloatTensor& found) {
  std::optional<FloatTensor> best;
  if (found.shape == exact.shape) best = found;
  if (found.shape.size() == 4) {
    FloatTensor other = channels_first(found);
    const bool fits = other.shape == exact.shape;
    const bool closer = best && fits &&
                        distance_of(other.values, exact.values).mean_square <
                            distance_of(best->values, exact.values).mean_square;
    if (fits && (!best || closer)) best = std::move(other);
  }
  return best;
}

// Measures the error and the rounding noise of each part of the network. A part is a block, or a
// layer outside of the blocks. Reference::run() calls a function after each part: exact() for the
// exact reference, rounded() for any other reference. Both functions return the ONNX model's output
// of the part. The reference computes the next part from this output, not from its own output, so
// that the errors of the parts do not add up.
class Parts {
 public:
  Parts(std::map<std::string, FloatTensor> found, double unit)
      : found_(std::move(found)), unit_(unit) {}

  // Measures the error of the block or layer `path`. `output` is the exact output of this part.
  // Returns the ONNX model's output of the part, or null if the model's output is unknown or has
  // another shape.
  const std::vector<float>* exact(const std::string& path, const DoubleTensor& output) {
    const auto at = found_.find(path);
    if (at == found_.end()) return nullptr;
    std::optional<FloatTensor> fitting = in_layout_of(output, at->second);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (!fitting) {
      parts_.push_back({path, infinity, unit_, infinity, unit_});
      found_.erase(at);
      return nullptr;
    }
    at->second = std::move(*fitting);
    const std::vector<double> zeros(output.values.size(), 0);
    const Distance size = distance_of(zeros, output.values);
    const Distance error = distance_of(at->second.values, output.values);
    sizes_[path] = size;
    // To save memory, keeps the errors as floats instead of the exact output, which needs doubles.
    std::vector<float>& errors = errors_[path];
    errors.resize(output.values.size());
    for (std::size_t i = 0; i < errors.size(); ++i) {
      errors[i] = static_cast<float>(static_cast<double>(at->second.values[i]) - output.values[i]);
    }
    parts_.push_back({path, ratio(error.mean_square, size.mean_square), 0,
                      ratio(error.largest, size.largest), 0});
    return &at->second.values;
  }

  // Measures the rounding noise of the block or layer `path`: the difference between the exact
  // output of this part and `output`, which a second reference computed. Multiplies the noise by
  // `weight`: less than 1 for the reference Judges::other_weights, whose weights differ slightly
  // from those of the exact reference. If several calls have this `path`, keeps the largest noise.
  const std::vector<float>* rounded(const std::string& path, const DoubleTensor& output,
                                    double weight = 1) {
    const auto at = errors_.find(path);
    if (at == errors_.end()) return nullptr;
    const std::vector<float>& found = found_.at(path).values;
    std::vector<double> exact(output.values.size());
    for (std::size_t i = 0; i < exact.size(); ++i) {
      exact[i] = static_cast<double>(found[i]) - static_cast<double>(at->second[i]);
    }
    const Distance noise = distance_of(output.values, exact);
    const Distance& size = sizes_.at(path);
    // The noise is at least `share` times unit_, the relative rounding error of one operation. This
    // lower limit is needed because the measured noise may be 0, or very small by chance.
    constexpr double share = 0.125;
    for (PartError& part : parts_) {
      if (part.path != path) continue;
      part.noise = std::max(
          {part.noise, weight * ratio(noise.mean_square, size.mean_square), share * unit_});
      part.largest_noise = std::max(
          {part.largest_noise, weight * ratio(noise.largest, size.largest), share * unit_});
    }
    return &found;
  }

  std::vector<PartError> finite() const {
    std::vector<PartError> result;
    for (const PartError& part : parts_) {
      if (std::isfinite(part.noise) && std::isfinite(part.largest_noise)) result.push_back(part);
    }
    return result;
  }

 private:
  static double ratio(double value, double size) { return size > 0 ? value / size : value; }

  std::map<std::string, FloatTensor> found_;
  double unit_;
  std::map<std::string, Distance> sizes_;
  std::map<std::string, std::vector<float>> errors_;
  std::vector<PartError> parts_;
};

// Runs the reference on a single pixel, and returns the paths of the network's blocks and layers.
std::vector<std::string> paths_of(const Reference& reference, std::int64_t channels) {
  BlockOutputs blocks;
  const FloatTensor pixel{{1, channels, 1, 1},
                          std::vector<float>(static_cast<std::size_t>(channels))};
  reference.run(pixel, {.blocks = &blocks});
  std::vector<std::string> paths;
  paths.reserve(blocks.size());
  for (const auto& [path, output] : blocks) paths.push_back(path);
  return paths;
}

}  // namespace

double PartError::times() const { return error == 0 ? 0 : error / noise; }

bool PartError::is_suspicious() const {
  return !(error <= kSuspicious * noise) || !(largest_error <= kSuspiciousLargest * largest_noise);
}

bool may_combine_weights(const network::Network& network) {
  const NetworkInfo& facts = network.facts;
  const bool scales = std::any_of(
      network.modules.begin(), network.modules.end(), [](const network::Module& module) {
        const auto* scale = std::get_if<network::Scale>(&module.operation);
        return scale != nullptr && (scale->parameter || scale->number != 1);
      });
  return !facts.fused || facts.norm_type != NormType::layernorm ||
         facts.quantization != Quantization::none || scales;
}

std::vector<PartError> examine(const Candidate& candidate, const onnx::Model& model,
                               const Judges& judges, const FloatTensor& input,
                               Candidate::Results results) {
  const std::map<std::string, std::string> outputs =
      module_outputs(model, paths_of(judges.exact, input.shape[1]));
  std::vector<std::string> names;
  for (const auto& [path, value] : outputs) names.push_back(value);
  names.push_back(model.outputs.at(0).name);
  std::vector<FloatTensor> values = candidate.run_exposed(input, names, results);
  std::map<std::string, FloatTensor> found;
  std::size_t index = 0;
  for (const auto& [path, value] : outputs) found[path] = std::move(values.at(index++));
  found[kOutputPart] = std::move(values.back());

  Parts parts(std::move(found), unit_of(judges.arithmetic));
  const DoubleTensor exact_output =
      judges.exact.run(input, {.replace = [&](const std::string& path, const DoubleTensor& output) {
                         return parts.exact(path, output);
                       }});
  parts.exact(kOutputPart, exact_output);
  const auto add_noise = [&](const Reference& reference, double weight) {
    const DoubleTensor output =
        reference.run(input, {.replace = [&](const std::string& path, const DoubleTensor& of_part) {
                        return parts.rounded(path, of_part, weight);
                      }});
    parts.rounded(kOutputPart, output, weight);
  };
  add_noise(judges.rounding, 1);
  // The reference rounds each weight of the checkpoint. An exporter may combine weights first, and
  // then round the combined weights. The reference `other_weights` has slightly different weights,
  // and shows how much such a difference changes the outputs. In correct files, the error (root
  // mean square) is less than 2.6 times this change, so an error of 4 times the change is
  // suspicious. But is_suspicious() compares the error with kSuspicious times the noise. So the
  // change counts as noise with the weight 4 / kSuspicious.
  constexpr double weight_of_weights = 4 / kSuspicious;
  if (judges.other_weights != nullptr) add_noise(*judges.other_weights, weight_of_weights);
  return parts.finite();
}

}  // namespace aether2onnx::verify
