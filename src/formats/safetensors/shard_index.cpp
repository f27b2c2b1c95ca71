// A safetensors checkpoint in several files: an index in JSON, in whose "weight_map" each tensor's
// name leads to the name of the file beside the index that has it.
// Source: huggingface_hub and transformers, *.safetensors.index.json.

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/safetensors/json.h"
#include "formats/safetensors/safetensors.h"
#include "state_dict/containers.h"
#include "state_dict/names.h"

namespace aether2onnx::state_dict {

namespace {

[[noreturn]] void damaged_index(const std::string& what) {
  fail(ErrorKind::malformed,
       "the index of the sharded checkpoint is damaged or forged: {}.\nDownload or copy it again.",
       what);
}

// Takes "weight_map" out of a JSON object; whatever else is in the text is passed over.
class IndexEvents final : public JsonEvents {
 public:
  explicit IndexEvents(const Limits& limits) : limits_(limits) {}

  bool found() const { return found_; }
  const std::unordered_map<std::string, std::string>& weight_map() const { return weight_map_; }

  bool key(std::string& name) override {
    if (depth() == 1 && is_object_) {
      next_is_map_ = name == "weight_map";
    } else if (in_map_) {
      if (name.size() > limits::kNameBytes || weight_map_.size() >= limits_.state_dict_entries) {
        fail(ErrorKind::limit,
             "the index of the sharded checkpoint has over {} names, or one of "
             "over {}.\n{}",
             with_thousands(limits_.state_dict_entries), plural(limits::kNameBytes, "byte"),
             limits::how_to_raise("state_dict_entries"));
      }
      tensor_ = std::move(name);
    }
    return true;
  }

  bool start_object(std::size_t size) override {
    if (in_map_) other("an object");
    if (depth() == 0) is_object_ = true;
    if (depth() == 1 && next_is_map_) {
      if (found_) damaged_index("it has 'weight_map' twice");
      found_ = in_map_ = true;
    }
    next_is_map_ = false;
    return JsonEvents::start_object(size);
  }

  bool end_object() override {
    if (depth() == 2) in_map_ = false;
    return JsonEvents::end_object();
  }

  bool start_array(std::size_t size) override {
    if (in_map_) other("an array");
    return JsonEvents::start_array(size);
  }

  bool string(std::string& file) override {
    if (!in_map_) return true;
    if (!weight_map_.emplace(tensor_, std::move(file)).second) {
      damaged_index(fmt::format("it has '{}' twice", printable(tensor_)));
    }
    return true;
  }

  bool other(const char* what) override {
    if (in_map_)
      damaged_index(fmt::format("'{}' leads to {}, not to a file", printable(tensor_), what));
    return true;
  }

 private:
  const Limits& limits_;
  bool found_ = false;
  bool is_object_ = false;
  bool next_is_map_ = false;
  bool in_map_ = false;
  std::string tensor_;
  std::unordered_map<std::string, std::string> weight_map_;
};

// A shard lies beside its index. A name that could lead elsewhere is forged.
void check_file_name(const std::string& name) {
  constexpr std::size_t longest = 255;
  const bool plain = !name.empty() && name.size() <= longest && name != "." && name != ".." &&
                     name.find_first_of("/\\:") == std::string::npos &&
                     printable(name, longest) == name;
  if (!plain) {
    damaged_index(
        fmt::format("it names the file '{}', which can't be a file beside it", printable(name)));
  }
}

// The names of the shards, each with how many tensors it has, in the order of their bytes.
std::map<std::string, std::size_t> shards_of(
    const std::unordered_map<std::string, std::string>& weight_map, const Limits& limits) {
  std::map<std::string, std::size_t> shards;
  for (const auto& [tensor, file] : weight_map) ++shards[file];
  for (const auto& [name, tensors] : shards) check_file_name(name);
  if (shards.empty()) {
    fail(ErrorKind::unsupported, "the index of the sharded checkpoint names no tensors.");
  }
  if (shards.size() > limits.shards) {
    fail(ErrorKind::limit, "the sharded checkpoint has {} files; at most {} are read.\n{}",
         shards.size(), limits.shards, limits::how_to_raise("shards"));
  }
  return shards;
}

std::vector<std::unique_ptr<Input>> open_shards(const std::map<std::string, std::size_t>& shards,
                                                const io::Siblings& siblings) {
  std::vector<std::unique_ptr<Input>> files;
  std::vector<std::string> missing;
  for (const auto& [name, tensors] : shards) {
    files.push_back(siblings.open(name));
    if (files.back() == nullptr) missing.push_back(name);
  }
  if (missing.empty()) return files;
  std::string message = fmt::format(
      "the file is the index of a checkpoint in {} files, of which {} beside it:", shards.size(),
      missing.size() == 1 ? "this one is missing"
                          : fmt::format("these {} are missing", missing.size()));
  for (const std::string& name : missing) message += "\n  " + printable(name);
  message += "\nPut them into the folder of the index.";
  throw Error(ErrorKind::io, message, std::move(missing));
}

// A finding for each tensor that isn't where the index has it.
[[noreturn]] void contradiction(std::vector<std::string> findings) {
  std::sort(findings.begin(), findings.end());
  std::string message = "the sharded checkpoint's index and its files contradict each other:";
  constexpr std::size_t shown = 20;
  for (std::size_t i = 0; i < std::min(findings.size(), shown); ++i) {
    message += "\n  " + findings[i];
  }
  if (findings.size() > shown) message += fmt::format("\n  and {} more", findings.size() - shown);
  throw Error(ErrorKind::malformed, message, std::move(findings));
}

SafetensorsHeader read_shard(const Input& file, const std::string& name, const Context& context) {
  if (archive::sniff(file) != archive::FileKind::safetensors) {
    fail(
        ErrorKind::unsupported,
        "the file is the index of a sharded checkpoint, but '{}' beside it isn't safetensors; only "
        "such files are read together.",
        printable(name));
  }
  try {
    return read_safetensors_header(file, context);
  } catch (const Error& error) {
    Diagnostic diagnostic = error.diagnostic;
    diagnostic.text = fmt::format("'{}': {}", printable(name), diagnostic.text);
    throw Error(error.kind, std::move(diagnostic), error.findings);
  }
}

}  // namespace

std::optional<StateDict::Parts> open_shard_index(const Input& input, const OpenOptions& options,
                                                 const Context& context) {
  if (input.size() > context.limits.json_bytes) return std::nullopt;
  std::vector<std::byte> text(to_size(input.size()));
  input.read(0, text);
  IndexEvents index(context.limits);
  if (!read_json(text, index) || !index.found()) return std::nullopt;
  const auto& weight_map = index.weight_map();
  const auto shards = shards_of(weight_map, context.limits);
  if (options.siblings == nullptr) {
    fail(ErrorKind::unsupported,
         "the checkpoint is the index of one in {}, which lie beside it and can't be reached "
         "from memory.\nConvert it as a file, or put the tensors into one safetensors file.",
         plural(shards.size(), "file"));
  }

  std::vector<std::unique_ptr<Input>> files = open_shards(shards, *options.siblings);
  auto storages = std::make_unique<SafetensorsStorages>();
  StateDict::Parts parts;
  parts.files = {&input};
  std::vector<std::string> findings;
  std::size_t at = 0;
  for (const auto& [name, tensors] : shards) {
    std::unique_ptr<Input> file = std::move(files[at++]);
    SafetensorsHeader header = read_shard(*file, name, context);
    std::size_t found = 0;
    for (const SafetensorsTensor& tensor : header.tensors) {
      const auto mapped = weight_map.find(tensor.name);
      if (mapped == weight_map.end() || mapped->second != name) {
        findings.push_back(fmt::format("{} is in '{}', {}", printable(tensor.name), printable(name),
                                       mapped == weight_map.end() ? "which the index doesn't say"
                                                                  : "not where the index says"));
        continue;
      }
      ++found;
      storages->add(tensor, *file);
      parts.entries.push_back(safetensors_entry(tensor));
    }
    if (found < tensors) {
      for (const auto& [tensor, file_name] : weight_map) {
        if (file_name == name && !storages->size(tensor)) {
          findings.push_back(fmt::format("{} isn't in '{}'", printable(tensor), printable(name)));
        }
      }
    }
    if (parts.metadata.empty()) parts.metadata = std::move(header.metadata);
    parts.files.push_back(file.get());
    storages->keep(std::move(file));
  }
  if (!findings.empty()) contradiction(std::move(findings));
  parts.container = fmt::format("safetensors, {}", plural(shards.size(), "shard"));
  parts.storages = std::move(storages);
  finish_safetensors(parts, options, context);
  return parts;
}

}  // namespace aether2onnx::state_dict
