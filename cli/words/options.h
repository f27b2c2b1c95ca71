/// @file
/// Options that several commands have, and checks of their values.
#pragma once

#include "../requests.h"
#include "command_line.h"

namespace aether2onnx::cli {

inline constexpr const char* kVerificationGroup = "Verification";

/// Adds a step that sets `file` to the only argument. The step throws Error(usage) unless there is
/// exactly one argument. `expected` is the message, without a full stop.
void add_file(CommandLine& line, std::filesystem::path& file, const char* expected);

/// Moves the first of `files` to `file` if `file` is empty.
void take_next(std::vector<std::string>& files, std::filesystem::path& file);

/// Throws Error(usage) if the name of `file` ends in one of the `wrong` endings (".onnx"). `remedy`
/// is the sentence that tells the user what to do.
void refuse_ending(const std::filesystem::path& file, const std::vector<std::string>& wrong,
                   const std::string& remedy);

/// Throws Error(usage) if `input` is a stream such as /dev/stdin, because no output can be saved in
/// the folder of a stream. `example` is a command that names the output.
void check_default_place(const std::filesystem::path& input, const char* example);

/// Throws Error(usage): no checkpoint was given. `usage` is the command's usage in one line.
[[noreturn]] void fail_without_checkpoint(const char* usage);

/// Adds --for, a list of targets separated by commas. The help shows `text`, then all target names.
void add_targets(CommandLine& line, std::vector<TargetVersion>& targets, const std::string& text);

/// Adds --limit.
void add_limits(CommandLine& line, Limits& limits);

/// Adds the options that say how to read a checkpoint.
void add_read_options(CommandLine& line, ReadOptions& options, bool with_dequantize = true);

/// Adds --model_type, --scale, --input_channels, and the options of add_read_options().
void add_network_options(CommandLine& line, Expectations& expect, ReadOptions& read);

/// Adds the options that say how to compare a model with PyTorch.
void add_verification_options(CommandLine& line, VerificationRequest& request);

/// Replaces other programs' names of a GPU ("gpu", "0") by "cuda" or "cuda:N". Throws Error(usage)
/// if the device is then not "cpu", "cuda" or "cuda:N".
void take_device(std::string& device);

/// Adds the options for the input's shape. If `of_model` is true, the shape is for an engine of an
/// existing model, and --dynamic_shapes is not added.
void add_shape_options(CommandLine& line, ShapeRequest& request, bool of_model);

}  // namespace aether2onnx::cli
