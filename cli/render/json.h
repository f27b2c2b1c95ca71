/// @file
/// The output of --json: the parts that several commands share, and failures. A file that creates
/// or reads JSON also includes nlohmann/json.hpp. That header takes long to compile.
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

/// Returns {"status": "ok", "version": …}, the beginning of every result.
Json result_json();

Json source_json(const SourceInfo& source);
Json network_json(const NetworkInfo& network);
/// Returns the size of a fixed axis as a number, or the range of a dynamic axis as an object.
Json axis_json(const Axis& axis);
Json tensors_json(const std::vector<TensorInfo>& tensors);
Json operators_json(const std::vector<std::pair<std::string, std::uint64_t>>& operators);
/// Returns an object of the pairs. If a key is repeated, the object has the last value.
Json pairs_json(const std::vector<std::pair<std::string, std::string>>& pairs);
Json steps_json(const std::vector<Step>& steps);
/// Returns the texts of the diagnostics.
Json texts_json(const std::vector<Diagnostic>& diagnostics);
/// Adds the texts of the warnings as "warnings", and their codes as "warning_codes".
void add_warnings(Json& json, const std::vector<Diagnostic>& warnings);
/// Returns the value, or null if there is no value.
template <typename Value, typename Result = Json>
Result or_null(const std::optional<Value>& value) {
  return value ? Result(*value) : Result();
}
/// Returns the text, or null for an empty text.
Json or_null(const std::string& text);

/// A failure, ready for printing.
struct Failure {
  std::string kind;
  Diagnostic diagnostic;
  std::vector<Diagnostic> findings = {};
  int exit_code = kFailed;
  std::shared_ptr<const Json> verification = {};  ///< The numbers of a comparison, if any.
};

/// Describes the exception that is being handled. Call this function in a catch block.
Failure current_failure();

/// Returns an object with "kind", "code", "subject", "expected", "found" and "message".
Json error_json(const Failure& failure);

/// Returns the whole JSON object that a failed command prints.
Json failure_json(const Failure& failure);

/// Prints the message on stderr. If `json` is true, also prints failure_json() on stdout. Returns
/// the exit code.
int print_failure(const Failure& failure, bool json);

/// Returns the object as text. Replacement characters replace invalid UTF-8. Characters that a
/// terminal would act on are escaped. {option:io_type} becomes "--io_type".
std::string dump(const Json& json);

/// Returns the same text as dump(), but in one line.
std::string dump_line(const Json& json);

/// Prints the object on stdout. Throws Error(io) if printing fails. The message begins with `done`,
/// the part of the work that is done: "model.onnx was saved".
void print_result(const Json& json, const std::string& done);

}  // namespace aether2onnx::cli
