/// @file
/// Finds the place in the network at which two implementations begin to differ.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "candidate.h"
#include "formats/onnx/onnx.h"
#include "reference.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// The difference between the outputs of one part of the network.
struct BlockDifference {
  std::string path;
  double max_absolute = 0;
  double relative = 0;  ///< max_absolute divided by the reference's largest absolute value.
};

/// The path of the PyTorch module that a node belongs to, from the node's name. The converter names
/// nodes "layers.0.1/Add", PyTorch's exporter "/layers.0/layers.0.1/ffn/Mul_1". Returns "" for
/// other names.
std::string module_path(const std::string& node_name);

/// Maps the path of each module in `paths` to the name of its output value in the model: the output
/// of the module's last node. Modules that no node name mentions are left out.
std::map<std::string, std::string> module_outputs(const onnx::Model& model,
                                                  const std::vector<std::string>& paths);

/// The name of the last part: the nodes after the network's last module, up to the output.
inline constexpr const char* kOutputPart = "output";

/// Compares the outputs of one part. An output of the candidate in NHWC is recognised by its shape.
BlockDifference compare_block(const std::string& path, const FloatTensor& candidate,
                              const DoubleTensor& reference);

/// Runs the candidate and the reference, and compares the outputs of each block.
std::vector<BlockDifference> compare_blocks(const Candidate& candidate, const onnx::Model& model,
                                            const Reference& reference, const FloatTensor& input);

/// The first block whose error is much larger than the errors of all blocks before.
struct FirstDifference {
  std::string path;  ///< Empty if no block stands out.
  std::string text;  ///< A sentence that names the block.
};

/// Finds the first differing block. `floor` is the usual relative error in the model's precision.
FirstDifference find_first_difference(const std::vector<BlockDifference>& blocks, double floor);

/// Returns the parts in which the error of a half precision model grows most, except the parts in
/// `already`. Returns as many parts as `already` has, at least one. Returns an empty list if the
/// error grows in no other part.
std::vector<std::string> coarsest_blocks(const std::vector<BlockDifference>& differences,
                                         const std::vector<std::string>& already);

}  // namespace aether2onnx::verify
