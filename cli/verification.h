/// @file
/// Loads the verification module and has it compare a finished ONNX file with its checkpoint.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <memory>
#include <string>

#include "arguments.h"
#include "console.h"

namespace aether2onnx::cli {

class Verification {
 public:
  /// Loads the module and ONNX Runtime. Throws Error(verification), naming what is missing and how
  /// to get it.
  explicit Verification(const Arguments& arguments);
  Verification(const Verification&) = delete;
  Verification& operator=(const Verification&) = delete;
  ~Verification();

  /// Compares at every shape that the model is for, and prints a line each. Throws
  /// Error(verification) where any of them fails.
  void run(const Report& report, const std::filesystem::path& candidate, Console& console);

  /// The details as a JSON object; "" before run().
  const std::string& json() const { return json_; }

 private:
  struct Module;
  const Arguments& arguments_;
  std::unique_ptr<Module> module_;
  std::string json_;
};

}  // namespace aether2onnx::cli
