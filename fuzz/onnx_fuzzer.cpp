// Any bytes as an ONNX file: described, recognised, checked, every tensor read, told to TensorRT.

#include <cstdlib>

#include "base/error.h"
#include "formats/onnx/onnx.h"
#include "judge/check/check.h"
#include "judge/engine/engine.h"
#include "network/network.h"
#include "report/report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aether2onnx;
  const MemoryInput input(std::as_bytes(std::span(data, size)));
  try {
    const onnx::File file = onnx::read(input, {});
    for (const onnx::FileTensor& tensor : file.initializers) {
      try {
        const TensorData elements = onnx::read_tensor(tensor, input, nullptr);
        InspectedTensor inspected;
        report::measure(elements, inspected);
        if (inspected.nan + inspected.infinite > elements.bytes.size()) std::abort();
      } catch (const Error& error) {
        if (error.kind == ErrorKind::internal) std::abort();
      }
    }
    auto network = network::recognise(onnx::outline_of(file), report::noted_network(file));
    if (network) {
      const Inspection::Cost cost =
          report::describe_cost(*network, "fp32", sizeof(float), sizeof(float));
      if (cost.parameters == 0) std::abort();
      report::check_metadata(file, "fp32", network->facts);
    }
    const Inspection::Onnx description = report::describe_onnx(file);
    if (description.nodes > file.nodes.size()) std::abort();
    for (const Finding& finding : checks::run(file, input, nullptr, {}, {}).findings) {
      if (finding.code.empty() || finding.what.empty() || finding.concerns.empty()) std::abort();
    }
    try {
      if (onnx::has_half_types(file)) onnx::emulate_half_types(input, file, nullptr);
    } catch (const Error& error) {
      if (error.kind == ErrorKind::internal) std::abort();
    }
    // Nothing but a checked name and numbers gets from a file into TensorRT's command line.
    for (const std::string& argument : trtexec_command(tensorrt::describe(file), {}).arguments) {
      if (argument.find_first_of(" \n'\"$;*,") != std::string::npos) std::abort();
    }
  } catch (const Error& error) {
    if (error.kind == ErrorKind::internal) std::abort();
  }
  return 0;
}
