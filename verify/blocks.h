/// @file
/// Finds the network's first block or layer in which the ONNX model and the reference differ.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "candidate.h"
#include "formats/onnx/onnx.h"
#include "reference.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// The difference between the ONNX model's and the reference's output of a block or layer.
struct BlockDifference {
  std::string path;
  double max_absolute = 0;
  double relative = 0;  ///< `max_absolute` / the reference's largest absolute value.
};

/// Returns the path of the PyTorch module in a node's name: "layers.0.1" for "layers.0.1/Add", as
/// this converter names nodes; "layers.0.1.ffn" for "/layers.0/layers.0.1/ffn/Mul_1", as PyTorch's
/// exporter does. Returns "" if the name contains no path.
std::string module_path(const std::string& node_name);

/// Returns a map from each path in `paths` to the name of the module's output in `model`: the
/// output of the last node for which module_path() returns the path. Nodes with several outputs do
/// not count. Leaves out modules whose path is in no node name.
std::map<std::string, std::string> module_outputs(const onnx::Model& model,
                                                  const std::vector<std::string>& paths);

/// The path that stands for the nodes after the network's last module, up to the network's output.
inline constexpr const char* kOutputPart = "output";

/// Compares the output of the block or layer `path` in the ONNX model (`candidate`) and in the
/// reference. A `candidate` in NHWC is recognised by its shape.
BlockDifference compare_block(const std::string& path, const FloatTensor& candidate,
                              const DoubleTensor& reference);

/// Runs the ONNX model and the reference on `input`, and compares the two outputs of each block and
/// layer.
std::vector<BlockDifference> compare_blocks(const Candidate& candidate, const onnx::Model& model,
                                            const Reference& reference, const FloatTensor& input);

/// The first block whose error is much larger than the errors of all earlier blocks.
struct FirstDifference {
  std::string path;  ///< Empty if no block stands out.
  std::string text;  ///< The result in a sentence for the user.
};

/// Finds the first block whose error is much larger than the errors of all earlier blocks. The
/// error must also be much larger than `floor`, the usual relative error of a correct block.
FirstDifference find_first_difference(const std::vector<BlockDifference>& blocks, double floor);

/// Returns the blocks of a 16-bit model in which the error grows most, and which should therefore
/// be float32. A layer outside of the blocks counts as a block. Leaves out the blocks in `already`,
/// which compute in float32. Returns at most as many blocks as `already` has, so that the number of
/// float32 blocks at most doubles; at most one block if `already` is empty. Returns an empty list
/// if the error grows in no other block.
std::vector<std::string> coarsest_blocks(const std::vector<BlockDifference>& differences,
                                         const std::vector<std::string>& already);

}  // namespace aether2onnx::verify
