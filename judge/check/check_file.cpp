// What would stop or slow the programs that run an ONNX file: the file read, and the rules.

#include "judge/check/check.h"

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "formats/zip/zip.h"
#include "pipeline.h"
#include "port/files.h"

namespace aether2onnx {

namespace {

CheckReport check_input(const Input& input, const io::Siblings* siblings,
                        const CheckOptions& options, const Context& context) {
  if (archive::sniff(input) != archive::FileKind::onnx) {
    fail(ErrorKind::unsupported,
         "the file is no ONNX model; `aether2onnx inspect` says what it is.\nOf a checkpoint make "
         "one first: aether2onnx MODEL.pth");
  }
  return checks::run(onnx::read(input, context), input, siblings, options, context);
}

}  // namespace

CheckReport check(const Input& input, const CheckOptions& options, const Context& context) {
  return pipeline::naming("", [&] { return check_input(input, nullptr, options, context); });
}

CheckReport check_file(const std::filesystem::path& path, const CheckOptions& options,
                       const Context& context) {
  const FileInput input(path);
  const io::FolderSiblings siblings(path);
  return pipeline::naming(printable(path.string(), 4096),
                          [&] { return check_input(input, &siblings, options, context); });
}

}  // namespace aether2onnx
