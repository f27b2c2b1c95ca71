/// @file
/// Prints the output of --json. Creates the output of a failed command, and the fields that the
/// outputs of several commands contain. This file includes only json_fwd.hpp, because
/// nlohmann/json.hpp takes long to compile. Files that create or read JSON must include
/// nlohmann/json.hpp themselves.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../invocation.h"

namespace aether2onnx::cli {

using Json = nlohmann::ordered_json;

/// Returns the first fields of a command's JSON output if the command did not fail:
/// {"status": "ok", "version": …}.
Json result_json();

Json source_json(const SourceInfo& source);
Json network_json(const NetworkInfo& network);
/// Returns a number (the size of a fixed axis) or an object (min, opt and max of a dynamic axis).
Json axis_json(const Axis& axis);
Json tensors_json(const std::vector<TensorInfo>& tensors);
Json operators_json(const std::vector<std::pair<std::string, std::uint64_t>>& operators);
/// Returns a JSON object with a field for each pair. If a key is repeated, the last value is used.
Json pairs_json(const std::vector<std::pair<std::string, std::string>>& pairs);
Json steps_json(const std::vector<Step>& steps);
/// Returns a JSON list of the texts of the diagnostics (errors, warnings or findings).
Json texts_json(const std::vector<Diagnostic>& diagnostics);
/// Adds two lists to `json`: the texts of `warnings` as "warnings", the codes as "warning_codes".
void add_warnings(Json& json, const std::vector<Diagnostic>& warnings);
/// Returns the value as JSON, or JSON's null if `value` is nullopt.
template <typename Value, typename Result = Json>
Result or_null(const std::optional<Value>& value) {
  return value ? Result(*value) : Result();
}
/// Returns the text as JSON, or JSON's null if `text` is empty.
Json or_null(const std::string& text);

/// The failure of a command: the values for the error message, the JSON output and the exit code.
struct Failure {
  std::string kind;
  Diagnostic diagnostic;
  std::vector<Diagnostic> findings = {};
  int exit_code = kFailed;
  std::shared_ptr<const Json> verification = {};  ///< The result of a comparison, or null.
};

/// Returns a Failure that describes the exception of the current catch block. Call the function
/// only inside a catch block.
Failure current_failure();

/// Returns the error as an object: "kind", "code", "subject", "expected", "found", "message".
Json error_json(const Failure& failure);

/// Returns the whole JSON object that a failed command prints.
Json failure_json(const Failure& failure);

/// Prints the error message on stderr. If `json` is true, also prints failure_json() on stdout.
/// Returns the exit code of the program: failure.exit_code.
int print_failure(const Failure& failure, bool json);

/// Returns `json` as indented text. Replaces invalid UTF-8 by U+FFFD. Escapes invisible characters,
/// because a terminal could act on such characters. The library's messages contain options in the
/// form {option:NAME}. dump() replaces {option:io_type} by "--io_type", for example.
std::string dump(const Json& json);

/// Returns the same JSON as dump(), but in one line, without indentation.
std::string dump_line(const Json& json);

/// Prints `json` on stdout. Throws Error(io) if printing fails. The error message begins with the
/// text `done`, so that the user knows which work was completed: "model.onnx was saved".
void print_result(const Json& json, const std::string& done);

}  // namespace aether2onnx::cli
