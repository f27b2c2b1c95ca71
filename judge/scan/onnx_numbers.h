/// @file
/// The elements of small constants of an ONNX graph, which the graph uses as sizes. Private to this
/// folder.
#pragma once

#include <cstddef>

#include "judge/scan/onnx_values.h"

namespace aether2onnx::judge::scan {

/// Sets `output.numbers` and `output.is_integer`, if the elements of the node's first output can be
/// computed from the inputs. `output.dims` must be known. `fill` is as for results_of().
void compute_numbers(const Operation& operation, const Value* fill, Value& output);

}  // namespace aether2onnx::judge::scan
