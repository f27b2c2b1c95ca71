/// @file
/// Loads the verification module and has it compare an ONNX file with its checkpoint.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "console.h"
#include "invocation.h"
#include "json.h"

namespace aether2onnx::cli {

/// The options that say how to verify.
struct VerificationArguments {
  static constexpr const char* kGroup = "Verification";

  std::optional<double> atol;
  std::optional<double> rtol;
  std::optional<std::string> device;
  std::optional<std::string> provider;
  std::optional<std::string> reference_precision;
  std::optional<std::uint64_t> seed;
  std::optional<std::string> images;
  std::optional<std::string> report;
  std::optional<std::string> onnxruntime_library;

  void add_to(CommandLine& line);
  /// Throws Error(usage) where a value is out of range or contradicts another.
  void check() const;
  /// Which of the options were given.
  std::vector<std::string> given_for_verification() const;
};

/// What is to be compared.
struct VerificationTask {
  std::filesystem::path checkpoint;
  ReadOptions reading;  ///< As for the conversion.
  Limits limits;
  std::filesystem::path model;
  std::string model_name;  ///< What the model is called where it is printed.
  /// (N, C, H, W) each; empty: the shapes that the model is for.
  std::vector<std::array<std::int64_t, 4>> shapes;
  std::string command;  ///< The command line, for the report.
  /// Of a conversion that can be repeated: the parts that are float32. Unset: what they are is so.
  std::optional<std::vector<std::string>> fp32_blocks;
};

class Verification {
 public:
  /// Loads the module and ONNX Runtime, and finds the device. Throws Error(verification), naming
  /// what is missing and how to get it; `asked_by` is the option or command that wants it.
  Verification(const VerificationArguments& arguments, const std::string& asked_by,
               Console& console);
  Verification(const Verification&) = delete;
  Verification& operator=(const Verification&) = delete;
  ~Verification();

  /// Compares at every shape, and prints a line each. Throws Error(verification) where any of them
  /// fails. Where the task has fp32_blocks and more parts should be float32, because half precision
  /// is too small or too coarse for them, gives those instead, and prints nothing.
  std::vector<std::string> run(const VerificationTask& task, Console& console);

  /// Whether run() found a difference, and not that it couldn't run.
  bool failed() const { return failed_; }
  /// Prints the failure that run() threw, with the figures; gives the exit code.
  int print_failure(const Error& error, bool as_json) const;
  /// The details; null before run().
  const Json& json() const;

 private:
  struct Module;
  const VerificationArguments& arguments_;
  std::unique_ptr<Module> module_;
  bool failed_ = false;
};

}  // namespace aether2onnx::cli
