#include "convert_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "batch.h"
#include "checkpoint_arguments.h"
#include "command_line.h"
#include "conversion.h"
#include "dry_run.h"
#include "limit_option.h"
#include "name_template.h"
#include "shape_arguments.h"

namespace aether2onnx::cli {

namespace {

constexpr const char* kUsage =
    "Usage: aether2onnx MODEL.pth [MODEL.onnx] [options]\n"
    "       aether2onnx MODEL.pth... | FOLDER [--output_dir DIR] [options]\n"
    "       aether2onnx --input_model_path MODEL.pth --output_onnx_path MODEL.onnx [options]\n"
    "       aether2onnx COMMAND --help\n"
    "\n"
    "Commands:\n"
    "  convert                         Convert; needs not be written\n"
    "  fuse                            Fuse a checkpoint, for PyTorch\n"
    "  verify                          Compare an ONNX file with its checkpoint in PyTorch\n"
    "  inspect                         Say what a checkpoint or an ONNX file is\n"
    "  check                           Say what would stop or slow those who run an ONNX file\n"
    "  scan                            Say whether a file holds anything but data\n"
    "  engine                          Build a TensorRT engine, or say how\n"
    "  completion                      Print the completion script of a shell\n"
    "  manual                          Print the manual page\n";

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

// The options of the graph as they are typed.
struct GraphArguments {
  std::string precision = "fp32";
  std::optional<std::string> io_type;
  std::string form = "standard";
  std::vector<std::string> fp32_blocks;

  void add_to(CommandLine& line, ConvertOptions& options);
  void take(ConvertOptions& options) const;
};

// The value called `text`, of those that an option may have.
template <typename Value, std::size_t Count>
Value parse_choice(const char* option, const std::string& text,
                   const std::array<Value, Count>& values) {
  std::vector<std::string> names;
  for (const Value value : values) {
    if (text == to_string(value)) return value;
    names.emplace_back(to_string(value));
  }
  const std::string last = names.back();
  names.pop_back();
  usage_error(
      fmt::format("{} {}: must be {} or {}.", option, printable(text), join(names, ", "), last));
}

void GraphArguments::add_to(CommandLine& line, ConvertOptions& options) {
  const std::string group = "ONNX file";
  line.add_option(
          "--opset_version", options.opset_version,
          fmt::format("ONNX opset, {} to {}. Default: {}, for bfloat16 {}", kMinOpset, kMaxOpset,
                      default_opset(Precision::fp32), default_opset(Precision::bf16)))
      .group(group)
      .type_name("N");
  line.add_option("--fp_mode", precision,
                  "fp16, bf16: everything in 16 bits. mixed_fp16, mixed_bf16:\n"
                  "convolutions in 16 bits, what is sensitive in float32; with\n"
                  "--verify_onnx also what 16 bits turn out to be too small or\n"
                  "too coarse for. Default: fp32")
      .group(group)
      .type_name("fp32|fp16|bf16|mixed_fp16|mixed_bf16");
  line.add_option("--io_type", io_type,
                  "Of the model's input and output: same (as the\n"
                  "convolutions) or fp32. Default: same for fp32 and fp16,\n"
                  "fp32 for the others")
      .group(group)
      .type_name("same|fp32");
  line.add_option("--graph_form", form,
                  "standard, or channels_first: neither Transpose nor\n"
                  "Reshape, which VideoJaNai needs for engines of any size,\n"
                  "and TensorRT where it fails on LayerNormalization. On a\n"
                  "CPU it takes about 1.2 times as long. Default: standard")
      .group(group)
      .type_name("standard|channels_first");
  line.add_flag("--depthwise_fp32", options.depthwise_fp32,
                "Keep the large depthwise convolutions in float32")
      .group(group);
  line.add_option("--fp32_blocks", fp32_blocks,
                  "Parts to keep in float32, by their path: layers.0.3,\n"
                  "conv_last; several with commas between")
      .group(group)
      .list(',')
      .type_name("PATHS");
}

void GraphArguments::take(ConvertOptions& options) const {
  options.precision = parse_choice("--fp_mode", precision,
                                   std::array{Precision::fp32, Precision::fp16, Precision::bf16,
                                              Precision::mixed_fp16, Precision::mixed_bf16});
  if (io_type) {
    options.io_type = parse_choice("--io_type", *io_type, std::array{IoType::same, IoType::fp32});
  }
  options.graph_form = parse_choice("--graph_form", form,
                                    std::array{GraphForm::standard, GraphForm::channels_first});
  options.fp32_blocks = fp32_blocks;
}

void add_batch(CommandLine& line, ConvertArguments& arguments) {
  const std::string group = "Many at once";
  BatchArguments& batch = arguments.batch;
  line.add_option("--output_dir", batch.output_dir,
                  "Folder for the models; created where it is missing.\n"
                  "Default: beside each checkpoint")
      .group(group)
      .type_name("DIR");
  line.add_option(
          "--name_template", batch.name_template,
          fmt::format("Their names, of {{stem}} {{model}} {{scale}} {{precision}} {{opset}}\n"
                      "{{form}}. Default:\n{}",
                      NameTemplate::kDefault))
      .group(group)
      .type_name("NAME");
  line.add_option("--jobs", batch.jobs, "Conversions at a time. Default: one a core")
      .group(group)
      .type_name("N");
  line.add_flag("--skip_existing", batch.skip_existing,
                "Leave a model alone that was made from this\n"
                "checkpoint with these options")
      .group(group);
  line.add_flag("--dry_run", arguments.dry_run, "Print what would be done and why; write nothing")
      .group(group);
}

// Whether two arguments are two checkpoints, and not a checkpoint and where to save it.
bool second_is_checkpoint(const std::vector<std::string>& positionals) {
  return positionals.size() == 2 && has_checkpoint_suffix(positionals[1]);
}

// Several checkpoints, a folder of them, or one with an option that is for many.
void take_batch(const std::vector<std::string>& positionals, const std::string& input,
                const std::string& output, ConvertArguments& result) {
  BatchArguments& batch = result.batch;
  result.is_batch = true;
  if (!input.empty()) batch.inputs.emplace_back(input);
  batch.inputs.insert(batch.inputs.end(), positionals.begin(), positionals.end());
  result.output = output;
  std::error_code ignored;
  const bool several =
      batch.inputs.size() > 1 || std::filesystem::is_directory(batch.inputs.front(), ignored);
  for (const std::filesystem::path& path : batch.inputs) {
    if (path.extension() == ".onnx") {
      usage_error(
          fmt::format("{} is no checkpoint, and several of them or --output_dir were given; "
                      "the models' names come from --name_template.",
                      shown(path)));
    }
  }
  if (!output.empty() && (several || batch.output_dir || batch.name_template)) {
    usage_error(fmt::format("{} names one model{}.\nUse --output_dir and --name_template.",
                            shown(output),
                            several ? ", but there are several checkpoints"
                                    : ", but --output_dir or --name_template was given"));
  }
}

// The files, named by option or by position.
void take_files(const FileArguments& files, std::vector<std::string> positionals,
                ConvertArguments& result) {
  std::string input = files.input();
  std::string output = files.output();
  const auto take = [&](std::string& file) {
    if (!file.empty() || positionals.empty()) return;
    file = positionals.front();
    positionals.erase(positionals.begin());
  };
  const BatchArguments& batch = result.batch;
  const bool many = positionals.size() > 2 || batch.output_dir || second_is_checkpoint(positionals);
  if (!many) {
    take(input);
    take(output);
  }
  if (input.empty() && positionals.empty()) files.fail_without_input();
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(input, ignored);
  if (is_folder && !output.empty()) {
    usage_error(
        fmt::format("{0} is a folder; two arguments are a checkpoint and where to save it.\n"
                    "To convert the checkpoints in it, write {0} --output_dir {1}.",
                    shown(input), shown(output)));
  }
  if (many || is_folder || !positionals.empty() || batch.name_template || batch.jobs ||
      batch.skip_existing) {
    take_batch(positionals, input, output, result);
    return;
  }
  result.input = input;
  result.output = output;
}

// The command line, and what is kept of it until it is parsed.
struct Parser {
  CommandLine line{"Converts AetherNet checkpoints (PyTorch .pth) to ONNX, without PyTorch.",
                   kUsage, kFooter};
  FileArguments files{"ONNX file", "aether2onnx MODEL.pth [MODEL.onnx] [options]"};
  GraphArguments graph;
  ShapeArguments shape;
  LimitOption limits;

  explicit Parser(ConvertArguments& result);
};

Parser::Parser(ConvertArguments& result) {
  files.add_to(line, "--output_onnx_path",
               "Where to save the model. Missing folders are created.\n"
               "Default: {scale}x_{name}_{precision}_op{N}.onnx beside the checkpoint");
  add_network_options(line, result.options.expect, result.options.read);
  shape.add_to(line);
  graph.add_to(line, result.options);
  add_batch(line, result);
  line.add_flag("--verify_onnx", result.verify,
                "Compare the model with PyTorch before it is saved;\n"
                "needs libtorch and ONNX Runtime")
      .group(VerificationArguments::kGroup);
  result.verification.add_to(line);
  line.add_flag("--keep_failed", result.keep_failed, "Save a model that fails as NAME.failed.onnx")
      .group(VerificationArguments::kGroup);
  limits.add_to(line);
  line.add_printing(result.printing, "Add a table of the model");
}

std::optional<Answer> parse(const std::vector<std::string>& arguments, ConvertArguments& result) {
  Parser parser(result);
  if (auto answer = parser.line.parse(arguments)) return answer;
  result.given = parser.line.given();
  take_files(parser.files, parser.line.positionals(), result);
  parser.graph.take(result.options);
  parser.limits.take(result.limits);
  result.options.shape = parser.shape.resolve(result.options.expect.input_channels, result.notes);
  result.verification.check();
  if (!result.verify && result.options.precision == Precision::mixed_fp16) {
    result.notes.emplace_back(
        "without --verify_onnx the values in the network aren't measured, and a part that is too "
        "large for float16 isn't found");
  }
  if (!result.verify) {
    for (const std::string& option : result.verification.given_for_verification()) {
      result.notes.push_back(
          fmt::format("{} has no effect without --verify_onnx{}", option,
                      option == "--device" ? ": conversion itself needs no device" : ""));
    }
  }
  validate(result.options);
  return std::nullopt;
}

void print_next(Console& console, const std::string& verify, const std::string& trtexec,
                const std::string& engine) {
  console.plain("");
  if (!verify.empty()) {
    console.plain("Next, compare the model with PyTorch:\n  " + verify);
  }
  console.plain(fmt::format("{} an engine with TensorRT 10:\n  {}",
                            verify.empty() ? "Next, build" : "Build", trtexec));
  console.plain("With another version, ONNX Runtime or vs-mlrt:\n  " + engine);
}

int convert_one(const ConvertArguments& arguments, const Invocation& invocation, Console& console) {
  std::optional<Verification> verification;
  ConvertReport report;
  if (arguments.verify) {
    verification.emplace(arguments.verification, "--verify_onnx", console);
    try {
      report = convert_verified(arguments, {arguments.input, arguments.output}, *verification,
                                command_line_text(invocation), console);
    } catch (const Error& error) {
      return verification->print_failure(error, arguments.printing.json);
    }
  } else {
    report = convert_file(arguments.input, arguments.output, arguments.options,
                          {arguments.limits, &console});
  }
  console.line("saved", shown(report.output.path));
  if (!report.output.external_data_path.empty()) {
    console.line(
        "", fmt::format("{} (keep it beside the model)", shown(report.output.external_data_path)));
  }
  if (arguments.printing.verbose) console.plain(fmt::format("\n{}", model_table(report)));
  const std::string verify =
      verification ? "" : verify_line(invocation.program, arguments, arguments.input, report);
  const std::string trtexec = trtexec_line(report);
  print_next(console, verify, trtexec, engine_line(invocation.program, report));
  if (arguments.printing.json) {
    print_conversion(report, verification ? &*verification : nullptr, verify, trtexec);
  }
  return kDone;
}

}  // namespace

void describe_convert(const UseCommandLine& use) {
  ConvertArguments arguments;
  Parser parser(arguments);
  use(parser.line);
}

int run_convert(const Invocation& invocation) {
  ConvertArguments arguments;
  if (const auto answer = parse(invocation.arguments, arguments)) return print_answer(*answer);
  Console console(arguments.printing);
  for (const std::string& note : arguments.notes) console.line("note", note);
  if (arguments.is_batch) return run_batch(arguments, invocation, console);
  if (arguments.dry_run) return run_dry(arguments, console);
  return convert_one(arguments, invocation, console);
}

}  // namespace aether2onnx::cli
