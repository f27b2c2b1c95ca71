#include "name_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "port/files.h"

namespace aether2onnx::cli {

namespace {

constexpr std::array<const char*, 4> kSuffixes = {".pth", ".pt", ".ckpt", ".safetensors"};
constexpr std::array<std::string_view, 8> kPlaceholders = {"stem",  "model", "scale", "precision",
                                                           "shape", "opset", "form",  "options"};

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
  fail({ErrorKind::usage, "option-name-template", "name_template", "", text},
       "--name_template {}: {}.\nThe placeholders are {}.", printable(text), why,
       NameTemplate::placeholders());
}

}  // namespace

bool has_checkpoint_suffix(const std::filesystem::path& path) {
  return std::find(kSuffixes.begin(), kSuffixes.end(), path.extension()) != kSuffixes.end();
}

std::string NameTemplate::placeholders() {
  std::string text;
  for (const std::string_view name : kPlaceholders) {
    text += fmt::format("{}{{{}}}", text.empty() ? "" : " ", name);
  }
  return text;
}

NameTemplate::NameTemplate(const std::string& text) {
  if (text.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
    refuse(text, "must be a name without a folder; --output_dir sets the folder");
  }
  if (!text.ends_with(".onnx")) refuse(text, "must end in .onnx");
  if (const std::string problem = io::name_problem(text); !problem.empty()) refuse(text, problem);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t brace = std::min(text.find_first_of("{}", at), text.size());
    if (brace > at) parts_.push_back({false, text.substr(at, brace - at)});
    if (brace == text.size()) break;
    const std::size_t end = text.find_first_of("{}", brace + 1);
    if (text[brace] == '}' || end == std::string::npos || text[end] == '{') {
      refuse(text, "a { or } is missing");
    }
    std::string placeholder = text.substr(brace + 1, end - brace - 1);
    if (std::find(kPlaceholders.begin(), kPlaceholders.end(), placeholder) == kPlaceholders.end()) {
      refuse(text, fmt::format("there is no placeholder {{{}}}", printable(placeholder)));
    }
    parts_.push_back({true, std::move(placeholder)});
    at = end + 1;
  }
}

std::string NameTemplate::name(const std::string& stem, const ConvertReport& planned,
                               const ConvertOptions& options) const {
  const auto value = [&](const std::string& placeholder) -> std::string {
    if (placeholder == "stem") return stem;
    if (placeholder == "model") return planned.network.model_type;
    if (placeholder == "scale") return fmt::format("{}", planned.network.scale);
    if (placeholder == "precision") return std::string(to_string(planned.graph.precision));
    if (placeholder == "shape") return shape_name(options.shape, planned.network.input_channels);
    if (placeholder == "options") return unusual_options_name(options);
    if (placeholder == "opset") return fmt::format("{}", planned.graph.opset_version);
    return planned.graph.form == GraphForm::standard
               ? ""
               : fmt::format("_{}", to_string(planned.graph.form));
  };
  std::string result;
  for (const Part& part : parts_) result += part.placeholder ? value(part.text) : part.text;
  return result;
}

}  // namespace aether2onnx::cli
