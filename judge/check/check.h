/// @file
/// Stage "check": what in an ONNX file would stop or slow the programs that run it.
///
/// Owns the rules, one row of a table each, and what is known of the versions of TensorRT and ONNX
/// Runtime and of what players expect. Reads the results of the stage onnx; changes nothing.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include "formats/onnx/onnx.h"
#include "port/files.h"

namespace aether2onnx::checks {

/// Applies every rule to the file described by `file`, whose bytes are `input`. `siblings` opens
/// external data; null where the file lies in memory. The weights are read one at a time;
/// `context.observer` is told how many of them have been.
///
/// Throws Error(usage) where a version in `options` is none.
CheckReport run(const onnx::File& file, const Input& input, const io::Siblings* siblings,
                const CheckOptions& options, const Context& context);

}  // namespace aether2onnx::checks
