// Weights: their values, and whether they are there.

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/rules.h"

namespace aether2onnx::checks {

namespace {

void external_data_missing(const Model& model, Found& found) {
  const WeightFacts& weights = model.weights;
  if (weights.missing.empty()) return;
  found.push_back({fmt::format("{}: the file with the elements, '{}', isn't beside the model",
                               weights.missing.text("weight"), printable(weights.file)),
                   everywhere(Severity::error),
                   "Put it there under that name, or convert the checkpoint again.",
                   weights.missing.count});
}

void external_data_elsewhere(const Model& model, Found& found) {
  const WeightFacts& weights = model.weights;
  if (weights.elsewhere.empty()) return;
  found.push_back(
      {fmt::format("{}: the elements are in '{}', outside the model's folder",
                   weights.elsewhere.text("weight"), printable(weights.file)),
       everywhere(Severity::error),
       "Such a name can be an attack, and runtimes refuse it. Make the file again, with "
       "its weights inside or beside it.",
       weights.elsewhere.count});
}

void external_data_unread(const Model& model, Found& found) {
  if (model.weights.unread.empty()) return;
  found.push_back({model.weights.unread.text("weight") +
                       ": the elements are in another file, which wasn't looked at",
                   everywhere(Severity::note), "Check the file where its external data lie.",
                   model.weights.unread.count});
}

void weight_damaged(const Model& model, Found& found) {
  if (model.weights.damaged.empty()) return;
  found.push_back({fmt::format("{} can't be read: {}", model.weights.damaged.text("weight"),
                               model.weights.damage),
                   everywhere(Severity::error), "The file is damaged; make it again.",
                   model.weights.damaged.count});
}

void weight_not_finite(const Model& model, Found& found) {
  if (model.weights.not_finite.empty()) return;
  found.push_back({model.weights.not_finite.text("weight") + ": has NaN or infinite elements",
                   everywhere(Severity::error),
                   "If the model was made half precision, a weight was beyond 65504: convert the "
                   "checkpoint with --fp_mode mixed_fp16 or fp32. If the checkpoint has them too "
                   "(aether2onnx inspect --tensors), its training failed.",
                   model.weights.not_finite.count});
}

void weight_at_limit(const Model& model, Found& found) {
  if (model.weights.at_limit.empty()) return;
  found.push_back({model.weights.at_limit.text("weight") +
                       ": has elements of 65504, float16's largest number, as tools write in place "
                       "of what is beyond it",
                   everywhere(Severity::warning),
                   "Compare with the checkpoint: aether2onnx verify MODEL.onnx --against MODEL.pth",
                   model.weights.at_limit.count});
}

void weight_beyond_half(const Model& model, Found& found) {
  if (model.weights.beyond_half.empty()) return;
  found.push_back({model.weights.beyond_half.text("weight") +
                       ": has elements beyond 65504, which half precision turns infinite",
                   {tensorrt(Severity::warning, before(version(11)))},
                   "Build the engine without --fp16.",
                   model.weights.beyond_half.count});
}

void weight_subnormal(const Model& model, Found& found) {
  const WeightFacts& weights = model.weights;
  // Of weights that are distributed as trained ones are, a few are; more than that is a loss.
  constexpr std::uint64_t one_in = 20;
  if (weights.half_subnormal == 0 || weights.half_subnormal < weights.half_elements / one_in)
    return;
  found.push_back(
      {fmt::format("{} of {} float16 weights are below 6.1e-5, where half precision "
                   "keeps fewer digits",
                   with_thousands(weights.half_subnormal), with_thousands(weights.half_elements)),
       everywhere(Severity::warning),
       "Compare with the checkpoint (aether2onnx verify MODEL.onnx --against MODEL.pth); "
       "where it matters convert with --fp_mode fp32.",
       weights.half_subnormal});
}

void weight_double(const Model& model, Found& found) {
  Places places;
  for (const onnx::FileTensor& tensor : model.file.initializers) {
    if (tensor.data_type == type::float64) places.add(tensor.name);
  }
  if (places.empty()) return;
  found.push_back({places.text("constant") + ": float64",
                   {tensorrt(Severity::warning), onnxruntime(Severity::warning),
                    vsmlrt(Severity::warning), videojanai(Severity::warning)},
                   "TensorRT makes float32 of it, ONNX Runtime computes slowly or has no kernel. "
                   "Convert the checkpoint with aether2onnx, which writes float32.",
                   places.count});
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

}  // namespace aether2onnx::checks
