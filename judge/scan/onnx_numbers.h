/// @file
/// The elements of small constants of an ONNX graph, which the graph uses as sizes. Private to this
/// folder.
#pragma once

#include "judge/scan/onnx_values.h"

namespace aether2onnx::judge::scan {

/// Returns whether `number` is a whole number from -2^24 to 2^24. If `is_integer` is false, also
/// accepts other multiples of 2^-20 in this range that float32 holds exactly. So float32, float64
/// and, if `is_integer` is true, int32 and int64 hold the number exactly. float64 also holds the
/// sum and the product of two accepted numbers exactly.
bool is_exact(double number, bool is_integer);

/// Sets `output.numbers` and `output.is_integer`, if the elements of the node's first output can be
/// computed from the inputs. `output.dims` must be known. `fill` has the number with which
/// ConstantOfShape fills its output; null if the number is unknown.
void compute_numbers(const Operation& operation, const Value* fill, Value& output);

}  // namespace aether2onnx::judge::scan
