// From an ONNX file to what TensorRT must be told of it.

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "formats/zip/zip.h"
#include "judge/engine/engine.h"
#include "pipeline.h"
#include "port/files.h"

namespace aether2onnx {

namespace {

void check_external_data(const EngineModel& model, const io::Siblings& siblings) {
  for (const std::string& file : model.external_files) {
    if (!onnx::is_beside(file)) {
      fail(ErrorKind::unsupported,
           "its weights are in '{}', in another folder.\nOnly files beside the model are read.",
           printable(file));
    }
    if (siblings.open(file) == nullptr) {
      fail(ErrorKind::io, "{}: its weights are in {}, which isn't beside it.\nPut it there.",
           printable(model.path.string(), 4096), printable(file));
    }
  }
}

}  // namespace

EngineModel read_engine_model(const std::filesystem::path& path, const Context& context) {
  const FileInput input(path);
  const io::FolderSiblings siblings(path);
  return pipeline::naming(printable(path.string(), 4096), [&] {
    if (archive::sniff(input) != archive::FileKind::onnx) {
      fail(ErrorKind::unsupported,
           "isn't an ONNX file.\nGive one; a checkpoint is converted first, with aether2onnx "
           "MODEL.pth.");
    }
    EngineModel model = tensorrt::describe(onnx::read(input, context));
    model.path = path;
    check_external_data(model, siblings);
    return model;
  });
}

}  // namespace aether2onnx
