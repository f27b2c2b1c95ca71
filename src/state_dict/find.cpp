// Where in a pickled checkpoint the state dict is.

#include "state_dict/find.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/tensor_records.h"
#include "state_dict/names.h"
#include "state_dict/values.h"

namespace aether2onnx::state_dict {

namespace {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

// Where training frameworks put the network's weights, best first: an averaged copy (EMA) before
// the raw weights, since it is what their authors test and publish.
constexpr std::array<std::string_view, 30> kWrappers = {
    "params_ema",
    "params-ema",
    "net_g_ema",
    "netG_ema",
    "g_ema",
    "generator_ema",
    "state_dict_ema",
    "ema_state_dict",
    "model_ema",
    "ema_model",
    "ema",
    "params",
    "net_g",
    "netG",
    "state_dict",
    "model_state_dict",
    "model",
    "generator",
    "weights",
    "network",
    "net",
    "net_g_state_dict",
    "generator_state_dict",
    "model_state",
    "network_g",
    "module",
    "shadow_params",
    "shadow",
    "student",
    "best_state_dict",
};

// Places to look at, and state dicts to tell of: more are in no honest file.
constexpr std::size_t kPlaces = 1000;

// A state dict, or a module that has one.
struct Place {
  ValueId value;
  std::string path;
};

class Finder {
 public:
  Finder(const Document& document, TensorRecords& tensors, const Context& context)
      : document_(document), tensors_(tensors), context_(context) {}

  // A place that holds the tensors of a network itself.
  bool is_place(ValueId value) const {
    if (is_module(document_, value)) return true;
    if (!is_dict(document_, value)) return false;
    const std::vector<Item> items = counted(items_of(document_, value));
    return std::any_of(items.begin(), items.end(), [&](const Item& item) {
      return any_tensor_ ? tensors_.is_tensor(item.second) : tensors_.may_be_weight(item.second);
    });
  }

  // From now on a single number or a tensor of integers counts as well.
  void count_any_tensor() { any_tensor_ = true; }

  // Looks below `at`: within a wrapper before at the place itself. Every value is looked at once,
  // so that references in a circle end.
  std::optional<Place> search(const Place& at) {
    std::unordered_set<ValueId> seen;
    return search(at, 0, seen);
  }

  // Every place in the file that has only texts for keys above it, in the order of the file, except
  // in the state of optimizers.
  std::vector<Place> all_places() const;

  // The place of the path `key`. `rest` is what names there must begin with, "" for all.
  std::optional<Place> resolve(std::string_view key, std::string& rest);

 private:
  // What may be followed from here: the items of a dict, the attributes of an object.
  std::vector<Item> children(ValueId value) const {
    if (is_module(document_, value)) return {};
    if (is_dict(document_, value)) return counted(items_of(document_, value));
    const auto attributes = attributes_of(document_, value);
    return attributes ? counted(items_of(document_, *attributes)) : std::vector<Item>{};
  }

  // Values may share what they consist of, so that looking at each costs more than their bytes.
  std::vector<Item> counted(std::vector<Item> items) const {
    effort_ += items.size();
    if (effort_ > 8 * context_.limits.pickle_items) {
      fail(ErrorKind::limit,
           "the values in the file refer to each other too often to be searched "
           "for a state dict.\nSave the weights alone: torch.save(net.state_dict(), "
           "'weights.pth').");
    }
    return items;
  }

  std::optional<Place> search(const Place& at, int depth, std::unordered_set<ValueId>& seen) const;

  const Document& document_;
  const TensorRecords& tensors_;
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
  std::array<std::optional<ValueId>, kWrappers.size()> wrappers;
  for (const auto& [key, value] : items) {
    if (document_.kind(key) != Kind::string) continue;
    const auto* known = std::find(kWrappers.begin(), kWrappers.end(), document_.text(key));
    if (known != kWrappers.end()) {
      wrappers.at(static_cast<std::size_t>(known - kWrappers.begin())) = value;
    }
  }
  for (std::size_t i = 0; i < wrappers.size(); ++i) {
    if (!wrappers.at(i)) continue;
    const Place inner{*wrappers.at(i), joined(at.path, std::string(kWrappers.at(i)))};
    if (auto found = search(inner, depth + 1, seen)) return found;
  }
  if (is_place(at.value)) return at;
  // A single key of any name.
  if (items.size() != 1) return std::nullopt;
  return search({items[0].second, joined(at.path, key_text(document_, items[0].first))}, depth + 1,
                seen);
}

std::vector<Place> Finder::all_places() const {
  // Keys are kept instead of paths: a path is only made of a place.
  struct Node {
    ValueId value;
    ValueId key;
    std::size_t parent;
    int depth;
  };
  std::vector<Node> nodes = {{document_.root(), 0, 0, 0}};
  std::unordered_map<ValueId, bool> seen;  // whether it is a place
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
          kind == Kind::dict || (kind == Kind::object && !tensors_.is_tensor(value));
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
  // Keys may have a slash in them, so the longest that fits is followed.
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
    if (!leads_on || tensors_.is_tensor(*next)) break;
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

// --- where there is none ---

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

[[noreturn]] void explain_no_state_dict(const Document& document, const TensorRecords& tensors,
                                        ValueId root) {
  if (tensors.is_tensor(root)) {
    fail(ErrorKind::unsupported,
         "the file holds a single tensor and not a state dict (a dict of named tensors).\n"
         "Save the weights with torch.save(net.state_dict(), 'weights.pth').");
  }
  if (!is_dict(document, root)) {
    fail(ErrorKind::unsupported,
         "the file holds {} and not a state dict (a dict of named tensors).\n"
         "Save the weights with torch.save(net.state_dict(), 'weights.pth').",
         describe_value(document, root));
  }
  const std::vector<std::string> keys = keys_of(document, root);
  if (keys.empty()) {
    fail(ErrorKind::unsupported, "the file holds an empty dict: there are no weights in it.");
  }
  if (has(keys, "param_groups") && has(keys, "state")) {
    fail(ErrorKind::unsupported,
         "the file is the state of an optimizer (it has 'state' and 'param_groups'), not a "
         "network.\nGive the file with the network's weights, often called net_g_….pth.");
  }
  if (has(keys, "optimizers") || has(keys, "optimizer") || has(keys, "schedulers")) {
    fail(ErrorKind::unsupported,
         "the file is the state of a training run (it has {}) without the network's weights.\n"
         "Give the file with the network's weights, often called net_g_….pth.",
         first_names(keys));
  }
  fail(ErrorKind::unsupported,
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

// A usual wrapper, or else the root, or else the only place there is.
Place choose(Finder& finder, const Document& document, const std::vector<Place>& places) {
  if (auto found = finder.search({document.root(), ""})) return *found;
  if (places.size() == 1) return places[0];
  throw Error(ErrorKind::mismatch,
              fmt::format("the file holds several state dicts ({}), none of them under a usual "
                          "key.\nChoose one with --params_key.",
                          first_names(paths_of(places))),
              paths_of(places));
}

// As in Python, the last of several equal keys counts; it keeps the place of the first.
std::vector<Entry> describe_all(const Document& document, TensorRecords& tensors, ValueId dict,
                                const Context& context) {
  std::vector<Entry> entries;
  std::unordered_map<std::string, std::size_t> index;
  const auto add = [&](std::string name, ValueId value) {
    const auto [at, is_new] = index.emplace(name, entries.size());
    Entry entry = tensors.describe(std::move(name), value);
    if (is_new) {
      entries.push_back(std::move(entry));
    } else {
      entries[at->second] = std::move(entry);
    }
  };
  if (is_module(document, dict)) {
    for (auto& [name, value] : module_entries(document, dict, context)) add(std::move(name), value);
    return entries;
  }
  for (const auto& [key, value] : items_of(document, dict)) {
    std::string name = key_text(document, key);
    // A quantized Linear keeps weight and bias in a pair.
    // Source: torch/ao/nn/quantized/modules/linear.py, LinearPackedParams.
    constexpr std::string_view packed = "_packed_params._packed_params";
    const bool is_pair = document.kind(value) == Kind::tuple &&
                         document.elements(value).size() == 2 && name.ends_with(packed) &&
                         tensors.is_tensor(document.elements(value)[0]);
    if (is_pair) {
      const std::string path = name.substr(0, name.size() - packed.size());
      add(path + "weight", document.elements(value)[0]);
      add(path + "bias", document.elements(value)[1]);
    } else {
      add(std::move(name), value);
    }
  }
  return entries;
}

// Numbers and short texts: "iter", "epoch" and the like, and those in dicts ("arch_config/scale").
class FactReader {
 public:
  explicit FactReader(const Document& document) : document_(document) {}

  std::vector<std::pair<std::string, std::string>> read(ValueId root) {
    if (is_dict(document_, root)) read_dict(root, "", 0);
    return std::move(facts_);
  }

 private:
  static constexpr std::size_t kMost = 1000;
  static constexpr std::size_t kItems = 200;  // of a dict below the root, or a list
  static constexpr std::size_t kLongest = 200;
  static constexpr int kDepth = 2;

  void read_dict(ValueId dict, const std::string& path, int depth) {
    const std::vector<Item> items = items_of(document_, dict);
    if (depth > 0 && items.size() > kItems) return;  // a state dict, for example
    for (const auto& [key, value] : items) {
      if (facts_.size() >= kMost) return;
      if (document_.kind(key) != Kind::string && depth > 0) continue;
      const std::string name = joined(path, key_text(document_, key));
      if (is_dict(document_, value)) {
        if (depth < kDepth) read_dict(value, name, depth + 1);
      } else if (auto text = text_of(value, depth > 0)) {
        facts_.emplace_back(name, std::move(*text));
      }
    }
  }

  // `with_all`: truth values, None and lists, too.
  std::optional<std::string> text_of(ValueId value, bool with_all) const {
    switch (document_.kind(value)) {
      case Kind::integer:
        return fmt::format("{}", document_.integer(value));
      case Kind::real:
        return fmt::format("{}", document_.real(value));
      case Kind::string:
        if (document_.text(value).size() > kLongest) return std::nullopt;
        return std::string(document_.text(value));
      case Kind::boolean:
        if (!with_all) return std::nullopt;
        return document_.boolean(value) ? "True" : "False";
      case Kind::none:
        if (!with_all) return std::nullopt;
        return "None";
      case Kind::list:
      case Kind::tuple:
        return with_all ? list_text(value) : std::nullopt;
      default:
        return std::nullopt;
    }
  }

  // "4,4,4,4"; only of numbers and texts.
  std::optional<std::string> list_text(ValueId list) const {
    const auto elements = document_.elements(list);
    if (elements.size() > kItems) return std::nullopt;
    std::string text;
    for (const ValueId element : elements) {
      const auto part = text_of(element, false);
      if (!part) return std::nullopt;
      text += (text.empty() ? "" : ",") + *part;
    }
    return text;
  }

  const Document& document_;
  std::vector<std::pair<std::string, std::string>> facts_;
};

// The keys of the attribute `_metadata` of a state dict: module path to version.
// Source: torch/nn/modules/module.py, Module.state_dict.
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

std::string_view without_slashes(std::string_view key) {
  while (key.starts_with('/')) key.remove_prefix(1);
  while (key.ends_with('/')) key.remove_suffix(1);
  return key;
}

}  // namespace

StateDict::Parts find_state_dict(const Document& document, const StorageSource& storages,
                                 const OpenOptions& options, const Context& context) {
  TensorRecords tensors(document, storages);
  Finder finder(document, tensors, context);
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
      unknown_params_key(*options.params_key, "there is no state dict there", paths_of(places));
    }
  } else if (places.empty()) {
    chosen = finder.search({root, ""});
    if (!chosen) explain_no_state_dict(document, tensors, root);
  } else {
    chosen = choose(finder, document, places);
  }

  parts.container = is_module(document, chosen->value) ? ", whole module" : "";
  parts.entries = describe_all(document, tensors, chosen->value, context);
  parts.wrapper = chosen->path;
  if (!start_of_names.empty()) {
    if (!keep_those_under(parts.entries, start_of_names)) {
      unknown_params_key(*options.params_key, "there is no state dict there", paths_of(places));
    }
    parts.wrapper = joined(parts.wrapper, start_of_names);
  }
  std::erase_if(places, [&](const Place& place) { return place.path == chosen->path; });
  parts.other_wrappers = paths_of(places);
  if (is_dict(document, root)) parts.root_keys = keys_of(document, root);
  parts.metadata = FactReader(document).read(root);
  parts.modules = modules_of(document, chosen->value, context.limits);
  clean_names(parts, context);
  return parts;
}

}  // namespace aether2onnx::state_dict
