// Refuses a PyTorch file if its pickle has calls that PyTorch never writes, or if a tensor
// contradicts the storages in the file. Finds dangerous names in a pickle.

#include <algorithm>

#include "base/error.h"
#include "formats/torch/torch.h"

namespace aether2onnx::torch {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

void check_as_written(const File& file) {
  find_misuses(file.document, [&](const Misuse& misuse) -> bool {
    if (!misuse.is_certain) return true;
    fail({ErrorKind::malformed, "torch-misuse", {}, {}, misuse.code},
         "the pickle in the file is suspicious at byte {}: {}. PyTorch never writes such a pickle, "
         "and loaders understand it in different ways.\nAsk the author to save the file again with "
         "torch.save.",
         file.document.offset(misuse.value), misuse.text);
  });
  const formats::Audit found = audit(file);
  if (found.contradictions.empty()) return;
  const auto& [offset, problem] = found.contradictions.front();
  fail({ErrorKind::malformed, "torch-tensor", {}, {}, problem},
       "the file contradicts itself: at byte {} its pickle has an entry that {}.\n"
       "Download or copy the file again, or save it again with torch.save.",
       offset, problem);
}

std::vector<std::string> dangerous_names(const Document& document) {
  constexpr std::size_t most = 20;
  std::vector<std::string> names;
  for (ValueId value = 0; value < document.value_count() && names.size() < most; ++value) {
    if (document.kind(value) != Kind::global ||
        verdict_of(document.module(value), document.name(value)) != Verdict::dangerous) {
      continue;
    }
    std::string name = pickle::describe(document, value);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace aether2onnx::torch
