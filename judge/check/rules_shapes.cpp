// Rules for inputs, outputs and their shapes. Some rules concern players: programs that give a
// model one picture of 1 or 3 channels at a time. For example, players need a model with one input
// and one output.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/check.h"

namespace aether2onnx::judge::check {

namespace {

using enum Severity;

constexpr std::size_t kRank = 4;

// The only input and the only output of a model. `input` is null unless the model has exactly one
// input and this input has four axes. `output` is null unless the model has exactly one output and
// this output has four axes.
struct Ends {
  const onnx::ValueInfo* input = nullptr;
  const onnx::ValueInfo* output = nullptr;
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

std::string channels_text(std::int64_t count) {
  return plural(static_cast<std::uint64_t>(count), "channel");
}

void several_inputs(const Model& model, Found& found) {
  if (model.inputs.size() == 1 && model.file.outputs.size() == 1) return;
  found.add(
      fmt::format("the model has {} and {}", plural(model.inputs.size(), "input"),
                  plural(model.file.outputs.size(), "output")),
      players(error),
      std::string("Programs that enlarge pictures or videos need one input and one output. ") +
          kReconvert);
}

void rank(const Model& model, Found& found) {
  const auto look = [&](const onnx::ValueInfo& value, const char* kind) {
    if (value.dims.size() == kRank) return;
    found.add(fmt::format("the {} '{}' has {}; a picture has four axes (NCHW)", kind,
                          printable(value.name), plural(value.dims.size(), "axis")),
              players(error), kReconvert);
  };
  if (model.inputs.size() == 1) look(*model.inputs[0], "input");
  if (model.file.outputs.size() == 1) look(model.file.outputs[0], "output");
}

void channels_dynamic(const Model& model, Found& found) {
  const Ends ends = ends_of(model);
  if (ends.input == nullptr || size_of_axis(ends.input->dims[1])) return;
  found.add(fmt::format("the number of channels of the input '{}' is dynamic ({})",
                        printable(ends.input->name), axis_text(ends.input->dims[1])),
            both(both_tensorrts(error), players(error)),
            "A convolution needs a fixed number of channels when the engine is built. Convert the "
            "checkpoint with aether2onnx, which fixes the number.");
}

void channels(const Model& model, Found& found) {
  const Ends ends = ends_of(model);
  if (ends.input != nullptr) {
    const auto count = size_of_axis(ends.input->dims[1]);
    if (count && *count != 3) {
      std::vector<Concern> concerns = {videojanai(model.is_dynamic() ? error : warning)};
      if (*count != 1) concerns = both(std::move(concerns), vsmlrt(warning));
      found.add(
          fmt::format("the input '{}' has {}", printable(ends.input->name), channels_text(*count)),
          std::move(concerns),
          "VideoJaNai builds engines for three channels. Use another program, or a network with "
          "three channels.");
    }
  }
  if (ends.output == nullptr) return;
  const auto count = size_of_axis(ends.output->dims[1]);
  if (!count || *count == 1 || *count == 3) return;
  found.add(fmt::format("the output '{}' has {}; pictures have 1 or 3 channels",
                        printable(ends.output->name), channels_text(*count)),
            players(error),
            "vs-mlrt can run the model with the function flexible_inference of vsmlrt.py; "
            "VideoJaNai cannot run the model.");
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
      found.add(fmt::format("the input's {} is dynamic, but the output's {} is fixed to {}", name,
                            name, *out),
                both(both({onnxruntime(warning)}, both_tensorrts(warning)), players(error)),
                "The exporter fixed the output's size. Convert the checkpoint with " +
                    option("dynamic_shapes") + ".");
    }
    if (!in || !out) continue;
    const bool whole = *out % *in == 0;
    const bool same = !scale || *scale * *in == *out;
    if (whole && same) {
      scale = *out / *in;
      continue;
    }
    found.add(fmt::format("the output's {0} is {1} and the input's {0} is {2}: the scale is not a "
                          "whole number, or height and width have different scales",
                          name, *out, *in),
              players(error),
              "Programs that enlarge pictures or videos need one scale for height and width, a "
              "whole number.");
  }
}

void input_name(const Model& model, Found& found) {
  const Ends ends = ends_of(model);
  if (ends.input == nullptr || ends.input->name == "input") return;
  const bool dynamic = model.is_dynamic();
  found.add(fmt::format("the input is called '{}', not 'input'", printable(ends.input->name)),
            {itself(Target::vsmlrt, dynamic ? warning : note),
             itself(Target::vsmlrt_rtx, dynamic ? warning : note),
             itself(Target::comfyui, dynamic ? error : note), videojanai(dynamic ? error : note)},
            "Programs that enlarge pictures or videos set the shapes of a dynamic model for an "
            "input called 'input'. Convert the checkpoint with aether2onnx. With vsmlrt.py, the "
            "argument input_name can name another input.");
}

void batch(const Model& model, Found& found) {
  const Ends ends = ends_of(model);
  if (ends.input == nullptr) return;
  const auto size = size_of_axis(ends.input->dims[0]);
  if (size == 1) return;
  const std::string remedy = convert_with("shape", "1x3xHxW");
  if (size) {
    found.add(fmt::format("the batch size is fixed to {}", *size), players(error),
              "Programs that enlarge pictures or videos pass one picture at a time to the model. " +
                  remedy + ", or with fixed sizes.");
  } else {
    found.add(fmt::format("the batch size is dynamic ({})", axis_text(ends.input->dims[0])),
              players(note),
              "Programs that enlarge pictures or videos use a batch size of 1, and an engine with "
              "a fixed batch size of 1 is faster. " +
                  remedy + ".");
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
  found.add(
      "the model has dynamic axes, but its metadata contain no range for these axes",
      {itself(Target::tensorrt, warning)},
      fmt::format("Without --minShapes={0}:…, --optShapes={0}:… and --maxShapes={0}:… trtexec "
                  "assumes 1 for each dynamic axis. A conversion with {1} writes the range "
                  "into the metadata.",
                  name, option("dynamic_shapes")));
}

// Returns whether a Reshape to this shape works only for one height and width of the picture.
bool is_fixed_shape(const std::vector<std::int64_t>& shape) {
  const auto open = std::count_if(shape.begin(), shape.end(),
                                  [](std::int64_t size) { return size == 0 || size == -1; });
  // An open axis (0 or -1) takes any size. With up to three axes, height and width may share one
  // axis, so one open axis is enough. With four or more axes, one open axis leaves height or width
  // fixed.
  return !shape.empty() && (open == 0 || (open == 1 && shape.size() >= kRank));
}

void size_baked_in(const Model& model, Found& found) {
  if (!model.dynamic_size) return;
  const Places places = nodes_where(model, [&](const onnx::Node& node) {
    if (!is_op(node, "Reshape") || node.inputs.size() < 2) return false;
    if (model.constants.contains(input_of(node, 0))) return false;  // a weight has a fixed shape
    const auto shape = integers_of(model, input_of(node, 1));
    return shape && is_fixed_shape(*shape);
  });
  found.add(places, "Reshape node",
            "the new shape is fixed, although the input's height or width is dynamic",
            everywhere(error),
            "The model runs only at the size of its export. Convert the checkpoint with " +
                option("dynamic_shapes") + ".");
}

void transposes(const Model& model, Found& found) {
  if (!model.is_dynamic()) return;
  const std::string remedy = convert_with("graph_form", "channels_first") +
                             ", which writes neither Transpose nor Reshape.";
  const Places places = nodes_where(model, [](const onnx::Node& node) {
    return is_op(node, "Transpose") || is_op(node, "Reshape");
  });
  found.add(places, "Transpose or Reshape node",
            "if a graph has one of these operators, VideoJaNai builds engines for only one size",
            {videojanai(warning)}, remedy);
  if (!model.dynamic_size) return;
  const Places norms = nodes_where(model, [&](const onnx::Node& node) {
    if (!is_op(node, "LayerNormalization") || node.inputs.empty()) return false;
    const onnx::Node* maker = model.maker_of(input_of(node, 0));
    return maker != nullptr && is_op(*maker, "Transpose");
  });
  found.add(norms, "LayerNormalization node",
            "is between Transpose nodes; with dynamic sizes, TensorRT failed to build engines from "
            "graphs with this pattern (\"Could not find any implementation\")",
            {tensorrt(warning, between(version(8, 6), version(9, 3)))}, remedy);
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

}  // namespace aether2onnx::judge::check
