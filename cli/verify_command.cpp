#include "verify_command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "checkpoint_arguments.h"
#include "command_line.h"
#include "console.h"
#include "json.h"
#include "limit_option.h"
#include "shape_arguments.h"
#include "verification.h"

namespace aether2onnx::cli {

namespace {

struct Arguments {
  std::filesystem::path model;
  std::filesystem::path checkpoint;
  ReadOptions reading;
  Limits limits;
  std::vector<std::array<std::int64_t, 4>> shapes;
  VerificationArguments verification;
  Printing printing;
};

constexpr const char* kUsage =
    "Usage: aether2onnx verify MODEL.onnx --against MODEL.pth [options]\n";

constexpr const char* kFooter =
    R"(Without --shape a static model is compared at its own shape, a dynamic one at
the smallest, usual and largest shape in its metadata (where it has none: the
converter's defaults, 1x32x32 to 4x256x256) and at an odd one between.

Exit code: 0 equal within the tolerance, 1 not, or it couldn't be found out,
2 wrong usage.)";

// The command line, and what is kept of it until it is parsed.
struct Parser {
  CommandLine line{
      "Compares an ONNX file with PyTorch: the model in ONNX Runtime, the checkpoint in libtorch.",
      kUsage, kFooter};
  std::string checkpoint;
  std::vector<std::string> shapes;
  LimitOption limits;

  explicit Parser(Arguments& result);
};

Parser::Parser(Arguments& result) {
  line.add_positionals("MODEL.onnx");
  line.add_option("--against", checkpoint, "The checkpoint that the model was made from")
      .group("Files")
      .type_name("FILE");
  add_read_options(line, result.reading, "Checkpoint (as for the conversion)");
  line.add_option("--shape", shapes, "Compare at this shape; may be repeated")
      .group("Input shape")
      .repeatable()
      .type_name("BxCxHxW");
  result.verification.add_to(line);
  limits.add_to(line);
  line.add_printing(result.printing, "");
}

std::optional<Answer> parse(const std::vector<std::string>& arguments, Arguments& result) {
  Parser parser(result);
  if (auto answer = parser.line.parse(arguments)) return answer;
  if (parser.line.positionals().size() != 1 || parser.checkpoint.empty()) {
    usage_error(fmt::format("one ONNX file and the checkpoint to compare it with are expected.\n{}",
                            kUsage));
  }
  parser.limits.take(result.limits);
  result.model = parser.line.positionals().front();
  result.checkpoint = parser.checkpoint;
  for (const std::string& shape : parser.shapes) {
    result.shapes.push_back(parse_fixed_shape(shape, "--shape"));
  }
  result.verification.check();
  validate(result.reading);
  return std::nullopt;
}

}  // namespace

void describe_verify(const UseCommandLine& use) {
  Arguments arguments;
  Parser parser(arguments);
  use(parser.line);
}

int run_verify(const Invocation& invocation) {
  Arguments arguments;
  if (const auto answer = parse(invocation.arguments, arguments)) return print_answer(*answer);
  Console console(arguments.printing);
  Verification verification(arguments.verification, "verify", console);

  VerificationTask task;
  task.checkpoint = arguments.checkpoint;
  task.reading = arguments.reading;
  task.limits = arguments.limits;
  task.model = arguments.model;
  task.model_name = arguments.model.filename().string();
  task.shapes = arguments.shapes;
  task.command = command_line_text(invocation);
  try {
    verification.run(task, console);
  } catch (const Error& error) {
    return verification.print_failure(error, arguments.printing.json);
  }

  console.line("equal", fmt::format("{} computes what {} does in PyTorch, within the tolerance",
                                    shown(arguments.model), shown(arguments.checkpoint)));
  if (arguments.printing.json) {
    Json json = {{"status", "ok"}, {"version", version()}, {"verification", verification.json()}};
    print_result(json, "the model is equal");
  }
  return kDone;
}

}  // namespace aether2onnx::cli
