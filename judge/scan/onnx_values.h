/// @file
/// Bounds for the values of an ONNX graph. ONNX Runtime computes constants when it loads a model,
/// so onnx_constants.cpp must know how large constants can become. Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"

namespace aether2onnx::judge::scan {

using Dims = std::vector<std::int64_t>;

/// A value that ONNX Runtime may compute when it loads the model.
struct Constant {
  double elements = 0;            ///< The value has at most this number of elements.
  std::optional<Dims> dims = {};  ///< The shape, if it is known.
  std::optional<std::vector<double>> numbers = {};  ///< The elements, if they are known and few.
  bool operator==(const Constant&) const = default;
};

/// Returns the number of elements of a shape, where a size of 0 counts as 1: the result of an
/// operator can have the other sizes of an empty input.
double count_of(const Dims& dims);

/// Returns a bound for two constants of the same name.
Constant merged(const Constant& a, const Constant& b);

/// Returns a bound for the first output of a node. `inputs` has a constant for each input of the
/// node, or null for an input that is left out. `fill` is the number with which ConstantOfShape
/// fills its output; nullopt if the number is unknown.
Constant result_of(const onnx::Node& node, std::span<const Constant* const> inputs,
                   std::optional<double> fill);

/// Returns the value of a node Constant whose attribute has numbers. `caller` is the node that
/// calls the function with the node; null in the main graph. `most` is the largest possible number
/// of elements if the attribute's value is unknown.
Constant constant_of(const onnx::Node& node, const onnx::Node* caller, double most);

}  // namespace aether2onnx::judge::scan
