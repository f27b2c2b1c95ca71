/// @file
/// What operators of an ONNX file can do. The folders check and scan share these tables.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/onnx/onnx.h"

namespace aether2onnx::judge {

/// What running an operator can do.
enum class Power {
  computes,  ///< Computes its outputs from its inputs and attributes, and does nothing else.
  loads,    ///< Loads or calls a program: code, a compiled model, a function by its name, a server.
  unknown,  ///< An operator of another library, or one that is not in the tables.
};

Power power_of(const onnx::Node& node);
/// Whether the function has the name of an operator in the tables. Then some readers run the
/// function, and others the operator.
bool replaces_operator(const onnx::Function& function);

/// What an operator does that Power::loads, "calls a Python function"; "" for any other operator.
std::string_view load_text(const onnx::Node& node);

/// "Conv" for ONNX's own operators, "com.microsoft.EPContext" for others; not yet printable.
std::string full_name(const onnx::Node& node);

/// The number of nodes once every call of a function is replaced by the function's nodes, as
/// runtimes do it. kEndless if a function calls itself, directly or through others.
inline constexpr std::uint64_t kEndless = ~std::uint64_t{0};
std::uint64_t expanded_nodes(const onnx::Model& model);
/// More nodes than any published model has. A runtime would run out of memory.
inline constexpr std::uint64_t kTooManyNodes = 10'000'000;

}  // namespace aether2onnx::judge
