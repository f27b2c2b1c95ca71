/// @file
/// Prints the results of the commands as text, or returns the results as JSON. The functions of
/// this file do no other work, and do not use the parser of the command line.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../../verify/upscaler.h"
#include "../console.h"
#include "../requests.h"
#include "json.h"

namespace aether2onnx::cli {

// --- results of `convert` ---------------------------------------------------------------------

/// The result of a conversion, and the command lines that the user may run next.
struct Conversion {
  ConvertReport report;
  std::string replaced;  ///< When the replaced file was written; "" if no file was replaced.
  std::shared_ptr<const Json> verification;  ///< The comparison's result, or null.
  std::string verify_command;                ///< Empty if the model was compared already.
  std::string trtexec_command;
  std::string engine_command;
};
/// Prints the options that aether2onnx chose for the user's target programs (--for). Each line
/// contains an option, its value and the reason for the choice.
void print_settings(Console& console, const ConvertRequest& request);
void add_targets(Json& json, const ConvertRequest& request);
void print_conversion(Console& console, const ConvertRequest& request,
                      const Conversion& conversion);
Json conversion_json(const ConvertRequest& request, const Conversion& conversion);

/// Returns "out.onnx", or "out.onnx, replacing the file written at 12:31" if `replaced` is "12:31".
std::string saved_text(const std::filesystem::path& path, const std::string& replaced);

/// Returns a description of the ONNX file: "fp32, fixed 1x3x64x64, opset 17". If the precision or
/// the shape is the default, the text also names the usual alternatives and their options.
std::string model_text(const ConvertRequest& request, const ConvertReport& report);

/// Returns a table that compares the checkpoint and the model: sizes, types, inputs, operators.
std::string model_table(const ConvertReport& report);

/// What a conversion will do with the output file, and why.
struct OutputPlan {
  std::string action;  ///< "write", "replace" or "skip".
  std::string why;
};
void print_plan(Console& console, const ConvertRequest& request, const ConvertReport& planned,
                const OutputPlan& plan);
Json plan_json(const ConvertRequest& request, const ConvertReport& planned, const OutputPlan& plan);

/// One checkpoint of a batch, and the result of the conversion. The struct needs no lock, because
/// only one thread at a time works on a checkpoint.
struct BatchItem {
  enum class Result { open, saved, skipped, failed };
  std::filesystem::path input;
  Result result = Result::open;
  Conversion conversion;
  OutputPlan plan;
  std::optional<Failure> failure;
  double seconds = 0;
};
std::size_t count(const std::vector<BatchItem>& items, BatchItem::Result result);
int batch_exit_code(const std::vector<BatchItem>& items);
void print_batch(Console& console, const std::vector<BatchItem>& items,
                 const ConvertRequest& request, double seconds);
Json batch_json(const std::vector<BatchItem>& items, const ConvertRequest& request, double seconds);

// --- results of `verify` ----------------------------------------------------------------------

/// Prints the start of a comparison: the model, the reference (PyTorch or aether2onnx itself), the
/// tolerance, the estimated time, and whether the model was made from `checkpoint`. Also prints the
/// assumptions: values of settings, such as res_scale, that do not follow from the checkpoint.
void print_beginning(Console& console, const Json& details,
                     const std::filesystem::path& checkpoint);
/// Prints a line for each compared shape. Then prints whether rounding alone explains the errors,
/// and whether a new conversion of the checkpoint has the same weights and attributes as the model.
/// If `warn` is true, also warns if values inside a float16 model are close to or beyond 65504,
/// float16's largest number.
void print_comparison(Console& console, const Json& details, bool warn);
/// Returns the verdict on a model that equals the checkpoint. If a setting of the network, such as
/// res_scale, does not follow from the checkpoint, the comparison assumes a value. The verdict then
/// contains the setting and the assumed value.
std::string verdict_text(const Json& details, const std::string& model_name,
                         const std::string& checkpoint);
/// Returns the exception for a model that failed the comparison. If the output differs by more than
/// the tolerance, the message lists the failed shapes. Otherwise the message says why the model is
/// suspicious: rounding does not explain the differences, or the file differs from a new conversion
/// of the checkpoint.
ProgramError comparison_error(const Json& details, const std::string& model_name);
/// Returns one text with all names in `blocks`, which are modules of the network. If `details` has
/// a module's largest value, the text also has this value: "layers.0.3 (largest value 1.2e+05)".
std::string blocks_text(const std::vector<std::string>& blocks, const Json& details);

// --- results of `fuse`, `inspect`, `check`, `upscale`, `scan` and `engine` --------------------

Json fusion_json(const FuseReport& report, bool replaced, const std::string& convert_command);

void print_inspection(Console& console, const InspectRequest& request,
                      const Inspection& inspection);
Json inspection_json(const Inspection& inspection, bool with_tensors);

void print_check(Console& console, const std::filesystem::path& file, const CheckReport& report);
/// Returns the findings with the severity `least` or a higher severity, one line each.
std::string findings_text(const CheckReport& report, Severity least);
Json check_json(const CheckReport& report, int exit_code);

/// The result of enlarging one picture. If `failure` is set, `upscaled` is empty.
struct UpscaleResult {
  std::filesystem::path picture;
  std::filesystem::path target;
  verify::UpscaledPicture upscaled;
  std::optional<Failure> failure;
};
/// Properties of the model and of ONNX Runtime, for the JSON output of `upscale`.
struct UpscaleFacts {
  std::string description;
  std::int64_t scale = 0;
  std::int64_t channels = 0;
  std::string onnxruntime_version;
  std::string device;
  std::vector<std::string> notes;
};
void print_upscaled(Console& console, const UpscaleResult& result);
Json upscale_json(const UpscaleRequest& request, const UpscaleFacts& facts,
                  const std::vector<UpscaleResult>& results);

/// The result of `scan` for one file. If `failure` is set, `report` is empty.
struct Scanned {
  std::filesystem::path file;
  ScanReport report;
  std::optional<Failure> failure;
};
void print_scanned(Console& console, const Scanned& scanned);
Json scanned_json(const Scanned& scanned);

/// Returns the first fields of the JSON output of `engine`, which describe the model and TensorRT.
/// `origin` says where `version` comes from: an option's name ("--for") or a program's path. If no
/// option and no program sets the version, `origin` is "assumed". `trtexec` and `python` are empty
/// if the command does not use these programs.
Json engine_json(const EngineRequest& request, const EngineModel& model,
                 const TensorRtVersion& version, const std::string& origin,
                 const std::filesystem::path& trtexec, const std::filesystem::path& python);

}  // namespace aether2onnx::cli
