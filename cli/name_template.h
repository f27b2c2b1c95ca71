/// @file
/// --name_template: how the file of a model is called.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <vector>

namespace aether2onnx::cli {

/// Text with the placeholders {stem}, {model}, {scale}, {precision}, {opset} and {form}, which is
/// empty for the standard form and "_channels_first" for the other.
class NameTemplate {
 public:
  /// The template of default_output_name().
  static constexpr const char* kDefault = "{scale}x_{stem}_{precision}_op{opset}{form}.onnx";

  /// Throws Error(usage) where `text` has another placeholder, a lone brace or a slash, or doesn't
  /// end in ".onnx".
  explicit NameTemplate(const std::string& text);

  /// The file name, without a folder. `stem` is the checkpoint's name without its folder and its
  /// last suffix.
  std::string name(const std::string& stem, const ConvertReport& planned) const;

 private:
  struct Part {
    bool placeholder = false;
    std::string text;
  };
  std::vector<Part> parts_;
};

}  // namespace aether2onnx::cli
