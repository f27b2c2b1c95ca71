/// @file
/// The elements of small constants of an ONNX graph, which the graph uses as sizes. Private to this
/// folder.
#pragma once

#include "judge/scan/onnx_values.h"

namespace aether2onnx::judge::scan {

/// Returns whether float32 and float64, and also int32 and int64 if `is_integer` is true, hold the
/// number exactly. If the result is true for two numbers, float64 also holds their sum and product
/// exactly.
bool is_exact(double number, bool is_integer);

/// Sets `output.numbers` and `output.is_integer`, if the elements of the node's first output can be
/// computed from the inputs. `output.dims` must be known. `fill` has the number with which
/// ConstantOfShape fills its output; null if the number is unknown.
void compute_numbers(const Operation& operation, const Value* fill, Value& output);

}  // namespace aether2onnx::judge::scan
