/// @file
/// What --json prints. A file that makes or reads JSON itself includes nlohmann/json.hpp, too,
/// which takes long to compile.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <exception>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "invocation.h"

namespace aether2onnx::cli {

using Json = nlohmann::ordered_json;

/// The result object of a conversion; `verification` is null where there was none.
Json conversion_json(const ConvertReport& report, const Json& verification,
                     const std::string& verify_command, const std::string& trtexec_command);

Json source_json(const SourceInfo& source);
Json network_json(const NetworkInfo& network);
/// A number, or the range of a dynamic axis.
Json axis_json(const Axis& axis);
Json tensors_json(const std::vector<TensorInfo>& tensors);
Json steps_json(const std::vector<Step>& steps);
/// The sentences of the diagnostics.
Json texts_json(const std::vector<Diagnostic>& diagnostics);
/// Adds the sentences and the codes of the warnings.
void add_warnings(Json& json, const std::vector<Diagnostic>& warnings);

/// A text of the library with each {option:NAME} as the program writes the option, --NAME.
std::string spelled(std::string_view text);

/// A failure as it is printed.
struct Failure {
  std::string kind;
  Diagnostic diagnostic;
  std::vector<Diagnostic> findings = {};
  int exit_code = kFailed;
  std::shared_ptr<const Json> verification = {};  ///< The figures of a verification, if any.
};
Failure failure_of(const std::exception& exception);

/// The result object of a failure.
Json failure_json(const Failure& failure);

/// Prints the message on stderr, and with `json` the result object of a failure on stdout; gives
/// the exit code.
int print_failure(const Failure& failure, bool json);

/// The object as text; names that aren't UTF-8 get replacement characters, and what a terminal
/// would act on is escaped. Options are spelled as they are typed.
std::string dump(const Json& json);

/// Prints the object on stdout. Throws Error(io) where that fails, saying what was `done` all the
/// same.
void print_result(const Json& json, const std::string& done);

}  // namespace aether2onnx::cli
