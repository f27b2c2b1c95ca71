#include "options.h"

namespace aether2onnx::cli {

void add_words(CommandLine& line, CheckRequest& request) {
  line.describe(
      "Says what would stop or slow the programs that run an ONNX file.",
      "Usage: aether2onnx check MODEL.onnx [options]\n",
      R"(MODEL.onnx may be made by anybody. Nothing is run. Without --for the model is checked
for TensorRT 8.6 or newer, ONNX Runtime 1.17 or newer, vs-mlrt and VideoJaNai. A problem
of all requested versions counts in full. A problem of some of them counts one step less:
an error becomes a warning, a warning becomes a note.

Examples:
  aether2onnx check model.onnx
  aether2onnx check model.onnx --for tensorrt:10.3,vsmlrt --strict

Exit code: 0 no error found, 1 errors (with --strict warnings, too), or the file
can't be read, 2 wrong usage.)");
  add_file(line, request.file, "one file is expected");
  line.group("Check");
  add_targets(line, request.options.targets,
              "What the model is meant for, with commas between, as in\n"
              "tensorrt:10.3,vsmlrt. Default: tensorrt, onnxruntime,\n"
              "vsmlrt and videojanai. The targets:");
  line.add_flag("--strict", request.strict, "Let warnings count as errors do for the exit code");
  add_limits(line, request.limits);
  line.add_printing(request.printing);
}

}  // namespace aether2onnx::cli
