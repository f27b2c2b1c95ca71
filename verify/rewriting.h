/// @file
/// Compares a model that aether2onnx wrote with a new conversion of the checkpoint.
///
/// In 16 bits, rounding hides a changed weight or epsilon from every comparison of outputs. The
/// same checkpoint and the same options give the same bytes, so such a change shows in the file.
/// This comparison says nothing about files of other programs. It does not replace the comparison
/// of outputs: a defect of the converter is in both models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "port/files.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::verify {

/// A number or tensor that differs from the new conversion.
struct Alteration {
  std::string place;  ///< The name of the node.
  std::string text;   ///< The difference: "epsilon is 1e-05, not 1e-06".
};

struct Rewriting {
  bool compared = false;
  std::string why_not;  ///< Why the two models were not compared.
  std::uint64_t count = 0;
  std::vector<Alteration> alterations;  ///< The first alterations, in the order of the nodes.
};

/// Converts `checkpoint` with the options in the model's metadata, and compares attributes and
/// initializers. If the two models have different nodes, nothing is compared: another version of
/// aether2onnx may have made the model. `reading` decides the facts that the checkpoint leaves
/// open. If `exact`, every difference counts. Otherwise weights may differ by a few roundings: the
/// checkpoint may be a copy of the model's source, or another version may have rounded differently.
/// `siblings` opens external data; it may be null.
Rewriting compare_with_conversion(const Input& file, const onnx::Model& model,
                                  const io::Siblings* siblings,
                                  const state_dict::StateDict& checkpoint,
                                  const ReadOptions& reading, bool exact, const Context& context);

}  // namespace aether2onnx::verify
