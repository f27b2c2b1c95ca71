/// @file
/// The elements of small constants of an ONNX graph, which the graph uses as sizes. Private to this
/// folder.
#pragma once

#include "judge/scan/onnx_values.h"

namespace aether2onnx::judge::scan {

/// Returns whether the number is exact in each type, and whether sums and products of two such
/// numbers are exact in float64.
bool is_exact(double number, bool is_integer);

/// Sets `output.numbers` and `output.is_integer`, if the elements of the node's first output can be
/// computed from the inputs. `output.dims` must be known. `fill` is as for results_of().
void compute_numbers(const Operation& operation, const Value* fill, Value& output);

}  // namespace aether2onnx::judge::scan
