/// @file
/// The shapes of an ONNX node's outputs, by ONNX's definition of each operator. Private to this
/// folder.
#pragma once

#include <vector>

#include "judge/scan/onnx_values.h"

namespace aether2onnx::judge::scan {

/// The size that scan assumes for an axis whose size the file leaves open. Exception: if a model's
/// input has several axes, the first axis is the batch, and scan assumes the batch size 1. While
/// ONNX Runtime loads a model, it computes only constants that are the same for all inputs of the
/// model. So scan finds the same constants with every size that the network accepts. Networks for
/// pictures accept 32 in most cases.
inline constexpr std::int64_t kOpenSize = 32;

/// Returns the shape of each output of a node. A shape is unknown if scan does not know the
/// operator, or if ONNX's definition does not allow the inputs.
std::vector<Shape> shapes_of(const Operation& operation);

/// The elements that the operator Slice takes along each axis.
struct Slices {
  Dims starts;
  Dims steps;
  Dims sizes;
};
std::optional<Slices> slices_of(const Operation& operation);

/// Returns the axis as an index; nullopt if a shape with `rank` axes does not have the axis.
std::optional<std::size_t> axis_of(std::optional<std::int64_t> axis, std::size_t rank);

}  // namespace aether2onnx::judge::scan
