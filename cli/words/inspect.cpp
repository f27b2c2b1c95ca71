#include "options.h"

namespace aether2onnx::cli {

void add_words(CommandLine& line, InspectRequest& request) {
  line.describe("Says what a file is: network, dimensions, types, cost.",
                "Usage: aether2onnx inspect FILE [options]\n",
                R"(FILE is a checkpoint or an ONNX file, whoever made it. A megapixel is 1,000,000
pixels of the output picture. The memory is what the feature maps take; runtimes
take more for copies and workspaces.

Exit code: 0 done, also where the file is of no network that can be converted,
1 the file can't be read, 2 wrong usage.)");
  add_file(line, request.file, "one file is expected");
  line.group("Checkpoint");
  add_read_options(line, request.options.read, false);
  line.group("Output");
  line.add_flag("--tensors", request.options.tensors,
                "List every tensor: type, shape, smallest, largest and mean\n"
                "element, number of NaN and infinite ones");
  add_limits(line, request.limits);
  line.add_printing(request.printing);
}

}  // namespace aether2onnx::cli
