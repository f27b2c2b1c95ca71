#include "state_dict/values.h"

#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/torch.h"

namespace aether2onnx::state_dict {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

namespace {

bool is_ordered_dict(const Document& document, ValueId value) {
  return document.kind(value) == Kind::object &&
         document.is_global(document.callable(value), "collections", "OrderedDict");
}

std::optional<std::string> scalar_text(const Document& document, ValueId value) {
  constexpr std::size_t longest = 200;
  switch (document.kind(value)) {
    case Kind::integer:
      return fmt::format("{}", document.integer(value));
    case Kind::real:
      return fmt::format("{}", document.real(value));
    case Kind::boolean:
      return document.boolean(value) ? "True" : "False";
    case Kind::none:
      return "None";
    case Kind::string:
      if (document.text(value).size() > longest) return std::nullopt;
      return std::string(document.text(value));
    default:
      return std::nullopt;
  }
}

}  // namespace

bool is_dict(const Document& document, ValueId value) {
  return document.kind(value) == Kind::dict || is_ordered_dict(document, value) ||
         (document.kind(value) == Kind::object && !document.pairs(value).empty());
}

std::vector<Item> items_of(const Document& document, ValueId dict) {
  std::vector<Item> items;
  // Python 2 pickles an OrderedDict as a call of the class. The call's only argument is the list of
  // the dict's items, each a pair (key, value).
  if (is_ordered_dict(document, dict) && document.arguments(dict).size() == 1) {
    for (const ValueId item : document.elements(document.arguments(dict)[0])) {
      const auto pair = document.elements(item);
      if (pair.size() == 2) items.emplace_back(pair[0], pair[1]);
    }
  }
  const auto pairs = document.pairs(dict);
  items.insert(items.end(), pairs.begin(), pairs.end());
  return items;
}

std::optional<ValueId> attributes_of(const Document& document, ValueId object) {
  if (document.kind(object) != Kind::object) return std::nullopt;
  auto state = document.state(object);
  // The pickled state of an object with __slots__ is a pair: its __dict__ and its slots.
  if (state && document.kind(*state) == Kind::tuple && document.elements(*state).size() == 2) {
    state = document.elements(*state)[0];
  }
  if (!state || !is_dict(document, *state)) return std::nullopt;
  return state;
}

std::optional<ValueId> find_key(const Document& document, ValueId dict, std::string_view key) {
  std::optional<ValueId> found;
  for (const auto& [name, value] : items_of(document, dict)) {
    if (document.kind(name) == Kind::string && document.text(name) == key) found = value;
  }
  return found;
}

namespace {

// Returns the __dict__ of an object that may be a module. Returns nullopt if there are too many
// attributes, because modules have only a few dozen attributes.
std::optional<ValueId> module_attributes(const Document& document, ValueId value) {
  const auto attributes = attributes_of(document, value);
  if (!attributes || document.pairs(*attributes).size() > limits::kModuleAttributes)
    return std::nullopt;
  return attributes;
}

}  // namespace

bool is_module(const Document& document, ValueId value) {
  if (!torch::may_be_layer(document, value)) return false;
  const auto attributes = module_attributes(document, value);
  if (!attributes) return false;
  const auto has_dict = [&](std::string_view key) {
    const auto found = find_key(document, *attributes, key);
    return found && is_dict(document, *found);
  };
  return has_dict("_parameters") && has_dict("_modules");
}

std::optional<std::string> fact_text(const Document& document, ValueId value) {
  const Kind kind = document.kind(value);
  if (kind != Kind::list && kind != Kind::tuple) return scalar_text(document, value);
  constexpr std::size_t most = 200;
  if (document.elements(value).size() > most) return std::nullopt;
  std::string text;
  for (const ValueId element : document.elements(value)) {
    const auto part = scalar_text(document, element);
    if (!part) return std::nullopt;
    text += (text.empty() ? "" : ",") + *part;
  }
  return text;
}

std::string key_text(const Document& document, ValueId key) {
  switch (document.kind(key)) {
    case Kind::string:
      if (document.text(key).size() > limits::kNameBytes) {
        return fmt::format("<a text of {}>", plural(document.text(key).size(), "byte"));
      }
      return std::string(document.text(key));
    case Kind::integer:
      return fmt::format("{}", document.integer(key));
    default:
      return fmt::format("<{}>", pickle::describe(document, key));
  }
}

namespace {

// Collects the items of a module's state_dict(), from the module and all inner modules, without
// recursion.
class ModuleWalk {
 public:
  ModuleWalk(const Document& document, const Context& context)
      : document_(document), context_(context) {}

  std::vector<std::pair<std::string, ValueId>> entries_of(ValueId root) {
    pending_.push_back({root, "", 0});
    for (std::size_t visited = 0; !pending_.empty(); ++visited) {
      const Pending module = std::move(pending_.back());
      pending_.pop_back();
      if (visited >= context_.limits.state_dict_entries) too_many();
      if (module.depth > limits::kModuleDepth) {
        fail({ErrorKind::limit, "state-dict-depth", {}, fmt::format("{}", limits::kModuleDepth)},
             "the network in the file has modules nested over {} levels deep.\n"
             "Save the weights alone: torch.save(net.state_dict(), 'weights.pth').",
             limits::kModuleDepth);
      }
      visit(module);
    }
    return std::move(entries_);
  }

 private:
  struct Pending {
    ValueId module;
    std::string prefix;
    std::size_t depth;
  };

  [[noreturn]] void too_many() const {
    const std::uint64_t most = context_.limits.state_dict_entries;
    fail({ErrorKind::limit, "state-dict-limit", "state_dict_entries", fmt::format("{}", most)},
         "the network in the file has over {} modules or tensors.\n{}", with_thousands(most),
         limits::how_to_raise("state_dict_entries"));
  }

  static std::string joined(const std::string& prefix, std::string name) {
    if (prefix.size() + name.size() > limits::kNameBytes) {
      fail({ErrorKind::limit, "state-dict-name", {}, fmt::format("{}", limits::kNameBytes)},
           "the network in the file has a tensor or module name over {} long.",
           plural(limits::kNameBytes, "byte"));
    }
    return prefix + std::move(name);
  }

  // Adds `items` to the count of items that were read, and throws Error(limit) if there are too
  // many. Modules may share their dicts, so even a small file may have very many items.
  void count(std::size_t items) {
    effort_ += items;
    if (effort_ > 2 * context_.limits.pickle_items) too_many();
  }

  // Returns the items of the module's dict `dict` ("_parameters", …). Omits items with the value
  // None, because these parameters or modules are absent.
  std::vector<Item> items(ValueId attributes, std::string_view dict) {
    const auto found = find_key(document_, attributes, dict);
    if (!found || !is_dict(document_, *found)) return {};
    std::vector<Item> result = items_of(document_, *found);
    count(result.size());
    std::erase_if(result,
                  [&](const Item& item) { return document_.kind(item.second) == Kind::none; });
    return result;
  }

  std::unordered_set<std::string> non_persistent_buffers(ValueId attributes) {
    std::unordered_set<std::string> names;
    auto set = find_key(document_, attributes, "_non_persistent_buffers_set");
    // Pickle protocols before 4 have no opcode for sets. So Python pickles a set as a call of the
    // class `set`. The call's only argument is the list of the set's elements.
    if (set && document_.kind(*set) == Kind::object && document_.arguments(*set).size() == 1) {
      set = document_.arguments(*set)[0];
    }
    if (!set) return names;
    count(document_.elements(*set).size());
    for (const ValueId name : document_.elements(*set)) names.insert(key_text(document_, name));
    return names;
  }

  // The tensors and modules directly in a module. own() reads both lists once for each module.
  struct Own {
    std::vector<Item> tensors;
    std::vector<Item> modules;
  };

  const Own& own(ValueId module) {
    const auto [at, is_new] = own_.try_emplace(module);
    const auto attributes = is_new ? module_attributes(document_, module) : std::nullopt;
    if (!attributes) return at->second;
    Own& result = at->second;
    result.tensors = items(*attributes, "_parameters");
    const auto omitted = non_persistent_buffers(*attributes);
    for (const Item& item : items(*attributes, "_buffers")) {
      if (!omitted.contains(key_text(document_, item.first))) result.tensors.push_back(item);
    }
    result.modules = items(*attributes, "_modules");
    return result;
  }

  void visit(const Pending& at) {
    const Own& module = own(at.module);
    for (const Item& item : module.tensors) {
      if (entries_.size() >= context_.limits.state_dict_entries) too_many();
      entries_.emplace_back(joined(at.prefix, key_text(document_, item.first)), item.second);
    }
    const std::vector<Item>& modules = module.modules;
    if (pending_.size() + modules.size() > context_.limits.state_dict_entries) too_many();
    for (std::size_t i = modules.size(); i-- > 0;) {  // backwards, because `pending_` is a stack
      pending_.push_back({modules[i].second,
                          joined(at.prefix, key_text(document_, modules[i].first) + "."),
                          at.depth + 1});
    }
  }

  const Document& document_;
  const Context& context_;
  std::unordered_map<ValueId, Own> own_;
  std::size_t effort_ = 0;
  std::vector<Pending> pending_;
  std::vector<std::pair<std::string, ValueId>> entries_;
};

}  // namespace

std::vector<std::pair<std::string, ValueId>> module_entries(const Document& document,
                                                            ValueId module,
                                                            const Context& context) {
  return ModuleWalk(document, context).entries_of(module);
}

}  // namespace aether2onnx::state_dict
