/// @file
/// The names of a state dict's entries: what wrappers put before them. Private to this stage.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "state_dict/state_dict.h"

namespace aether2onnx::state_dict {

/// Keeps the entries whose names begin with `prefix` and a dot, and takes that off; '/' in `prefix`
/// counts as a dot. Gives false, and changes nothing, where there is none.
bool keep_those_under(std::vector<Entry>& entries, std::string_view prefix);

/// Takes off the names what wrappers of a module put there, sets `parts.prefix`, and drops what is
/// no part of a network. Throws Error(unsupported) where two names become the same, Error(limit)
/// where there are too many.
void clean_names(StateDict::Parts& parts, const Context& context);

/// "'a', 'b' and 3 more": of a list of names, those at the start.
std::string first_names(const std::vector<std::string>& names, std::size_t shown = 6);

/// Throws Error(mismatch): `key` was given, but there are only the state dicts `on_offer`.
[[noreturn]] void unknown_params_key(std::string_view key, const std::string& what_is_wrong,
                                     const std::vector<std::string>& on_offer);

}  // namespace aether2onnx::state_dict
