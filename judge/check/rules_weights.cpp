// The rules of the command check for a model's weights. They report elements that check cannot
// read, values that are infinite, NaN or unsuitable for float16, and elements of type float64.

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/check.h"

namespace aether2onnx::judge::check {

namespace {

using enum Severity;

constexpr const char* kCompare = "Verify the model against its checkpoint";

void external_data_missing(const Model& model, Found& found) {
  found.add(model.weights.missing, "weight",
            fmt::format("the elements are in '{}', but this file is not beside the model",
                        printable(model.weights.file_missing)),
            everywhere(error),
            "Put the file beside the model under that name, or convert the checkpoint again.");
}

void external_data_elsewhere(const Model& model, Found& found) {
  found.add(model.weights.elsewhere, "weight",
            fmt::format("the elements are in '{}', outside the model's folder",
                        printable(model.weights.file_elsewhere)),
            everywhere(error),
            "Runtimes refuse this name, because an attacker can use such a name to read other "
            "files. Create the file again with the weights inside the model or beside the model.");
}

void external_data_unread(const Model& model, Found& found) {
  found.add(model.weights.unread, "weight",
            "the elements are in another file, and `check` did not read this file",
            everywhere(note),
            "For a model in memory, `check` reads no other files. Save the model beside its "
            "external data and check the saved file.");
}

void weight_damaged(const Model& model, Found& found) {
  found.add(model.weights.damaged, "weight", "cannot be read: " + model.weights.damage,
            everywhere(error), kDamaged);
}

void weight_not_finite(const Model& model, Found& found) {
  found.add(
      model.weights.not_finite, "weight", "has NaN or infinite elements", everywhere(error),
      "If the model was converted to float16, a weight of the checkpoint was beyond 65504, the "
      "largest float16 number. " +
          convert_with("fp_mode", "mixed_fp16") +
          " or fp32. If the checkpoint has NaN or infinite elements too, its training failed.");
}

void weight_at_limit(const Model& model, Found& found) {
  found.add(model.weights.at_limit, "weight",
            "has elements of 65504, the largest float16 number; some tools replace larger numbers "
            "with 65504",
            everywhere(warning), std::string(kCompare) + ".");
}

void weight_beyond_half(const Model& model, Found& found) {
  found.add(model.weights.beyond_half, "weight",
            "has elements beyond 65504, which become infinite in float16",
            {tensorrt(warning, before(kOnlyStrongTyping))}, "Build the engine without --fp16.");
}

void weight_subnormal(const Model& model, Found& found) {
  const WeightFacts& weights = model.weights;
  // Below 6.1e-5, float16 keeps fewer digits of a number. Every trained network has a few weights
  // below 6.1e-5, so this rule warns only if 5 % of the weights or more are below 6.1e-5. Then many
  // weights lost digits when they became float16.
  constexpr std::uint64_t one_in = 20;
  if (weights.half_subnormal == 0 || weights.half_subnormal < weights.half_elements / one_in)
    return;
  found.add(
      fmt::format("{} of {} float16 weights are below 6.1e-5; float16 keeps fewer digits of "
                  "numbers below 6.1e-5",
                  with_thousands(weights.half_subnormal), with_thousands(weights.half_elements)),
      everywhere(warning),
      fmt::format("{}. If the enlarged pictures differ too much, convert with {} fp32.", kCompare,
                  option("fp_mode")),
      weights.half_subnormal);
}

void weight_double(const Model& model, Found& found) {
  Places places;
  for (const onnx::Tensor& tensor : model.file.initializers) {
    if (tensor.data_type == type::float64) places.add(tensor.name);
  }
  found.add(
      places, "constant", "has the type float64", everywhere(warning),
      "TensorRT converts float64 to float32; ONNX Runtime computes slowly in float64 or not at "
      "all. Convert the checkpoint with aether2onnx, which writes float32.");
}

constexpr std::array kRules = {
    Rule{"external-data-missing", external_data_missing},
    Rule{"external-data-elsewhere", external_data_elsewhere},
    Rule{"external-data-unread", external_data_unread},
    Rule{"weight-damaged", weight_damaged},
    Rule{"weight-not-finite", weight_not_finite},
    Rule{"weight-at-limit", weight_at_limit},
    Rule{"weight-beyond-half", weight_beyond_half},
    Rule{"weight-subnormal", weight_subnormal},
    Rule{"weight-double", weight_double},
};

}  // namespace

std::span<const Rule> weight_rules() { return kRules; }

}  // namespace aether2onnx::judge::check
