/// @file
/// Bounds for the values of an ONNX graph. ONNX Runtime computes constants when it loads a model,
/// so onnx_constants.cpp must know how large constants can become. Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/onnx/onnx.h"

namespace aether2onnx::judge::scan {

using Dims = std::vector<std::int64_t>;
using Shape = std::optional<Dims>;  ///< nullopt if the shape is unknown.

/// A shape with more axes than this number counts as unknown. If a value has more elements than
/// this number, the elements count as unknown.
inline constexpr std::size_t kMostNumbers = 64;

/// What scan knows about a value (an input, an initializer or a node's output) of an ONNX graph.
struct Value {
  /// Whether ONNX Runtime may compute the value when it loads the model.
  bool is_constant = true;
  double elements = 0;  ///< A constant has at most this number of elements.
  Shape dims = {};      ///< Exact, if it is known.
  /// The elements of a constant in row-major order; nullopt if the elements are unknown, or more
  /// than kMostNumbers. The elements are exact, except integers beyond 2^53, which are rounded.
  std::optional<std::vector<double>> numbers = {};
  bool is_integer = false;  ///< Whether `numbers` are integers or Booleans, not real numbers.
  bool operator==(const Value&) const = default;
};

/// A node with the values of its inputs.
struct Operation {
  const onnx::Node& node;
  std::span<const Value* const> inputs;  ///< Null for an input that is left out.

  const Value* input(std::size_t i) const { return i < inputs.size() ? inputs[i] : nullptr; }
  /// Returns the shape of input `i`; null if the shape is unknown or the input is left out.
  const Dims* dims(std::size_t i) const;
  /// Returns the elements of input `i`; null if the elements are unknown or the input is left out.
  const std::vector<double>* numbers(std::size_t i) const;
  /// Returns the integer in the attribute `name`. Returns `absent` if the node does not have this
  /// attribute; nullopt if the attribute is not an integer.
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t absent) const;
  /// Returns the list of integers in the attribute `name`; null if the node does not have this
  /// attribute, or if the attribute is not a list of integers.
  const Dims* list(std::string_view name) const;
};

/// Returns the number of elements of a shape. A size of 0 or below counts as 1, so the result can
/// be too large, but not too small.
double count_of(const Dims& dims);

/// Merges two values with the same name, for example from two inner graphs. Returns the larger
/// number of elements. Returns the shape only if both shapes are equal, and the elements only if
/// shapes and elements are equal. The result is constant if `a` or `b` is constant.
Value merged(const Value& a, const Value& b);

/// Returns the values of a node's outputs. `fill` has the number with which ConstantOfShape fills
/// its output; null if the number is unknown.
std::vector<Value> results_of(const Operation& operation, const Value* fill);

/// Returns a measure of the work and memory to compute the constants among `results`, which are the
/// results of results_of(). The measure is the number of elements that the operator reads or
/// writes, or the number of multiplications if this number is larger.
double work_of(const Operation& operation, const std::vector<Value>& results);

/// Returns the value of a node Constant whose attribute is a number or a list of numbers. If the
/// node belongs to a function, `caller` is the node that calls this function, because the numbers
/// can be in an attribute of `caller`. Otherwise `caller` is null. If the numbers are unknown, the
/// result has at most `most` elements.
Value constant_of(const onnx::Node& node, const onnx::Node* caller, double most);

}  // namespace aether2onnx::judge::scan
