// Inputs, outputs and their shapes; what players expect of them.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/rules.h"

namespace aether2onnx::checks {

namespace {

constexpr std::size_t kRank = 4;

std::vector<Concern> players(Severity severity) { return {vsmlrt(severity), videojanai(severity)}; }

// The one input and output, where there is one of each and both are pictures.
struct Ends {
  const onnx::FileValue* input = nullptr;
  const onnx::FileValue* output = nullptr;
};
Ends ends_of(const Model& model) {
  Ends ends;
  if (model.inputs.size() == 1 && model.inputs[0]->dims.size() == kRank) {
    ends.input = model.inputs[0];
  }
  if (model.file.outputs.size() == 1 && model.file.outputs[0].dims.size() == kRank) {
    ends.output = &model.file.outputs[0];
  }
  return ends;
}

std::string axis_text(const std::string& dim) {
  return dim.empty() ? "dynamic" : fmt::format("'{}'", printable(dim));
}

void several_inputs(const Model& model, Found& found) {
  if (model.inputs.size() == 1 && model.file.outputs.size() == 1) return;
  found.push_back({fmt::format("the model has {} and {}", plural(model.inputs.size(), "input"),
                               plural(model.file.outputs.size(), "output")),
                   players(Severity::error),
                   "Players take one of each. Convert the checkpoint with aether2onnx."});
}

void rank(const Model& model, Found& found) {
  const auto look = [&](const onnx::FileValue& value, const char* kind) {
    if (value.dims.size() == kRank) return;
    found.push_back({fmt::format("the {} '{}' has {} in the file, not the four of pictures (NCHW)",
                                 kind, printable(value.name), plural(value.dims.size(), "axis")),
                     players(Severity::error), "Convert the checkpoint with aether2onnx."});
  };
  if (model.inputs.size() == 1) look(*model.inputs[0], "input");
  if (model.file.outputs.size() == 1) look(model.file.outputs[0], "output");
}

void channels_dynamic(const Model& model, Found& found) {
  const Ends ends = ends_of(model);
  if (ends.input == nullptr || size_of_axis(ends.input->dims[1])) return;
  found.push_back(
      {fmt::format("the number of channels of the input '{}' is dynamic ({})",
                   printable(ends.input->name), axis_text(ends.input->dims[1])),
       {tensorrt(Severity::error), vsmlrt(Severity::error), videojanai(Severity::error)},
       "A convolution needs it when the engine is built. Convert the checkpoint with "
       "aether2onnx, which fixes it."});
}

void channels(const Model& model, Found& found) {
  const Ends ends = ends_of(model);
  if (ends.input != nullptr) {
    const auto count = size_of_axis(ends.input->dims[1]);
    if (count && *count != 3) {
      std::vector<Concern> concerns = {
          videojanai(model.is_dynamic() ? Severity::error : Severity::warning)};
      if (*count != 1) concerns.push_back(vsmlrt(Severity::warning));
      found.push_back({fmt::format("the input '{}' has {}", printable(ends.input->name),
                                   plural(static_cast<std::uint64_t>(*count), "channel")),
                       std::move(concerns),
                       "VideoJaNai builds its engines for three. Use another player, or a network "
                       "for colour."});
    }
  }
  if (ends.output == nullptr) return;
  const auto count = size_of_axis(ends.output->dims[1]);
  if (!count || *count == 1 || *count == 3) return;
  found.push_back(
      {fmt::format("the output '{}' has {}; players take 1 or 3", printable(ends.output->name),
                   plural(static_cast<std::uint64_t>(*count), "channel")),
       players(Severity::error), "In vs-mlrt use flexible output; VideoJaNai can't."});
}

void output_size(const Model& model, Found& found) {
  const Ends ends = ends_of(model);
  if (ends.input == nullptr || ends.output == nullptr) return;
  std::optional<std::int64_t> scale;
  for (const std::size_t axis : {2U, 3U}) {
    const auto in = size_of_axis(ends.input->dims[axis]);
    const auto out = size_of_axis(ends.output->dims[axis]);
    const char* name = axis == 2 ? "height" : "width";
    if (!in && out) {
      found.push_back(
          {fmt::format("the input's {} is dynamic and the output's is fixed to {}", name, *out),
           {tensorrt(Severity::warning), onnxruntime(Severity::warning), vsmlrt(Severity::error),
            videojanai(Severity::error)},
           "The size was fixed by the export. Convert with: aether2onnx MODEL.pth "
           "--dynamic_shapes"});
    }
    if (!in || !out) continue;
    const bool whole = *out % *in == 0;
    const bool same = !scale || *scale * *in == *out;
    if (whole && same) {
      scale = *out / *in;
      continue;
    }
    found.push_back({fmt::format("the output's {} is {} and the input's {}: no whole multiple, or "
                                 "another one than of the height",
                                 name, *out, *in),
                     players(Severity::error), "Players need a whole scale, alike both ways."});
  }
}

void input_name(const Model& model, Found& found) {
  const Ends ends = ends_of(model);
  if (ends.input == nullptr || ends.input->name == "input") return;
  const bool dynamic = model.is_dynamic();
  found.push_back(
      {fmt::format("the input is called '{}', not 'input'", printable(ends.input->name)),
       {videojanai(dynamic ? Severity::error : Severity::note),
        vsmlrt(dynamic ? Severity::warning : Severity::note)},
       "Players give the shapes of a dynamic model for 'input'. Convert the checkpoint "
       "with aether2onnx; in vsmlrt.py pass input_name."});
}

void batch(const Model& model, Found& found) {
  const Ends ends = ends_of(model);
  if (ends.input == nullptr) return;
  const auto size = size_of_axis(ends.input->dims[0]);
  if (size == 1) return;
  if (size) {
    found.push_back({fmt::format("the batch size is fixed to {}", *size), players(Severity::error),
                     "Players give one picture at a time. Convert with --shape 1x3xHxW, or with "
                     "fixed sizes."});
  } else {
    found.push_back({fmt::format("the batch size is dynamic ({})", axis_text(ends.input->dims[0])),
                     players(Severity::note),
                     "Players use 1, and a profile for 1 alone makes the faster engine. Convert "
                     "with --shape 1x3xHxW."});
  }
}

void no_profile(const Model& model, Found& found) {
  if (!model.is_dynamic()) return;
  static constexpr std::array keys = {"min_shape", "opt_shape", "max_shape"};
  const bool complete = std::all_of(keys.begin(), keys.end(), [&](const char* key) {
    return model.file.find_metadata(key) != nullptr;
  });
  if (complete) return;
  const std::string name = model.inputs.empty() ? "input" : printable(model.inputs[0]->name);
  found.push_back({"the model has dynamic axes, and no range for them in its metadata",
                   {tensorrt(Severity::warning)},
                   fmt::format("Without --minShapes={0}:…, --optShapes={0}:… and --maxShapes={0}:… "
                               "trtexec takes 1 for each. aether2onnx --dynamic_shapes notes the "
                               "range.",
                               name)});
}

// Whether a Reshape to this shape is for one height and width alone.
bool is_fixed_shape(const std::vector<std::int64_t>& shape) {
  const auto open = std::count_if(shape.begin(), shape.end(),
                                  [](std::int64_t size) { return size == 0 || size == -1; });
  // One open axis can take the batch, or height and width together where they are one axis; of four
  // and more axes it leaves at least one of the two fixed.
  return !shape.empty() && (open == 0 || (open == 1 && shape.size() >= kRank));
}

void size_baked_in(const Model& model, Found& found) {
  if (!model.dynamic_size) return;
  Places places;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (!is_op(node, "Reshape") || node.inputs.size() < 2) continue;
    if (model.constants.contains(node.inputs[0])) continue;  // a weight is turned around
    const auto shape = integers_of(model, node.inputs[1]);
    if (shape && is_fixed_shape(*shape)) places.add(name_of(node));
  }
  if (places.empty()) return;
  found.push_back({places.text("Reshape node") +
                       ": to a fixed shape, though the input's height or width is dynamic",
                   everywhere(Severity::error),
                   "The model runs at the size of its export alone. Convert the checkpoint with: "
                   "aether2onnx MODEL.pth --dynamic_shapes",
                   places.count});
}

void transposes(const Model& model, Found& found) {
  if (!model.is_dynamic()) return;
  Places places;
  Places norms;
  for (const onnx::FileNode& node : model.file.nodes) {
    const bool moves = is_op(node, "Transpose") || is_op(node, "Reshape");
    if (moves) places.add(name_of(node));
    if (!is_op(node, "LayerNormalization") || node.inputs.empty()) continue;
    const auto maker = model.makers.find(node.inputs[0]);
    if (maker != model.makers.end() && is_op(*maker->second, "Transpose")) {
      norms.add(name_of(node));
    }
  }
  const char* remedy = "Convert with --graph_form channels_first, which has neither.";
  if (!places.empty()) {
    found.push_back({places.text("Transpose or Reshape node") +
                         ": VideoJaNai builds engines for one size alone of such a graph",
                     {videojanai(Severity::warning)},
                     remedy,
                     places.count});
  }
  if (!norms.empty() && model.dynamic_size) {
    found.push_back({norms.text("LayerNormalization node") +
                         ": between Transposes, where TensorRT has failed to build engines for "
                         "dynamic sizes (\"Could not find any implementation\")",
                     {tensorrt(Severity::warning, between(version(8, 6), version(9, 3)))},
                     remedy,
                     norms.count});
  }
}

constexpr std::array kRules = {
    Rule{"inputs-outputs", several_inputs},
    Rule{"rank", rank},
    Rule{"channels-dynamic", channels_dynamic},
    Rule{"channels", channels},
    Rule{"output-size", output_size},
    Rule{"input-name", input_name},
    Rule{"batch", batch},
    Rule{"no-profile", no_profile},
    Rule{"size-baked-in", size_baked_in},
    Rule{"transposes", transposes},
};

}  // namespace

std::span<const Rule> shape_rules() { return kRules; }

}  // namespace aether2onnx::checks
