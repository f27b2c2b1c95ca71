/// @file
/// The table of known names: the names that PyTorch, numpy and Python put into the pickles of
/// checkpoints. For each name, the table has the arguments that a call may have, and the items,
/// elements or state that a pickle may put into the call's result. Private to this folder.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace aether2onnx::torch {

enum class Role : std::uint8_t {
  rebuild,   ///< A function that makes a tensor.
  of_torch,  ///< Another name of PyTorch that describes tensors.
  plain,     ///< A name of Python or numpy for plain values.
  layer,     ///< A class of torch.nn, a layer.
};

/// A row of the table of known names. `calls` and `state` are in a small language, which the
/// comment above the table in known_names.cpp explains.
struct Row {
  std::string_view modules;  ///< The modules that have these names, separated by spaces.
  std::string_view names;    ///< The names, separated by spaces.
  Role role;
  std::string_view calls;        ///< The calls that programs write; "" if programs write no calls.
  std::string_view filled = {};  ///< What is put into a result: "items", "elements" or "".
  std::string_view state = {};   ///< The word that BUILD's argument must match; "": no BUILD.
  bool judged = true;            ///< If false, the arguments do not show what a call does.
};

/// Returns the row with exactly this module and name; null if the table has no such row.
const Row* find_row(std::string_view module, std::string_view name);

}  // namespace aether2onnx::torch
