/// @file
/// The output of --json: parts that several commands have, and failures. A file that makes or reads
/// JSON itself includes nlohmann/json.hpp too, which takes long to compile.
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

/// {"status": "ok", "version": …}: the beginning of every result.
Json result_json();

Json source_json(const SourceInfo& source);
Json network_json(const NetworkInfo& network);
/// A number, or the range of a dynamic axis.
Json axis_json(const Axis& axis);
Json tensors_json(const std::vector<TensorInfo>& tensors);
Json operators_json(const std::vector<std::pair<std::string, std::uint64_t>>& operators);
/// An object of the pairs. Of a repeated key the last value counts.
Json pairs_json(const std::vector<std::pair<std::string, std::string>>& pairs);
Json steps_json(const std::vector<Step>& steps);
/// The sentences of the diagnostics.
Json texts_json(const std::vector<Diagnostic>& diagnostics);
/// Adds the sentences and the codes of the warnings.
void add_warnings(Json& json, const std::vector<Diagnostic>& warnings);
/// The value, or null.
template <typename Value, typename Result = Json>
Result or_null(const std::optional<Value>& value) {
  return value ? Result(*value) : Result();
}
/// The text, or null for an empty text.
Json or_null(const std::string& text);

/// A failure, ready for printing.
struct Failure {
  std::string kind;
  Diagnostic diagnostic;
  std::vector<Diagnostic> findings = {};
  int exit_code = kFailed;
  std::shared_ptr<const Json> verification = {};  ///< The figures of a comparison, if any.
};

/// Describes the exception that is being handled. Call it in a catch block.
Failure current_failure();

/// "kind", "code", "subject", "expected", "found" and "message".
Json error_json(const Failure& failure);

/// The result object of a failure.
Json failure_json(const Failure& failure);

/// Prints the message on stderr, and with `json` the result object of a failure on stdout. Returns
/// the exit code.
int print_failure(const Failure& failure, bool json);

/// The object as text. Names that aren't UTF-8 get replacement characters; characters that a
/// terminal acts on are escaped. Options are written as they are typed.
std::string dump(const Json& json);

/// The same in one line.
std::string dump_line(const Json& json);

/// Prints the object on stdout. If that fails, throws Error(io), which says that the work is
/// `done`.
void print_result(const Json& json, const std::string& done);

}  // namespace aether2onnx::cli
