#include "external_files.h"

#include <filesystem>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::verify {

void check_external_files(const onnx::Model& model) {
  for (const std::string& name : onnx::external_files(model)) {
    // External data are read only from the model's folder, so `name` must contain no folder.
    // std::filesystem knows which characters separate folders. For example, a backslash separates
    // folders only on Windows.
    const std::filesystem::path path(name);
    if (path.filename() == path && name != "." && name != "..") continue;
    fail({ErrorKind::unsupported, "onnx-external-folder", "", "a plain name", name},
         "the model's weights are in '{}', in another folder. External data are read only from the "
         "model's folder.\nMove the file with the weights into this folder, and store only the "
         "file's name in the model.",
         printable(name, 200));
  }
}

}  // namespace aether2onnx::verify
