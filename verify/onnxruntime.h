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

/// Thrown if ONNX Runtime does not implement an operator of the model for the operator's types, for
/// example for float16. ONNX Runtime has already checked that the model is valid.
class NotImplemented : public Error {
 public:
  using Error::Error;
};

/// The loaded library ONNX Runtime, version 1.20 or newer. A process can load ONNX Runtime only
/// once.
class OnnxRuntime {
 public:
  /// Loads the library at the first call. If `explicit_path` is not empty, tries only this file.
  /// Otherwise, if the environment variable AETHER2ONNX_ONNXRUNTIME is set, tries only the file in
  /// this variable. Otherwise searches these folders, in this order: the program's folder, the
  /// folder lib beside the program's folder, the folder with the modules (see modules.h), and,
  /// except on Windows, the system's library folders. Does not search the current folder. Throws
  /// Error if the library is not found, cannot be loaded or is too old.
  static const OnnxRuntime& load(const std::filesystem::path& explicit_path);

  const std::string& version() const { return version_; }
  const std::string& path() const { return path_; }

  /// Checks that the library can run models on a GPU: runs a small model. Does nothing for the CPU.
  /// Throws Error(unsupported) if the run fails. The error names the device. If the library has no
  /// execution provider for the device, the error also names the execution providers that the
  /// library has.
  void check(const Device& device) const;

  /// Returns whether any call of check() so far tried to load an execution provider for GPUs. The
  /// answer stays true, because libraries are never unloaded.
  static bool has_gpu_provider();

  /// Loads a model from a file. Throws NotImplemented if ONNX Runtime does not implement an
  /// operator of the model. If the model cannot be loaded for another reason, throws
  /// Error(unsupported) with the message of ONNX Runtime.
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

  /// Runs a model with one input and one output. If the model's input has a 16-bit type, converts
  /// `input` to this type. If the output has a 16-bit type, converts the output to float32. Throws
  /// Error(unsupported) if the run fails. Throws Error(cancelled) soon after `cancelled` becomes
  /// true. `cancelled` may be null.
  FloatTensor run(const FloatTensor& input, const std::atomic<bool>* cancelled = nullptr) const;
  /// Runs a model with one input, and returns the outputs named in `output_names`. Converts `input`
  /// to a 16-bit input type, and 16-bit outputs to float32. Throws Error(unsupported) if the run
  /// fails. Throws Error(cancelled) soon after `cancelled`, which may be null, becomes true.
  std::vector<FloatTensor> run(const FloatTensor& input,
                               const std::vector<std::string>& output_names,
                               const std::atomic<bool>* cancelled = nullptr) const;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx::verify
