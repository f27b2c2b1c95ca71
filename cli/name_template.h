/// @file
/// Recognises checkpoints by their names, and names the ONNX files of a batch (--name_template).
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <string>
#include <vector>

namespace aether2onnx::cli {

/// Returns whether `path` has the ending of a checkpoint: .pth, .pt, .ckpt or .safetensors.
bool has_checkpoint_suffix(const std::filesystem::path& path);

/// A file name with placeholders. {form} becomes "" for GraphForm::standard, and "_channels_first"
/// for GraphForm::channels_first. {options} becomes the text of {form}, followed by texts for other
/// options that are not at their defaults, such as "_io_fp32". See unusual_options_name().
class NameTemplate {
 public:
  /// The default template. Gives the same file names as the library's default_output_name().
  static constexpr const char* kDefault =
      "{scale}x_{stem}_{precision}_{shape}_op{opset}{options}.onnx";
  /// Returns all placeholders in one text: "{stem} {model} …".
  static std::string placeholders();

  /// Parses the template `text`. Throws Error(usage) if `text` has an unknown placeholder, an
  /// unpaired brace or a slash, is not a legal file name, or does not end in ".onnx".
  explicit NameTemplate(const std::string& text);

  /// Returns the ONNX file's name, without a folder. `stem` is the checkpoint's file name without
  /// the ending. `planned` contains the other values: scale, precision, opset, …
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
