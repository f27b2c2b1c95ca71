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

/// Shapes with more axes, and values with more elements, count as unknown.
inline constexpr std::size_t kMostNumbers = 64;

/// What is known about a value.
struct Value {
  /// Whether ONNX Runtime may compute the value when it loads the model.
  bool is_constant = true;
  double elements = 0;  ///< A constant has at most this number of elements.
  Shape dims = {};      ///< Exact, if it is known.
  /// The elements of a constant in row-major order, if they are known and few. The elements are
  /// exact, except integers beyond 2^53, which are rounded.
  std::optional<std::vector<double>> numbers = {};
  bool is_integer = false;  ///< Whether `numbers` are integers or Booleans, not real numbers.
  bool operator==(const Value&) const = default;
};

/// A node with the values of its inputs.
struct Operation {
  const onnx::Node& node;
  std::span<const Value* const> inputs;  ///< Null for an input that is left out.

  const Value* input(std::size_t i) const { return i < inputs.size() ? inputs[i] : nullptr; }
  /// Returns the shape of an input; null if it is unknown or the input is left out.
  const Dims* dims(std::size_t i) const;
  /// Returns the elements of an input; null if they are unknown or the input is left out.
  const std::vector<double>* numbers(std::size_t i) const;
  /// Returns an attribute that is an integer. Returns `absent` if the node does not have it;
  /// nullopt if the attribute has another type.
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t absent) const;
  /// Returns an attribute that is a list of integers; null if the node does not have it.
  const Dims* list(std::string_view name) const;
};

/// Returns the number of elements of a shape, where a size of 0 counts as 1.
double count_of(const Dims& dims);

/// Merges two values that have one name: returns the larger number of elements, and the shape and
/// the elements only if `a` and `b` agree. The result is constant if `a` or `b` is constant.
Value merged(const Value& a, const Value& b);

/// Returns the values of a node's outputs. `fill` has the number with which ConstantOfShape fills
/// its output; null if the number is unknown.
std::vector<Value> results_of(const Operation& operation, const Value* fill);

/// Returns a measure of the work and memory to compute the constants among `results`, which are the
/// results of results_of(). The measure is the number of elements that the operator reads or
/// writes, or the number of multiplications if there are more of them.
double work_of(const Operation& operation, const std::vector<Value>& results);

/// Returns the value of a node Constant whose attribute is a number or a list of numbers. If the
/// node belongs to a function, `caller` is the node that calls this function; otherwise null.
/// `most` is the largest possible number of elements if the attribute's value is unknown.
Value constant_of(const onnx::Node& node, const onnx::Node* caller, double most);

}  // namespace aether2onnx::judge::scan
