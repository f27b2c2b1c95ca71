/// @file
/// Compares an ONNX file with the reference, which computes the same network from the checkpoint.
/// ONNX Runtime runs the ONNX file. ONNX Runtime and the reference compute the output for every
/// input (see inputs.h).
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "inputs.h"

namespace aether2onnx::verify {

/// How to compare an ONNX model with a checkpoint. Unset tolerances are the defaults for the
/// model's precision.
struct Settings {
  /// The library that computes the expected output from the checkpoint (the reference). automatic:
  /// pytorch if its module can be loaded, else builtin.
  enum class Judge { automatic, pytorch, builtin };
  Judge reference = Judge::automatic;
  /// Whether the reference computes in float64. Unset: only the built-in reference does.
  std::optional<bool> float64;
  std::filesystem::path onnxruntime_library;  ///< Empty: see OnnxRuntime::load().
  std::string device = "auto";                ///< "auto", "cpu", "cuda" or "cuda:N".
  std::string provider = "auto";              ///< "auto", "cpu", "cuda" or "tensorrt".
  bool tf32 = false;  ///< Whether GPUs may round the factors of float32 products to TF32.
  std::optional<double> atol;
  std::optional<double> rtol;
  std::uint64_t seed = 0;        ///< Seed of the noise.
  bool thorough = false;         ///< Compare several sizes of a dynamic model; otherwise one.
  std::filesystem::path images;  ///< Folder of pictures; empty for none.
  std::filesystem::path report;  ///< HTML report; empty for none.
};

/// What to compare.
struct Request {
  Settings settings;
  std::filesystem::path checkpoint;
  ReadOptions reading;
  Limits limits;
  std::filesystem::path model;
  std::string model_name;                     ///< The model's name in the report.
  std::vector<std::filesystem::path> inputs;  ///< Further files that the report must not replace.
  std::vector<Sizes> shapes;                  ///< Empty: shapes from the model's range.
  bool check_source = false;  ///< Whether to compare the checkpoint's hash with the metadata's.
  std::string command;        ///< The command line, for the report.
  /// For a mixed precision model: the blocks and layers that are float32 already. If set, verify()
  /// also lists further blocks and layers that should be float32.
  std::optional<std::vector<std::string>> fp32_blocks;
};

/// Functions that verify() calls to report its progress. Every member may be null.
struct Progress {
  /// Called once, before the first run, with the details that are known by then: the reference, the
  /// tolerance, the assumed settings of the network, whether the checkpoint is the model's source,
  /// and the estimated time.
  std::function<void(const nlohmann::ordered_json& details)> begins;
  /// verify() calls this function many times during the comparison. `index` counts the inputs from
  /// 0, and `count` is the number of inputs. `share` is the finished share of the whole work (0 to
  /// 1), and `what` describes the current work.
  std::function<void(std::size_t index, std::size_t count, double share, const std::string& what)>
      works;
};

/// Notes for the user before a comparison, one line each.
struct Ready {
  std::vector<std::string> notes;
};

/// Loads ONNX Runtime and, if wanted, PyTorch, and finds the device. Throws Error if ONNX Runtime
/// is missing. Also throws Error if the settings ask for PyTorch or a GPU, but PyTorch or the GPU
/// is missing.
Ready prepare(const Settings& settings);

/// Returns whether ONNX Runtime tried to load an execution provider for GPUs in this process. If
/// so, the functions that run at the end of a process damage the heap (seen with ONNX Runtime 1.31
/// and its CUDA provider, also on a machine without a GPU). The program must then end with
/// std::_Exit(), which does not run these functions.
bool has_gpu_libraries();

/// Compares the model with the reference and returns the details as JSON. The verdict is
///  - "equal": the output is within the tolerance, and rounding explains the error of each block or
///    layer of the network;
///  - "equal-as-assumed": as "equal", if the assumptions in the details are true. An assumption is
///    a setting of the network whose value is not from the checkpoint (see assumptions.h);
///  - "suspicious": the output is within the tolerance, but rounding does not explain the error of
///    a block or layer, or the file differs from a new conversion of the checkpoint;
///  - "differs": an output is outside of the tolerance, or the files have different networks.
/// "passed" is true for the first two verdicts. If the request has fp32_blocks, the details list
/// further blocks and layers that should be float32. If this list is not empty, verify() writes no
/// HTML report. Throws Error if the comparison cannot be made. Throws Error(cancelled) soon after
/// `cancelled`, which may be null, becomes true.
nlohmann::ordered_json verify(const Request& request, const Progress& progress,
                              const std::atomic<bool>* cancelled);

}  // namespace aether2onnx::verify
