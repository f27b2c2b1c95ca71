// All tensors of a checkpoint, looked at without reading them.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "formats/torch/tensor_records.h"
#include "state_dict/containers.h"

namespace aether2onnx::state_dict {

using archive::FileKind;

namespace {

// Whether tensors of the kind that the call `value` rebuilds are read where they are well-formed.
bool is_read(const pickle::Document& document, pickle::ValueId value) {
  constexpr std::array functions = {"_rebuild_tensor",    "_rebuild_tensor_v2",
                                    "_rebuild_tensor_v3", "_rebuild_qtensor",
                                    "_rebuild_parameter", "_rebuild_parameter_with_state"};
  const std::string_view name = document.name(document.callable(value));
  return std::find(functions.begin(), functions.end(), name) != functions.end();
}

}  // namespace

void audit_tensors(const pickle::Document& document, const StorageSource& storages, Audit& result) {
  constexpr std::size_t most = 20;
  TensorRecords tensors(document, storages);
  for (pickle::ValueId value = 0; value < document.value_count(); ++value) {
    if (!tensors.is_tensor(value)) continue;
    Entry entry = tensors.describe("", value);
    if (entry.tensor) continue;
    auto& list = is_read(document, value) ? result.contradictions : result.not_read;
    if (list.size() < most) list.push_back(std::move(entry.problem));
  }
}

Audit audit(const Input& input, const io::Siblings* siblings, const Context& context) {
  const FileKind kind = archive::sniff(input);
  if (kind == FileKind::zip) return audit_torch_zip(input, context);
  if (kind == FileKind::torch_legacy) return audit_torch_legacy(input, context);
  // A safetensors file has tensors and nothing else, all of them checked when it is opened.
  StateDict::open(input, {{}, siblings}, context);
  Audit result;
  result.end = input.size();
  return result;
}

}  // namespace aether2onnx::state_dict
