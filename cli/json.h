/// @file
/// What --json prints. A file that makes or reads JSON itself includes nlohmann/json.hpp, too,
/// which takes long to compile.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "invocation.h"

namespace aether2onnx::cli {

using Json = nlohmann::ordered_json;

/// The result object of a conversion; `verification` is null where there was none.
Json conversion_json(const Report& report, const Json& verification,
                     const std::string& verify_command, const std::string& trtexec_command);

Json source_json(const Report::Source& source);
Json network_json(const Report::Network& network);
/// A number, or the range of a dynamic axis.
Json axis_json(const Axis& axis);
Json tensors_json(const std::vector<TensorInfo>& tensors);
Json stages_json(const std::vector<Stage>& stages);

/// How a failure is told.
struct Failure {
  std::string kind;
  std::string message;
  std::vector<std::string> findings;
  int exit_code = kFailed;
  std::shared_ptr<const Json> verification;  ///< Its figures, where one was made.
};
Failure failure_of(const Error& error);

/// The result object of a failure.
Json failure_json(const Failure& failure);

/// Prints the message on stderr, and with `json` the result object of a failure on stdout; gives
/// the exit code.
int print_failure(const Failure& failure, bool json);

/// The object as text; names that aren't UTF-8 get replacement characters, and what a terminal
/// would act on is escaped.
std::string dump(const Json& json);

/// Prints the object on stdout. Throws Error(io) where that fails, saying what was `done` all the
/// same.
void print_result(const Json& json, const std::string& done);

}  // namespace aether2onnx::cli
