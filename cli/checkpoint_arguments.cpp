#include "checkpoint_arguments.h"

#include <fmt/format.h>

namespace aether2onnx::cli {

void FileArguments::add_to(CommandLine& line, const std::string& output_option,
                           const std::string& output_help) {
  const std::string group = "Files";
  line.add_positionals("The checkpoint and, optionally, the file to make");
  line.add_option("--input_model_path", input_, "The checkpoint (.pth), fused or not")
      .group(group)
      .type_name("FILE");
  line.add_option(output_option, output_, output_help).group(group).type_name("FILE");
}

void FileArguments::take(std::vector<std::string> positionals, std::filesystem::path& input,
                         std::filesystem::path& output) const {
  const auto take_one = [&](const std::string& named) {
    if (!named.empty() || positionals.empty()) return named;
    std::string file = positionals.front();
    positionals.erase(positionals.begin());
    return file;
  };
  input = take_one(input_);
  output = take_one(output_);
  if (!positionals.empty()) {
    usage_error(
        fmt::format("'{}' is one argument too many: one checkpoint and one {} are expected.",
                    positionals.front(), made_));
  }
  if (input.empty()) fail_without_input();
}

void FileArguments::fail_without_input() const {
  usage_error(fmt::format("no checkpoint was given.\nUsage: {}; --help lists them.", usage_));
}

void add_network_options(CommandLine& line, CheckpointOptions& options) {
  const std::string group = "Network (read from the checkpoint; give them to have them checked)";
  line.add_option("--model_type", options.model_type, "aether_small, aether_medium or aether_large")
      .group(group)
      .type_name("NAME");
  line.add_option("--scale", options.scale, "Upscale factor: 1, 2, 3, 4 or 8")
      .group(group)
      .type_name("N");
  line.add_option("--input_channels", options.input_channels, "Channels of the input image")
      .group(group)
      .type_name("N");
  line.add_option("--params_key", options.params_key,
                  "Which state dict of the file to take, as in model/state_dict.\n"
                  "Default: the usual keys, an averaged copy (EMA) first")
      .group(group)
      .type_name("KEY");
}

}  // namespace aether2onnx::cli
