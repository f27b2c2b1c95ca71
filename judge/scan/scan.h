/// @file
/// Stage "scan": whether a file holds anything but data.
///
/// Owns the judgement of names in pickles, by a list of what is allowed, and the knowledge of what
/// makes loaders and scanners see different things. It reads every container as the other stages
/// do and goes on where they stop: a file that they refuse is looked at as far as it can be.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <string_view>

#include "port/files.h"

namespace aether2onnx::scans {

/// Looks at the file in `input`; `siblings` opens the shards of an index, and may be null.
ScanReport run(const Input& input, const io::Siblings* siblings, const Context& context);

/// What a global is worth.
Verdict judge(std::string_view module, std::string_view name);

}  // namespace aether2onnx::scans
