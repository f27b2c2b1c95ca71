#include "onnxruntime.h"

#include <dlfcn.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>

// The functions are taken from the library loaded below.
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kApiVersion = 20;  // that of ONNX Runtime 1.20
constexpr const char* kEnvironmentVariable = "AETHER2ONNX_ONNXRUNTIME";
constexpr std::array<const char*, 2> kLibraryNames = {"libonnxruntime.so.1", "libonnxruntime.so"};

constexpr const char* kHowToGet =
    "Get it from your distribution (libonnxruntime), from npm (onnxruntime-node), or from the "
    "project's releases,\nand name the library with --onnxruntime_library or "
    "AETHER2ONNX_ONNXRUNTIME.";

fs::path program_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : program.parent_path();
}

struct Library {
  void* handle = nullptr;
  std::string path;
};

Library open_named(const fs::path& path, const char* named_by) {
  // An absolute path: dlopen() looks for a name without a slash in places of its own.
  const fs::path absolute = fs::absolute(path);
  void* handle = ::dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    fail(ErrorKind::verification, "ONNX Runtime can't be loaded from {} (given by {}): {}.\n{}",
         printable(absolute.string(), 4096), named_by, printable(::dlerror(), 400), kHowToGet);
  }
  return {handle, absolute.string()};
}

Library find_library(const fs::path& explicit_path) {
  if (!explicit_path.empty()) return open_named(explicit_path, "--onnxruntime_library");
  const char* variable = std::getenv(kEnvironmentVariable);
  if (variable != nullptr && *variable != '\0') return open_named(variable, kEnvironmentVariable);
  const fs::path folder = program_folder();
  for (const fs::path& beside : {folder, folder / "../lib"}) {
    for (const char* name : kLibraryNames) {
      std::error_code ignored;
      if (!folder.empty() && fs::exists(beside / name, ignored)) {
        return open_named(beside / name, "its place beside the program");
      }
    }
  }
  for (const char* name : kLibraryNames) {
    if (void* handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL)) return {handle, name};
  }
  fail(ErrorKind::verification, "ONNX Runtime isn't installed (no {}).\n{}", kLibraryNames[0],
       kHowToGet);
}

std::string describe_type(ONNXTensorElementDataType type) {
  if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) return "float32";
  if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16) return "float16";
  return fmt::format("ONNX type {}", static_cast<int>(type));
}

void ORT_API_CALL collect_warning(void* parameter, OrtLoggingLevel level, const char* /*category*/,
                                  const char* /*id*/, const char* /*location*/,
                                  const char* message) {
  if (level < ORT_LOGGING_LEVEL_WARNING) return;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  static_cast<std::vector<std::string>*>(parameter)->emplace_back(message);
}

// ONNX Runtime wants one environment a process; its warnings go to whoever is loading a model.
std::vector<std::string>& log() {
  static std::vector<std::string> lines;
  return lines;
}

Ort::Env& environment() {
  static Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "aether2onnx", collect_warning, &log());
  return env;
}

template <typename Work>
auto explained(const char* doing, Work work) {
  try {
    return work();
  } catch (const Ort::Exception& error) {
    fail(ErrorKind::verification, "ONNX Runtime failed {}: {}", doing,
         printable(error.what(), 2000));
  }
}

}  // namespace

OnnxRuntime::OnnxRuntime(const fs::path& explicit_path) {
  const Library library = find_library(explicit_path);
  library_ = library.handle;
  path_ = library.path;
  using GetApiBase = const OrtApiBase* (*)();
  const auto get_base = reinterpret_cast<GetApiBase>(::dlsym(library_, "OrtGetApiBase"));
  if (get_base == nullptr) {
    fail(ErrorKind::verification, "{} isn't ONNX Runtime: it has no OrtGetApiBase.\n{}",
         printable(path_, 4096), kHowToGet);
  }
  const OrtApiBase* base = get_base();
  version_ = base->GetVersionString();
  const OrtApi* api = base->GetApi(kApiVersion);
  if (api == nullptr) {
    fail(ErrorKind::verification, "{} is ONNX Runtime {}; 1.20 or newer is needed.\n{}",
         printable(path_, 4096), version_, kHowToGet);
  }
  Ort::InitApi(api);
}

// The library stays loaded: its threads may outlive any object of ours.
OnnxRuntime::~OnnxRuntime() = default;

const OnnxRuntime& OnnxRuntime::load(const fs::path& explicit_path) {
  static const OnnxRuntime runtime(explicit_path);
  return runtime;
}

struct Session::State {
  std::optional<Ort::Session> session;
  std::vector<ModelValue> inputs;
  std::vector<ModelValue> outputs;
  std::vector<std::string> warnings;
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

const std::vector<ModelValue>& Session::inputs() const { return state_->inputs; }
const std::vector<ModelValue>& Session::outputs() const { return state_->outputs; }
const std::vector<std::string>& Session::warnings() const { return state_->warnings; }

Session OnnxRuntime::open(const fs::path& model) const {
  return explained("to load the model", [&] {
    auto state = std::make_unique<Session::State>();
    log().clear();
    Ort::SessionOptions options;
    state->session.emplace(environment(), model.c_str(), options);
    state->warnings = log();

    Ort::AllocatorWithDefaultOptions allocator;
    const auto describe = [](const std::string& name, const Ort::TypeInfo& type) {
      const auto tensor = type.GetTensorTypeAndShapeInfo();
      return ModelValue{name, describe_type(tensor.GetElementType()), tensor.GetShape()};
    };
    const Ort::Session& session = *state->session;
    for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
      state->inputs.push_back(
          describe(session.GetInputNameAllocated(i, allocator).get(), session.GetInputTypeInfo(i)));
    }
    for (std::size_t i = 0; i < session.GetOutputCount(); ++i) {
      state->outputs.push_back(describe(session.GetOutputNameAllocated(i, allocator).get(),
                                        session.GetOutputTypeInfo(i)));
    }
    return Session(std::move(state));
  });
}

namespace {

std::vector<Ort::Float16_t> to_halves(std::span<const float> values) {
  std::vector<Ort::Float16_t> halves;
  halves.reserve(values.size());
  for (const float value : values) {
    halves.push_back(Ort::Float16_t::FromBits(to_half_bits(static_cast<double>(value))));
  }
  return halves;
}

FloatTensor to_floats(const Ort::Value& value) {
  const auto info = value.GetTensorTypeAndShapeInfo();
  FloatTensor tensor{info.GetShape(), {}};
  const std::size_t count = info.GetElementCount();
  if (info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
    const auto* data = value.GetTensorData<float>();
    tensor.values.assign(data, data + count);
  } else if (info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16) {
    const auto* data = value.GetTensorData<Ort::Float16_t>();
    tensor.values.reserve(count);
    for (std::size_t i = 0; i < count; ++i) tensor.values.push_back(from_half_bits(data[i].val));
  } else {
    fail(ErrorKind::verification, "the model's output is of {}; float32 or float16 is expected.",
         describe_type(info.GetElementType()));
  }
  return tensor;
}

}  // namespace

FloatTensor Session::run(const FloatTensor& input) const {
  if (inputs().size() != 1 || outputs().size() != 1) {
    fail(ErrorKind::verification, "the model has {} and {}; one of each is expected.",
         plural(inputs().size(), "input"), plural(outputs().size(), "output"));
  }
  return explained("to run the model", [&] {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    std::vector<float> values;
    std::vector<Ort::Float16_t> halves;
    Ort::Value feed{nullptr};
    if (inputs()[0].dtype == "float16") {
      halves = to_halves(input.values);
      feed = Ort::Value::CreateTensor<Ort::Float16_t>(memory, halves.data(), halves.size(),
                                                      input.shape.data(), input.shape.size());
    } else {
      values = input.values;
      feed = Ort::Value::CreateTensor<float>(memory, values.data(), values.size(),
                                             input.shape.data(), input.shape.size());
    }
    const char* input_name = inputs()[0].name.c_str();
    const char* output_name = outputs()[0].name.c_str();
    auto results =
        state_->session->Run(Ort::RunOptions{nullptr}, &input_name, &feed, 1, &output_name, 1);
    return to_floats(results.at(0));
  });
}

}  // namespace aether2onnx::verify
