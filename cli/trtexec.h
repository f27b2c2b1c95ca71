/// @file
/// Finding NVIDIA's trtexec, and which version it is of.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <optional>
#include <string>

namespace aether2onnx::cli {

/// A trtexec that answers.
struct Trtexec {
  std::filesystem::path program;
  std::string word;  ///< As it is typed: "trtexec" where the shell finds it, else its path.
  TensorRtVersion version;
};

/// The trtexec at `path`. Throws Error(engine) where there is none that says its version.
Trtexec trtexec_at(const std::filesystem::path& path);

/// The first one that answers, in the folders of PATH, in bin and targets of TENSORRT_HOME and
/// TENSORRT_ROOT, and where TensorRT's packages and containers put it.
std::optional<Trtexec> find_trtexec();

/// Where find_trtexec() looks beside PATH, for messages.
std::string usual_trtexec_folders();

}  // namespace aether2onnx::cli
