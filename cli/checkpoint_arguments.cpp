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

void add_read_options(CommandLine& line, ReadOptions& options, const std::string& group,
                      bool with_dequantize) {
  line.add_option("--params_key", options.params_key,
                  "Which state dict of the file to take, as in model/state_dict.\n"
                  "Default: the usual keys, an averaged copy (EMA) first")
      .group(group)
      .type_name("KEY");
  line.add_option("--generation", options.generation,
                  "Of a file that may be of several: G6.0, G7d, …\n"
                  "Default: by the evidence in the file (inspect shows it)")
      .group(group)
      .type_name("NAME");
  line.add_option("--res_scale", options.res_scale,
                  "Factor of what each block adds. Default: as the file\n"
                  "says, or else the presets' of its width")
      .group(group)
      .type_name("X");
  line.add_option("--norm_eps", options.norm_eps,
                  "Epsilon of norms with stored statistics that aren't\n"
                  "folded yet. Default: the generation's")
      .group(group)
      .type_name("X");
  line.add_option("--img_range", options.img_range,
                  "Range of the network's values. Default: as the file\n"
                  "says, or else 1")
      .group(group)
      .type_name("X");
  if (!with_dequantize) return;
  line.add_flag("--dequantize", options.dequantize,
                "Take the weights of a network in int8 as the float\n"
                "numbers that they stand for")
      .group(group);
}

std::vector<std::string> read_option_words(const ReadOptions& options) {
  std::vector<std::string> words;
  const auto add = [&words](const char* option, const auto& value) {
    if (value) words.insert(words.end(), {option, fmt::format("{}", *value)});
  };
  add("--params_key", options.params_key);
  add("--generation", options.generation);
  add("--res_scale", options.res_scale);
  add("--norm_eps", options.norm_eps);
  add("--img_range", options.img_range);
  if (options.dequantize) words.emplace_back("--dequantize");
  return words;
}

void add_network_options(CommandLine& line, Expectations& expect, ReadOptions& read) {
  const std::string group = "Network (read from the checkpoint; give them to have them checked)";
  line.add_option("--model_type", expect.model_type,
                  "aether_mobile, _tiny, _small, _medium, _large, _pro or\n_extreme")
      .group(group)
      .type_name("NAME");
  line.add_option("--scale", expect.scale, "Upscale factor: 1, 2, 3, 4 or 8")
      .group(group)
      .type_name("N");
  line.add_option("--input_channels", expect.input_channels, "Channels of the input image")
      .group(group)
      .type_name("N");
  add_read_options(line, read, group);
}

}  // namespace aether2onnx::cli
