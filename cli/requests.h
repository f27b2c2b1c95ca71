/// @file
/// Declares a request for each command: a struct with the values of the command's arguments and
/// options. add_words() tells the parser which options the command has, and where in the struct the
/// parser stores the values. run() does the work of the command and prints the result.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shell.h"

namespace aether2onnx::cli {

/// The values of --dynamic_shapes, --shape, --min_…, --opt_… and --max_…: the input's shape.
struct ShapeRequest {
  struct Sizes {
    std::optional<std::int64_t> min;
    std::optional<std::int64_t> opt;
    std::optional<std::int64_t> max;
  };
  bool dynamic = false;
  std::optional<std::string> shape;
  std::array<Sizes, 3> axes;  ///< The sizes of batch, height and width, in this order.
};

inline constexpr std::uint64_t kDefaultSeed = 2025;

/// The options for comparing an ONNX model with the reference: the checkpoint's network, computed
/// by PyTorch or by aether2onnx itself.
struct VerificationRequest {
  std::optional<double> atol;
  std::optional<double> rtol;
  std::optional<std::string> device;
  std::optional<std::string> provider;
  bool tf32 = false;
  bool thorough = false;
  std::optional<std::string> reference;  ///< The value of --reference: "pytorch" or "builtin".
  std::optional<std::string> reference_precision;
  std::optional<std::uint64_t> seed;
  std::optional<std::string> images;
  std::optional<std::string> report;
  std::optional<std::string> onnxruntime_library;
};

/// The options that are only for a batch, which is a conversion of several checkpoints.
struct BatchRequest {
  std::vector<std::filesystem::path> inputs;  ///< Checkpoints, and folders of checkpoints.
  std::optional<std::string> output_dir;      ///< If unset: the folder of each checkpoint.
  std::optional<std::string> name_template;
  std::optional<std::int64_t> jobs;
  bool skip_existing = false;
};

struct ConvertRequest {
  /// If true, run() converts all of `batch.inputs`, and ignores `input`. `output` is then empty,
  /// unless there is only one checkpoint.
  bool is_batch = false;
  BatchRequest batch;
  std::filesystem::path input;
  std::filesystem::path output;  ///< If empty: default_output_name() beside the checkpoint.
  ConvertOptions options;
  std::vector<TargetVersion> targets;
  std::vector<TargetChoice::Setting> settings;  ///< The options that --for set, and why.
  Limits limits;
  bool verify = false;
  bool keep_failed = false;
  bool dry_run = false;
  VerificationRequest verification;
  Printing printing;
  std::vector<GivenOption> given;
  std::vector<std::filesystem::path> inputs;  ///< Other files to read, which no output may replace.
  std::vector<std::string> notes;             ///< Notes to print about the options, one line each.
};

struct FuseRequest {
  std::filesystem::path input;
  std::filesystem::path output;  ///< If empty: default_fused_name() beside the checkpoint.
  FuseOptions options;
  Limits limits;
  std::vector<std::filesystem::path> inputs;
  Printing printing;
};

struct VerifyRequest {
  std::filesystem::path model;
  std::filesystem::path checkpoint;
  ReadOptions reading;
  Limits limits;
  std::vector<std::array<std::int64_t, 4>> shapes;
  VerificationRequest verification;
  std::vector<std::filesystem::path> inputs;
  Printing printing;
};

struct InspectRequest {
  std::filesystem::path file;
  InspectOptions options;
  Limits limits;
  Printing printing;
};

struct CheckRequest {
  std::filesystem::path file;
  CheckOptions options;
  Limits limits;
  bool strict = false;  ///< Whether warnings count as errors for the exit code.
  Printing printing;
};

struct ScanRequest {
  std::vector<std::filesystem::path> files;
  Limits limits;
  Printing printing;
};

struct EngineRequest {
  std::filesystem::path model;
  TargetVersion target;
  std::optional<TensorRtVersion> version;
  std::optional<std::string> trtexec;
  Shell shell = usual_shell();
  EngineOptions options;
  ShapeRequest shape;
  bool run = false;    ///< Whether to run trtexec.
  bool build = false;  ///< Whether to build with NVIDIA's package TensorRT for RTX.
  std::optional<std::string> python;
  std::filesystem::path log;
  std::vector<std::filesystem::path> inputs;
  Printing printing;
  std::vector<std::string> notes;  ///< Notes to print about the options, one line each.
};

enum class PictureType { png, jpeg };

/// Returns "png" or "jpeg".
std::string_view to_string(PictureType type) noexcept;

struct UpscaleRequest {
  std::filesystem::path model;                  ///< A checkpoint or an ONNX file.
  std::vector<std::filesystem::path> pictures;  ///< Picture files, and folders of pictures.
  std::filesystem::path output;                 ///< Path of results; if empty, beside each picture.
  bool output_is_file = false;                  ///< Whether `output` is a file, not a folder.
  PictureType type = PictureType::png;
  std::optional<std::int64_t> quality;
  std::optional<std::string> compare;
  std::optional<std::int64_t> tile;
  std::optional<std::int64_t> overlap;
  std::optional<std::string> device;
  std::optional<std::string> onnxruntime_library;
  ReadOptions reading;
  Limits limits;
  std::vector<std::filesystem::path> inputs;
  Printing printing;
};

struct CompletionRequest {
  std::string shell;  ///< "bash", "zsh" or "fish".
};

struct HelpRequest {
  std::string text;
};

struct VersionRequest {};

struct ManualRequest {
  std::string part;  ///< "man", "options" or "json".
};

void add_words(CommandLine& line, ConvertRequest& request);
void add_words(CommandLine& line, FuseRequest& request);
void add_words(CommandLine& line, VerifyRequest& request);
void add_words(CommandLine& line, InspectRequest& request);
void add_words(CommandLine& line, CheckRequest& request);
void add_words(CommandLine& line, ScanRequest& request);
void add_words(CommandLine& line, EngineRequest& request);
void add_words(CommandLine& line, UpscaleRequest& request);
void add_words(CommandLine& line, HelpRequest& request);
void add_words(CommandLine& line, VersionRequest& request);
void add_words(CommandLine& line, CompletionRequest& request);
void add_words(CommandLine& line, ManualRequest& request);

/// Each run() does the work of one command. Returns the exit code; throws Error on failure.
int run(const ConvertRequest& request, const Invocation& invocation);
int run(const FuseRequest& request, const Invocation& invocation);
int run(const VerifyRequest& request, const Invocation& invocation);
int run(const InspectRequest& request, const Invocation& invocation);
int run(const CheckRequest& request, const Invocation& invocation);
int run(const ScanRequest& request, const Invocation& invocation);
int run(const EngineRequest& request, const Invocation& invocation);
int run(const UpscaleRequest& request, const Invocation& invocation);
int run(const HelpRequest& request, const Invocation& invocation);
int run(const VersionRequest& request, const Invocation& invocation);
int run(const CompletionRequest& request, const Invocation& invocation);
int run(const ManualRequest& request, const Invocation& invocation);

}  // namespace aether2onnx::cli
