/// @file
/// Tells whether bytes that should be something else are also a pickle.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>

namespace aether2onnx::pickle {

/// What Python's pickle module does with a file from the file's first byte on.
struct Skim {
  /// Python imports a name.
  bool imports = false;
  /// Python reads to STOP, and the value is more than one short text, a number or an empty
  /// container. Files of other formats begin like those by chance: the length of a safetensors
  /// header may be opcode X, or the three opcodes of an empty dict.
  bool loads = false;
  /// The bytes go on as a pickle for longer than skim() follows, or have a frame. Python's two
  /// unpicklers read frames differently.
  bool undecided = false;
  std::uint64_t bytes = 0;  ///< Bytes that were read as a pickle.

  bool is_pickle() const { return imports || loads || undecided; }
};

/// Follows the opcodes of `input` for as long as any release of Python may follow them.
///
/// Document::parse() refuses everything that no pickler writes. skim() does the opposite: if Python
/// may read on, skim() reads on. It ends where every Python ends: at an unknown opcode, at an
/// argument beyond the file's end, at an empty stack or memo entry, at a call without an imported
/// name, at a reference to an outside object. Values are not kept, only their kinds.
Skim skim(const Input& input, const Context& context);

}  // namespace aether2onnx::pickle
