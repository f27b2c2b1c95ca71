/// @file
/// Where two implementations begin to differ.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "reference.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// How far the outputs of one part of the network are apart.
struct BlockDifference {
  std::string path;
  double max_absolute = 0;
  double relative = 0;  ///< max_absolute by the largest absolute value of the reference.
};

/// The path of the PyTorch module that a node belongs to: of "layers.0.1/Add" as the converter
/// names nodes, and of "/layers.0/layers.0.1/ffn/Mul_1" as PyTorch's exporter does. "" where it
/// can't be told.
std::string module_path(const std::string& node_name);

/// The value that each of these modules makes, by the module's path: the output of its last node.
/// Modules that the file's node names don't tell are left out.
std::map<std::string, std::string> module_outputs(const onnx::File& model,
                                                  const std::vector<std::string>& paths);

/// Compares two outputs of one part; a candidate in NHWC is told by its shape.
BlockDifference compare_block(const std::string& path, const FloatTensor& candidate,
                              const DoubleTensor& reference);

/// The first block whose error jumps.
struct FirstDifference {
  std::string path;  ///< "" where none stands out.
  std::string text;  ///< The same in a sentence.
};

/// `floor` is the relative error that is usual for the candidate's precision.
FirstDifference find_first_difference(const std::vector<BlockDifference>& blocks, double floor);

/// The parts that the error of a half precision model grows most in, as many as there are in
/// `already`, at least one; those are left out. Empty where it grows nowhere else.
std::vector<std::string> coarsest_blocks(const std::vector<BlockDifference>& differences,
                                         const std::vector<std::string>& already);

}  // namespace aether2onnx::verify
