/// @file
/// What an ONNX file says, as lines of text: as libonnx's parser reads the file, and as our reader
/// does. Both lists are equal if both readers see the same.
#pragma once

#include <aether2onnx/aether2onnx.h>
#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "formats/onnx/onnx.h"

namespace aether2onnx::test {

using Facts = std::vector<std::string>;

/// Versions, metadata, inputs, outputs; every node of the graph, of inner graphs, functions and
/// training information; every tensor with its place and elements.
Facts facts_of(const ::onnx::ModelProto& model);
Facts facts_of(const onnx::Model& model, const Input& input);

/// What must not be in a file that scan calls clean, by libonnx's eyes: operators that load
/// something, operators of other libraries, names of files that lead elsewhere. "" if there is
/// none.
std::string danger_in(const ::onnx::ModelProto& model);

}  // namespace aether2onnx::test
