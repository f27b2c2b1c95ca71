// Which container a file is.

#include "state_dict/containers.h"

namespace aether2onnx::state_dict {

using archive::FileKind;

StateDict StateDict::open(const Input& input, const OpenOptions& options, const Context& context) {
  const FileKind kind = archive::sniff(input);
  switch (kind) {
    case FileKind::zip:
      return StateDict(open_torch_zip(input, options, context), context);
    case FileKind::torch_legacy:
      return StateDict(open_torch_legacy(input, options, context), context);
    case FileKind::safetensors:
      return StateDict(open_safetensors(input, options, context), context);
    case FileKind::json:
      if (auto parts = open_shard_index(input, options, context)) {
        return StateDict(std::move(*parts), context);
      }
      explain(kind, input);
    default:
      explain(kind, input);
  }
}

}  // namespace aether2onnx::state_dict
