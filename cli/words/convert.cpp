#include <fmt/format.h>

#include <algorithm>

#include "../commands.h"
#include "../name_template.h"
#include "../shapes.h"
#include "base/error.h"
#include "options.h"
#include "port/files.h"

namespace aether2onnx::cli {

namespace {

std::string usage() {
  std::string text =
      "Usage: aether2onnx MODEL.pth [MODEL.onnx] [options]\n"
      "       aether2onnx MODEL.pth... | FOLDER [--output_dir DIR] [options]\n"
      "       aether2onnx --input_model_path MODEL.pth --output_onnx_path MODEL.onnx [options]\n"
      "       aether2onnx COMMAND --help\n\nCommands:\n";
  for (const Command& command : commands()) {
    text += fmt::format("  {:<32}{}\n", command.name, command.summary);
  }
  return text;
}

constexpr const char* kFooter = R"(Examples:
  aether2onnx model.pth
      Static 1x3x64x64, fp32, opset 17, saved as {scale}x_model_fp32_op17.onnx
      beside model.pth. Variant, scale and channels are read from the file.
  aether2onnx model.pth model.onnx --dynamic_shapes --fp_mode fp16
      Any size from 32x32 to 256x256, half precision.
  aether2onnx model.pth --shape 1x3xHxW --max_height 1080 --max_width 1920
      One picture at a time, any size up to full HD.
  aether2onnx checkpoints/ --output_dir onnx --skip_existing
      Every checkpoint in the folder, over all cores.

Dashes may stand for underscores (--fp-mode), and an option's name may be cut
short while it stays unambiguous. Exit code: 0 done, 1 failed, 2 wrong usage.)";

void add_graph(CommandLine& line, ConvertOptions& options) {
  line.group("ONNX file");
  line.add("--opset_version", &options.opset_version, "N",
           fmt::format("ONNX opset, {} to {}. Default: {}, for bfloat16 {}", kMinOpset, kMaxOpset,
                       default_opset(Precision::fp32), default_opset(Precision::bf16)));
  line.add_choice("--fp_mode",
                  std::array{Precision::fp32, Precision::fp16, Precision::bf16,
                             Precision::mixed_fp16, Precision::mixed_bf16},
                  options.precision,
                  "fp16, bf16: everything in 16 bits. mixed_fp16, mixed_bf16:\n"
                  "convolutions in 16 bits, what is sensitive in float32; with\n"
                  "--verify_onnx also what 16 bits turn out to be too small or\n"
                  "too coarse for. Default: fp32");
  line.add_choice("--io_type", std::array{IoType::same, IoType::fp32}, options.io_type,
                  "Of the model's input and output: same (as the\n"
                  "convolutions) or fp32. Default: same for fp32 and fp16,\n"
                  "fp32 for the others");
  line.add_choice("--graph_form", std::array{GraphForm::standard, GraphForm::channels_first},
                  options.graph_form,
                  "standard, or channels_first: neither Transpose nor\n"
                  "Reshape, which VideoJaNai needs for engines of any size,\n"
                  "and TensorRT where it fails on LayerNormalization. On a\n"
                  "CPU it takes about 1.2 times as long. Default: standard");
  line.add_choice("--projections", std::array{Projections::conv, Projections::matmul},
                  options.projections,
                  "The products over the channels: 1x1 Conv, or MatMul with the\n"
                  "channels last. Default: conv");
  line.add("--split_kernels_over", &options.split_kernels_over, "N",
           "Write depthwise kernels larger than NxN, up to 13x13, as\n"
           "the sum of four 7x7 Convs; 7 to 12. Default: none");
  line.add_choice("--gelu", std::array{GeluForm::op, GeluForm::erf}, options.gelu,
                  "Gelu as one operator (opset 20 or newer), or by Erf.\n"
                  "Default: op where the opset has Gelu");
  line.add_list("--fp32_operators", options.fp32_operators, "OPS",
                "ONNX operators to keep in float32, with commas between:\n"
                "LeakyRelu,DepthToSpace");
  line.add_flag("--depthwise_fp32", options.depthwise_fp32,
                "Keep the large depthwise convolutions in float32");
  line.add_list("--fp32_blocks", options.fp32_blocks, "PATHS",
                "Parts to keep in float32, by their path: layers.0.3,\n"
                "conv_last; several with commas between");
}

void add_batch(CommandLine& line, ConvertRequest& request) {
  BatchRequest& batch = request.batch;
  line.group("Many at once");
  line.add("--output_dir", &batch.output_dir, "DIR",
           "Folder for the models; created where it is missing.\n"
           "Default: beside each checkpoint");
  line.add("--name_template", &batch.name_template, "NAME",
           fmt::format("Their names, of {{stem}} {{model}} {{scale}} {{precision}} {{opset}}\n"
                       "{{form}}. Default:\n{}",
                       NameTemplate::kDefault));
  line.add("--jobs", &batch.jobs, "N", "Conversions at a time. Default: one a core");
  line.add_flag("--skip_existing", batch.skip_existing,
                "Leave a model alone that was made from this\n"
                "checkpoint with these options");
  line.add_flag("--dry_run", request.dry_run, "Print what would be done and why; write nothing");
}

// Several checkpoints, a folder, or one checkpoint with an option for several.
void take_batch(const std::vector<std::string>& files, ConvertRequest& request) {
  BatchRequest& batch = request.batch;
  request.is_batch = true;
  if (!request.input.empty()) batch.inputs.push_back(request.input);
  batch.inputs.insert(batch.inputs.end(), files.begin(), files.end());
  for (const std::filesystem::path& path : batch.inputs) {
    if (path.extension() != ".onnx") continue;
    fail({ErrorKind::usage, "command-files", path.string(), "a checkpoint"},
         "{} is no checkpoint, and several of them or --output_dir were given; the models' names "
         "come from --name_template.",
         shown(path));
  }
  const bool several = batch.inputs.size() > 1 || io::is_folder(batch.inputs.front());
  if (!request.output.empty() && (several || batch.output_dir || batch.name_template)) {
    fail({ErrorKind::usage, "command-files", request.output.string()},
         "{} names one model, but {}.\nUse --output_dir and --name_template.",
         shown(request.output),
         several ? "there are several checkpoints" : "--output_dir or --name_template was given");
  }
}

void take_files(std::vector<std::string> files, ConvertRequest& request) {
  const BatchRequest& batch = request.batch;
  // Two arguments may be two checkpoints, or a checkpoint and its model.
  const bool many = files.size() > 2 || batch.output_dir ||
                    (files.size() == 2 && has_checkpoint_suffix(files[1]));
  if (!many) {
    take_next(files, request.input);
    take_next(files, request.output);
  }
  if (request.input.empty() && files.empty()) {
    fail_without_checkpoint("aether2onnx MODEL.pth [MODEL.onnx] [options]");
  }
  const bool folder = io::is_folder(request.input);
  if (folder && !request.output.empty()) {
    fail({ErrorKind::usage, "command-files", request.input.string(), "a checkpoint", "a folder"},
         "{0} is a folder; two arguments are a checkpoint and where to save it.\n"
         "To convert the checkpoints in it, write {0} --output_dir {1}.",
         shown(request.input), shown(request.output));
  }
  if (many || folder || !files.empty() || batch.name_template || batch.jobs ||
      batch.skip_existing) {
    take_batch(files, request);
  }
}

void add_verification_notes(ConvertRequest& request) {
  if (request.verify) return;
  if (request.options.precision == Precision::mixed_fp16) {
    request.notes.emplace_back(
        "without --verify_onnx the values in the network aren't measured, and a part that is too "
        "large for float16 isn't found");
  }
  for (const GivenOption& option : request.given) {
    if (option.group != kVerificationGroup || option.name == "keep_failed") continue;
    if (option.name == "verify_onnx") continue;
    request.notes.push_back(
        fmt::format("--{} has no effect without --verify_onnx{}", option.name,
                    option.name == "device" ? ": conversion itself needs no device" : ""));
  }
}

// Chooses the options that the targets need and the line leaves open, and takes the shape.
void take_targets(const CommandLine& line, ShapeRequest& shape, ConvertRequest& request) {
  ConvertOptions& options = request.options;
  const auto take_shape = [&] {
    options.shape = shape_of(shape, options.expect.input_channels, request.notes);
  };
  OptionsSet set;
  set.shape = shape.shape || shape.dynamic;
  set.precision = line.given("fp_mode");
  set.graph_form = line.given("graph_form");
  set.projections = line.given("projections");
  if (set.shape || request.targets.empty()) take_shape();
  if (request.targets.empty()) return;
  TargetChoice choice = choose_for(request.targets, options, set);
  options = choice.options;
  request.settings = std::move(choice.settings);
  for (const std::vector<std::string>& texts : {choice.clashes, choice.notes}) {
    for (const std::string& text : texts) request.notes.push_back(text);
  }
  if (set.shape) return;
  // Single sizes that were given stay.
  const auto& batch = shape.axes.front();
  const bool any_batch = batch.min || batch.opt || batch.max;
  if (options.shape.is_dynamic()) shape.shape = any_batch ? "NxCxHxW" : "1xCxHxW";
  take_shape();
}

// The files that a comparison reads beside the model and the checkpoint.
void add_inputs_of(const VerificationRequest& request, std::vector<std::filesystem::path>& inputs) {
  if (request.onnxruntime_library) inputs.emplace_back(*request.onnxruntime_library);
  if (!request.images) return;
  const std::vector<std::filesystem::path> pictures = io::list_folder(*request.images).paths;
  inputs.insert(inputs.end(), pictures.begin(), pictures.end());
}

}  // namespace

void add_words(CommandLine& line, ConvertRequest& request) {
  line.describe("Converts AetherNet checkpoints (PyTorch .pth) to ONNX, without PyTorch.", usage(),
                kFooter);
  line.group("Files");
  line.add("--input_model_path", &request.input, "FILE", "The checkpoint (.pth), fused or not");
  line.add("--output_onnx_path", &request.output, "FILE",
           "Where to save the model. Missing folders are created.\n"
           "Default: {scale}x_{name}_{precision}_op{N}.onnx beside the checkpoint");
  line.then([&] { take_files(line.positionals(), request); });
  line.group("Target");
  add_targets(line, request.targets,
              "Choose the shape, precision, opset, type of input and\n"
              "output, and form that suit this program. Several with\n"
              "commas between: one file for all of them. Options that\n"
              "are given count for more. The targets:");
  add_network_options(line, request.options.expect, request.options.read);
  const auto shape = std::make_shared<ShapeRequest>();
  add_shape_options(line, *shape, false);
  add_graph(line, request.options);
  add_batch(line, request);
  line.group(kVerificationGroup);
  line.add_flag("--verify_onnx", request.verify,
                "Compare the model with PyTorch before it is saved;\n"
                "needs libtorch and ONNX Runtime");
  add_verification_options(line, request.verification);
  line.add_flag("--keep_failed", request.keep_failed,
                "Save a model that fails as NAME.failed.onnx");
  add_limits(line, request.limits);
  line.add_printing(request.printing, "Add a table of the model");
  line.then([&, shape] {
    take_targets(line, *shape, request);
    request.given = line.given();
    request.inputs = line.inputs();
    if (request.verify) add_inputs_of(request.verification, request.inputs);
    add_verification_notes(request);
    validate(request.options);
  });
}

}  // namespace aether2onnx::cli
