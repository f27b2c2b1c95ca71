/// @file
/// Adds the options that several commands have, and checks the values of these options.
#pragma once

#include "../requests.h"
#include "command_line.h"

namespace aether2onnx::cli {

inline constexpr const char* kVerificationGroup = "Verification";

/// Makes parse() set `file` to the only argument that is not an option. parse() throws Error(usage)
/// if the number of these arguments is not one. `expected` is the error message, without the full
/// stop.
void add_file(CommandLine& line, std::filesystem::path& file, const char* expected);

/// If `file` is empty, moves the first element of `files` to `file`. Does nothing if `files` is
/// empty.
void take_next(std::vector<std::string>& files, std::filesystem::path& file);

/// Throws Error(usage) if the name of `file` ends in one of the `wrong` endings, for example
/// ".onnx". `remedy` is the sentence that tells the user what to do.
void refuse_ending(const std::filesystem::path& file, const std::vector<std::string>& wrong,
                   const std::string& remedy);

/// Throws Error(usage) if `input` is a stream such as /dev/stdin. Callers call the function if the
/// user named no output: outputs are then saved in the folder of `input`, but nothing can be saved
/// in a stream's folder. The error message contains `example`, a command line or an option that
/// names the output.
void check_default_place(const std::filesystem::path& input, const char* example);

/// Throws Error(usage), because no checkpoint was given. `usage` is the command's usage, one line.
[[noreturn]] void fail_without_checkpoint(const char* usage);

/// Adds --for, a list of programs that will run the model. The help shows `text`, then the names of
/// all programs that --for accepts.
void add_targets(CommandLine& line, std::vector<TargetVersion>& targets, const std::string& text);

/// Adds --limit, which changes a limit on the memory or work that reading a file may cost, for
/// example on the number of values in a pickle.
void add_limits(CommandLine& line, Limits& limits);

/// Adds the options for reading a checkpoint, such as --params_key and --generation. Adds
/// --dequantize only if `with_dequantize` is true.
void add_read_options(CommandLine& line, ReadOptions& options, bool with_dequantize = true);

/// Adds --model_type, --scale, --input_channels, and the options of add_read_options().
void add_network_options(CommandLine& line, Expectations& expect, ReadOptions& read);

/// Adds the options for comparing a model with its checkpoint, such as --atol and --device.
void add_verification_options(CommandLine& line, VerificationRequest& request);

/// Replaces names that other programs use for a GPU: "gpu" by "cuda", "0" by "cuda:0". Throws
/// Error(usage) if the device is then not "cpu", "cuda" or "cuda:N".
void take_device(std::string& device);

/// Adds the options for the input's shape, such as --shape and --max_height. If `of_model` is true,
/// the options are for building an engine from an existing ONNX model. Then --dynamic_shapes is not
/// added, because only a conversion can make axes dynamic.
void add_shape_options(CommandLine& line, ShapeRequest& request, bool of_model);

}  // namespace aether2onnx::cli
