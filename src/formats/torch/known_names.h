/// @file
/// The table of known names: the names that writers of checkpoints put into pickles, the arguments
/// with which PyTorch, numpy and Python write calls of these names, and what their picklers put
/// into the result. Private to this folder.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace aether2onnx::torch {

enum class Role : std::uint8_t {
  rebuild,   ///< A function that makes a tensor.
  of_torch,  ///< Another name that PyTorch uses to describe tensors.
  plain,     ///< Plain values of Python and numpy.
  layer,     ///< A module of torch.nn.
};

/// A row of the table. `calls` and `state` are in a small language, which the comment above the
/// table in known_names.cpp explains.
struct Row {
  std::string_view modules;  ///< The modules that have the names, separated by spaces.
  std::string_view names;    ///< The names, separated by spaces.
  Role role;
  std::string_view calls;        ///< The calls that writers make; "" if the name is never called.
  std::string_view filled = {};  ///< What may be put into the result: "items" or "elements".
  std::string_view state = {};   ///< The word for the argument of BUILD; "": no BUILD.
  bool judged = true;            ///< false: the arguments of a call cannot be judged.
};

/// Returns the row with exactly this module and name; null if there is none.
const Row* find_row(std::string_view module, std::string_view name);

}  // namespace aether2onnx::torch
