/// @file
/// The table of option names from other programs (ultralytics, chaiNNer, traiNNer-redux, neosr,
/// optimum and trtexec), each with the option of aether2onnx to use.
#pragma once

#include <span>
#include <string_view>

namespace aether2onnx::cli {

/// A row of the table: option names that have one meaning in other programs. A name may be in
/// several rows, because the commands of aether2onnx have different options. If a user types the
/// name, the program looks at all rows with this name. The program uses the first row whose
/// `option` belongs to the command. If the command has none of these options, the program uses the
/// first row with an empty `option`.
struct OtherName {
  std::string_view typed;   ///< Names in lower case with underscores, split by blanks: "half fp16".
  std::string_view option;  ///< The aether2onnx option for the names, "--fp_mode"; "" if none.
  std::string_view value = {};  ///< The value that the names include, if any: "fp16" for --half.
  /// If `option` is empty: the sentence that tells the user what to do instead.
  std::string_view answer = {};
  /// Whether the row is used only if a file's name follows the option, as in "--model a.pth". The
  /// row then has priority over abbreviations. Without a file's name, as in "--model small", the
  /// name --model abbreviates --model_type.
  bool only_for_files = false;
};

std::span<const OtherName> other_names();

}  // namespace aether2onnx::cli
