// The C interface of the verification module. Requests and answers are JSON texts. No exception
// leaves these functions.

#include "verify_module.h"

#include <aether2onnx/error.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "verifier.h"

namespace {

using Json = nlohmann::ordered_json;

char* copy(const std::string& text) { return ::strdup(text.c_str()); }

char* copy(const Json& json) {
  return copy(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

template <typename Work>
int answered(char** answer, Work work) {
  try {
    return work();
  } catch (const aether2onnx::Error& error) {
    *answer = copy(error.diagnostic.text);
    return kA2oError;
  } catch (const std::exception& error) {
    *answer = copy(std::string(error.what()));
    return kA2oError;
  }
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) int aether2onnx_verify_7(const char* request,
                                                                A2oVerifyProgress progress,
                                                                void* user,
                                                                const std::atomic<bool>* cancelled,
                                                                char** answer) {
  return answered(answer, [&] {
    const Json details =
        aether2onnx::verify::verify(Json::parse(request), progress, user, cancelled);
    *answer = copy(details);
    return details["passed"].get<bool>() ? kA2oPassed : kA2oFailed;
  });
}

__attribute__((visibility("default"))) int aether2onnx_verify_ready_7(const char* settings,
                                                                      char** answer) {
  return answered(answer, [&] {
    *answer = copy(aether2onnx::verify::ready(Json::parse(settings)));
    return kA2oPassed;
  });
}

__attribute__((visibility("default"))) void aether2onnx_verify_free_7(char* answer) {
  std::free(answer);
}
}
