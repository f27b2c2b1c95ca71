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

/// The output value of each of these modules, by the module's path: the output of the module's last
/// node. Modules that no node name mentions are left out.
std::map<std::string, std::string> module_outputs(const onnx::Model& model,
                                                  const std::vector<std::string>& paths);

/// The name of the last part: what follows the network's last module, up to the output.
inline constexpr const char* kOutputPart = "output";

/// Compares two outputs of one part. A candidate in NHWC is recognised by its shape.
BlockDifference compare_block(const std::string& path, const FloatTensor& candidate,
                              const DoubleTensor& reference);

/// Runs the candidate and the reference with the output of each block exposed.
std::vector<BlockDifference> compare_blocks(const Candidate& candidate, const onnx::Model& model,
                                            const Reference& reference, const FloatTensor& input);

/// The first block whose error jumps.
struct FirstDifference {
  std::string path;  ///< Empty if no block stands out.
  std::string text;  ///< A sentence that names the block.
};

/// `floor` is the usual relative error for the candidate's precision.
FirstDifference find_first_difference(const std::vector<BlockDifference>& blocks, double floor);

/// The parts in which the error of a half precision model grows most, without those in `already`.
/// Returns as many parts as `already` has, at least one. Empty if the error grows nowhere else.
std::vector<std::string> coarsest_blocks(const std::vector<BlockDifference>& differences,
                                         const std::vector<std::string>& already);

}  // namespace aether2onnx::verify
