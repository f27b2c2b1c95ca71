// The tables of targets (programs that run ONNX files), opsets and operators. Sources for
// TensorRT's opsets: docs/operators.md in each release of onnx-tensorrt. Sources for ONNX Runtime's
// opsets and IR versions: the ONNX release with which each version of ONNX Runtime was built, and
// the table of released versions in ONNX's Versioning.md. Sources for operators: ONNX's
// Operators.md; docs/operators.md and docs/Changelog.md of onnx-tensorrt.

#include "judge/targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace aether2onnx::judge {

namespace {

constexpr Precisions kNoBfloat16 =
    set_of({Precision::fp32, Precision::fp16, Precision::mixed_fp16});
constexpr Precisions kEvery = kNoBfloat16 | set_of({Precision::bf16, Precision::mixed_bf16});

constexpr std::string_view kTypesFromFile =
    "the engine computes in the number types of the ONNX file; mixed_fp16 has fast convolutions in "
    "float16, and exact normalizations in float32";
constexpr std::string_view kSafe = "every device runs float32, and float32 is the most exact";
constexpr std::string_view kLayerNormalization =
    "the target runs LayerNormalization as one operator";
constexpr std::string_view kUnmeasured =
    "the default form of the graph; the speed of other forms was not measured on this target";
constexpr std::string_view kFusedGelu =
    "on a CPU, ONNX Runtime has a fast Gelu kernel in float32 only";
constexpr std::string_view kAnySize = "the model takes one picture at a time, of any size";
constexpr std::string_view kFloat32Sums =
    "the sums of feature maps are float32, so each bfloat16 depthwise convolution needs a Cast, "
    "which is an extra GPU kernel; aether_small has 106 kernels, and 89 kernels if these "
    "convolutions are float32";
constexpr std::string_view kClip32 = "this plugin of vs-mlrt takes only float32 videos";

// One row for each target, in the order of the enum Target. The field `source` says where the row's
// facts come from: documentation, source code, or a run of the program.
constexpr std::array kTargets = {
    TargetRow{.target = Target::tensorrt,
              .name = "tensorrt",
              .title = "TensorRT",
              .program = "NVIDIA TensorRT (trtexec)",
              .runtime = Target::tensorrt,
              .has_versions = true,
              .current = since(version(8, 6)),
              .by_default = true,
              .engine = EngineRoute::trtexec,
              .precisions = kEvery,
              .precision = {Precision::mixed_fp16, kTypesFromFile},
              .form = {GraphForm::standard, kLayerNormalization},
              .why_dynamic = "one engine takes a range of sizes",
              .source = "source code of trtexec and onnx-tensorrt, versions 8.4 to 11.1"},
    TargetRow{.target = Target::tensorrt_rtx,
              .name = "tensorrt-rtx",
              .title = "TensorRT for RTX",
              .program = "NVIDIA TensorRT for RTX, 1.5 or newer",
              .runtime = Target::tensorrt_rtx,
              .has_versions = true,
              .current = since(version(1, 5)),
              .engine = EngineRoute::tensorrt_rtx,
              .precisions = kEvery,
              .precision = {Precision::mixed_fp16, kTypesFromFile},
              .form = {GraphForm::standard, kLayerNormalization},
              .why_dynamic = "one engine takes any size",
              .projections = {Projections::conv,
                              "TensorRT for RTX fuses 1x1 Convs with GELU and the multiplication "
                              "after GELU; an engine of aether_small has 89 GPU kernels if linear "
                              "layers are 1x1 Convs, and 104 if linear layers are MatMuls"},
              .float32_depthwise = {true, kFloat32Sums},
              .source = "TensorRT for RTX 1.6.1 and 1.7.1 parsed and built 931 converted files"},
    TargetRow{.target = Target::onnxruntime,
              .name = "onnxruntime",
              .title = "ONNX Runtime",
              .program = "ONNX Runtime on a CPU or another device",
              .runtime = Target::onnxruntime,
              .has_versions = true,
              .current = since(version(1, 17)),
              .by_default = true,
              .engine = EngineRoute::provider,
              .precisions = kNoBfloat16,
              .precision = {Precision::fp32, kSafe},
              .form = {GraphForm::standard, "the fastest form on a CPU"},
              .why_dynamic = kAnySize,
              .slow_float16 = {"Gelu", kFusedGelu},
              .source = "tests with ONNX Runtime on CPUs; ONNX Runtime's table of kernels"},
    TargetRow{
        .target = Target::onnxruntime_cuda,
        .name = "onnxruntime-cuda",
        .title = "ONNX Runtime's CUDA provider",
        .program = "ONNX Runtime with its CUDA provider",
        .runtime = Target::onnxruntime,
        .has_versions = true,
        .current = since(version(1, 17)),
        .precisions = kEvery,
        .precision = {Precision::fp16,
                      "the fastest precision; compared with float32's picture, the PSNR is 75 dB"},
        .form = {GraphForm::standard, kLayerNormalization},
        .fp32_io = {true,
                    "programs pass float32 pictures; the Casts of the input and output take almost "
                    "no time"},
        .why_dynamic = kAnySize,
        .projections = {Projections::matmul,
                        "MatMul is 1.4 times as fast as a 1x1 Conv on this target (fp16)"},
        .split_kernels_over = {11,
                               "cuDNN's fast float16 convolution runs kernels up to 7x7; with each "
                               "13x13 kernel split into four 7x7 kernels, aether_large takes two "
                               "thirds of the time"},
        .no_bfloat16 = {"DepthToSpace,GlobalAveragePool,LeakyRelu,ReduceMax,ReduceMean",
                        "the CUDA provider has no bfloat16 kernel for these operators"},
        .source =
            "ONNX Runtime's table of kernels; runs of ONNX Runtime 1.29 and 1.31 on an H200 GPU"},
    TargetRow{.target = Target::directml,
              .name = "directml",
              .title = "DirectML",
              .program = "ONNX Runtime with DirectML (Windows, any GPU)",
              .runtime = Target::onnxruntime,
              .current = since(version(1, 17)),
              .precisions = kNoBfloat16,
              .precision = {Precision::mixed_fp16,
                            "float16 is fast on GPUs, and normalizations are exact in float32"},
              .form = {GraphForm::standard, kUnmeasured},
              .why_dynamic = kAnySize,
              .source = "documentation of ONNX Runtime 1.24; DirectML was not run"},
    TargetRow{
        .target = Target::openvino,
        .name = "openvino",
        .title = "OpenVINO",
        .program = "Intel OpenVINO",
        .runtime = Target::openvino,
        .precisions = kEvery,
        .precision = {Precision::fp32, "OpenVINO itself chooses the precision for the device"},
        .form =
            {GraphForm::channels_first,
             "in this form, the model takes 0.7 to 0.8 times as long as in the form 'standard'"},
        .why_dynamic = kAnySize,
        .source = "OpenVINO on a CPU ran files of all opsets, graph forms and precisions"},
    TargetRow{.target = Target::ncnn,
              .name = "ncnn",
              .title = "ncnn",
              .program = "Tencent ncnn (pnnx converts the ONNX file)",
              .runtime = Target::ncnn,
              .precisions = set_of({Precision::fp32}),
              .precision = {Precision::fp32, "ncnn reads only fp32, and rounds to float16 itself"},
              .form = {GraphForm::channels_first, "ncnn runs this form correctly up to opset 17"},
              .standard_opset = 17,
              .channels_first_opset = 17,
              .fp32_io = {true, "ncnn reads no 16-bit file"},
              .why_dynamic = kAnySize,
              .source = "runs of pnnx and ncnn on a CPU"},
    TargetRow{.target = Target::web,
              .name = "web",
              .title = "onnxruntime-web",
              .program = "onnxruntime-web in a browser",
              .runtime = Target::onnxruntime,
              .current = since(version(1, 17)),
              .precisions = kNoBfloat16,
              .precision = {Precision::fp32, "WebAssembly computes in float32"},
              .form = {GraphForm::standard, kUnmeasured},
              .why_dynamic = kAnySize,
              .source = "runs of onnxruntime-web 1.30 (WebAssembly)"},
    TargetRow{.target = Target::vsmlrt,
              .name = "vsmlrt",
              .title = "vs-mlrt",
              .program = "vs-mlrt's TensorRT plugin (VapourSynth)",
              .runtime = Target::tensorrt,
              .current = since(version(10)),
              .by_default = true,
              .is_player = true,
              .engine = EngineRoute::vsmlrt,
              .precisions = kEvery,
              .precision = {Precision::mixed_fp16, kTypesFromFile},
              .form = {GraphForm::standard, kLayerNormalization},
              .fixed_runs = false,
              .why_dynamic = "vsmlrt always passes an input shape, which TensorRT refuses for a "
                             "model with one fixed size",
              .source = "source code of vsmlrt.py 3.22"},
    TargetRow{.target = Target::vsmlrt_rtx,
              .name = "vsmlrt-rtx",
              .title = "vs-mlrt (TensorRT for RTX)",
              .program = "vs-mlrt's plugin for TensorRT for RTX, with the argument fp16=False",
              .runtime = Target::tensorrt_rtx,
              .current = since(version(1, 5)),
              .is_player = true,
              .precisions = kEvery,
              .precision = {Precision::mixed_fp16, kTypesFromFile},
              .form = {GraphForm::standard, kLayerNormalization},
              .fp32_io = {true, kClip32},
              .fixed_runs = false,
              .why_dynamic = "vsmlrt always passes an input shape, which TensorRT for RTX refuses "
                             "for a model with one fixed size",
              .float32_depthwise = {true, kFloat32Sums},
              .source = "source code of vsmlrt.py; engines built with TensorRT for RTX 1.7.1"},
    TargetRow{.target = Target::vsmlrt_ort,
              .name = "vsmlrt-ort",
              .title = "vs-mlrt (ONNX Runtime)",
              .program = "vs-mlrt's ONNX Runtime plugin",
              .runtime = Target::onnxruntime,
              .current = since(version(1, 17)),
              .is_player = true,
              .precisions = kNoBfloat16,
              .precision = {Precision::fp32, kSafe},
              .form = {GraphForm::standard, "the fastest form on a CPU"},
              .why_dynamic = "this plugin of vs-mlrt takes videos of any size",
              .slow_float16 = {"Gelu", kFusedGelu},
              .source = "runs of vs-mlrt 17.1 with ONNX Runtime 1.31 on a CPU"},
    TargetRow{
        .target = Target::vsmlrt_ov,
        .name = "vsmlrt-ov",
        .title = "vs-mlrt (OpenVINO)",
        .program = "vs-mlrt's OpenVINO plugin",
        .runtime = Target::openvino,
        .is_player = true,
        .precisions = kEvery,
        .precision = {Precision::fp32, "OpenVINO itself chooses the precision for the device"},
        .form =
            {GraphForm::channels_first,
             "in this form, the model takes 0.7 to 0.8 times as long as in the form 'standard'"},
        .fp32_io = {true, kClip32},
        .why_dynamic = "this plugin of vs-mlrt takes videos of any size",
        .source = "runs of vs-mlrt 17.1 with OpenVINO on a CPU"},
    TargetRow{.target = Target::vsmlrt_ncnn,
              .name = "vsmlrt-ncnn",
              .title = "vs-mlrt (ncnn)",
              .program = "vs-mlrt's ncnn plugin",
              .runtime = Target::ncnn,
              .is_player = true,
              .precisions = set_of({Precision::fp32}),
              .precision = {Precision::fp32,
                            "the plugin reads only fp32 files; with its argument fp16=True, the "
                            "plugin rounds to float16"},
              .form = {GraphForm::channels_first, "the plugin has no LayerNormalization"},
              .standard_opset = 16,
              .channels_first_opset = 17,
              .fp32_io = {true, kClip32},
              .why_dynamic = "this plugin of vs-mlrt takes videos of any size",
              .source = "runs of vs-mlrt 17.1 with ncnn on a CPU (lavapipe)"},
    TargetRow{.target = Target::vsmlrt_any,
              .name = "vsmlrt-any",
              .title = "every plugin of vs-mlrt",
              .program = "all plugins of vs-mlrt",
              .runtime = Target::vsmlrt_any,
              .is_player = true,
              .precisions = set_of({Precision::fp32}),
              .precision = {Precision::fp32, ""},
              .form = {GraphForm::channels_first, ""},
              .source = "the sources for the targets vsmlrt, vsmlrt-rtx, vsmlrt-ort, vsmlrt-ov and "
                        "vsmlrt-ncnn"},
    TargetRow{.target = Target::videojanai,
              .name = "videojanai",
              .title = "VideoJaNai",
              .program = "the player VideoJaNai (TensorRT)",
              .runtime = Target::tensorrt,
              .current = since(version(10)),
              .by_default = true,
              .is_player = true,
              .engine = EngineRoute::own,
              .precisions = kEvery,
              .precision = {Precision::mixed_fp16, kTypesFromFile},
              .form = {GraphForm::channels_first,
                       "VideoJaNai builds an engine for a range of sizes only if the graph has no "
                       "Transpose and no Reshape"},
              .standard_opset = 0,
              .why_dynamic = "VideoJaNai itself builds an engine for each video",
              .source = "source code of VideoJaNai"},
    TargetRow{.target = Target::comfyui,
              .name = "comfyui",
              .title = "ComfyUI",
              .program = "ComfyUI's TensorRT upscaler nodes",
              .runtime = Target::tensorrt,
              .current = since(version(10)),
              .is_player = true,
              .engine = EngineRoute::own,
              .precisions = kEvery,
              .precision = {Precision::mixed_fp16, kTypesFromFile},
              .form = {GraphForm::standard, kLayerNormalization},
              .fixed_runs = false,
              .why_dynamic = "ComfyUI's nodes build engines for a range of sizes",
              .source = "source code of ComfyUI-Upscaler-Tensorrt; ComfyUI was not run"},
    TargetRow{.target = Target::chainner,
              .name = "chainner",
              .title = "chaiNNer",
              .program = "chaiNNer's ONNX nodes",
              .runtime = Target::onnxruntime,
              .current = since(version(1, 17)),
              .is_player = true,
              .precisions = kNoBfloat16,
              .precision = {Precision::fp32, kSafe},
              .form = {GraphForm::standard, kUnmeasured},
              .why_dynamic = "chaiNNer cuts pictures into tiles and chooses the size of the tiles",
              .source = "source code of chaiNNer; chaiNNer was not run"},
};

// From version `from` on, a program reads every opset (or IR version) up to `newest`.
struct Row {
  std::int64_t newest;
  Version from;
};

constexpr std::array kTensorRtOpsets = {Row{17, version(8, 4)},   Row{19, version(9)},
                                        Row{20, version(10)},     Row{22, version(10, 6)},
                                        Row{24, version(10, 15)}, Row{25, version(11, 5)}};

constexpr std::array kOnnxRuntimeOpsets = {
    Row{15, version(1, 10)}, Row{17, version(1, 12)}, Row{18, version(1, 14)},
    Row{19, version(1, 15)}, Row{20, version(1, 17)}, Row{21, version(1, 18)},
    Row{22, version(1, 21)}, Row{23, version(1, 23)}, Row{24, version(1, 24)}};

constexpr std::array kOnnxRuntimeIrs = {Row{8, version(1, 12)}, Row{9, version(1, 15)},
                                        Row{10, version(1, 18)}, Row{11, version(1, 23)},
                                        Row{12, version(1, 24)}};

constexpr std::array kOperators = {
    OperatorRow{"LayerNormalization", 17, version(8, 6)},
    OperatorRow{"GroupNormalization", 18, version(8, 6)},
    OperatorRow{"Gelu", 20, version(10)},
    OperatorRow{"QLinearConv", 10, kNoEnd},
    OperatorRow{"QLinearMatMul", 10, kNoEnd},
    OperatorRow{"ConvInteger", 10, kNoEnd},
    OperatorRow{"MatMulInteger", 10, kNoEnd},
    OperatorRow{"DynamicQuantizeLinear", 11, kNoEnd},
};

// Returns the first version that reads the opset (or IR version) `number`; kNoEnd if no version
// does. Returns kFirst if the first row covers `number`: we assume that nobody uses versions older
// than the first row.
Version first_that_reads(std::span<const Row> rows, std::int64_t number) {
  for (const Row& row : rows) {
    if (number <= row.newest) return &row == rows.data() ? kFirst : row.from;
  }
  return kNoEnd;
}

}  // namespace

std::span<const TargetRow> target_rows() { return kTargets; }

const TargetRow& row_of(Target target) { return kTargets.at(static_cast<std::size_t>(target)); }

int newest_opset(const Asked& asked, GraphForm form) {
  const TargetRow& row = *asked.row;
  const bool standard = form == GraphForm::standard;
  int newest = standard ? row.standard_opset : row.channels_first_opset;
  const Version oldest = asked.versions.from;
  if (row.runtime == Target::tensorrt) {
    newest = std::min(newest, newest_opset_of_tensorrt(oldest));
    const OperatorRow& norm = operator_row("LayerNormalization");
    if (standard && oldest < norm.tensorrt) {
      newest = std::min(newest, static_cast<int>(norm.opset) - 1);
    }
  }
  if (row.runtime == Target::onnxruntime) {
    while (newest > kMinOpset && first_onnxruntime_of_opset(newest) > oldest) --newest;
  }
  return newest;
}

Version first_tensorrt_of_opset(std::int64_t opset) {
  return first_that_reads(kTensorRtOpsets, opset);
}
Version first_onnxruntime_of_opset(std::int64_t opset) {
  return first_that_reads(kOnnxRuntimeOpsets, opset);
}
Version first_onnxruntime_of_ir(std::int64_t ir) { return first_that_reads(kOnnxRuntimeIrs, ir); }

int newest_opset_of_tensorrt(Version version) {
  std::int64_t newest = kTensorRtOpsets.front().newest;
  for (const Row& row : kTensorRtOpsets) {
    if (version >= row.from) newest = row.newest;
  }
  return static_cast<int>(newest);
}

std::span<const OperatorRow> operators() { return kOperators; }

const OperatorRow& operator_row(std::string_view name) {
  const auto found = std::find_if(kOperators.begin(), kOperators.end(),
                                  [&](const OperatorRow& row) { return row.name == name; });
  require(found != kOperators.end(), "the table of operators lacks an operator");
  return *found;
}

}  // namespace aether2onnx::judge
