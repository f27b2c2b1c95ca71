// Reads a checkpoint that consists of several safetensors files (shards) and an index. The index is
// a JSON file with a "weight_map": for each tensor's name, the name of a file in the index's
// folder.

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/file_kind.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/json.h"
#include "formats/safetensors/safetensors.h"
#include "formats/zip/zip.h"

namespace aether2onnx::safetensors {

namespace {

template <typename... Args>
[[noreturn]] void damaged_index(Fault fault, fmt::format_string<Args...> what, Args&&... args) {
  fail(std::move(fault),
       "the index of the sharded checkpoint is damaged or forged: {}.\nDownload or copy it again.",
       fmt::format(what, std::forward<Args>(args)...));
}

// Reads the member "weight_map" of an index. Ignores all other members of the JSON object.
class IndexEvents final : public JsonEvents {
 public:
  explicit IndexEvents(const Limits& limits) : limits_(limits) {}

  bool found() const { return found_; }
  const std::unordered_map<std::string, std::string>& weight_map() const { return weight_map_; }

  bool key(const std::string& name) override {
    if (depth() == 1 && is_object_) {
      next_is_map_ = name == "weight_map";
      if (next_is_map_ && seen_map_) {
        damaged_index({ErrorKind::malformed, "safetensors-index-twice", "weight_map"},
                      "it has 'weight_map' twice");
      }
      seen_map_ = seen_map_ || next_is_map_;
    } else if (in_map_) {
      if (name.size() > limits::kNameBytes || weight_map_.size() >= limits_.state_dict_entries) {
        fail({ErrorKind::limit, "safetensors-limit", "state_dict_entries",
              fmt::format("{}", limits_.state_dict_entries)},
             "the index of the sharded checkpoint has over {} names, or a name over the fixed "
             "limit of {}.\n{}",
             with_thousands(limits_.state_dict_entries), plural(limits::kNameBytes, "byte"),
             limits::how_to_raise("state_dict_entries"));
      }
      tensor_ = name;
    }
    return true;
  }

  bool start_object(std::size_t size) override {
    if (in_map_) other("an object");
    if (depth() == 0) is_object_ = true;
    if (depth() == 1 && next_is_map_) {
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

  bool string(const std::string& file) override {
    if (!in_map_) return true;
    if (!weight_map_.emplace(tensor_, file).second) {
      damaged_index({ErrorKind::malformed, "safetensors-index-twice", printable(tensor_)},
                    "it lists the tensor '{}' twice", printable(tensor_));
    }
    return true;
  }

  bool other(const char* what) override {
    if (in_map_) {
      damaged_index({ErrorKind::malformed, "safetensors-index-file", printable(tensor_), {}, what},
                    "it gives the tensor '{}' {} instead of the name of a file", printable(tensor_),
                    what);
    }
    return true;
  }

 private:
  const Limits& limits_;
  bool found_ = false;
  bool seen_map_ = false;
  bool is_object_ = false;
  bool next_is_map_ = false;
  bool in_map_ = false;
  std::string tensor_;
  std::unordered_map<std::string, std::string> weight_map_;
};

// Throws if the name of a shard may lead to another folder. Shards are in the folder of their
// index, so such a name is forged.
void check_file_name(const std::string& name) {
  constexpr std::size_t longest = 255;
  const bool plain = !name.empty() && name.size() <= longest && name != "." && name != ".." &&
                     name.find_first_of("/\\:") == std::string::npos &&
                     printable(name, longest) == name;
  if (!plain) {
    damaged_index(
        {ErrorKind::malformed, "safetensors-index-file", {}, {}, printable(name)},
        "it gives the file name '{}', but a file name must have 1 to 255 bytes, no folder "
        "and no special characters",
        printable(name));
  }
}

// Returns the name of each shard, with the shard's number of tensors. The names are in bytewise
// order.
std::map<std::string, std::size_t> shards_of(
    const std::unordered_map<std::string, std::string>& weight_map, const Limits& limits) {
  std::map<std::string, std::size_t> shards;
  for (const auto& [tensor, file] : weight_map) ++shards[file];
  for (const auto& [name, tensors] : shards) check_file_name(name);
  if (shards.empty()) {
    fail({ErrorKind::unsupported, "safetensors-index-empty"},
         "the index of the sharded checkpoint names no tensors.");
  }
  if (shards.size() > limits.shards) {
    fail({ErrorKind::limit, "safetensors-limit", "shards", fmt::format("{}", limits.shards),
          fmt::format("{}", shards.size())},
         "the sharded checkpoint has {} files; at most {} are read.\n{}", shards.size(),
         limits.shards, limits::how_to_raise("shards"));
  }
  return shards;
}

std::vector<std::unique_ptr<Input>> open_all(const std::map<std::string, std::size_t>& shards,
                                             const io::Siblings& siblings) {
  std::vector<std::unique_ptr<Input>> files;
  std::vector<std::string> missing;
  for (const auto& [name, tensors] : shards) {
    files.push_back(siblings.open(name));
    if (files.back() == nullptr) missing.push_back(name);
  }
  if (missing.empty()) return files;
  std::string list;
  std::vector<Diagnostic> findings;
  for (const std::string& name : missing) {
    list += "\n  " + printable(name);
    findings.push_back({"safetensors-shard-missing", name, {}, {}, name});
  }
  throw Error(
      ErrorKind::io,
      {"safetensors-shard-missing",
       missing[0],
       {},
       {},
       fmt::format("the file is the index of a checkpoint in {}. Beside the index, {}:{}\n"
                   "Put the missing files into the folder of the index.",
                   plural(shards.size(), "file"),
                   missing.size() == 1 ? "this file is missing"
                                       : fmt::format("these {} are missing", missing.size()),
                   list)},
      std::move(findings));
}

// Throws the error for shards that contradict their index. `findings` has one finding for each
// tensor that is not in the file that the index names.
[[noreturn]] void contradiction(std::vector<Diagnostic> findings) {
  std::sort(findings.begin(), findings.end(),
            [](const Diagnostic& a, const Diagnostic& b) { return a.text < b.text; });
  constexpr std::size_t shown = 20;
  std::string list;
  for (std::size_t i = 0; i < std::min(findings.size(), shown); ++i) {
    list += "\n  " + findings[i].text;
  }
  if (findings.size() > shown) list += fmt::format("\n  and {} more", findings.size() - shown);
  throw Error(ErrorKind::malformed,
              {"safetensors-index-contradiction",
               {},
               {},
               {},
               "the sharded checkpoint's index and its files contradict each other:" + list},
              std::move(findings));
}

Header read_shard(const Input& file, const std::string& name, const Context& context) {
  if (formats::sniff(file) != formats::FileKind::safetensors) {
    fail({ErrorKind::unsupported, "safetensors-shard-kind", printable(name)},
         "the file is the index of a sharded checkpoint, but '{}' beside it isn't safetensors. "
         "A sharded checkpoint may consist only of safetensors files.",
         printable(name));
  }
  try {
    return read_header(file, context);
  } catch (const Error& error) {
    Diagnostic diagnostic = error.diagnostic;
    diagnostic.text = fmt::format("'{}': {}", printable(name), diagnostic.text);
    throw Error(error.kind, std::move(diagnostic), error.findings);
  }
}

}  // namespace

std::optional<File> open_shards(const Input& input, const io::Siblings* siblings,
                                const Context& context) {
  if (input.size() > context.limits.json_bytes) return std::nullopt;
  IndexEvents index(context.limits);
  if (!read_json(input, 0, input.size(), index) || !index.found()) return std::nullopt;
  const auto& weight_map = index.weight_map();
  const auto shards = shards_of(weight_map, context.limits);
  if (siblings == nullptr) {
    fail({ErrorKind::unsupported, "safetensors-shards-in-memory"},
         "the checkpoint is an index of {}, which lie beside the index. A checkpoint in memory has "
         "no other files beside it.\nGive the path of the index, or put all tensors into one "
         "safetensors file.",
         plural(shards.size(), "file"));
  }

  std::vector<std::unique_ptr<Input>> inputs = open_all(shards, *siblings);
  auto storages = std::make_unique<TensorBytes>();
  File file;
  std::vector<Diagnostic> findings;
  const auto misplaced = [&](const std::string& tensor, const std::string& sentence) {
    findings.push_back({"safetensors-index-contradiction", tensor, {}, {}, sentence});
  };
  std::size_t at = 0;
  for (const auto& [name, tensors] : shards) {
    std::unique_ptr<Input> shard = std::move(inputs[at++]);
    Header header = read_shard(*shard, name, context);
    std::size_t found = 0;
    for (const Tensor& tensor : header.tensors) {
      const auto mapped = weight_map.find(tensor.name);
      if (mapped == weight_map.end() || mapped->second != name) {
        misplaced(tensor.name,
                  fmt::format("{} is in '{}', {}", printable(tensor.name), printable(name),
                              mapped == weight_map.end() ? "but the index does not list this tensor"
                                                         : "but the index names another file"));
        continue;
      }
      ++found;
      storages->add(tensor, *shard);
      file.records.push_back(record_of(tensor));
    }
    if (found < tensors) {
      for (const auto& [tensor, file_name] : weight_map) {
        if (file_name == name && !storages->size(tensor)) {
          misplaced(tensor, fmt::format("{} isn't in '{}'", printable(tensor), printable(name)));
        }
      }
    }
    if (file.metadata.empty()) file.metadata = std::move(header.metadata);
    file.shards.push_back(shard.get());
    storages->keep(std::move(shard));
  }
  if (!findings.empty()) contradiction(std::move(findings));
  file.storages = std::move(storages);
  return file;
}

}  // namespace aether2onnx::safetensors
