// Reads attributes of the modules in a pickled network: numbers and short texts, for example the
// factor res_scale. The network's tensors do not contain these values.

#include <algorithm>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "state_dict/parts.h"
#include "state_dict/values.h"

namespace aether2onnx::state_dict {

namespace {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

constexpr std::size_t kAttributes = 1000;  // the most in a module; most modules have dozens
constexpr std::size_t kItems = 200;        // the most in a dict
constexpr std::size_t kBytes = std::size_t{32} << 20;  // the most bytes of all names and texts

[[noreturn]] void too_many() {
  fail({ErrorKind::limit, "state-dict-attributes", {}, human_bytes(kBytes)},
       "the modules of the network in the file have too many names and attributes. "
       "aether2onnx reads at most {} of names and texts.\nSave the weights alone: "
       "torch.save(net.state_dict(), 'weights.pth').",
       human_bytes(kBytes));
}

// Reads the attributes of a module and of all modules inside, without recursion.
class FactWalk {
 public:
  FactWalk(const Document& document, const Context& context)
      : document_(document), context_(context) {}

  // Sets `parts.modules` to the paths of the module `root` and all modules inside, and
  // `parts.attributes` to the attributes of these modules.
  void read(ValueId root, StateDict::Parts& parts) {
    pending_.push_back({root, "", 0});
    while (!pending_.empty()) {
      const Pending module = std::move(pending_.back());
      pending_.pop_back();
      const auto attributes = attributes_of(document_, module.value);
      if (!attributes || document_.pairs(*attributes).size() > kAttributes) continue;
      read_attributes(module, *attributes);
      take(module.path.size());
      paths_.push_back(module.path);
      if (paths_.size() > context_.limits.state_dict_entries) too_many();
    }
    parts.modules = std::move(paths_);
    parts.attributes = std::move(attributes_);
  }

 private:
  struct Pending {
    ValueId value;
    std::string path;
    std::size_t depth;
  };

  // Adds `bytes` to the size of all names and texts that were read. Throws Error(limit) if this
  // size is too large. Even a small file may have very many names, because modules may share their
  // dicts.
  void take(std::size_t bytes) {
    constexpr std::size_t overhead = 32;
    bytes_ += bytes + overhead;
    if (bytes_ > kBytes) too_many();
  }

  static std::string joined(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
  }

  void note(std::string name, ValueId value) {
    auto text = fact_text(document_, value);
    take(name.size() + (text ? text->size() : 0));
    if (text) attributes_.emplace_back(std::move(name), std::move(*text));
  }

  void read_attributes(const Pending& module, ValueId attributes) {
    for (const auto& [key, value] : items_of(document_, attributes)) {
      take(0);
      if (document_.kind(key) != Kind::string) continue;
      const std::string_view name = document_.text(key);
      if (name == "_modules") {
        read_modules(module, value);
      } else if (name.starts_with('_') || name == "training" ||
                 module.path.size() + name.size() > limits::kNameBytes) {
        continue;  // PyTorch's internal attributes, and very long names
      } else if (is_dict(document_, value)) {
        read_dict(joined(module.path, name), value);
      } else {
        note(joined(module.path, name), value);
      }
    }
  }

  void read_dict(const std::string& name, ValueId dict) {
    const std::vector<Item> items = items_of(document_, dict);
    if (items.size() > kItems) return;
    for (const auto& [key, value] : items) {
      take(0);
      if (document_.kind(key) != Kind::string) continue;
      if (name.size() + document_.text(key).size() > limits::kNameBytes) continue;
      note(name + "/" + std::string(document_.text(key)), value);
    }
  }

  void read_modules(const Pending& module, ValueId modules) {
    if (!is_dict(document_, modules) || module.depth >= limits::kModuleDepth) return;
    const std::vector<Item> items = items_of(document_, modules);
    for (std::size_t i = items.size(); i-- > 0;) {  // backwards, because `pending_` is a stack
      take(0);
      const auto& [key, value] = items[i];
      if (document_.kind(value) == Kind::none) continue;
      std::string path = joined(module.path, key_text(document_, key));
      if (path.size() > limits::kNameBytes) continue;
      take(path.size());
      pending_.push_back({value, std::move(path), module.depth + 1});
    }
  }

  const Document& document_;
  const Context& context_;
  std::vector<Pending> pending_;
  std::size_t bytes_ = 0;
  std::vector<std::string> paths_;
  formats::Notes attributes_;
};

}  // namespace

void add_module_facts(const Document& document, ValueId value, const Context& context,
                      StateDict::Parts& parts) {
  if (is_module(document, value)) FactWalk(document, context).read(value, parts);
}

void keep_facts_under(StateDict::Parts& parts, std::string_view prefix) {
  if (prefix.empty()) return;
  std::string start(prefix);
  std::replace(start.begin(), start.end(), '/', '.');
  if (!start.ends_with('.')) start += '.';
  formats::Notes kept;
  for (auto& [name, text] : parts.attributes) {
    if (name.starts_with(start)) kept.emplace_back(name.substr(start.size()), std::move(text));
  }
  parts.attributes = std::move(kept);
}

}  // namespace aether2onnx::state_dict
