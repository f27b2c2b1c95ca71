// Finds the state dict (the dict of named tensors) among the values of a pickled checkpoint.

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

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

// The keys under which training frameworks store the network's state dict, the best key first. An
// averaged copy (EMA) comes before the raw weights, because authors test and publish the averaged
// copy.
constexpr std::string_view kWrappers =
    "params_ema params-ema net_g_ema netG_ema g_ema generator_ema state_dict_ema ema_state_dict "
    "model_ema ema_model ema params net_g netG state_dict model_state_dict model generator weights "
    "network net net_g_state_dict generator_state_dict model_state network_g module shadow_params "
    "shadow student best_state_dict";

// The maximum number of state dicts that all_places() lists. Normal files have a few.
constexpr std::size_t kPlaces = 1000;

// A value in the pickle that is a state dict or a pickled torch.nn.Module, and the keys that lead
// to this value from the root of the pickle, with '/' between the keys.
struct Place {
  ValueId value;
  std::string path;
};

class Finder {
 public:
  Finder(const Document& document, const Context& context)
      : document_(document), context_(context) {}

  // Returns whether the value is a pickled module, or a dict with a tensor that may be a weight.
  bool is_place(ValueId value) const {
    if (is_module(document_, value)) return true;
    if (!is_dict(document_, value)) return false;
    const std::vector<Item> items = counted(items_of(document_, value));
    return std::any_of(items.begin(), items.end(), [&](const Item& item) {
      return any_tensor_ ? torch::is_tensor(document_, item.second)
                         : torch::may_be_weight(document_, item.second);
    });
  }

  // After this call, is_place() accepts a dict with any tensor. Before this call, tensors of
  // integers and tensors without dimensions (single numbers) do not count, because they are no
  // weights.
  void count_any_tensor() { any_tensor_ = true; }

  // Returns the best state dict in `at`: first searches the values under the usual keys
  // (kWrappers), then `at` itself. Visits every value only once, so that the search ends even if
  // references form a circle. Returns nullopt if there is no state dict.
  std::optional<Place> search(const Place& at) {
    std::unordered_set<ValueId> seen;
    return search(at, 0, seen);
  }

  // Returns the state dicts and modules in the file. Outer dicts come before inner dicts; on the
  // same level, the order is the order of the file. Omits values under keys that are not strings,
  // and the states of optimizers (values under keys that begin with "optim").
  std::vector<Place> all_places() const;

  // Returns the state dict or module at the path `key`; nullopt if there is none. If only the first
  // part of `key` leads to a state dict, sets `rest` to the other part: a prefix of tensor names.
  std::optional<Place> resolve(std::string_view key, std::string& rest);

 private:
  // Returns the keys and values in which to search for a state dict next: the items of a dict, or
  // the attributes of an object.
  std::vector<Item> children(ValueId value) const {
    if (is_module(document_, value)) return {};
    if (is_dict(document_, value)) return counted(items_of(document_, value));
    const auto attributes = attributes_of(document_, value);
    return attributes ? counted(items_of(document_, *attributes)) : std::vector<Item>{};
  }

  // Returns `items`, and adds the number of items to `effort_`, the number of items visited so far.
  // Throws Error(limit) if `effort_` is too large. Even a small file can cost very many visits,
  // because values may share items.
  std::vector<Item> counted(std::vector<Item> items) const {
    effort_ += items.size();
    if (effort_ > 8 * context_.limits.pickle_items) {
      fail({ErrorKind::limit, "state-dict-search"},
           "the values in the file refer to each other too often to be searched "
           "for a state dict.\nSave the weights alone: torch.save(net.state_dict(), "
           "'weights.pth').");
    }
    return items;
  }

  std::optional<Place> search(const Place& at, int depth, std::unordered_set<ValueId>& seen) const;

  const Document& document_;
  const Context& context_;
  bool any_tensor_ = false;
  mutable std::size_t effort_ = 0;
};

std::string joined(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "/" + key;
}

std::optional<Place> Finder::search(const Place& at, int depth,
                                    std::unordered_set<ValueId>& seen) const {
  if (depth > limits::kWrapperDepth || !seen.insert(at.value).second) return std::nullopt;
  const std::vector<Item> items = children(at.value);
  const std::vector<std::string_view> names = split(kWrappers, ' ');
  std::vector<std::optional<ValueId>> wrappers(names.size());
  for (const auto& [key, value] : items) {
    if (document_.kind(key) != Kind::string) continue;
    const auto known = std::find(names.begin(), names.end(), document_.text(key));
    if (known != names.end()) {
      wrappers.at(static_cast<std::size_t>(known - names.begin())) = value;
    }
  }
  for (std::size_t i = 0; i < wrappers.size(); ++i) {
    if (!wrappers.at(i)) continue;
    const Place inner{*wrappers.at(i), joined(at.path, std::string(names.at(i)))};
    if (auto found = search(inner, depth + 1, seen)) return found;
  }
  if (is_place(at.value)) return at;
  // If there is only one key, searches the value under this key, whatever the key's name is.
  if (items.size() != 1) return std::nullopt;
  return search({items[0].second, joined(at.path, key_text(document_, items[0].first))}, depth + 1,
                seen);
}

std::vector<Place> Finder::all_places() const {
  // A value to visit. To save memory, a Node has only the last key of its path. path_of() makes the
  // whole path for a state dict.
  struct Node {
    ValueId value;
    ValueId key;
    std::size_t parent;
    int depth;
  };
  std::vector<Node> nodes = {{document_.root(), 0, 0, 0}};
  std::unordered_map<ValueId, bool> seen;  // whether the value is a state dict or module
  const auto path_of = [&](std::size_t node) {
    std::string path;
    for (; node != 0; node = nodes[node].parent) {
      const std::string key = key_text(document_, nodes[node].key);
      if (!path.empty()) path.insert(0, 1, '/');
      path.insert(0, key);
    }
    return path;
  };
  std::vector<Place> places;
  for (std::size_t at = 0; at < nodes.size() && places.size() < kPlaces; ++at) {
    const Node node = nodes[at];
    const auto [known, is_new] = seen.try_emplace(node.value, false);
    if (is_new) known->second = is_place(node.value);
    if (known->second) places.push_back({node.value, path_of(at)});
    if (!is_new || node.depth >= limits::kWrapperDepth) continue;
    for (const auto& [key, value] : children(node.value)) {
      if (document_.kind(key) != Kind::string || document_.text(key).starts_with("optim")) continue;
      const Kind kind = document_.kind(value);
      const bool followed =
          kind == Kind::dict || (kind == Kind::object && !torch::is_tensor(document_, value));
      if (followed && nodes.size() < context_.limits.state_dict_entries) {
        nodes.push_back({value, key, at, node.depth + 1});
      }
    }
  }
  return places;
}

std::optional<Place> Finder::resolve(std::string_view key, std::string& rest) {
  ValueId at = document_.root();
  std::string_view left = key;
  // Keys in the file may contain a slash. So several keys may match the start of `left`, the rest
  // of the path. The longest of these keys is used.
  for (int depth = 0; !left.empty() && depth <= limits::kWrapperDepth; ++depth) {
    std::string longest;
    std::optional<ValueId> next;
    for (const auto& [name, value] : children(at)) {
      std::string text = key_text(document_, name);
      const bool fits = left == text || (left.starts_with(text) && left[text.size()] == '/');
      if (fits && text.size() >= longest.size()) {
        longest = std::move(text);
        next = value;
      }
    }
    const bool leads_on =
        next && (is_dict(document_, *next) || attributes_of(document_, *next).has_value());
    if (!leads_on || torch::is_tensor(document_, *next)) break;
    at = *next;
    left.remove_prefix(std::min(left.size(), longest.size() + 1));
  }
  rest = left;
  std::string path(key.substr(0, key.size() - left.size()));
  while (path.ends_with('/')) path.pop_back();
  if (!rest.empty()) return is_place(at) ? std::optional(Place{at, path}) : std::nullopt;
  if (is_place(at)) return Place{at, path};
  return search({at, path});
}

// --- files without a state dict ---

std::vector<std::string> keys_of(const Document& document, ValueId dict) {
  std::vector<std::string> keys;
  std::unordered_set<std::string> seen;
  for (const Item& item : items_of(document, dict)) {
    std::string key = key_text(document, item.first);
    if (seen.insert(key).second) keys.push_back(std::move(key));
  }
  return keys;
}

bool has(const std::vector<std::string>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

[[noreturn]] void explain_no_state_dict(const Document& document, ValueId root) {
  if (torch::is_tensor(document, root)) {
    fail({ErrorKind::unsupported, "state-dict-single-tensor"},
         "the file holds a single tensor and not a state dict (a dict of named tensors).\n"
         "Save the weights with torch.save(net.state_dict(), 'weights.pth').");
  }
  if (!is_dict(document, root)) {
    fail({ErrorKind::unsupported, "state-dict-none", {}, {}, torch::describe(document, root)},
         "the file holds {} and not a state dict (a dict of named tensors).\n"
         "Save the weights with torch.save(net.state_dict(), 'weights.pth').",
         torch::describe(document, root));
  }
  const std::vector<std::string> keys = keys_of(document, root);
  if (keys.empty()) {
    fail({ErrorKind::unsupported, "state-dict-empty"},
         "the file holds an empty dict: there are no weights in it.");
  }
  if (has(keys, "param_groups") && has(keys, "state")) {
    fail({ErrorKind::unsupported, "state-dict-optimizer"},
         "the file is the state of an optimizer (it has 'state' and 'param_groups'), not a "
         "network.\nGive the file with the network's weights, often called net_g_….pth.");
  }
  if (has(keys, "optimizers") || has(keys, "optimizer") || has(keys, "schedulers")) {
    fail({ErrorKind::unsupported, "state-dict-training"},
         "the file is the state of a training run (it has {}) without the network's weights.\n"
         "Give the file with the network's weights, often called net_g_….pth.",
         first_names(keys));
  }
  fail({ErrorKind::unsupported, "state-dict-none", {}, {}, first_names(keys)},
       "the file holds a dict without tensors; its keys are {}.\n"
       "Give the file with the network's weights.",
       first_names(keys));
}

// --- choosing ---

std::vector<std::string> paths_of(const std::vector<Place>& places) {
  std::vector<std::string> paths;
  paths.reserve(places.size());
  for (const Place& place : places) paths.push_back(place.path);
  return paths;
}

// Returns the state dict under a usual key (kWrappers), or else the root of the pickle if the root
// is a state dict. Otherwise returns the only element of `places`, the state dicts in the file.
// Throws Error(mismatch) if `places` has several elements.
Place choose(Finder& finder, const Document& document, const std::vector<Place>& places) {
  if (auto found = finder.search({document.root(), ""})) return *found;
  if (places.size() == 1) return places[0];
  const std::vector<std::string> paths = paths_of(places);
  mismatch({ErrorKind::mismatch, "state-dict-several", "params_key", {}, first_names(paths)},
           fmt::format("the file holds several state dicts ({}), none of them under a usual key "
                       "(params_ema, params, state_dict, …).\nChoose one state dict with {}.",
                       first_names(paths), option("params_key")),
           paths);
}

// Returns the names and values of a state dict's items or a module's tensors, including values with
// equal names.
std::vector<torch::NamedValue> values_of(const Document& document, ValueId dict,
                                         const Context& context) {
  if (is_module(document, dict)) return module_entries(document, dict, context);
  std::vector<torch::NamedValue> values;
  for (const auto& [key, value] : items_of(document, dict)) {
    std::string name = key_text(document, key);
    // A quantized Linear layer stores weight and bias as a pair under one key. The result contains
    // the weight and the bias as two values.
    // Source: torch/ao/nn/quantized/modules/linear.py, LinearPackedParams.
    constexpr std::string_view packed = "_packed_params._packed_params";
    const bool is_pair = document.kind(value) == Kind::tuple &&
                         document.elements(value).size() == 2 && name.ends_with(packed) &&
                         torch::is_tensor(document, document.elements(value)[0]);
    if (is_pair) {
      const std::string path = name.substr(0, name.size() - packed.size());
      values.emplace_back(path + "weight", document.elements(value)[0]);
      values.emplace_back(path + "bias", document.elements(value)[1]);
    } else {
      values.emplace_back(std::move(name), value);
    }
  }
  return values;
}

// Throws Error(malformed) if two entries have the same name. This happens if a dict has both the
// number 1 and the text '1' as keys.
void check_names(const std::vector<Entry>& entries) {
  std::unordered_set<std::string_view> names;
  for (const Entry& entry : entries) {
    if (!names.insert(entry.name).second) {
      fail({ErrorKind::malformed, "state-dict-name-twice", printable(entry.name)},
           "the state dict has the name '{}' twice, as a number and as a text.\n"
           "Save the weights alone: torch.save(net.state_dict(), 'weights.pth').",
           printable(entry.name));
    }
  }
}

// Reads numbers and short texts that the file stores beside the tensors, for example "iter" and
// "epoch" in the root dict. The name "arch_config/scale" means "scale" in the dict "arch_config".
class FactReader {
 public:
  explicit FactReader(const Document& document) : document_(document) {}

  std::vector<std::pair<std::string, std::string>> read(ValueId root) {
    if (is_dict(document_, root)) read_dict(root, "", 0);
    return std::move(facts_);
  }

 private:
  static constexpr std::size_t kMost = 1000;
  static constexpr std::size_t kItems = 200;  // the most items of a dict below the root
  static constexpr int kDepth = 2;

  void read_dict(ValueId dict, const std::string& path, int depth) {
    const std::vector<Item> items = items_of(document_, dict);
    if (depth > 0 && items.size() > kItems) return;  // larger dicts are probably state dicts
    for (const auto& [key, value] : items) {
      if (facts_.size() >= kMost) return;
      if (document_.kind(key) != Kind::string && depth > 0) continue;
      const std::string name = joined(path, key_text(document_, key));
      if (is_dict(document_, value)) {
        if (depth < kDepth) read_dict(value, name, depth + 1);
      } else if (depth > 0 || is_number_or_text(value)) {
        if (auto text = fact_text(document_, value)) facts_.emplace_back(name, std::move(*text));
      }
    }
  }

  bool is_number_or_text(ValueId value) const {
    const Kind kind = document_.kind(value);
    return kind == Kind::integer || kind == Kind::real || kind == Kind::string;
  }

  const Document& document_;
  std::vector<std::pair<std::string, std::string>> facts_;
};

// Returns the paths of the modules: the keys of a state dict's attribute `_metadata`, which maps
// the path of each module to a version. Source: torch/nn/modules/module.py, Module.state_dict.
std::vector<std::string> modules_of(const Document& document, ValueId dict, const Limits& limits) {
  std::vector<std::string> modules;
  const auto attributes = attributes_of(document, dict);
  const auto versions =
      attributes ? find_key(document, *attributes, "_metadata") : std::optional<ValueId>{};
  if (!versions || !is_dict(document, *versions)) return modules;
  for (const auto& [key, value] : items_of(document, *versions)) {
    if (modules.size() >= limits.state_dict_entries) break;
    if (document.kind(key) == Kind::string) modules.push_back(key_text(document, key));
  }
  return modules;
}

}  // namespace

StateDict::Parts find_state_dict(const torch::File& file, const OpenOptions& options,
                                 const Context& context) {
  const Document& document = file.document;
  Finder finder(document, context);
  const ValueId root = document.root();
  std::vector<Place> places = finder.all_places();
  if (places.empty()) {
    finder.count_any_tensor();
    places = finder.all_places();
  }
  StateDict::Parts parts;
  std::string start_of_names;
  std::optional<Place> chosen;
  if (options.params_key) {
    const std::string_view key = without_slashes(*options.params_key);
    chosen = finder.resolve(key, start_of_names);
    if (!chosen) {
      unknown_params_key(*options.params_key, "the key leads to no state dict", paths_of(places));
    }
  } else if (places.empty()) {
    chosen = finder.search({root, ""});
    if (!chosen) explain_no_state_dict(document, root);
  } else {
    chosen = choose(finder, document, places);
  }

  parts.container = is_module(document, chosen->value) ? ", whole module" : "";
  parts.entries = torch::describe_tensors(document, *file.storages,
                                          values_of(document, chosen->value, context));
  check_names(parts.entries);
  parts.wrapper = chosen->path;
  if (!start_of_names.empty()) {
    if (!keep_those_under(parts.entries, start_of_names)) {
      unknown_params_key(*options.params_key, "the key leads to no state dict", paths_of(places));
    }
    parts.wrapper = joined(parts.wrapper, start_of_names);
  }
  std::erase_if(places, [&](const Place& place) { return place.path == chosen->path; });
  parts.other_wrappers = paths_of(places);
  if (is_dict(document, root)) parts.root_keys = keys_of(document, root);
  parts.metadata = FactReader(document).read(root);
  parts.modules = modules_of(document, chosen->value, context.limits);
  add_module_facts(document, chosen->value, context, parts);
  keep_facts_under(parts, start_of_names);
  clean_names(parts, context);
  return parts;
}

}  // namespace aether2onnx::state_dict
