#include "options.h"

namespace aether2onnx::cli {

void add_words(CommandLine& line, InspectRequest& request) {
  line.describe("Describes a checkpoint or an ONNX file: network, dimensions, types, cost.",
                "Usage: aether2onnx inspect FILE [options]\n",
                R"(FILE is a checkpoint or an ONNX file from any program. A megapixel is 1,000,000
pixels of the output picture. The memory is the size of the feature maps; runtimes
need more for copies and workspaces.

Exit codes: 0 done, 1 the file can't be read, 2 wrong usage. A readable file of
another network is no failure.)");
  add_file(line, request.file, "one file is expected");
  line.group("Checkpoint");
  add_read_options(line, request.options.read, false);
  line.group("Output");
  line.add_flag("--tensors", request.options.tensors,
                "List every tensor with type, shape, smallest, largest and\n"
                "mean value, and the number of NaN and infinite values");
  add_limits(line, request.limits);
  line.add_printing(request.printing);
}

}  // namespace aether2onnx::cli
