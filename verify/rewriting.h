/// @file
/// Compares a model that aether2onnx wrote with a new conversion of the checkpoint.
///
/// In a 16-bit model, rounding hides a changed weight or epsilon from every comparison of outputs.
/// A conversion of the same checkpoint with the same options gives the same bytes, so such a change
/// shows in the file. This comparison is impossible for files of other programs. It does not
/// replace the comparison of outputs, because a defect of the converter is in both models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "port/files.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::verify {

/// An attribute or weight of the model that differs from a new conversion of the checkpoint.
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

/// Converts `checkpoint` with the options in the metadata of `model`, and compares the attributes
/// and initializers of `model` and the new model. If the nodes differ, compares nothing, because
/// another version of aether2onnx may have made `model`. `reading` has settings of the network that
/// are missing in the checkpoint. If `exact`, reports every difference. Otherwise a weight may
/// differ by 8 relative rounding errors of its type, because another version of aether2onnx may
/// have rounded differently. Also, `checkpoint` may be a copy, such as a fused copy with rounded
/// weights, of the file from which `model` was made. `siblings` opens the external data of `model`,
/// and may be null.
Rewriting compare_with_conversion(const Input& file, const onnx::Model& model,
                                  const io::Siblings* siblings,
                                  const state_dict::StateDict& checkpoint,
                                  const ReadOptions& reading, bool exact, const Context& context);

}  // namespace aether2onnx::verify
