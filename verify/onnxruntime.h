/// @file
/// Runs models in ONNX Runtime, a library that the program finds and loads at run time.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tensor.h"

namespace aether2onnx::verify {

/// An input or output of a model. The size of a dynamic axis is -1.
struct ModelValue {
  std::string name;
  std::string dtype;  ///< "float32", "float16", "bfloat16" or "ONNX type N".
  std::vector<std::int64_t> shape;
};

/// The execution provider of ONNX Runtime that runs a model.
enum class Provider { cpu, cuda, tensorrt };

struct Device {
  Provider provider = Provider::cpu;
  int index = 0;      ///< Number of the GPU.
  bool tf32 = false;  ///< Whether the GPU may round the factors of float32 products to TF32.
};

/// Returns the device's name: "CPU", "CUDA, device 0" or "TensorRT, device 0".
std::string to_string(const Device& device);

class Session;

/// Thrown if ONNX Runtime accepts the model but has no operator for one of the model's types.
class NotImplemented : public Error {
 public:
  using Error::Error;
};

/// A loaded ONNX Runtime library, 1.20 or newer. A process can load only one such library.
class OnnxRuntime {
 public:
  /// Loads the library at the first call. If `explicit_path` is not empty, only this file is tried.
  /// Otherwise, if the environment variable AETHER2ONNX_ONNXRUNTIME is set, only the file that the
  /// variable names is tried. Otherwise the search goes through the program's folder, the folder
  /// lib beside the program's folder, the folder of the modules, and the system's library folders,
  /// never the current folder. Throws Error if there is no library, or if the library is too old.
  static const OnnxRuntime& load(const std::filesystem::path& explicit_path);

  const std::string& version() const { return version_; }
  const std::string& path() const { return path_; }

  /// Runs a small model on a GPU; does nothing for the CPU. Throws Error(unsupported) if the run
  /// fails. The error names the device and, if its provider is missing, the library's execution
  /// providers.
  void check(const Device& device) const;

  /// Returns whether any call of check() so far loaded an execution provider for GPUs. The answer
  /// stays true, because libraries are never unloaded.
  static bool has_gpu_provider();

  /// Loads a model from a file. Throws Error(unsupported) with ONNX Runtime's reason, or
  /// NotImplemented.
  Session open(const std::filesystem::path& model, const Device& device = {}) const;
  /// Loads a model from its bytes. The model's external data are in `folder`.
  Session open(const std::string& model, const std::filesystem::path& folder,
               const Device& device) const;

  OnnxRuntime(const OnnxRuntime&) = delete;
  OnnxRuntime& operator=(const OnnxRuntime&) = delete;
  ~OnnxRuntime();

 private:
  explicit OnnxRuntime(const std::filesystem::path& explicit_path);
  std::string version_;
  std::string path_;
};

/// A model that ONNX Runtime has loaded.
class Session {
 public:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  const std::vector<ModelValue>& inputs() const;
  const std::vector<ModelValue>& outputs() const;
  /// The warnings that ONNX Runtime reported while it loaded the model.
  const std::vector<std::string>& warnings() const;

  /// Runs a model with one input and one output, and converts 16-bit inputs and outputs. Throws
  /// Error(unsupported) if the run fails, and Error(cancelled) soon after `cancelled`, which may be
  /// null, becomes true.
  FloatTensor run(const FloatTensor& input, const std::atomic<bool>* cancelled = nullptr) const;
  /// Runs a model with one input, and returns the outputs named in `output_names`.
  std::vector<FloatTensor> run(const FloatTensor& input,
                               const std::vector<std::string>& output_names,
                               const std::atomic<bool>* cancelled = nullptr) const;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx::verify
