#include <fmt/format.h>

#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "options.h"

namespace aether2onnx::cli {

namespace {

// "tensorrt" or "tensorrt:10.3".
CheckOptions::Target target_of(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  for (const CheckTarget target : {CheckTarget::tensorrt, CheckTarget::onnxruntime,
                                   CheckTarget::vsmlrt, CheckTarget::videojanai}) {
    if (name != to_string(target)) continue;
    if (colon == std::string::npos) return {target, ""};
    if (colon + 1 < text.size()) return {target, text.substr(colon + 1)};
    fail({ErrorKind::usage, "option-version", "for", "a version"}, "--for {}: there is no version.",
         printable(text));
  }
  constexpr const char* expected = "tensorrt, onnxruntime, vsmlrt or videojanai";
  fail({ErrorKind::usage, "option-choice", "for", expected, text}, "--for {}: must be {}.",
       printable(text), expected);
}

}  // namespace

void add_words(CommandLine& line, CheckRequest& request) {
  line.describe(
      "Says what would stop or slow the programs that run an ONNX file.",
      "Usage: aether2onnx check MODEL.onnx [options]\n",
      R"(MODEL.onnx may be made by anybody. Nothing is run. Without --for all targets count,
in the versions in use: TensorRT 8.6 and ONNX Runtime 1.17 or newer. What holds for
all versions asked for counts in full; what holds for some of them is a step less:
an error becomes a warning, a warning a note.

Examples:
  aether2onnx check model.onnx
  aether2onnx check model.onnx --for tensorrt:10.3,vsmlrt --strict

Exit code: 0 no error found, 1 errors (with --strict warnings, too), or the file
can't be read, 2 wrong usage.)");
  add_file(line, request.file, "one file is expected");
  const auto targets = std::make_shared<std::string>();
  line.group("Check");
  line.add("--for", targets.get(), "TARGET[:VERSION]",
           "What the model is meant for, with commas between: tensorrt,\n"
           "onnxruntime, vsmlrt, videojanai; the first two may have a\n"
           "version, as in tensorrt:10.3. Default: all");
  line.then([&request, targets] {
    if (targets->ends_with(',')) *targets += ',';  // getline() drops an empty last item
    std::istringstream items(*targets);
    for (std::string item; std::getline(items, item, ',');) {
      request.options.targets.push_back(target_of(item));
    }
  });
  line.add_flag("--strict", request.strict, "Let warnings count as errors do for the exit code");
  add_limits(line, request.limits);
  line.add_printing(request.printing);
}

}  // namespace aether2onnx::cli
