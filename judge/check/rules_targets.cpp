// Rules for valid ONNX files that cause a problem in one target (a program that runs ONNX files):
// the program refuses the file, computes wrong results, or is slow. Sources: tests of these
// programs and the programs' source code (docs/targets.md), and NVIDIA's tables of the data types
// of each GPU.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/check.h"

namespace aether2onnx::judge::check {

namespace {

using enum Severity;

constexpr std::int64_t kOpsetWithAxesInput = 18;

// --- GPUs ---

void bf16_gpu(const Model& model, Found& found) {
  if (!model.has_type(type::bfloat16)) return;
  found.add(
      "the model has bfloat16 values, which need an NVIDIA GPU of the generation Ampere or newer "
      "(compute capability 8.0)",
      both(both_tensorrts(note), {itself(Target::onnxruntime_cuda, note)}),
      "For older GPUs: " + convert_with("fp_mode", "mixed_fp16") + ".");
}

void fp8_gpu(const Model& model, Found& found) {
  if (!model.has_type(type::float8e4m3fn) && !model.has_type(type::float8e5m2)) return;
  found.add(
      "the model has float8 values, which need an NVIDIA GPU of the generation Ada or newer "
      "(compute capability 8.9)",
      both_tensorrts(note), "For older GPUs: quantize to int8 instead.");
}

// --- clips ---

void clip_type(const Model& model, Found& found) {
  const auto look = [&](const onnx::ValueInfo& value, const char* kind) {
    if (!is_half(value.elem_type)) return;
    std::vector<Concern> concerns;
    for (const TargetRow& row : target_rows()) {
      if (row.is_player && row.fp32_io.value) concerns.push_back({row.target, error});
    }
    found.add(
        fmt::format("the {} '{}' has the type {}; some plugins of vs-mlrt take only float32 videos",
                    kind, printable(value.name), onnx::type_text(value.elem_type)),
        std::move(concerns), convert_with("io_type", "fp32") + ".");
  };
  if (model.inputs.size() == 1) look(*model.inputs[0], "input");
  if (model.file.outputs.size() == 1) look(model.file.outputs[0], "output");
}

void fixed_size(const Model& model, Found& found) {
  if (model.inputs.size() != 1 || model.inputs[0]->dims.size() != 4 || model.dynamic_size) return;
  const std::vector<std::string>& dims = model.inputs[0]->dims;
  found.add(fmt::format("the input's size is fixed to {} x {} (height x width)", printable(dims[2]),
                        printable(dims[3])),
            both(players(note), {itself(Target::web, note)}),
            "Pictures of another size must be cut into tiles of this size, and vs-mlrt's TensorRT "
            "plugins refuse the model. For any size: " +
                convert_with("shape", "1x3xHxW") + ".");
}

// --- ncnn ---

bool is_reduction(const onnx::Node& node) {
  return is_op(node, "ReduceMean") || is_op(node, "ReduceMax");
}

void ncnn_axes(const Model& model, Found& found) {
  if (model.opset < kOpsetWithAxesInput) return;
  const Places places = nodes_where(model, [](const onnx::Node& node) {
    return is_reduction(node) && !input_of(node, 1).empty();
  });
  found.add(places, "reduction",
            "the axes are an input (opset 18 or newer), which ncnn ignores: the picture is wrong, "
            "without an error message",
            {{Target::ncnn, error}}, convert_with("opset_version", "17") + " or lower.");
}

void ncnn_types(const Model& model, Found& found) {
  if (!model.has_half()) return;
  found.add("the model has 16-bit values, which ncnn does not read", {{Target::ncnn, error}},
            convert_with("fp_mode", "fp32") + "; ncnn rounds to float16 itself.");
}

void ncnn_casts(const Model& model, Found& found) {
  const Places places =
      nodes_where(model, [](const onnx::Node& node) { return is_op(node, "Cast"); });
  found.add(places, "Cast node", "crashes vs-mlrt's ncnn plugin",
            {itself(Target::vsmlrt_ncnn, error)}, convert_with("fp_mode", "fp32") + ".");
}

void ncnn_layernorm(const Model& model, Found& found) {
  const Places places =
      nodes_where(model, [](const onnx::Node& node) { return is_op(node, "LayerNormalization"); });
  found.add(places, "LayerNormalization node", "vs-mlrt's ncnn plugin does not read the operator",
            {itself(Target::vsmlrt_ncnn, error)},
            convert_with("graph_form", "channels_first") + ", at opset 17 or lower.");
}

// --- speed ---

// Returns the larger side of a Conv's kernel; 0 if the node is no Conv with a constant 4-D weight.
std::int64_t kernel_of(const Model& model, const onnx::Node& node) {
  if (!is_op(node, "Conv")) return 0;
  const auto weight = model.constants.find(input_of(node, 1));
  if (weight == model.constants.end() || weight->second->dims.size() != 4) return 0;
  return std::max(weight->second->dims[2], weight->second->dims[3]);
}

std::int64_t groups_of(const onnx::Node& node) {
  const auto group = node.attributes.find("group");
  if (group == node.attributes.end() || !std::holds_alternative<std::int64_t>(group->second)) {
    return 1;
  }
  return std::get<std::int64_t>(group->second);
}

bool is_half_depthwise(const Model& model, const onnx::Node& node, std::int64_t larger_than) {
  return kernel_of(model, node) > larger_than && groups_of(node) > 1 &&
         is_half(model.type_of(input_of(node, 0)));
}

// Returns whether a value is computed from the mean of a feature map by a few small operators, as
// in channel attention.
bool is_of_mean(const Model& model, std::string_view value) {
  constexpr int most_operators = 8;  // the nodes of a hostile file may form a cycle
  for (int i = 0; i < most_operators; ++i) {
    const onnx::Node* maker = model.maker_of(value);
    if (maker == nullptr) return false;
    if (is_op(*maker, "GlobalAveragePool")) return true;
    const bool is_small = is_op(*maker, "Relu") || is_op(*maker, "Cast") ||
                          (kernel_of(model, *maker) == 1 && groups_of(*maker) == 1);
    if (!is_small) return false;
    value = input_of(*maker, 0);
  }
  return false;
}

// Returns whether the node is a 1x1 convolution on a feature map. A convolution on the mean of a
// feature map does not count, because it reads only one pixel and so takes little time.
bool is_projection(const Model& model, const onnx::Node& node) {
  return kernel_of(model, node) == 1 && groups_of(node) == 1 &&
         !is_of_mean(model, input_of(node, 0));
}

void slow_projections(const Model& model, Found& found) {
  const Places places = nodes_where(model, [&](const onnx::Node& node) {
    return is_projection(model, node) && is_half(model.type_of(input_of(node, 0)));
  });
  found.add(places, "1x1 Conv",
            "ONNX Runtime's CUDA provider takes 1.4 times as long for 1x1 Convs as for MatMul",
            {itself(Target::onnxruntime_cuda, warning)},
            convert_with("projections", "matmul") + ".");
  const Places products = nodes_where(model, [&](const onnx::Node& node) {
    return is_op(node, "MatMul") && node.inputs.size() == 2 &&
           model.constants.contains(input_of(node, 1));
  });
  found.add(products, "MatMul",
            "with 1x1 Convs instead of MatMul, TensorRT for RTX needs fewer GPU kernels",
            {tensorrt_rtx(note)}, convert_with("projections", "conv") + ".");
}

void slow_kernels(const Model& model, Found& found) {
  const std::int64_t whole = row_of(Target::onnxruntime_cuda).split_kernels_over.value;
  constexpr std::int64_t largest = 13;  // convert can split kernels up to this size
  const Places places = nodes_where(model, [&](const onnx::Node& node) {
    return is_half_depthwise(model, node, whole) && kernel_of(model, node) <= largest;
  });
  found.add(places, "depthwise Conv",
            "with each kernel split into four 7x7 Convs, ONNX Runtime's CUDA provider takes two "
            "thirds of the time",
            {itself(Target::onnxruntime_cuda, warning)},
            convert_with("split_kernels_over", std::to_string(whole)) + ".");
}

void openvino_form(const Model& model, Found& found) {
  const Places places =
      nodes_where(model, [](const onnx::Node& node) { return is_op(node, "LayerNormalization"); });
  found.add(places, "LayerNormalization node",
            "with the graph form channels_first, OpenVINO takes only 0.7 to 0.8 of the time",
            {{Target::openvino, note}}, convert_with("graph_form", "channels_first") + ".");
}

void depthwise_half(const Model& model, Found& found) {
  const Places places = nodes_where(model, [&](const onnx::Node& node) {
    return is_half_depthwise(model, node, 1) && model.type_of(input_of(node, 0)) == type::float16;
  });
  found.add(places, "grouped Conv",
            "computes in float16; TensorRT 11.2 and newer refuse some grouped float16 Convs (\"No "
            "low-precision conv kernel available\", NVIDIA/TensorRT#4838)",
            {tensorrt(note, since(version(11, 2)))},
            "If the build fails, convert the checkpoint with " + option("depthwise_fp32") +
                ", which keeps these Convs in float32.");
}

constexpr std::array kRules = {
    Rule{"bf16-gpu", bf16_gpu},
    Rule{"fp8-gpu", fp8_gpu},
    Rule{"clip-type", clip_type},
    Rule{"fixed-size", fixed_size},
    Rule{"ncnn-axes", ncnn_axes},
    Rule{"ncnn-types", ncnn_types},
    Rule{"ncnn-casts", ncnn_casts},
    Rule{"ncnn-layernorm", ncnn_layernorm},
    Rule{"slow-projections", slow_projections},
    Rule{"slow-kernels", slow_kernels},
    Rule{"openvino-form", openvino_form},
    Rule{"depthwise-half", depthwise_half},
};

}  // namespace

std::span<const Rule> target_rules() { return kRules; }

}  // namespace aether2onnx::judge::check
