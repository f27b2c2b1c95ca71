/// @file
/// Options as users of other programs type them: ultralytics, chaiNNer, traiNNer-redux, neosr,
/// optimum and trtexec.
#pragma once

#include <span>
#include <string_view>

namespace aether2onnx::cli {

/// Names with one meaning. A name may have several rows. The first row whose option the command has
/// counts. Rows without an option come last.
struct OtherName {
  std::string_view typed;   ///< Lower case, underscores, no dashes, blanks between: "half fp16".
  std::string_view option;  ///< The option that the names mean, "--fp_mode"; "" if none.
  std::string_view value = {};  ///< The option's value, if the names stand for a value: "fp16".
  /// The sentence that says what to do instead of the option, if `option` is empty.
  std::string_view answer = {};
  /// The row counts only if the name's value is a file. Its answer then comes before abbreviations
  /// of the command's own options.
  bool only_for_files = false;
};

std::span<const OtherName> other_names();

}  // namespace aether2onnx::cli
