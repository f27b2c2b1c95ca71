/// @file
/// Finds out whether Python's pickle module would load a file of another format as a pickle.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>

namespace aether2onnx::pickle {

/// What Python's pickle module would do with a file, if the module reads the file from the first
/// byte on.
struct Skim {
  /// Python would import a name.
  bool imports = false;
  /// Python would read to the opcode STOP, and a file of another format does not begin with such a
  /// pickle by chance. Short pickles of one text, one number or an empty container do not set
  /// `loads`, because other formats may begin with such bytes. For example, a safetensors file
  /// begins with the length of the header. The first bytes of the length may be the opcode X (a
  /// text), or the three opcodes of an empty dict.
  bool loads = false;
  /// skim() cannot decide whether Python would load the file. The pickle has too many opcodes or
  /// containers, or has a frame (the bytes that the opcode FRAME announces). Python's two
  /// unpicklers (in C and in Python) read frames differently.
  bool undecided = false;
  std::uint64_t bytes = 0;  ///< The number of bytes that were read as a pickle.

  bool is_pickle() const { return imports || loads || undecided; }
};

/// Finds out what Python's pickle module would do with `input`. Reads one opcode after the other.
///
/// Document::parse() refuses everything that no program writes. skim() must not miss a file that
/// some release of Python loads, so skim() stops only at an opcode where every release stops. Such
/// an opcode is unknown, has an argument beyond the file's end, uses an empty stack or memo entry,
/// calls a value that is no imported name, or refers to an object outside the pickle. skim() stores
/// the kind of each value, not the value.
Skim skim(const Input& input, const Context& context);

}  // namespace aether2onnx::pickle
