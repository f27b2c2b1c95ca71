#include <fmt/format.h>

#include "../shapes.h"
#include "base/error.h"
#include "nearest.h"
#include "options.h"

namespace aether2onnx::cli {

namespace {

bool is_onnx(const std::filesystem::path& file) {
  return lower_case(file.extension().string()) == ".onnx";
}

// Sets the model and the checkpoint from two arguments in any order, or from one argument and the
// file of --against. Throws Error(usage) if the user gave more or fewer than these two files.
void take_files(const CommandLine& line, VerifyRequest& request) {
  const std::vector<std::string>& files = line.positionals();
  if (files.size() + (request.checkpoint.empty() ? 0 : 1) != 2) {
    fail({ErrorKind::usage, "command-files"},
         "one ONNX file and the checkpoint to compare it with are expected.\n{}", line.usage());
  }
  request.model = files.front();
  if (files.size() == 2) request.checkpoint = files.back();
  if (is_onnx(request.checkpoint) && !is_onnx(request.model)) {
    std::swap(request.model, request.checkpoint);
  }
}

}  // namespace

void add_words(CommandLine& line, VerifyRequest& request) {
  line.describe(
      "Runs an ONNX file in ONNX Runtime, and compares the output with the checkpoint's output.",
      "Usage: aether2onnx verify MODEL.onnx --against MODEL.pth [options]\n",
      R"(Without --shape, a static model is compared at its own shape and a dynamic model at
one small shape. --thorough also compares at the ends of the range of sizes. The range
is in the model's metadata. The default range is 1x32x32 to 4x256x256.

The verdict on the differences between both outputs is one of
  equal             within the tolerance, and no larger than rounding explains
  equal-as-assumed  equal, if the listed assumptions are true: the checkpoint lacks
                    these facts, and no comparison can prove them
  suspicious        within the tolerance, but larger than rounding explains
  differs           beyond the tolerance

Exit codes: 0 equal, 3 equal-as-assumed, 1 suspicious, differs or an error,
2 wrong usage.)");
  line.group("Files");
  line.add("--against", &request.checkpoint, "FILE", "The checkpoint that the model was made from");
  line.then([&] { take_files(line, request); });
  line.group("Checkpoint (same options as for convert)");
  add_read_options(line, request.reading);
  const auto shapes = std::make_shared<std::vector<std::string>>();
  line.group("Input shape");
  line.add("--shape", shapes.get(), "BxCxHxW", "Compare at this shape. The option may be repeated");
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
