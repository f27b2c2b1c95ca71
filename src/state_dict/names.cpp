// Removes prefixes that wrappers such as DataParallel put before names of a state dict's entries.

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "state_dict/parts.h"

namespace aether2onnx::state_dict {

namespace {

// The names that torch.compile, FSDP, activation checkpointing and DeepSpeed give to the module
// that they wrap. These tools also wrap inner modules, so these names can be anywhere in a key. No
// network gives these names to its own modules.
constexpr std::array<std::string_view, 4> kWrapperModules = {
    "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_forward_module."};

// The name that DataParallel, DistributedDataParallel and torch.optim.swa_utils.AveragedModel give
// to the module that they wrap.
constexpr std::string_view kParallel = "module.";

// The names that training frameworks give to the network within the module that they train. A name
// of this list is removed only if all keys, except the counter n_averaged, begin with this name.
constexpr std::array<std::string_view, 16> kContainers = {
    "net_g_ema.",  "net_g.",  "netG_ema.",   "netG.",   "generator_ema.", "generator.",
    "ema_model.",  "ema.",    "model_ema.",  "model.",  "network.",       "net.",
    "params_ema.", "params.", "state_dict.", "_model.",
};

bool remove_prefix(std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.erase(0, prefix.size());
  return true;
}

// Removes the names of wrapper modules from the front of `name`, and returns the removed text.
std::string remove_wrappers_in_front(std::string& name) {
  std::string removed;
  for (bool again = true; again;) {
    again = remove_prefix(name, kParallel);
    if (again) removed += kParallel;
    for (const std::string_view wrapper : kWrapperModules) {
      if (!remove_prefix(name, wrapper)) continue;
      removed += wrapper;
      again = true;
    }
  }
  return removed;
}

void remove_wrappers_within(std::string& name) {
  for (const std::string_view wrapper : kWrapperModules) {
    const std::string within = "." + std::string(wrapper);
    for (std::size_t at = name.find(within); at != std::string::npos; at = name.find(within, at)) {
      name.erase(at, wrapper.size());
    }
  }
}

std::string_view shared_container(const std::vector<Entry>& entries) {
  for (const std::string_view container : kContainers) {
    const bool shared = std::all_of(entries.begin(), entries.end(), [&](const Entry& entry) {
      return entry.name.starts_with(container) || entry.name == "n_averaged";
    });
    if (shared) return container;
  }
  return {};
}

std::string remove_prefixes(std::vector<Entry>& entries) {
  std::string removed;
  for (int round = 0; round < 4 && !entries.empty(); ++round) {
    std::string wrappers;
    for (Entry& entry : entries) {
      const std::string prefix = remove_wrappers_in_front(entry.name);
      if (wrappers.empty()) wrappers = prefix;
    }
    removed += wrappers;
    const std::string_view container = shared_container(entries);
    if (container.empty()) break;
    for (Entry& entry : entries) remove_prefix(entry.name, container);
    removed += container;
  }
  for (Entry& entry : entries) remove_wrappers_within(entry.name);
  return removed;
}

void check_unique(const std::vector<Entry>& entries) {
  std::unordered_map<std::string_view, int> seen;
  for (const Entry& entry : entries) {
    if (++seen[entry.name] > 1) {
      fail({ErrorKind::unsupported, "state-dict-key-twice", printable(entry.name)},
           "the file has the key '{}' twice, with and without a prefix such as 'module.'.\n"
           "Save the state dict with only one of the two keys.",
           printable(entry.name));
    }
  }
}

}  // namespace

std::string_view without_slashes(std::string_view key) {
  while (key.starts_with('/')) key.remove_prefix(1);
  while (key.ends_with('/')) key.remove_suffix(1);
  return key;
}

bool keep_those_under(std::vector<Entry>& entries, std::string_view prefix) {
  std::string start(prefix);
  std::replace(start.begin(), start.end(), '/', '.');
  if (!start.ends_with('.')) start += '.';
  const auto is_under = [&](const Entry& entry) {
    return entry.name.size() > start.size() && entry.name.starts_with(start);
  };
  if (std::none_of(entries.begin(), entries.end(), is_under)) return false;
  std::erase_if(entries, [&](const Entry& entry) { return !is_under(entry); });
  for (Entry& entry : entries) entry.name.erase(0, start.size());
  return true;
}

void clean_names(StateDict::Parts& parts, const Context& context) {
  if (parts.entries.size() > context.limits.state_dict_entries) {
    fail({ErrorKind::limit, "state-dict-limit", "state_dict_entries",
          fmt::format("{}", context.limits.state_dict_entries),
          fmt::format("{}", parts.entries.size())},
         "the state dict has {} entries; at most {} are read.\n{}",
         with_thousands(parts.entries.size()), with_thousands(context.limits.state_dict_entries),
         limits::how_to_raise("state_dict_entries"));
  }
  parts.prefix = remove_prefixes(parts.entries);
  for (std::string& module : parts.modules) {
    if (module.starts_with(parts.prefix)) module.erase(0, parts.prefix.size());
  }
  // Drops attributes whose names do not begin with `parts.prefix`. These attributes belong to
  // wrappers such as DataParallel.
  keep_facts_under(parts, parts.prefix);
  for (auto& attribute : parts.attributes) remove_wrappers_within(attribute.first);
  // n_averaged is a counter of AveragedModel (torch.optim.swa_utils), no part of the network.
  std::erase_if(parts.entries, [](const Entry& entry) { return entry.name == "n_averaged"; });
  check_unique(parts.entries);
}

void mismatch(Fault fault, const std::string& sentences, const std::vector<std::string>& on_offer) {
  std::vector<Diagnostic> findings;
  for (const std::string& place : on_offer) {
    findings.push_back({fault.code, place, {}, {}, place});
  }
  throw Error(fault.kind,
              Diagnostic{std::move(fault.code), std::move(fault.subject), std::move(fault.expected),
                         std::move(fault.found), sentences},
              std::move(findings));
}

void unknown_params_key(std::string_view key, const std::string& what_is_wrong,
                        const std::vector<std::string>& on_offer) {
  std::vector<std::string> shown = on_offer;
  for (std::string& name : shown) {
    if (name.empty()) name = "/";
  }
  const std::string offer = shown.empty() ? "nothing" : first_names(shown, 20);
  mismatch({ErrorKind::mismatch, "state-dict-params-key", "params_key", offer, printable(key)},
           fmt::format("{} {}: {}. Available: {}.\n"
                       "Give one of these ('/' is the root of the file), or leave the option out.",
                       option("params_key"), printable(key), what_is_wrong, offer),
           shown);
}

}  // namespace aether2onnx::state_dict
