/// @file
/// The results of the commands as text and as JSON. Nothing here does work or knows the command
/// line's parser.
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

// --- convert ----------------------------------------------------------------------------------

/// A finished conversion, and the commands that go on from there.
struct Conversion {
  ConvertReport report;
  std::string replaced;  ///< When the replaced file was written; "" without such a file.
  std::shared_ptr<const Json> verification;  ///< Null without a comparison.
  std::string verify_command;                ///< Empty after a comparison.
  std::string trtexec_command;
  std::string engine_command;
};
/// What --for has set, and why.
void print_settings(Console& console, const ConvertRequest& request);
void add_targets(Json& json, const ConvertRequest& request);
void print_conversion(Console& console, const ConvertRequest& request,
                      const Conversion& conversion);
Json conversion_json(const ConvertRequest& request, const Conversion& conversion);

/// "out.onnx", or "out.onnx, replacing the one of 12:31".
std::string saved_text(const std::filesystem::path& path, const std::string& replaced);

/// "fp32, fixed 1x3x64x64, opset 17". If precision or shape is at its default, the text also names
/// the usual alternatives and their options.
std::string model_text(const ConvertRequest& request, const ConvertReport& report);

/// The checkpoint beside its model: operators, parameters, inputs and outputs.
std::string model_table(const ConvertReport& report);

/// The effect of a conversion on its output.
struct OutputPlan {
  std::string action;  ///< "write", "replace" or "skip".
  std::string why;
};
void print_plan(Console& console, const ConvertRequest& request, const ConvertReport& planned,
                const OutputPlan& plan);
Json plan_json(const ConvertRequest& request, const ConvertReport& planned, const OutputPlan& plan);

/// One checkpoint of a batch. Only the thread that works on it touches it.
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
void print_batch(Console& console, const std::vector<BatchItem>& items,
                 const ConvertRequest& request, double seconds);
Json batch_json(const std::vector<BatchItem>& items, const ConvertRequest& request, double seconds);

// --- verify -----------------------------------------------------------------------------------

/// Who judges, how long it takes, and what is assumed.
void print_beginning(Console& console, const Json& details,
                     const std::filesystem::path& checkpoint);
/// A line for each shape. `warn` adds a warning if float16 is close to its largest value.
void print_comparison(Console& console, const Json& details, bool warn);
/// The verdict on a model that is equal, and the assumptions that it depends on.
std::string verdict_text(const Json& details, const std::string& model_name,
                         const std::string& checkpoint);
/// An error that lists the shapes that failed, or names the suspicious part.
ProgramError comparison_error(const Json& details, const std::string& model_name);
/// "layers.0.3 (largest value 1.2e+05)", with the largest values in `details`.
std::string blocks_text(const std::vector<std::string>& blocks, const Json& details);

// --- the other commands -----------------------------------------------------------------------

Json fusion_json(const FuseReport& report, bool replaced, const std::string& convert_command);

void print_inspection(Console& console, const InspectRequest& request,
                      const Inspection& inspection);
Json inspection_json(const Inspection& inspection, bool with_tensors);

void print_check(Console& console, const std::filesystem::path& file, const CheckReport& report);
/// The findings of at least `least`, one line each.
std::string findings_text(const CheckReport& report, Severity least);
Json check_json(const CheckReport& report, int exit_code);

/// One picture; the failure, if any, takes the place of the rest.
struct UpscaleResult {
  std::filesystem::path picture;
  std::filesystem::path target;
  verify::UpscaledPicture upscaled;
  std::optional<Failure> failure;
};
/// The model, for the JSON output.
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

/// A scanned file; the failure, if any, takes the place of the report.
struct Scanned {
  std::filesystem::path file;
  ScanReport report;
  std::optional<Failure> failure;
};
void print_scanned(Console& console, const Scanned& scanned);
Json scanned_json(const Scanned& scanned);

/// The model and the version of TensorRT. `origin` says who named the version. `trtexec` and
/// `python` may be empty.
Json engine_json(const EngineRequest& request, const EngineModel& model,
                 const TensorRtVersion& version, const std::string& origin,
                 const std::filesystem::path& trtexec, const std::filesystem::path& python);

}  // namespace aether2onnx::cli
