/// @file
/// Options as users of other programs type them: ultralytics, chaiNNer, traiNNer-redux, neosr,
/// optimum and trtexec.
#pragma once

#include <span>
#include <string_view>

namespace aether2onnx::cli {

/// One name, and what to do about it. A name may have several rows: the first row counts whose
/// option the command has. Rows without an option come last.
struct OtherName {
  std::string_view typed;   ///< Lower case, with underscores and without dashes: "half".
  std::string_view option;  ///< The option that the name means, "--fp_mode". "" for an answer.
  std::string_view value;   ///< The option's value, if the name stands for a value: "fp16".
  /// With an option: unused. Otherwise the sentence that says what to do instead.
  std::string_view answer;
  /// The row counts only if the name's value is a file. Its answer then comes before abbreviations
  /// of the command's own options.
  bool only_for_files = false;
};

std::span<const OtherName> other_names();

}  // namespace aether2onnx::cli
