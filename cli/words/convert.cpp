#include <fmt/format.h>

#include "../commands.h"
#include "../name_template.h"
#include "../shapes.h"
#include "base/error.h"
#include "base/text.h"
#include "nearest.h"
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
      Saves 2x_model_fp32_1x3x64x64_op17.onnx beside model.pth. The scale, the
      variant and the channels are read from the file.
  aether2onnx model.pth --shape 1x3xHxW --max_height 1080 --max_width 1920
      One picture at a time, any size up to 1920 x 1080.
  aether2onnx model.pth model.onnx --shape 1x3x720x1280 --fp_mode fp16
      One size only, in half precision.
  aether2onnx checkpoints/ --output_dir onnx
      Every checkpoint in the folder.

In the name of an option, a dash may replace an underscore (--fp-mode). The name may
be shortened, if only one option begins with the shortened name (--opset).
Exit codes: 0 done, 1 failed, 2 wrong usage.)";

void add_graph(CommandLine& line, ConvertOptions& options) {
  line.group("ONNX file");
  line.add_choice("--fp_mode",
                  std::array{Precision::fp32, Precision::fp16, Precision::bf16,
                             Precision::mixed_fp16, Precision::mixed_bf16},
                  options.precision,
                  "Precision. fp16 and bf16: everything in 16 bits. mixed_fp16\n"
                  "and mixed_bf16: convolutions in 16 bits, normalization and\n"
                  "other sensitive operators in float32. With --verify_onnx, parts\n"
                  "of the network that overflow or lose too much precision in 16\n"
                  "bits also stay in float32. Default: fp32");
  line.add_choice("--graph_form", std::array{GraphForm::standard, GraphForm::channels_first},
                  options.graph_form,
                  "channels_first: a graph without Transpose and Reshape. The\n"
                  "player VideoJaNai needs this form to build one engine for a\n"
                  "range of picture sizes. Also use this form if TensorRT fails on\n"
                  "LayerNormalization. ONNX Runtime takes about 1.2 times as long\n"
                  "on a CPU. Default: standard");
  line.add("--opset_version", &options.opset_version, "N",
           fmt::format("ONNX opset, {} to {}. Default: {}, for bfloat16 {}", kMinOpset, kMaxOpset,
                       default_opset(Precision::fp32), default_opset(Precision::bf16)));
  line.add_choice("--io_type", std::array{IoType::same, IoType::fp32}, options.io_type,
                  "Type of the model's input and output. same: the type of the\n"
                  "convolutions. Default: same if --fp_mode is fp32 or fp16, else\n"
                  "fp32");
  line.add_choice("--projections", std::array{Projections::conv, Projections::matmul},
                  options.projections,
                  "Operator for linear layers, which combine the channels of each\n"
                  "pixel: 1x1 Conv, or MatMul with the channels last. Default:\n"
                  "conv");
  line.add("--split_kernels_over", &options.split_kernels_over, "N",
           "Write depthwise kernels larger than NxN, up to 13x13, as\n"
           "the sum of four 7x7 Convs. N is 7 to 12. Default: no splitting");
  line.add_choice("--gelu", std::array{GeluForm::op, GeluForm::erf}, options.gelu,
                  "op: one Gelu operator (opset 20 or newer). erf: Erf and other\n"
                  "operators. Default: op if the opset has Gelu");
  line.add_list("--fp32_operators", options.fp32_operators, "OPS",
                "ONNX operators to keep in float32, separated by commas, as in\n"
                "LeakyRelu,DepthToSpace");
  line.add_flag("--depthwise_fp32", options.depthwise_fp32,
                "Keep the large depthwise convolutions in float32");
  line.add_list("--fp32_blocks", options.fp32_blocks, "PATHS",
                "Parts of the network to keep in float32: paths of modules,\n"
                "separated by commas, as in layers.0.3,conv_last");
}

void add_batch(CommandLine& line, ConvertRequest& request) {
  BatchRequest& batch = request.batch;
  line.group("Many at once");
  line.add("--output_dir", &batch.output_dir, "DIR",
           "Folder for the models, created if it is missing. Default: the\n"
           "folder of each checkpoint");
  line.add_flag("--skip_existing", batch.skip_existing,
                "Skip a checkpoint if its ONNX file exists already, and was made\n"
                "from the checkpoint with the same options");
  line.add_flag("--dry_run", request.dry_run,
                "Print what the command would do, and why. Write nothing");
  line.add("--jobs", &batch.jobs, "N", "Conversions at a time. Default: one for each core");
  line.add("--name_template", &batch.name_template, "NAME",
           fmt::format("Names of the models, with placeholders: {}.\nDefault:\n{}",
                       NameTemplate::placeholders(), NameTemplate::kDefault));
}

bool has_ending(const std::string& file, std::string_view ending) {
  return lower_case(std::filesystem::path(file).extension().string()) == ending;
}

// Returns whether `text` cannot be a file: no such file exists, and `text` has no dot or slash.
bool is_no_file(const std::string& text) {
  return text.find_first_of(R"(./\)") == std::string::npos && !io::exists(text);
}

// Throws Error(usage) for three usual mistakes in the arguments that are not options: an option
// without dashes ("half=True"), a command that is not the first argument ("model.pth verify"), and
// an ONNX file before the checkpoint.
void check_words(const CommandLine& line, const std::vector<std::string>& files) {
  for (const std::string& word : files) {
    line.refuse_assignment(word);
    if (is_no_file(word) && find_command(word) != nullptr) {
      fail({ErrorKind::usage, "command-order", word},
           "{0}: the command must be the first argument, as in: aether2onnx {0} FILE", word);
    }
  }
  if (files.size() == 2 && has_ending(files[0], ".onnx") && has_checkpoint_suffix(files[1])) {
    fail(
        {ErrorKind::usage, "command-swapped", files[0], files[1], files[0]},
        "{0} is before {1}, but the checkpoint must be the first file.\nWrite: aether2onnx {1} {0}",
        shown(files[0]), shown(files[1]));
  }
}

// Throws Error(usage) if `output`, the second argument, is not the name of an ONNX file.
void check_output(const std::string& output) {
  if (output.empty() || has_ending(output, ".onnx")) return;
  const bool is_folder = output.ends_with('/') || io::is_folder(output);
  const char* remedy = "Give the model's file name, as in model.onnx.";
  if (is_folder) {
    remedy = "To save into a folder, write --output_dir.";
  } else if (has_ending(output, ".engine") || has_ending(output, ".trt") ||
             has_ending(output, ".plan")) {
    remedy = "Save an .onnx file first. Then build the engine with: aether2onnx engine MODEL.onnx";
  }
  fail({ErrorKind::usage, "command-ending", output, ".onnx"},
       "{}: the second argument must be a checkpoint, or the ONNX file to save, which ends in "
       ".onnx.\n{}",
       shown(output), remedy);
}

// Sets the inputs of a batch. The user gave several checkpoints, a folder, or one checkpoint with
// an option such as --output_dir. Throws Error(usage) if an input is an ONNX file or cannot be a
// file (is_no_file()), or if request.output contradicts the other arguments.
void take_batch(const std::vector<std::string>& files, ConvertRequest& request) {
  BatchRequest& batch = request.batch;
  request.is_batch = true;
  if (!request.input.empty()) batch.inputs.push_back(request.input);
  batch.inputs.insert(batch.inputs.end(), files.begin(), files.end());
  for (const std::filesystem::path& path : batch.inputs) {
    refuse_ending(path, {".onnx"},
                  "the file is not a checkpoint. With several checkpoints or --output_dir, every "
                  "argument must be a checkpoint or a folder.\nUse --name_template to name the "
                  "models.");
    if (!is_no_file(path.string())) continue;
    fail({ErrorKind::usage, "command-files", path.string(), "a checkpoint or a folder"},
         "{}: there is no such file or folder. Nothing was converted.", shown(path));
  }
  const bool several = batch.inputs.size() > 1 || io::is_folder(batch.inputs.front());
  if (!request.output.empty() && (several || batch.output_dir || batch.name_template)) {
    fail({ErrorKind::usage, "command-files", request.output.string()},
         "{} names one model, but {}.\nOmit this name. Choose the folder and the names of the "
         "models with --output_dir and --name_template.",
         shown(request.output),
         several ? "there are several checkpoints" : "--output_dir or --name_template was given");
  }
}

void take_files(const CommandLine& line, ConvertRequest& request) {
  std::vector<std::string> files = line.positionals();
  const BatchRequest& batch = request.batch;
  check_words(line, files);
  // If the second argument has the ending of a checkpoint, the user wants to convert both files.
  // With any other ending, the second argument is the ONNX file to save.
  const bool many = files.size() > 2 || batch.output_dir ||
                    (files.size() == 2 && has_checkpoint_suffix(files[1]));
  if (!many) {
    take_next(files, request.input);
    if (!files.empty() && request.output.empty() && !io::is_folder(request.input)) {
      check_output(files.front());
    }
    take_next(files, request.output);
  }
  if (request.input.empty() && files.empty()) {
    fail_without_checkpoint("aether2onnx MODEL.pth [MODEL.onnx]. For more: aether2onnx help");
  }
  const bool folder = io::is_folder(request.input);
  if (folder && !request.output.empty()) {
    fail({ErrorKind::usage, "command-files", request.input.string(), "a checkpoint", "a folder"},
         "{0} is a folder, but an output file needs one checkpoint as input.\n"
         "To convert all checkpoints in the folder, write: aether2onnx {0} --output_dir {1}",
         shown(request.input), shown(request.output));
  }
  if (many || folder || !files.empty() || batch.name_template || batch.jobs ||
      batch.skip_existing) {
    take_batch(files, request);
  }
  if (!request.output.empty() || batch.output_dir) return;
  for (const std::filesystem::path& input : batch.inputs) {
    check_default_place(input, "--output_dir onnx");
  }
  if (!request.is_batch) {
    check_default_place(request.input, "aether2onnx /dev/stdin model.onnx < model.pth");
  }
}

void add_verification_notes(ConvertRequest& request) {
  if (request.verify) return;
  if (request.options.precision == Precision::mixed_fp16) {
    request.notes.emplace_back(
        "the values inside the network were not measured, because --verify_onnx is missing. With "
        "--verify_onnx, parts of the network with values beyond float16's range become float32");
  }
  for (const GivenOption& option : request.given) {
    if (option.group != kVerificationGroup || option.name == "keep_failed") continue;
    if (option.name == "verify_onnx") continue;
    request.notes.push_back(
        fmt::format("--{} has no effect without --verify_onnx{}", option.name,
                    option.name == "device" ? ": conversion itself needs no device" : ""));
  }
}

// Sets the options that the targets of --for (the programs that will run the model) need. Options
// that the user gave are kept. Also sets the shape of the input.
void take_targets(const CommandLine& line, ShapeRequest& shape, ConvertRequest& request) {
  ConvertOptions& options = request.options;
  const auto take_shape = [&] { options.shape = shape_of(shape, options.expect, request.notes); };
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
  // choose_for() decided whether the shape is dynamic, but used default sizes. So take_shape()
  // computes the shape again with the user's sizes, such as --max_height. For a dynamic shape,
  // shape.shape (the value of --shape) becomes a text with letters for height and width, and for
  // the batch if the user gave batch sizes. A letter makes the axis dynamic.
  const auto& batch = shape.axes.front();
  const bool any_batch = batch.min || batch.opt || batch.max;
  if (options.shape.is_dynamic()) shape.shape = any_batch ? "NxCxHxW" : "1xCxHxW";
  take_shape();
}

// Adds to `inputs` the ONNX Runtime library and the pictures that a verification reads. The program
// refuses to write an output over a file in `inputs`.
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
  line.show_in_help({"--shape", "--dynamic_shapes", "--max_height", "--max_width", "--fp_mode",
                     "--graph_form", "--opset_version", "--for", "--verify_onnx", "--report",
                     "--output_dir", "--skip_existing", "--dry_run", "--quiet", "--json", "--help",
                     "--help-all", "--version"});
  std::vector<std::string> scripts_own;
  for (const std::string_view name :
       split("input_model_path output_onnx_path model_type scale input_channels dynamic_shapes "
             "opset_version fp_mode verify_onnx atol rtol device",
             ' ')) {
    scripts_own.push_back(fmt::format("--{}", name));
  }
  for (const char* axis : kAxisNames) {
    for (const char* which : {"min", "opt", "max"}) {
      scripts_own.push_back(fmt::format("--{}_{}", which, axis));
    }
  }
  line.set_script_options(std::move(scripts_own));
  line.group("Files");
  line.add("--input_model_path", &request.input, "FILE",
           "The checkpoint, fused or not. Instead of this option, the\n"
           "checkpoint may be the first argument");
  line.add("--output_onnx_path", &request.output, "FILE",
           "The ONNX file to save. Missing folders are created. Instead of\n"
           "this option, the file may be the second argument. Default:\n"
           "beside the checkpoint; the name contains scale, precision,\n"
           "shape and opset");
  line.then([&] { take_files(line, request); });
  line.group("Target");
  add_targets(line, request.targets,
              "The program that will run the ONNX file. This option chooses\n"
              "the shape, precision, opset, --io_type, --graph_form and other\n"
              "options that suit the program. Separate several programs by\n"
              "commas; one file then suits all of them. Options that you give\n"
              "take precedence. The targets:");
  const auto shape = std::make_shared<ShapeRequest>();
  add_shape_options(line, *shape, false);
  add_graph(line, request.options);
  add_batch(line, request);
  line.group(kVerificationGroup);
  line.add_flag("--verify_onnx", request.verify,
                "Compare the model with the checkpoint before saving. A model\n"
                "that differs is not saved");
  add_verification_options(line, request.verification);
  line.add_flag("--keep_failed", request.keep_failed,
                "Save a model that differs, as NAME.failed.onnx");
  add_network_options(line, request.options.expect, request.options.read);
  add_limits(line, request.limits);
  line.add_printing(request.printing,
                    "Also print a table that compares the checkpoint with the ONNX\n"
                    "model: size, weights, types, inputs, outputs and operators");
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
