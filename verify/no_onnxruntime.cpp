// Replaces onnxruntime.cpp in a program that is built without ONNX Runtime's headers. Then the
// program cannot run models, so all functions that need ONNX Runtime throw Error(unsupported).

#include "base/error.h"
#include "onnxruntime.h"

namespace aether2onnx::verify {

namespace {

[[noreturn]] void unavailable() {
  fail({ErrorKind::unsupported, "verify-built-without"},
       "This program was built without ONNX Runtime's headers. It cannot run or verify models.\n"
       "Get the headers with scripts/fetch_onnxruntime.sh, and build the program again.");
}

}  // namespace

struct Session::State {};

OnnxRuntime::OnnxRuntime(const std::filesystem::path& /*explicit_path*/) { unavailable(); }
OnnxRuntime::~OnnxRuntime() = default;
const OnnxRuntime& OnnxRuntime::load(const std::filesystem::path& /*explicit_path*/) {
  unavailable();
}
bool OnnxRuntime::has_gpu_provider() { return false; }
void OnnxRuntime::check(const Device& /*device*/) const { unavailable(); }
Session OnnxRuntime::open(const std::filesystem::path& /*model*/, const Device& /*device*/) const {
  unavailable();
}
Session OnnxRuntime::open(const std::string& /*model*/, const std::filesystem::path& /*folder*/,
                          const Device& /*device*/) const {
  unavailable();
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;
const std::vector<ModelValue>& Session::inputs() const { unavailable(); }
const std::vector<ModelValue>& Session::outputs() const { unavailable(); }
const std::vector<std::string>& Session::warnings() const { unavailable(); }
FloatTensor Session::run(const FloatTensor& /*input*/,
                         const std::atomic<bool>* /*cancelled*/) const {
  unavailable();
}
std::vector<FloatTensor> Session::run(const FloatTensor& /*input*/,
                                      const std::vector<std::string>& /*output_names*/,
                                      const std::atomic<bool>* /*cancelled*/) const {
  unavailable();
}

std::string to_string(const Device& /*device*/) { return "CPU"; }

}  // namespace aether2onnx::verify
