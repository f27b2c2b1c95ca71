#include "options.h"

namespace aether2onnx::cli {

void add_words(CommandLine& line, CheckRequest& request) {
  line.describe(
      "Lists what would stop or slow the programs that run an ONNX file.",
      "Usage: aether2onnx check MODEL.onnx [options]\n",
      R"(MODEL.onnx may come from any program. check does not run the model. Without --for, check
looks for problems with TensorRT 8.6 or newer, ONNX Runtime 1.17 or newer, vs-mlrt and
VideoJaNai. If only some of the requested versions have a problem, the problem counts one
step less: an error becomes a warning, a warning becomes a note.

Examples:
  aether2onnx check model.onnx
  aether2onnx check model.onnx --for tensorrt:10.3,vsmlrt --strict

Exit code: 0 no error found, 1 errors (with --strict warnings, too), or the file
can't be read, 2 wrong usage.)");
  add_file(line, request.file, "one file is expected");
  line.group("Check");
  add_targets(line, request.options.targets,
              "The programs that will run the model, separated by commas:\n"
              "tensorrt:10.3,vsmlrt. Default: tensorrt, onnxruntime,\n"
              "vsmlrt and videojanai. The targets:");
  line.add_flag("--strict", request.strict, "Count warnings as errors for the exit code");
  add_limits(line, request.limits);
  line.add_printing(request.printing);
}

}  // namespace aether2onnx::cli
