/// @file
/// ONNX Runtime, found and loaded while the program runs; nothing links it.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tensor.h"

namespace aether2onnx::verify {

/// An input or output of a model; a dynamic axis is -1.
struct ModelValue {
  std::string name;
  std::string dtype;  ///< "float32", "float16", "bfloat16", or ONNX's number of another type.
  std::vector<std::int64_t> shape;
};

/// What runs a model.
enum class Provider { cpu, cuda, tensorrt };

struct Device {
  Provider provider = Provider::cpu;
  int index = 0;  ///< Of the GPU.
};

/// "CPU", "CUDA, device 0", "TensorRT, device 0".
std::string to_string(const Device& device);

class Session;

/// ONNX Runtime found the model to be right, but has no operator for a type in it.
class NotImplemented : public Error {
 public:
  using Error::Error;
};

/// A loaded ONNX Runtime library, 1.20 or newer. Only one can be loaded in a process.
class OnnxRuntime {
 public:
  /// Where the library is looked for, in this order: `explicit_path` where it isn't empty (nothing
  /// else then); the environment variable AETHER2ONNX_ONNXRUNTIME (likewise); the folder of the
  /// program and lib beside that; the system's library folders. Never the current folder.
  /// Throws Error(verification) where there is none, or one that is too old, saying how to get one.
  static const OnnxRuntime& load(const std::filesystem::path& explicit_path);

  const std::string& version() const { return version_; }
  const std::string& path() const { return path_; }

  /// Throws Error(verification), naming the device and what the library offers, where models can't
  /// be run on it; finds out by running one.
  void check(const Device& device) const;

  /// Loads a model from a file. Throws Error(verification) with ONNX Runtime's reason, as a
  /// NotImplemented where that is it.
  Session open(const std::filesystem::path& model, const Device& device = {}) const;
  /// Loads a model from its bytes; `folder` is where its external data lies.
  Session open(const std::string& model, const std::filesystem::path& folder,
               const Device& device) const;

  OnnxRuntime(const OnnxRuntime&) = delete;
  OnnxRuntime& operator=(const OnnxRuntime&) = delete;
  ~OnnxRuntime();

 private:
  explicit OnnxRuntime(const std::filesystem::path& explicit_path);
  std::string version_;
  std::string path_;
  void* library_ = nullptr;
};

/// A loaded model.
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
  /// What ONNX Runtime warned of while it loaded the model.
  const std::vector<std::string>& warnings() const;

  /// Runs a model of one input and one output; 16-bit inputs and outputs are converted on the way.
  /// Throws Error(verification).
  FloatTensor run(const FloatTensor& input) const;
  /// The same for a model of one input, and the outputs that are named.
  std::vector<FloatTensor> run(const FloatTensor& input,
                               const std::vector<std::string>& output_names) const;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx::verify
