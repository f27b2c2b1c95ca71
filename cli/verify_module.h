/// @file
/// Loads the verification module, which has PyTorch and ONNX Runtime.
#pragma once

#include <functional>
#include <string>

#include "../verify/verify_module.h"

namespace aether2onnx::cli {

/// The loaded module. Requests and answers are JSON; verify/verify_module.h describes them.
class VerifyModule {
 public:
  /// `share` (0 to 1) of the work on model `index` of `count` is done; `what` comes next.
  using Progress =
      std::function<void(std::size_t index, std::size_t count, double share, const char* what)>;

  struct Answer {
    int verdict = 0;  ///< A2oVerdict.
    std::string text;
  };

  /// Throws Error(verification) if the module can't be used, naming what is missing and how to get
  /// it. `asked_by` is the option or command that wants the module.
  explicit VerifyModule(std::string asked_by);

  /// Loads ONNX Runtime and finds the device. Throws Error(verification) if that fails.
  std::string prepare(const std::string& settings) const;
  Answer verify(const std::string& request, const Progress& progress) const;

 private:
  // Copies and frees an answer of the module.
  std::string take(char* text) const;
  [[noreturn]] void unavailable(const std::string& why) const;

  std::string asked_by_;
  A2oVerify verify_ = nullptr;
  A2oVerifyFree free_ = nullptr;
  A2oVerifyReady ready_ = nullptr;
};

}  // namespace aether2onnx::cli
