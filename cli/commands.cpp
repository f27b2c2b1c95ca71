#include "commands.h"

#include <array>

#include "check_command.h"
#include "completion_command.h"
#include "convert_command.h"
#include "engine_command.h"
#include "fuse_command.h"
#include "inspect_command.h"
#include "manual_command.h"
#include "scan_command.h"
#include "verify_command.h"

namespace aether2onnx::cli {

namespace {

constexpr std::array kCommands = {
    Command{"convert", "Convert; needs not be written", run_convert, describe_convert},
    Command{"fuse", "Fuse a checkpoint, for PyTorch", run_fuse, describe_fuse},
    Command{"verify", "Compare an ONNX file with its checkpoint in PyTorch", run_verify,
            describe_verify},
    Command{"inspect", "Say what a checkpoint or an ONNX file is", run_inspect, describe_inspect},
    Command{"check", "Say what would stop or slow those who run an ONNX file", run_check,
            describe_check},
    Command{"scan", "Say whether a file holds anything but data", run_scan, describe_scan},
    Command{"engine", "Build a TensorRT engine, or say how", run_engine, describe_engine},
    Command{"completion", "Print the completion script of a shell", run_completion,
            describe_completion, "bash zsh fish"},
    Command{"manual", "Print the manual page", run_manual, describe_manual, " "}};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace aether2onnx::cli
