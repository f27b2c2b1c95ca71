/// @file
/// Finds out whether a file of another format is also a pickle.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>

namespace aether2onnx::pickle {

/// What Python's pickle module does if it reads a file from the file's first byte on.
struct Skim {
  /// Python imports a name.
  bool imports = false;
  /// Python reads to the opcode STOP, and the value is more than one short text, a number or an
  /// empty container. Such small pickles occur by chance in other formats: the length of a
  /// safetensors header may be the opcode X, or the three opcodes of an empty dict.
  bool loads = false;
  /// The pickle is longer than skim() reads, or has a frame. Python's two unpicklers read frames
  /// differently.
  bool undecided = false;
  std::uint64_t bytes = 0;  ///< The number of bytes that were read as a pickle.

  bool is_pickle() const { return imports || loads || undecided; }
};

/// Reads the opcodes of `input` as long as any release of Python may read on.
///
/// Document::parse() refuses everything that no pickler writes. skim() does the opposite: if Python
/// may read on, skim() reads on. skim() stops where every release of Python stops: at an unknown
/// opcode, at an argument beyond the file's end, at an empty stack or memo entry, at a call without
/// an imported name, at a reference to an outside object. Only the kinds of values are kept.
Skim skim(const Input& input, const Context& context);

}  // namespace aether2onnx::pickle
