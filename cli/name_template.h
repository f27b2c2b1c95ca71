/// @file
/// The endings of checkpoints, and the names of the models in a batch (--name_template).
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <string>
#include <vector>

namespace aether2onnx::cli {

/// Returns whether `path` has the ending of a checkpoint: .pth, .pt, .ckpt or .safetensors.
bool has_checkpoint_suffix(const std::filesystem::path& path);

/// A file name with placeholders. {form} becomes "" for the standard graph form, "_channels_first"
/// for the other form. {options} becomes unusual_options_name(), which includes the form.
class NameTemplate {
 public:
  /// The template whose names are those of default_output_name().
  static constexpr const char* kDefault =
      "{scale}x_{stem}_{precision}_{shape}_op{opset}{options}.onnx";
  /// Returns the list of all placeholders, "{stem} {model} …".
  static std::string placeholders();

  /// Throws Error(usage) if `text` has an unknown placeholder, a brace without its partner or a
  /// slash, or does not end in ".onnx".
  explicit NameTemplate(const std::string& text);

  /// Returns the model's file name, without a folder. `stem` is the checkpoint's name without the
  /// folder and the last suffix.
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
