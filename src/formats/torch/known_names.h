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
  rebuild,   ///< a function that makes a tensor
  of_torch,  ///< another name by which PyTorch describes tensors
  plain,     ///< plain values of Python and numpy
  layer,     ///< a module of torch.nn
};

/// A row of the table. `calls` has the alternatives, separated by '|'. Each begins with the opcode:
/// R is REDUCE, N is NEWOBJ. Then comes a word for each argument (see Matcher::fits); '?' behind a
/// word: may be missing; '*': any number. Without alternatives the name is a value and never
/// called.
struct Row {
  std::string_view modules;
  std::string_view names;
  Role role;
  std::string_view calls;
  std::string_view filled = {};  ///< "items" by SETITEM, "elements" by APPEND
  std::string_view state = {};   ///< a word for the argument of BUILD
  bool judged = true;            ///< false: no argument of such a call can be judged
};

/// The row that has exactly this module and name; null if there is none.
const Row* find_row(std::string_view module, std::string_view name);

}  // namespace aether2onnx::torch
