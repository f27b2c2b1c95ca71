// Opens a checkpoint as a state dict. The format is safetensors, PyTorch's zip, or the stream of
// pickles that was PyTorch's default before version 1.6.

#include "base/text.h"
#include "formats/file_kind.h"
#include "formats/safetensors/safetensors.h"
#include "state_dict/parts.h"

namespace aether2onnx::state_dict {

namespace {

using formats::FileKind;

StateDict::Parts parts_of(torch::File file, const char* container, const Input& input,
                          const OpenOptions& options, const Context& context) {
  torch::check_as_written(file);
  StateDict::Parts parts = find_state_dict(file, options, context);
  parts.dangerous_names = torch::dangerous_names(file.document);
  parts.container = container + parts.container;
  for (auto& note : file.storages->notes()) parts.metadata.push_back(std::move(note));
  parts.storages = std::move(file.storages);
  parts.files = {&input};
  return parts;
}

// Describes a safetensors file, which has no nested dicts. So OpenOptions::params_key can only be a
// prefix of tensor names.
StateDict::Parts parts_of(safetensors::File file, const Input& input, const OpenOptions& options,
                          const Context& context) {
  StateDict::Parts parts;
  parts.container = "safetensors";
  if (!file.shards.empty()) parts.container += ", " + plural(file.shards.size(), "shard");
  parts.storages = std::move(file.storages);
  parts.entries = std::move(file.records);
  parts.metadata = std::move(file.metadata);
  parts.files = {&input};
  parts.files.insert(parts.files.end(), file.shards.begin(), file.shards.end());
  if (options.params_key) {
    const std::string_view key = without_slashes(*options.params_key);
    if (!key.empty() && !keep_those_under(parts.entries, key)) {
      unknown_params_key(*options.params_key, "no tensor name begins with this key", {""});
    }
    parts.wrapper = key;
  }
  clean_names(parts, context);
  return parts;
}

torch::File open_torch(FileKind kind, const Input& input, const Context& context) {
  if (kind == FileKind::torch_legacy) return torch::open_legacy(input, context);
  auto file = torch::open_zip(input, context);
  if (!file) explain(kind, input, context);
  return std::move(*file);
}

StateDict::Parts open_parts(const Input& input, const OpenOptions& options,
                            const Context& context) {
  const FileKind kind = formats::sniff(input);
  switch (kind) {
    case FileKind::zip:
      return parts_of(open_torch(kind, input, context), "PyTorch zip", input, options, context);
    case FileKind::torch_legacy:
      return parts_of(open_torch(kind, input, context), "PyTorch legacy stream", input, options,
                      context);
    case FileKind::safetensors:
      return parts_of(safetensors::open(input, context), input, options, context);
    case FileKind::json:
      if (auto file = safetensors::open_shards(input, options.siblings, context)) {
        return parts_of(std::move(*file), input, options, context);
      }
      explain(kind, input, context);
    default: {
      explain(kind, input, context);
    }
  }
}

}  // namespace

StateDict StateDict::open(const Input& input, const OpenOptions& options, const Context& context) {
  return {open_parts(input, options, context), context};
}

Audit audit(const Input& input, const io::Siblings* siblings, const Context& context) {
  const FileKind kind = formats::sniff(input);
  if (kind == FileKind::zip || kind == FileKind::torch_legacy) {
    return torch::audit(open_torch(kind, input, context));
  }
  // A safetensors file contains only tensors and texts, no code. So only the tensors need a check,
  // and StateDict::open() checks all of them.
  StateDict::open(input, {{}, siblings}, context);
  Audit result;
  result.end = input.size();
  return result;
}

}  // namespace aether2onnx::state_dict
