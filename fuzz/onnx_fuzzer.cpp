// Treats any bytes as an ONNX file: describes, recognises and checks it, reads every tensor,
// rewrites a 16-bit model, and makes the command for TensorRT.

#include <cstdlib>

#include "base/error.h"
#include "formats/onnx/emulate.h"
#include "formats/onnx/onnx.h"
#include "judge/check/check.h"
#include "judge/engine/engine.h"
#include "judge/onnx_operators.h"
#include "judge/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aether2onnx;
  const MemoryInput input(std::as_bytes(std::span(data, size)));
  try {
    const onnx::Model file = onnx::read(input, {});
    InspectOptions options;
    options.tensors = true;
    const Inspection inspection = inspect(input, options);
    for (const InspectedTensor& tensor : inspection.tensors) {
      if (tensor.nan + tensor.infinite > size) std::abort();
    }
    if (inspection.cost && inspection.cost->parameters == 0) std::abort();
    std::uint64_t nodes = 0;
    file.each_node([&nodes](const onnx::Node&) { ++nodes; });
    if (inspection.onnx && inspection.onnx->nodes > nodes) std::abort();
    judge::expanded_nodes(file);
    CheckOptions all;
    for (const judge::TargetRow& row : judge::target_rows()) {
      all.targets.push_back({row.target, ""});
    }
    for (const Finding& finding : judge::check::run(file, input, nullptr, all, {}).findings) {
      if (finding.code.empty() || finding.what.empty() || finding.concerns.empty()) std::abort();
    }
    try {
      if (onnx::has_half_types(file)) {
        onnx::emulate_half_types(input, file, nullptr);
        onnx::widen_half_types(input, file, nullptr);
      }
    } catch (const Error& error) {
      if (error.kind == ErrorKind::internal) std::abort();
    }
    // Only a checked name and numbers may get from a file into TensorRT's command line.
    for (const std::string& argument :
         trtexec_command(judge::engine::describe(file), {}).arguments) {
      if (argument.find_first_of(" \n'\"$;*,") != std::string::npos) std::abort();
    }
  } catch (const Error& error) {
    if (error.kind == ErrorKind::internal) std::abort();
  }
  return 0;
}
