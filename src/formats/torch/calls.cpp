#include "formats/torch/calls.h"

#include <fmt/format.h>

#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/call_grammar.h"
#include "formats/torch/storage_ids.h"
#include "formats/torch/torch.h"

namespace aether2onnx::torch {

using pickle::CallForm;
using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

namespace {

class MisuseFinder {
 public:
  MisuseFinder(const Document& document, const std::function<bool(const Misuse&)>& report)
      : document_(document), report_(report), matcher_(document) {}

  void run() {
    for (ValueId value = 0; value < document_.value_count() && !ended_; ++value) {
      switch (document_.kind(value)) {
        case Kind::object:
          check_object(value);
          break;
        case Kind::persistent_id:
          check_reference(value);
          break;
        case Kind::global:
          check_name(value);
          break;
        case Kind::set:
          for (const ValueId element : document_.elements(value)) check_key(element);
          break;
        default:
          break;
      }
      for (const auto& [key, item] : document_.pairs(value)) check_key(key);
    }
  }

 private:
  template <typename... Args>
  void misuse(ValueId value, const char* code, fmt::format_string<Args...> format, Args&&... args) {
    if (ended_) return;
    ended_ = !report_({value, code, fmt::format(format, std::forward<Args>(args)...), true});
  }

  // Reports a call that a program may write, but whose arguments do not show what the call does.
  void not_judged(ValueId value, const std::string& name) {
    if (ended_) return;
    ended_ = !report_({value, "torch-not-judged", name + " is called", false});
  }

  const Row* row_of(ValueId object) const {
    const auto name = callable_name(document_, object);
    return name ? find_row(document_.module(*name), document_.name(*name)) : nullptr;
  }

  std::string arguments_text(std::span<const ValueId> arguments) const {
    constexpr std::size_t most = 8;
    std::string text;
    for (std::size_t i = 0; i < arguments.size() && i <= most; ++i) {
      text += i == 0 ? "" : ", ";
      text += i == most ? "…" : pickle::describe(document_, arguments[i]);
    }
    return text;
  }

  void check_object(ValueId object) {
    const auto name = callable_name(document_, object);
    if (!name) {
      // No program calls the result of a known name, because this result is a plain value. The
      // result of an unknown name may be callable.
      if (document_.kind(document_.callable(object)) == Kind::object &&
          row_of(document_.callable(object)) == nullptr) {
        return;
      }
      misuse(object, "torch-call", "{} is called",
             pickle::describe(document_, document_.callable(object)));
      return;
    }
    const Row* row = find_row(document_.module(*name), document_.name(*name));
    if (row == nullptr) return;
    const auto arguments = document_.arguments(object);
    const std::string text = pickle::describe(document_, *name);
    if (!row->judged) not_judged(object, text);
    if (document_.module(*name).starts_with("numpy") && matcher_.may_be_honest(object)) {
      not_judged(object, text);
      return;
    }
    if (!matcher_.is_called_as(*row, document_.form(object), arguments) ||
        !is_nested_call_right(*row, arguments)) {
      misuse(object, "torch-call", "{} is called with ({}){}", text, arguments_text(arguments),
             document_.form(object) == CallForm::reduce ? "" : " by another opcode than REDUCE");
    }
    const bool has_items = !document_.pairs(object).empty();
    // Python 2 passes the items of an OrderedDict as an argument; Python 3 sets them afterwards.
    const bool twice = row->names == "OrderedDict" && !arguments.empty();
    // Putting values into a tensor has an error code of its own, because old versions of PyTorch
    // then overwrite memory.
    const char* filled = row->role == Role::rebuild ? "torch-writes-into-tensor" : "torch-filled";
    if (has_items && (row->filled != "items" || twice)) {
      misuse(object, filled, "items are put into the result of {}", text);
    }
    if (!document_.elements(object).empty() && row->filled != "elements") {
      misuse(object, filled, "elements are put into the result of {}", text);
    }
    check_state(object, text, row_of_state(*row, arguments));
  }

  // Returns the row of known names that says which state (BUILD) the result of a call may get. For
  // copyreg._reconstructor(class, …), which makes an object of the class, this is the class's row.
  const Row& row_of_state(const Row& row, std::span<const ValueId> arguments) const {
    if (row.names != "_reconstructor" || arguments.empty()) return row;
    const auto made_of = class_name(document_, arguments[0]);
    const Row* made =
        made_of ? find_row(document_.module(*made_of), document_.name(*made_of)) : nullptr;
    return made != nullptr ? *made : row;
  }

  void check_state(ValueId object, const std::string& text, const Row& row) {
    const auto state = document_.state(object);
    if (!state) {
      // A layer of torch.nn gets all its attributes from its state, so a state is required.
      if (row.role == Role::layer)
        misuse(object, "torch-state", "the result of {} gets no state", text);
    } else if (row.state.empty() || !matcher_.fits(row.state, *state)) {
      misuse(object, "torch-state", "the result of {} gets {} as its state", text,
             pickle::describe(document_, *state));
    }
  }

  // Returns whether _rebuild_from_type_v2(function, type, arguments, state), which calls
  // `function`, has arguments that the table allows for `function`.
  bool is_nested_call_right(const Row& row, std::span<const ValueId> arguments) {
    if (!row.names.starts_with("_rebuild_from_type") || arguments.size() < 3) return true;
    const Row* inner = find_row(document_.module(arguments[0]), document_.name(arguments[0]));
    return inner != nullptr && inner != &row && !inner->names.starts_with("_rebuild_from_type") &&
           matcher_.is_called_as(*inner, CallForm::reduce, document_.elements(arguments[2]));
  }

  // Reports a name of Python 2 in a pickle above protocol 2: Python 3 does not translate this name.
  void check_name(ValueId name) {
    const std::string_view module = document_.module(name);
    if (document_.protocol() > 2 && (module == "__builtin__" || module == "copy_reg") &&
        find_row(module, document_.name(name)) != nullptr) {
      misuse(name, "torch-name", "{} is a name of Python 2 in a pickle of protocol {}",
             pickle::describe(document_, name), document_.protocol());
    }
  }

  void check_reference(ValueId reference) {
    if (storage_id(document_, reference)) return;
    const ValueId id = document_.persistent(reference);
    const auto parts = document_.elements(id);
    // A reference to a class has the class, its source file and the source text. Source:
    // torch/serialization.py, _legacy_save.
    const bool is_class =
        document_.kind(id) == Kind::tuple && parts.size() == 4 &&
        document_.kind(parts[0]) == Kind::string && document_.text(parts[0]) == "module" &&
        document_.kind(parts[1]) == Kind::global && document_.kind(parts[2]) == Kind::string &&
        document_.kind(parts[3]) == Kind::string;
    if (!is_class) {
      misuse(reference, "torch-reference",
             "a reference ({}) leads neither to a storage nor to a class",
             pickle::describe(document_, id));
    }
  }

  void check_key(ValueId key) {
    if (document_.kind(key) == Kind::tuple) {
      for (const ValueId part : document_.elements(key)) {
        if (document_.kind(part) == Kind::object) check_key(part);
      }
      return;
    }
    if (document_.kind(key) != Kind::object) return;
    // Keys with the same hash (numbers, sets, sizes) would make a dict slow, so count the keys.
    if (!may_be_key(document_, key) || ++object_keys_ > limits::kTupleKeys) {
      misuse(key, "torch-key", "a key of a dict or an element of a set is {}",
             pickle::describe(document_, key));
    }
  }

  const Document& document_;
  const std::function<bool(const Misuse&)>& report_;
  Matcher matcher_;
  std::size_t object_keys_ = 0;
  bool ended_ = false;
};

}  // namespace

void find_misuses(const Document& document, const std::function<bool(const Misuse&)>& report) {
  MisuseFinder(document, report).run();
}

bool may_be_key(const Document& document, ValueId object) {
  const auto name = callable_name(document, object);
  if (!name) return false;
  const Row* row = find_row(document.module(*name), document.name(*name));
  // Python hashes a tensor or layer by its identity, so a file cannot choose the hash.
  if (row == nullptr || row->role == Role::rebuild || row->role == Role::layer) return true;
  constexpr std::string_view names =
      "scalar device date datetime bytes encode dtype complex frozenset Size Path PosixPath "
      "WindowsPath PurePath "
      "PurePosixPath PureWindowsPath";
  if (!is_one_of(names, document.name(*name))) return false;
  // A text of numpy equals the same text of Python, so a numpy scalar must be a number.
  const auto arguments = document.arguments(object);
  return document.name(*name) != "scalar" ||
         (!arguments.empty() && has_plain_numbers(document, arguments[0]));
}

std::optional<ValueId> class_name(const Document& document, ValueId value) {
  if (document.kind(value) == Kind::global) return value;
  if (document.kind(value) != Kind::persistent_id) return std::nullopt;
  const auto parts = document.elements(document.persistent(value));
  if (parts.size() < 2 || document.kind(parts[1]) != Kind::global) return std::nullopt;
  return parts[1];
}

std::optional<ValueId> callable_name(const Document& document, ValueId object) {
  return class_name(document, document.callable(object));
}

bool is_empty_ordered_dict(const Document& document, ValueId value) {
  if (document.kind(value) != Kind::object ||
      !document.is_global(document.callable(value), "collections", "OrderedDict") ||
      !document.pairs(value).empty() || document.state(value)) {
    return false;
  }
  // Python 2 passes the items as an argument: a list, which is empty here.
  const auto arguments = document.arguments(value);
  return arguments.empty() || (arguments.size() == 1 && document.elements(arguments[0]).empty());
}

}  // namespace aether2onnx::torch
