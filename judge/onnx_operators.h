/// @file
/// Tables of ONNX operators: those that only compute, and those that load or call a program. The
/// commands check and scan share these tables.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/onnx/onnx.h"

namespace aether2onnx::judge {

/// What an operator can do when a program runs the ONNX file.
enum class Power {
  computes,  ///< Computes its outputs from its inputs and attributes, and does nothing else.
  loads,    ///< Loads or calls a program: code, a compiled model, a function by its name, a server.
  unknown,  ///< Not in the tables, for example an operator of another library.
};

Power power_of(const onnx::Node& node);
/// Returns whether the ONNX function has the name of a known operator (Power::computes or loads).
/// Some programs then run the function, and others run the operator.
bool replaces_operator(const onnx::Function& function);

/// Returns what the node's operator loads or calls, for example "calls a Python function by its
/// name". Returns "" for an operator that is not known to load or call a program.
std::string_view load_text(const onnx::Node& node);

/// Returns the operator's name: "Conv" for an operator of ONNX itself, else with the domain,
/// "com.microsoft.EPContext". The text may have unprintable characters.
std::string full_name(const onnx::Node& node);

/// The result of expanded_nodes() if a function calls itself, directly or through other functions.
inline constexpr std::uint64_t kEndless = ~std::uint64_t{0};
/// Returns the number of nodes in the model. A call of a function counts as one node plus all nodes
/// of the function.
std::uint64_t expanded_nodes(const onnx::Model& model);
/// A model with more nodes would exhaust a runtime's memory. No published model has as many nodes.
inline constexpr std::uint64_t kTooManyNodes = 10'000'000;

}  // namespace aether2onnx::judge
