/// @file
/// The names that options have in other programs: ultralytics, chaiNNer, traiNNer-redux, neosr,
/// optimum and trtexec.
#pragma once

#include <span>
#include <string_view>

namespace aether2onnx::cli {

/// A row of the table: names with the same meaning. A name may be in several rows. The first row
/// whose option the command has is used, else the first row without an option.
struct OtherName {
  std::string_view typed;   ///< Lower case, underscores, no dashes; split by blanks: "half fp16".
  std::string_view option;  ///< The option that the names mean, "--fp_mode"; "" if none.
  std::string_view value = {};  ///< The option's value, if the names include a value: "fp16".
  /// The sentence that says what to do instead of the option, if `option` is empty.
  std::string_view answer = {};
  /// Whether the row is used only if the value after the name is a file. The row's answer is then
  /// used even if the name is a short form of the command's own option.
  bool only_for_files = false;
};

std::span<const OtherName> other_names();

}  // namespace aether2onnx::cli
