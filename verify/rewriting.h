/// @file
/// Compares a model that aether2onnx wrote with the model that it would write again.
///
/// In 16 bits, rounding hides changes of a weight or an epsilon from every comparison of outputs.
/// The same checkpoint and the same options give the same bytes, so such a change shows in the
/// file. This says nothing about files of other programs, and it does not replace the comparison of
/// outputs: a defect of the converter is in both models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "port/files.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::verify {

/// One number or tensor that is not what a new conversion writes.
struct Alteration {
  std::string place;  ///< The name of the node.
  std::string text;   ///< "epsilon is 1e-05, not 1e-06"
};

struct Rewriting {
  bool compared = false;
  std::string why_not;  ///< Why the two were not compared.
  std::uint64_t count = 0;
  std::vector<Alteration> alterations;  ///< The first of them, in the order of the nodes.
};

/// Converts `checkpoint` with the options in the model's metadata, and compares attributes and
/// initializers. Another version of aether2onnx may have made other nodes; then nothing is
/// compared. `reading` are the answers to what the checkpoint leaves open. If `exact`, every
/// difference counts. Otherwise weights may differ by a few roundings: the checkpoint is a copy of
/// the model's source, or another version may have rounded otherwise. `siblings` opens external
/// data; it may be null.
Rewriting compare_with_conversion(const Input& file, const onnx::Model& model,
                                  const io::Siblings* siblings,
                                  const state_dict::StateDict& checkpoint,
                                  const ReadOptions& reading, bool exact, const Context& context);

}  // namespace aether2onnx::verify
