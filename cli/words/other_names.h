/// @file
/// The table of option names from other programs (ultralytics, chaiNNer, traiNNer-redux, neosr,
/// optimum and trtexec), each with the option of aether2onnx to use.
#pragma once

#include <span>
#include <string_view>

namespace aether2onnx::cli {

/// A row of the table: option names of other programs with one meaning. A name may be in several
/// rows. The first row whose `option` the command has is used, else the first row without `option`.
struct OtherName {
  std::string_view typed;   ///< Names in lower case with underscores, split by blanks: "half fp16".
  std::string_view option;  ///< The aether2onnx option for the names, "--fp_mode"; "" if none.
  std::string_view value = {};  ///< The value that the names include, if any: "fp16" for --half.
  /// If `option` is empty: the sentence that tells the user what to do instead.
  std::string_view answer = {};
  /// Whether the row is used only if the user typed a file after the name. For a file, the row is
  /// used even if the name is a short form of the command's own option.
  bool only_for_files = false;
};

std::span<const OtherName> other_names();

}  // namespace aether2onnx::cli
