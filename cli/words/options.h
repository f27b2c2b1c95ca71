/// @file
/// ConvertOptions that several commands have.
#pragma once

#include "../requests.h"
#include "command_line.h"

namespace aether2onnx::cli {

inline constexpr const char* kVerificationGroup = "Verification";

/// Has the parsing throw Error(usage) unless exactly one file is given. `expected` is a sentence
/// without its full stop.
void add_file(CommandLine& line, std::filesystem::path& file, const char* expected);

/// Moves the first of `files` to `file` if `file` is empty.
void take_next(std::vector<std::string>& files, std::filesystem::path& file);

/// Throws Error(usage) if the name of `file` ends in one of the `wrong` endings (".onnx"). `remedy`
/// is the sentence that says what to do.
void refuse_ending(const std::filesystem::path& file, const std::vector<std::string>& wrong,
                   const std::string& remedy);

/// Throws Error(usage) if the output's default place is the folder of a stream such as /dev/stdin.
/// `example` is a call that names the output.
void check_default_place(const std::filesystem::path& input, const char* example);

/// Throws Error(usage): no checkpoint was given. `usage` is the command's usage in one line.
[[noreturn]] void fail_without_checkpoint(const char* usage);

/// Adds --for: targets with commas between. `text` stands before the list of their names.
void add_targets(CommandLine& line, std::vector<TargetVersion>& targets, const std::string& text);

/// Adds --limit.
void add_limits(CommandLine& line, Limits& limits);

/// Adds the options that say how to read a checkpoint.
void add_read_options(CommandLine& line, ReadOptions& options, bool with_dequantize = true);

/// Adds --model_type, --scale, --input_channels, and add_read_options().
void add_network_options(CommandLine& line, Expectations& expect, ReadOptions& read);

/// Adds the options that say how to compare a model with PyTorch.
void add_verification_options(CommandLine& line, VerificationRequest& request);

/// Puts "cpu", "cuda" or "cuda:N" in place of what other programs call a device ("gpu", "0").
/// Throws Error(usage) if `device` is none of them.
void take_device(std::string& device);

/// Adds the options for the input's shape. `of_model` leaves out --dynamic_shapes: the shapes are
/// for an engine of a model that exists.
void add_shape_options(CommandLine& line, ShapeRequest& request, bool of_model);

}  // namespace aether2onnx::cli
