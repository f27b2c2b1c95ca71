#include <fmt/format.h>

#include "../shapes.h"
#include "base/error.h"
#include "options.h"

namespace aether2onnx::cli {

void add_words(CommandLine& line, VerifyRequest& request) {
  line.describe(
      "Compares an ONNX file with PyTorch: the model in ONNX Runtime, the checkpoint in libtorch.",
      "Usage: aether2onnx verify MODEL.onnx --against MODEL.pth [options]\n",
      R"(Without --shape a static model is compared at its own shape, a dynamic one at
the smallest, usual and largest shape in its metadata (where it has none: the
converter's defaults, 1x32x32 to 4x256x256) and at an odd one between.

Exit code: 0 equal within the tolerance, 1 not, or it couldn't be found out,
2 wrong usage.)");
  line.group("Files");
  line.add("--against", &request.checkpoint, "FILE", "The checkpoint that the model was made from");
  line.then([&] {
    if (line.positionals().size() != 1 || request.checkpoint.empty()) {
      fail({ErrorKind::usage, "command-files"},
           "one ONNX file and the checkpoint to compare it with are expected.\n{}", line.usage());
    }
    request.model = line.positionals().front();
  });
  line.group("Checkpoint (as for the conversion)");
  add_read_options(line, request.reading);
  const auto shapes = std::make_shared<std::vector<std::string>>();
  line.group("Input shape");
  line.add("--shape", shapes.get(), "BxCxHxW", "Compare at this shape; may be repeated");
  line.then([&request, shapes] {
    for (const std::string& shape : *shapes) request.shapes.push_back(parse_fixed_shape(shape));
  });
  add_verification_options(line, request.verification);
  add_limits(line, request.limits);
  line.add_printing(request.printing);
  line.then([&] {
    request.inputs = line.inputs();
    validate(request.reading);
  });
}

}  // namespace aether2onnx::cli
