#include "other_names.h"

#include <array>

namespace aether2onnx::cli {

namespace {

constexpr std::string_view kShape =
    "Give the input's size with one option: --shape 1x3x720x1280 (fixed) or --shape 1x3xHxW "
    "(dynamic).";
constexpr std::string_view kCleanGraph =
    "Leave the option out: the graph contains nothing that a simplifier would remove.";
constexpr std::string_view kReadFromFile =
    "Leave the option out: the network is read from the checkpoint.";
constexpr std::string_view kOneExporter =
    "Leave the option out: aether2onnx has only one exporter.";
constexpr std::string_view kNoInt8 =
    "The ONNX file cannot be int8 or fp8. The smallest types are 16 bits: --fp_mode fp16.";
constexpr std::string_view kPlainFile =
    "Write the file's name without an option, as in: aether2onnx inspect model.pth";

constexpr std::array kNames = {
    // Options that name a file or a file's format in other programs.
    OtherName{"model", "--input_model_path", "", "", true},
    OtherName{"model_path checkpoint ckpt weights input input_path i", "--input_model_path"},
    OtherName{"o output_path", "--output_onnx_path"},
    OtherName{"o output_path", "--output_model_path"},
    OtherName{"o saveengine", "--save_engine"},
    OtherName{"o output_path output_dir", "--output"},
    OtherName{"outdir", "--output_dir"},
    OtherName{"pth checkpoint", "--against"},
    OtherName{"model", "", "", kPlainFile, true},
    OtherName{"input i checkpoint onnx", "", "", kPlainFile},
    OtherName{"format", "", "",
              "Leave the option out: a conversion always writes ONNX. For TensorRT, run: "
              "aether2onnx engine MODEL.onnx"},
    OtherName{"opt", "", "", kReadFromFile, true},
    // Options that set the precision in other programs.
    OtherName{"half fp16", "--fp_mode", "fp16"},
    OtherName{"half fp16", "--precision", "fp16"},
    OtherName{"half fp16", "--dtype", "float16"},
    OtherName{"fp32", "--fp_mode", "fp32"},
    OtherName{"fp32", "--precision", "as_model"},
    OtherName{"fp32", "--dtype", "float32"},
    OtherName{"bf16", "--fp_mode", "bf16"},
    OtherName{"bf16", "--precision", "bf16"},
    OtherName{"bf16", "--dtype", "bfloat16"},
    OtherName{"dtype data_type precision", "--fp_mode"},
    OtherName{"dtype", "--precision"},
    OtherName{"data_type precision", "--dtype"},
    OtherName{"bf16_exclude_depthwise", "--depthwise_fp32"},
    OtherName{"keep_io_types", "--io_type", "fp32"},
    OtherName{"int8 fp8 quantize", "", "", kNoInt8},
    OtherName{"stronglytyped", "", "",
              "Leave the option out: aether2onnx adds --stronglyTyped if the model has 16-bit or "
              "int8 types."},
    // Options that set the input's size in other programs.
    OtherName{"input_shape", "--shape"},
    OtherName{"imgsz img_size size static height width batch batch_size", "", "", kShape},
    OtherName{"dynamic_axes", "--dynamic_shapes"},
    OtherName{"minshapes", "", "",
              "Each axis has an option for its smallest size: --min_height 32."},
    OtherName{"optshapes", "", "", "Each axis has an option for its usual size: --opt_height 720."},
    OtherName{"maxshapes", "", "",
              "Each axis has an option for its largest size: --max_height 1080."},
    // Options in programs that enlarge pictures, as the command upscale does.
    OtherName{"t tile_size", "--tile"},
    OtherName{"tile_pad", "--overlap"},
    OtherName{"ext", "--format"},
    OtherName{"gpu_id gpu", "--device"},
    OtherName{"outscale scale", "", "", "Leave the option out: the model decides the scale."},
    // Options in other programs for the graph, the network, the number of jobs, messages, …
    OtherName{"simplify optimize slim fulloptimization", "", "", kCleanGraph},
    OtherName{"dynamo", "", "", kOneExporter},
    OtherName{"nocheck", "", "",
              "Leave the option out: without --verify_onnx nothing is compared."},
    OtherName{"net network arch", "", "", kReadFromFile},
    OtherName{"variant", "--model_type"},
    OtherName{"upscale", "--scale"},
    OtherName{"ema", "", "", "To choose the averaged weights, write --params_key params_ema."},
    OtherName{"workers j", "--jobs"},
    OtherName{"overwrite force", "", "",
              "Leave the option out: an existing model is replaced, except with --skip_existing."},
    OtherName{"help_all", "--help"},
    OtherName{"q", "--quiet"},
    OtherName{"v", "--verbose"},
};

}  // namespace

std::span<const OtherName> other_names() { return kNames; }

}  // namespace aether2onnx::cli
