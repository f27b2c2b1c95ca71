/// @file
/// Finds out whether Python's pickle module would load a file of another format as a pickle.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>

namespace aether2onnx::pickle {

/// What Python's pickle module would do with a file that it reads from the first byte on.
struct Skim {
  /// Python would import a name.
  bool imports = false;
  /// Python would read to the opcode STOP, and the pickle is too large to be chance. Pickles of one
  /// short text, one number or an empty container do not set `loads`: other formats may begin with
  /// such bytes. The length of a safetensors header may be the opcode X, or the three opcodes of an
  /// empty dict.
  bool loads = false;
  /// skim() cannot decide: the pickle is longer than skim() reads, or has a frame, which Python's
  /// two unpicklers (in C and in Python) read differently.
  bool undecided = false;
  std::uint64_t bytes = 0;  ///< The number of bytes that were read as a pickle.

  bool is_pickle() const { return imports || loads || undecided; }
};

/// Reads the opcodes of `input` as long as any release of Python may read on.
///
/// Document::parse() refuses everything that no program writes. skim() does the opposite: skim()
/// stops only where every release of Python stops. This is at an unknown opcode, an argument beyond
/// the file's end, an empty stack or memo entry, a call without an imported name, or a reference to
/// an outside object. skim() keeps the kinds of values, not the values.
Skim skim(const Input& input, const Context& context);

}  // namespace aether2onnx::pickle
