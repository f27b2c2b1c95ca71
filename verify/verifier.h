/// @file
/// Compares an ONNX file in ONNX Runtime with the reference, on every input.
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

/// How to compare. Unset tolerances are the defaults for the model's precision.
struct Settings {
  /// Who computes the reference. automatic: PyTorch if its module is installed, otherwise the
  /// program itself.
  enum class Judge { automatic, pytorch, builtin };
  Judge reference = Judge::automatic;
  /// Unset: float32 for PyTorch, float64 for the built-in reference.
  std::optional<bool> float64;
  std::filesystem::path onnxruntime_library;  ///< Empty: the usual places.
  std::string device = "auto";                ///< "auto", "cpu", "cuda" or "cuda:N".
  std::string provider = "auto";              ///< "auto", "cpu", "cuda" or "tensorrt".
  std::optional<double> atol;
  std::optional<double> rtol;
  std::uint64_t seed = 0;        ///< Of the noise.
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
  std::vector<std::filesystem::path> inputs;  ///< Further files that the report may not replace.
  std::vector<Sizes> shapes;                  ///< Empty: the shapes in the model's metadata.
  std::string command;                        ///< The command line, for the report.
  /// The parts of a mixed precision model that are float32, if the caller wants a list of further
  /// parts that should be.
  std::optional<std::vector<std::string>> fp32_blocks;
};

/// Called before each run with its index, the number of runs, the share of the work that is done (0
/// to 1) and the name of the run.
using Progress = std::function<void(std::size_t index, std::size_t count, double share,
                                    const std::string& what)>;

/// What the user should know before a comparison, one line each.
struct Ready {
  std::vector<std::string> notes;
};

/// Loads ONNX Runtime and, if wanted, PyTorch, and finds the device. Throws Error if one of them is
/// missing.
Ready prepare(const Settings& settings);

/// Compares and returns the details. "passed" is the verdict. If the request has fp32_blocks, the
/// details list further parts that should be float32, and no report is written if there are any.
/// Throws Error if the comparison cannot be made; Error(cancelled) soon after `cancelled`, which
/// may be null, becomes true.
nlohmann::ordered_json verify(const Request& request, const Progress& progress,
                              const std::atomic<bool>* cancelled);

}  // namespace aether2onnx::verify
