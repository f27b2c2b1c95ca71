/// @file
/// --limit, by which what a file may cost is changed for the rare giant.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <vector>

#include "command_line.h"

namespace aether2onnx::cli {

/// It must outlive the parsing.
class LimitOption {
 public:
  void add_to(CommandLine& line);
  /// Throws Error(usage) where one isn't NAME=N. Throws also for an unknown name or a value out of
  /// range.
  void take(Limits& limits) const;

 private:
  std::vector<std::string> values_;
};

}  // namespace aether2onnx::cli
