/// @file
/// ONNX Runtime, found and loaded while the program runs; nothing links it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace aether2onnx::verify {

/// A tensor as float32, row-major. Half inputs and outputs are converted on the way.
struct FloatTensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// An input or output of a model; a dynamic axis is -1.
struct ModelValue {
  std::string name;
  std::string dtype;  ///< "float32", "float16", or ONNX's number of another type.
  std::vector<std::int64_t> shape;
};

class Session;

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

  /// Loads a model from a file, for the CPU. Throws Error(verification) with ONNX Runtime's reason.
  Session open(const std::filesystem::path& model) const;

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

  /// Runs a model of one input and one output. Throws Error(verification).
  FloatTensor run(const FloatTensor& input) const;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx::verify
