#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "options.h"

namespace aether2onnx::cli {

namespace {

void take_files(std::vector<std::string> files, FuseRequest& request) {
  take_next(files, request.input);
  take_next(files, request.output);
  if (!files.empty()) {
    fail({ErrorKind::usage, "command-files", files.front()},
         "'{}' is one argument too many: one checkpoint and one fused checkpoint are expected.",
         printable(files.front()));
  }
  if (request.input.empty()) {
    fail_without_checkpoint("aether2onnx fuse MODEL.pth [FUSED.pth] [options]");
  }
  refuse_ending(request.output, {".onnx"},
                fmt::format("fuse writes a checkpoint for PyTorch (.pth or .safetensors), not ONNX."
                            "\nA conversion to ONNX fuses as well: aether2onnx {} {}",
                            shown(request.input), shown(request.output)));
  refuse_ending(request.output, {".engine", ".trt", ".plan"},
                "fuse writes a checkpoint for PyTorch, whose name ends in .pth or .safetensors.");
  if (request.output.empty()) {
    check_default_place(request.input, "aether2onnx fuse /dev/stdin fused.pth < model.pth");
  }
}

}  // namespace

void add_words(CommandLine& line, FuseRequest& request) {
  line.describe("Fuses an AetherNet checkpoint: each pair of parallel convolutions becomes one.",
                "Usage: aether2onnx fuse MODEL.pth [FUSED.pth | FUSED.safetensors] [options]\n",
                R"(Examples:
  aether2onnx fuse net_g_500000.pth
      Saves net_g_500000_fused.pth beside the checkpoint. PyTorch loads the file with
      torch.load(weights_only=True) and load_state_dict(strict=True).
  aether2onnx fuse net_g_500000.pth model.safetensors --dtype float16
      Saves safetensors with weights in float16.

Exit code: 0 done, 1 failed, 2 wrong usage.)");
  line.group("Files");
  line.add("--input_model_path", &request.input, "FILE", "The checkpoint (.pth), fused or not");
  line.add("--output_model_path", &request.output, "FILE",
           "The fused checkpoint to save. Missing folders are created.\n"
           "Default: {name}_fused.pth beside the checkpoint");
  line.then([&] { take_files(line.positionals(), request); });
  add_network_options(line, request.options.expect, request.options.read);
  line.group("Fused checkpoint");
  line.add_choice("--dtype",
                  std::array{WeightType::same, WeightType::float32, WeightType::float16,
                             WeightType::bfloat16, WeightType::float64},
                  request.options.dtype,
                  "Type of the weights. same: the stored type. Default: same");
  line.add_choice("--format", std::array{CheckpointFormat::pth, CheckpointFormat::safetensors},
                  request.options.format,
                  "File format. Default: safetensors if the output's name ends\n"
                  "in .safetensors, else pth");
  add_limits(line, request.limits);
  line.add_printing(request.printing);
  line.then([&] {
    request.inputs = line.inputs();
    validate(request.options);
  });
}

}  // namespace aether2onnx::cli
