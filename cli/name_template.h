/// @file
/// Names of checkpoints, and of the models in a batch (--name_template).
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <string>
#include <vector>

namespace aether2onnx::cli {

/// Whether `path` ends as checkpoints do: .pth, .pt, .ckpt or .safetensors.
bool has_checkpoint_suffix(const std::filesystem::path& path);

/// Text with placeholders(). {form} is empty for the standard form, and "_channels_first" for the
/// other form; {options} is unusual_options_name(), which includes the form.
class NameTemplate {
 public:
  /// The template of default_output_name().
  static constexpr const char* kDefault =
      "{scale}x_{stem}_{precision}_{shape}_op{opset}{options}.onnx";
  /// "{stem} {model} …".
  static std::string placeholders();

  /// Throws Error(usage) if `text` has another placeholder, a lone brace or a slash, or does not
  /// end in ".onnx".
  explicit NameTemplate(const std::string& text);

  /// The file name, without a folder. `stem` is the checkpoint's name without its folder and its
  /// last suffix.
  std::string name(const std::string& stem, const ConvertReport& planned,
                   const ConvertOptions& options) const;

 private:
  struct Part {
    bool placeholder = false;
    std::string text;
  };
  std::vector<Part> parts_;
};

}  // namespace aether2onnx::cli
