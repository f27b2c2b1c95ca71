// The verification module: PyTorch against ONNX Runtime, shape by shape.

#include "verify_module.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "comparison.h"
#include "network/network.h"
#include "onnxruntime.h"
#include "reference.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::verify {

namespace {

using Json = nlohmann::ordered_json;

char* copy(const std::string& text) { return ::strdup(text.c_str()); }

// JSON has no infinity; a number that isn't finite becomes null.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json to_json(const Comparison& comparison, const FloatTensor& input, const char* kind) {
  return {{"shape", input.shape},
          {"input", kind},
          {"passed", comparison.passed},
          {"max_absolute", number(comparison.max_absolute)},
          {"mean_absolute", number(comparison.mean_absolute)},
          {"max_relative", number(comparison.max_relative)},
          {"worst", comparison.worst},
          {"outside_tolerance", comparison.outside},
          {"psnr", number(comparison.psnr)}};
}

Json verify(const A2oVerifyRequest& request) {
  const OnnxRuntime& runtime = OnnxRuntime::load(request.onnxruntime_library);
  const FileInput checkpoint(request.checkpoint);
  const io::FolderSiblings siblings(request.checkpoint);
  state_dict::OpenOptions how{{}, &siblings};
  if (request.params_key != nullptr) how.params_key = request.params_key;
  const auto state_dict = state_dict::StateDict::open(checkpoint, how);
  network::recognise(state_dict);  // the reference is only defined for what is recognised
  const Reference reference(state_dict);
  const Session candidate = runtime.open(request.onnx);

  Json json = {{"passed", true},
               {"reference", Reference::description()},
               {"candidate", "ONNX Runtime " + runtime.version() + " (CPU)"},
               {"onnxruntime_library", runtime.path()},
               {"atol", request.atol},
               {"rtol", request.rtol},
               {"seed", request.seed},
               {"results", Json::array()}};
  for (std::size_t i = 0; i < request.shape_count; ++i) {
    if (request.progress != nullptr) request.progress(i, request.user);
    const std::vector<std::int64_t> shape(request.shapes + 4 * i, request.shapes + 4 * i + 4);
    const auto check = [&](const FloatTensor& input, const char* kind) {
      const Comparison comparison =
          compare(candidate.run(input), reference.run(input), request.atol, request.rtol);
      if (!comparison.passed) json["passed"] = false;
      json["results"].push_back(to_json(comparison, input, kind));
    };
    check(make_noise(shape, request.seed + i), "noise");
    check(make_picture(shape), "picture");
  }
  return json;
}

}  // namespace

}  // namespace aether2onnx::verify

extern "C" {

__attribute__((visibility("default"))) int aether2onnx_verify_2(const A2oVerifyRequest* request,
                                                                char** json) {
  try {
    const auto details = aether2onnx::verify::verify(*request);
    *json = aether2onnx::verify::copy(
        details.dump(-1, ' ', false, aether2onnx::verify::Json::error_handler_t::replace));
    return details["passed"] ? kA2oPassed : kA2oFailed;
  } catch (const std::exception& error) {
    *json = aether2onnx::verify::copy(error.what());
    return kA2oError;
  }
}

__attribute__((visibility("default"))) void aether2onnx_verify_free_2(char* json) {
  std::free(json);
}

__attribute__((visibility("default"))) char* aether2onnx_verify_ready_2(
    const char* onnxruntime_library) {
  try {
    aether2onnx::verify::OnnxRuntime::load(onnxruntime_library);
    return nullptr;
  } catch (const std::exception& error) {
    return aether2onnx::verify::copy(error.what());
  }
}
}
