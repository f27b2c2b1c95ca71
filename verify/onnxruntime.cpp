#include "onnxruntime.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

// Without this macro, ONNX Runtime's C++ header calls a function of the library when the program
// starts, so the library must be linked. With the macro, the header calls only the functions that
// the constructor of OnnxRuntime passes to Ort::InitApi().
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>
#include <onnxruntime_session_options_config_keys.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "port/files.h"
#include "port/port.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kApiVersion = 20;  // the API of ONNX Runtime 1.20
constexpr const char* kEnvironmentVariable = "AETHER2ONNX_ONNXRUNTIME";
#if defined(_WIN32)
constexpr std::array kLibraryNames = {"onnxruntime.dll"};
constexpr const char* kHowToGet =
    "Get onnxruntime.dll from ONNX Runtime's releases, or from the Python package onnxruntime "
    "(folder onnxruntime/capi).\nPut this file beside the program, or give the file's path with "
    "--onnxruntime_library or the environment variable AETHER2ONNX_ONNXRUNTIME.";
#else
#if defined(__APPLE__)
constexpr std::array kLibraryNames = {"libonnxruntime.dylib"};
#else
constexpr std::array kLibraryNames = {"libonnxruntime.so.1", "libonnxruntime.so"};
#endif
constexpr const char* kHowToGet =
    "Get ONNX Runtime from your distribution (libonnxruntime), from npm (onnxruntime-node), or "
    "from ONNX Runtime's releases.\nGive the library's path with --onnxruntime_library or the "
    "environment variable AETHER2ONNX_ONNXRUNTIME.";
#endif

struct Library {
  port::Library library;
  std::string path;
};

Library open_named(const fs::path& path, const std::string& named_by) {
  const fs::path absolute = io::absolute(path);
  port::Library library = port::load_library(absolute);
  if (library.handle == nullptr) {
    fail({ErrorKind::io, "verify-no-onnxruntime", absolute.string()},
         "ONNX Runtime can't be loaded from {} (path from {}): {}.\n{}",
         printable(absolute.string(), 4096), named_by, printable(library.problem, 400), kHowToGet);
  }
  return {std::move(library), absolute.string()};
}

Library find_library(const fs::path& explicit_path) {
  if (!explicit_path.empty()) return open_named(explicit_path, option("onnxruntime_library"));
  const std::string variable = port::environment(kEnvironmentVariable);
  if (!variable.empty()) return open_named(variable, kEnvironmentVariable);
  const fs::path folder = port::program_folder();
  for (const fs::path& beside : {folder, folder / "../lib", folder / AETHER2ONNX_MODULE_FOLDER}) {
    for (const char* name : kLibraryNames) {
      if (!folder.empty() && io::exists(beside / name)) {
        return open_named(beside / name, "the search in the program's folders");
      }
    }
  }
  for (const char* name : kLibraryNames) {
    if (port::kIsWindows) break;  // this would find the older ONNX Runtime of Windows
    port::Library library = port::load_library(name);
    if (library.handle != nullptr) return {std::move(library), name};
  }
  fail({ErrorKind::io, "verify-no-onnxruntime", kLibraryNames[0]},
       "ONNX Runtime isn't installed: {} was not found.\n{}", kLibraryNames[0], kHowToGet);
}

std::string describe_type(ONNXTensorElementDataType type) {
  if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) return "float32";
  if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16) return "float16";
  if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16) return "bfloat16";
  return fmt::format("ONNX type {}", static_cast<int>(type));
}

// Collects the warnings that ONNX Runtime logs while it loads a session. ONNX Runtime allows only
// one environment per process, with one log function. So all sessions share one object of this
// class. ONNX Runtime logs from several threads, so a mutex protects the warnings.
class Warnings {
 public:
  void add(const char* message) {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(message);
  }
  // Returns the warnings since the last call of take().
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

Warnings& warnings() {
  static Warnings instance;
  return instance;
}

void ORT_API_CALL collect_warning(void* /*parameter*/, OrtLoggingLevel level,
                                  const char* /*category*/, const char* /*id*/,
                                  const char* /*location*/, const char* message) {
  if (level >= ORT_LOGGING_LEVEL_WARNING) warnings().add(message);
}

Ort::Env& environment() {
  static Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "aether2onnx", collect_warning, nullptr);
  return env;
}

std::atomic<bool> gpu_provider = false;

template <typename Work>
auto explained(const char* doing, Work work) {
  try {
    return work();
  } catch (const Ort::Exception& error) {
    std::string reason = error.what();
    while (reason.ends_with('\n')) reason.pop_back();
    if (error.GetOrtErrorCode() == ORT_NOT_IMPLEMENTED) {
      throw NotImplemented(
          ErrorKind::unsupported,
          Diagnostic{"verify-no-operator",
                     {},
                     {},
                     {},
                     fmt::format("ONNX Runtime failed {}: {}", doing, printable(reason, 2000))});
    }
    fail({ErrorKind::unsupported, "verify-onnxruntime"}, "ONNX Runtime failed {}: {}", doing,
         printable(reason, 2000));
  }
}

}  // namespace

OnnxRuntime::OnnxRuntime(const fs::path& explicit_path) {
  const Library library = find_library(explicit_path);
  path_ = library.path;
  using GetApiBase = const OrtApiBase* (*)();
  const auto get_base =
      reinterpret_cast<GetApiBase>(port::find_symbol(library.library, "OrtGetApiBase"));
  if (get_base == nullptr) {
    fail({ErrorKind::unsupported, "verify-onnxruntime-version", path_},
         "{} isn't ONNX Runtime: the library has no function OrtGetApiBase.\n{}",
         printable(path_, 4096), kHowToGet);
  }
  const OrtApiBase* base = get_base();
  version_ = base->GetVersionString();
  const OrtApi* api = base->GetApi(kApiVersion);
  if (api == nullptr) {
    fail({ErrorKind::unsupported, "verify-onnxruntime-version", path_, "1.20 or newer", version_},
         "{} is ONNX Runtime {}; 1.20 or newer is needed.\n{}", printable(path_, 4096), version_,
         kHowToGet);
  }
  Ort::InitApi(api);
}

// The library stays loaded, because its threads may outlive every object of this program.
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

namespace {

// Owns the options of an execution provider, and frees them with a function of ONNX Runtime.
template <typename Options>
using ProviderOptions = std::unique_ptr<Options, void(ORT_API_CALL*)(Options*)>;

void append_provider(Ort::SessionOptions& options, const Device& device) {
  if (device.provider == Provider::cpu) return;
  const OrtApi& api = Ort::GetApi();
  const std::string index = std::to_string(device.index);
  // TensorRT's provider has no option for TF32, so TensorRT gets only "device_id". To turn TF32 off
  // in TensorRT, set_up() sets an environment variable.
  const std::array<const char*, 2> keys = {"device_id", "use_tf32"};
  const std::array<const char*, 2> values = {index.c_str(), device.tf32 ? "1" : "0"};
  if (device.provider == Provider::tensorrt) {
    OrtTensorRTProviderOptionsV2* made = nullptr;
    Ort::ThrowOnError(api.CreateTensorRTProviderOptions(&made));
    const ProviderOptions<OrtTensorRTProviderOptionsV2> tensorrt(
        made, api.ReleaseTensorRTProviderOptions);
    Ort::ThrowOnError(api.UpdateTensorRTProviderOptions(made, keys.data(), values.data(), 1));
    options.AppendExecutionProvider_TensorRT_V2(*made);
  }
  // TensorRT also needs CUDA's provider: CUDA runs the operators that TensorRT does not support.
  OrtCUDAProviderOptionsV2* made = nullptr;
  Ort::ThrowOnError(api.CreateCUDAProviderOptions(&made));
  const ProviderOptions<OrtCUDAProviderOptionsV2> cuda(made, api.ReleaseCUDAProviderOptions);
  Ort::ThrowOnError(api.UpdateCUDAProviderOptions(made, keys.data(), values.data(), keys.size()));
  options.AppendExecutionProvider_CUDA_V2(*made);
}

// Returns the options of a session. Without the arena (the allocator of ONNX Runtime), a session
// holds no more memory than it needs, and returns the memory after each run. The session's threads
// do not spin (wait actively) between runs, because PyTorch then needs the processors.
Ort::SessionOptions session_options(const Device& device) {
  Ort::SessionOptions options;
  options.DisableCpuMemArena();
  options.AddConfigEntry(kOrtSessionOptionsConfigAllowIntraOpSpinning, "0");
  append_provider(options, device);
  return options;
}

// Calls `create`, which loads a model as an Ort::Session. Returns a Session that owns the result,
// the warnings of this load, and the names, types and shapes of the model's inputs and outputs.
template <typename Create>
Session open_session(Create create) {
  return explained("to load the model", [&] {
    auto state = std::make_unique<Session::State>();
    warnings().take();
    state->session.emplace(create());
    state->warnings = warnings().take();

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

class StringOutput final : public Output {
 public:
  void write(std::span<const std::byte> bytes) override {
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Returns the bytes of a small model, which squares a tensor of shape (1, 1, 1, 1). check() runs
// this model to find out whether ONNX Runtime can use the GPU.
std::string trial_model() {
  const int type = onnx::data_type_of(DType::float32);
  const std::vector<std::string> dims(4, "1");
  onnx::Model model;
  model.ir_version = onnx::ir_version(kMinOpset);
  model.opsets = {{"", kMinOpset}};
  model.graph_name = "trial";
  model.inputs = {{"input", type, dims}};
  model.outputs = {{"output", type, dims}};
  model.nodes = {{"trial", "Mul", "", {"input", "input"}, {"output"}, {}}};
  StringOutput output;
  onnx::write(model, {&output, nullptr, {}});
  return output.text();
}

}  // namespace

std::string to_string(const Device& device) {
  if (device.provider == Provider::cpu) return "CPU";
  return fmt::format("{}, device {}", device.provider == Provider::cuda ? "CUDA" : "TensorRT",
                     device.index);
}

bool OnnxRuntime::has_gpu_provider() { return gpu_provider; }

void OnnxRuntime::check(const Device& device) const {
  if (device.provider == Provider::cpu) return;
  const char* wanted =
      device.provider == Provider::cuda ? "CUDAExecutionProvider" : "TensorrtExecutionProvider";
  const std::vector<std::string> offered = Ort::GetAvailableProviders();
  if (std::find(offered.begin(), offered.end(), wanted) == offered.end()) {
    fail({ErrorKind::unsupported, "verify-no-provider", to_string(device), wanted,
          join(offered, ", ")},
         "{}: ONNX Runtime {} ({}) has no {}, only {}.\nUse {} cpu, or set {} to a library with "
         "GPU support.",
         to_string(device), version_, printable(path_, 4096), wanted, join(offered, ", "),
         option("device"), option("onnxruntime_library"));
  }
  gpu_provider = true;
  try {
    environment();  // must exist before a provider is used
    open(trial_model(), {}, device).run({{1, 1, 1, 1}, {1}});
  } catch (const Error& error) {
    fail({ErrorKind::unsupported, "verify-device-fails", to_string(device)},
         "{} cannot be used: {}\nUse {} cpu.", to_string(device), error.diagnostic.text,
         option("device"));
  }
}

Session OnnxRuntime::open(const fs::path& model, const Device& device) const {
  return open_session(
      [&] { return Ort::Session(environment(), model.c_str(), session_options(device)); });
}

Session OnnxRuntime::open(const std::string& model, const fs::path& folder,
                          const Device& device) const {
  return open_session([&] {
    Ort::SessionOptions options = session_options(device);
    options.AddConfigEntry(kOrtSessionOptionsModelExternalInitializersFileFolderPath,
                           folder.string().c_str());
    return Ort::Session(environment(), model.data(), model.size(), options);
  });
}

namespace {

// Converts `tensor` to an ONNX Runtime tensor of a 16-bit type. `storage` gets the elements of the
// new tensor, and must outlive the new tensor.
template <typename Half, typename ToBits>
Ort::Value make_half_tensor(const FloatTensor& tensor, std::vector<std::uint16_t>& storage,
                            ToBits to_bits) {
  static_assert(sizeof(Half) == sizeof(std::uint16_t));
  storage.reserve(tensor.values.size());
  for (const float value : tensor.values) storage.push_back(to_bits(static_cast<double>(value)));
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  return Ort::Value::CreateTensor<Half>(memory, reinterpret_cast<Half*>(storage.data()),
                                        storage.size(), tensor.shape.data(), tensor.shape.size());
}

FloatTensor to_floats(const Ort::Value& value) {
  const auto info = value.GetTensorTypeAndShapeInfo();
  FloatTensor tensor{info.GetShape(), {}};
  const std::size_t count = info.GetElementCount();
  const auto take = [&](const auto* data, const auto& convert) {
    tensor.values.reserve(count);
    for (std::size_t i = 0; i < count; ++i) tensor.values.push_back(convert(data[i]));
  };
  switch (info.GetElementType()) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      take(value.GetTensorData<float>(), [](float number) { return number; });
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      take(value.GetTensorData<Ort::Float16_t>(),
           [](Ort::Float16_t number) { return from_half_bits(number.val); });
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16:
      take(value.GetTensorData<Ort::BFloat16_t>(),
           [](Ort::BFloat16_t number) { return from_bfloat16_bits(number.val); });
      break;
    default: {
      fail({ErrorKind::unsupported, "verify-output-type", "", "a floating-point type",
            describe_type(info.GetElementType())},
           "The model's output has the type {}, but a floating-point type is expected.",
           describe_type(info.GetElementType()));
    }
  }
  return tensor;
}

// Runs the session. If `cancelled` becomes true, ONNX Runtime stops before its next operator, and
// Error(cancelled) is thrown.
std::vector<Ort::Value> run_session(Ort::Session& session, const char* input,
                                    const Ort::Value& feed, const std::vector<const char*>& outputs,
                                    const std::atomic<bool>* cancelled) {
  Ort::RunOptions options;
  OrtRunOptions* const handle = options;
  const port::Watch watch(cancelled, [handle] {
    const Ort::Status ignored(Ort::GetApi().RunOptionsSetTerminate(handle));  // only sets a flag
  });
  try {
    return session.Run(options, &input, &feed, 1, outputs.data(), outputs.size());
  } catch (const Ort::Exception&) {
    Context{{}, nullptr, cancelled}.check_cancelled();
    throw;
  }
}

}  // namespace

FloatTensor Session::run(const FloatTensor& input, const std::atomic<bool>* cancelled) const {
  if (outputs().size() != 1) {
    fail({ErrorKind::unsupported, "verify-outputs"}, "The model has {}, but one is expected.",
         plural(outputs().size(), "output"));
  }
  return std::move(run(input, {outputs()[0].name}, cancelled).at(0));
}

std::vector<FloatTensor> Session::run(const FloatTensor& input,
                                      const std::vector<std::string>& output_names,
                                      const std::atomic<bool>* cancelled) const {
  if (inputs().size() != 1) {
    fail({ErrorKind::unsupported, "verify-inputs"}, "The model has {}, but one is expected.",
         plural(inputs().size(), "input"));
  }
  return explained("to run the model", [&] {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    std::vector<std::uint16_t> halves;
    Ort::Value feed{nullptr};
    if (inputs()[0].dtype == "float16") {
      feed = make_half_tensor<Ort::Float16_t>(input, halves, to_half_bits);
    } else if (inputs()[0].dtype == "bfloat16") {
      feed = make_half_tensor<Ort::BFloat16_t>(input, halves, to_bfloat16_bits);
    } else {
      // The const_cast is safe, because ONNX Runtime only reads its inputs.
      feed = Ort::Value::CreateTensor<float>(memory, const_cast<float*>(input.values.data()),
                                             input.values.size(), input.shape.data(),
                                             input.shape.size());
    }
    const char* input_name = inputs()[0].name.c_str();
    std::vector<const char*> names;
    names.reserve(output_names.size());
    for (const std::string& name : output_names) names.push_back(name.c_str());
    const std::vector<Ort::Value> results =
        run_session(*state_->session, input_name, feed, names, cancelled);
    std::vector<FloatTensor> outputs;
    outputs.reserve(results.size());
    for (const Ort::Value& result : results) outputs.push_back(to_floats(result));
    return outputs;
  });
}

}  // namespace aether2onnx::verify
