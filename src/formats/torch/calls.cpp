#include "formats/torch/calls.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_set>
#include <vector>

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
      check_numbers(value);
    }
  }

 private:
  template <typename... Args>
  void misuse(ValueId value, const char* code, fmt::format_string<Args...> format, Args&&... args) {
    if (ended_) return;
    ended_ = !report_({value, code, fmt::format(format, std::forward<Args>(args)...), true});
  }

  // Reports a call as not judged: a program may have written the call, but the arguments do not
  // show whether the call is harmless.
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
      // The pickle may call the result of another call. If the other call is a call of an unknown
      // name, the result may be a function, so report nothing. The functions and classes in the
      // table of known names (known_names.h) return data, tensors or layers. No program calls these
      // results, so report such a call as misuse.
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
    // Picklers write new arguments for each call. If many calls share one long list of arguments, a
    // small file can take very much time and memory to load.
    if (!arguments.empty() && !known_arguments_.insert(arguments.data()).second) {
      misuse(object, "torch-call", "{} is called with the arguments of another call",
             pickle::describe(document_, *name));
    }
    const std::string text = pickle::describe(document_, *name);
    if (!row->judged) not_judged(object, text);
    if (document_.module(*name).starts_with("numpy") && matcher_.may_be_honest(object)) {
      not_judged(object, text);
      return;
    }
    if (!matcher_.is_called_as(*row, document_.form(object), arguments) ||
        !is_nested_call_right(object, *row, arguments)) {
      const CallForm form = document_.form(object);
      misuse(object, "torch-call", "{} is called with ({}){}", text, arguments_text(arguments),
             form == CallForm::reduce   ? ""
             : form == CallForm::newobj ? " by the opcode NEWOBJ"
                                        : " by another opcode than REDUCE and NEWOBJ");
    }
    const bool is_layer = row->role == Role::layer;
    if ((is_layer && ++layers_ > limits::kLayers) ||
        (is_one_of("deque defaultdict", row->names) && ++chainable_ > limits::kChainable)) {
      misuse(object, "torch-call",
             "the file has too many layers, deques or defaultdicts, for example {}", text);
    }
    const bool has_items = !document_.pairs(object).empty();
    // Python 2 passes the items of an OrderedDict as an argument of the call. Python 3 sets the
    // items after a call without arguments. No program does both.
    const bool twice = row->names == "OrderedDict" && !arguments.empty();
    // Putting values into a tensor has an error code of its own, because old versions of PyTorch
    // then overwrite memory.
    const char* filled = row->role == Role::rebuild ? "torch-writes-into-tensor" : "torch-filled";
    if (has_items && (row->filled != "items" || twice)) {
      misuse(object, filled, "the pickle puts items into the result of {}", text);
    }
    if (!document_.elements(object).empty() && row->filled != "elements") {
      misuse(object, filled, "the pickle puts elements into the result of {}", text);
    }
    check_state(object, text, row_of_state(*row, arguments));
  }

  // `row` is the row of the called name in the table of known names (known_names.h). Returns the
  // row whose member `state` describes the state that the call's result may get. For most calls,
  // returns `row`. The call copyreg._reconstructor(class, …) makes an object of the class. For this
  // call, returns the row of the class if the class is known.
  const Row& row_of_state(const Row& row, std::span<const ValueId> arguments) const {
    if (row.names != "_reconstructor" || arguments.empty()) return row;
    const auto made_of = class_name(document_, arguments[0]);
    const Row* made =
        made_of ? find_row(document_.module(*made_of), document_.name(*made_of)) : nullptr;
    return made != nullptr ? *made : row;
  }

  void check_state(ValueId object, const std::string& text, const Row& row) {
    const auto state = document_.state(object);
    if (state && !known_states_.insert(*state).second) {
      misuse(object, "torch-state", "the result of {} gets the state of another object", text);
    }
    if (!state) {
      // A layer of torch.nn gets all its attributes from its state, so a state is required.
      if (row.role == Role::layer)
        misuse(object, "torch-state", "the result of {} is a layer, but gets no state", text);
    } else if (row.state.empty() || !matcher_.fits(row.state, *state)) {
      misuse(object, "torch-state", "the result of {} gets {} as its state", text,
             pickle::describe(document_, *state));
    }
  }

  // _rebuild_from_type_v2(function, type, arguments, state) calls `function` with `arguments`.
  // Returns whether the table of known names (known_names.h) allows these arguments for `function`.
  // Returns true for calls of other names.
  bool is_nested_call_right(ValueId object, const Row& row, std::span<const ValueId> arguments) {
    if (!row.names.starts_with("_rebuild_from_type") || arguments.size() < 3) return true;
    const Row* inner = find_row(document_.module(arguments[0]), document_.name(arguments[0]));
    if (inner == nullptr || inner == &row || inner->names.starts_with("_rebuild_from_type")) {
      return false;
    }
    if (!inner->judged) not_judged(object, pickle::describe(document_, arguments[0]));
    return matcher_.is_called_as(*inner, CallForm::reduce, document_.elements(arguments[2]));
  }

  // Reports a name of the table of known names (known_names.h) if Python cannot find the name,
  // because the pickle's protocol is too new or too old for the name.
  void check_name(ValueId name) {
    const std::string_view module = document_.module(name);
    if (find_row(module, document_.name(name)) == nullptr) return;
    // Python 3 translates names of Python 2 only up to protocol 2.
    if (document_.protocol() > 2 && (module == "__builtin__" || module == "copy_reg")) {
      misuse(name, "torch-name", "{} is a name of Python 2 in a pickle of protocol {}",
             pickle::describe(document_, name), document_.protocol());
    }
    // Below protocol 4, Python does not split a name at its dots, and so finds nothing.
    if (document_.protocol() < 4 && document_.name(name).find('.') != std::string_view::npos) {
      misuse(name, "torch-name",
             "{} is a name that needs protocol 4 or later, but the pickle has protocol {}",
             pickle::describe(document_, name), document_.protocol());
    }
  }

  void check_reference(ValueId reference) {
    if (const auto storage = storage_id(document_, reference)) {
      if (!storage->element_size()) {
        misuse(reference, "torch-reference",
               "a reference to a storage names {}.{}, which is no known storage class",
               printable(storage->module), printable(storage->name));
      } else if (storage->device == "meta") {
        misuse(reference, "torch-device", "a storage has the device 'meta', which has no data");
      } else if (!storage->has_known_device() && !ended_) {
        // An unknown device is no certain misuse: with map_location, PyTorch loads storages of any
        // device.
        ended_ = !report_(
            {reference, "torch-device",
             fmt::format("a storage has the unknown device '{}'", printable(storage->device, 60)),
             false});
      }
      return;
    }
    const ValueId id = document_.persistent(reference);
    const auto parts = document_.elements(id);
    // PyTorch writes a reference to a class as ("module", class, source file, source text). Source:
    // torch/serialization.py, _legacy_save.
    const bool is_class =
        document_.kind(id) == Kind::tuple && parts.size() == 4 &&
        document_.kind(parts[0]) == Kind::string && document_.text(parts[0]) == "module" &&
        document_.kind(parts[1]) == Kind::global && document_.kind(parts[2]) == Kind::string &&
        document_.kind(parts[3]) == Kind::string;
    if (is_class) {
      const std::string text = pickle::describe(document_, parts[1]);
      const Row* row = find_row(document_.module(parts[1]), document_.name(parts[1]));
      if (row != nullptr && row->role != Role::layer) {
        misuse(reference, "torch-class", "a reference to a class names {}, which is no layer",
               text);
      }
      // For each reference, torch.load looks for the source text of the class in the installed
      // Python files, which takes long. torch.save writes only one reference for each class.
      if (!known_classes_.insert(text).second) {
        misuse(reference, "torch-class", "the file refers to the class {} twice", text);
      }
    } else {
      misuse(reference, "torch-reference",
             "a reference to data outside the pickle ({}) names neither a storage nor a class",
             pickle::describe(document_, id));
    }
  }

  // Python takes equal numbers as one key of a dict: 1, 1.0, True, complex(1, 0) and numpy's 1. The
  // pickle reader finds equal keys only among Python's integers and real numbers. So
  // check_numbers() looks for a numpy number or complex number that is equal, or nearly equal, to
  // another key, and reports the two keys.
  void check_numbers(ValueId dict) {
    const auto pairs = document_.pairs(dict);
    const bool has_others = std::any_of(pairs.begin(), pairs.end(), [&](const auto& pair) {
      return document_.kind(pair.first) == Kind::object && number_of(pair.first);
    });
    if (!has_others) return;
    std::vector<std::pair<std::vector<double>, ValueId>> numbers;
    for (const auto& [key, item] : pairs) {
      std::optional<std::vector<double>> number;
      switch (document_.kind(key)) {
        case Kind::boolean:
          number = {document_.boolean(key) ? 1.0 : 0.0};
          break;
        case Kind::integer:
          number = {static_cast<double>(document_.integer(key))};
          break;
        case Kind::real:
          number = {document_.real(key)};
          break;
        case Kind::object:
          number = number_of(key);
          break;
        default:
          break;
      }
      if (!number || std::any_of(number->begin(), number->end(),
                                 [](double part) { return std::isnan(part); })) {
        continue;
      }
      if (number->size() == 2 && (*number)[1] == 0) number->pop_back();
      numbers.emplace_back(std::move(*number), key);
    }
    std::sort(numbers.begin(), numbers.end());
    for (std::size_t i = 1; i < numbers.size(); ++i) {
      const auto& [number, key] = numbers[i];
      const ValueId other = numbers[i - 1].second;
      const bool has_object =
          document_.kind(key) == Kind::object || document_.kind(other) == Kind::object;
      if (has_object && number == numbers[i - 1].first) {
        misuse(key, "torch-key", "two keys of a dict are the same number: {} and {}",
               pickle::describe(document_, other), pickle::describe(document_, key));
      }
    }
  }

  // Returns the value of a numpy number, or the real and the imaginary part of a complex number.
  // Returns nullopt for other objects.
  std::optional<std::vector<double>> number_of(ValueId object) {
    const auto name = callable_name(document_, object);
    if (!name) return std::nullopt;
    if (document_.name(*name) == "scalar") return matcher_.numpy_number(object);
    const auto parts = document_.arguments(object);
    if (document_.name(*name) != "complex" || parts.size() != 2 ||
        document_.kind(parts[0]) != Kind::real || document_.kind(parts[1]) != Kind::real) {
      return std::nullopt;
    }
    return std::vector{document_.real(parts[0]), document_.real(parts[1])};
  }

  // Checks `key`, which is a key of a dict or an element of a set. If `key` is an object, or a
  // tuple that contains objects, reports each object that Python cannot use as a key. Also reports
  // objects if the file has too many objects as keys.
  void check_key(ValueId key) {
    key_parts_.assign(1, key);
    // More rounds are not necessary, because the pickle reader refuses a tuple with more than
    // kTupleKeyValues values as a key.
    for (std::size_t i = 0; !key_parts_.empty() && i <= limits::kTupleKeyValues; ++i) {
      const ValueId part = key_parts_.back();
      key_parts_.pop_back();
      const auto elements = document_.elements(part);
      if (document_.kind(part) == Kind::tuple && elements.size() <= limits::kTupleKeyValues) {
        key_parts_.insert(key_parts_.end(), elements.begin(), elements.end());
      }
      if (document_.kind(part) != Kind::object) continue;
      // Some keys are objects whose hash a file can choose: numbers, sets, torch.Size. Many keys
      // with the same hash would make a dict slow, so count the keys that are objects.
      if (!may_be_key(document_, part) || ++object_keys_ > limits::kChosenKeys) {
        misuse(part, "torch-key",
               "a key of a dict or an element of a set is {}; this object can't be a key, or too "
               "many keys are objects",
               pickle::describe(document_, part));
      }
    }
  }

  const Document& document_;
  const std::function<bool(const Misuse&)>& report_;
  Matcher matcher_;
  std::vector<ValueId> key_parts_;
  std::unordered_set<const ValueId*> known_arguments_;
  std::unordered_set<std::string> known_classes_;
  std::unordered_set<ValueId> known_states_;
  std::size_t object_keys_ = 0;
  std::size_t layers_ = 0;
  std::size_t chainable_ = 0;  // deques and defaultdicts
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
  const auto arguments = document.arguments(object);
  if (document.name(*name) == "frozenset") {
    return arguments.empty() || pickle::may_be_set_key(document, document.elements(arguments[0]));
  }
  // A numpy scalar must be a number, not a text. Python would take a numpy text and an equal Python
  // text as one key, but this reader would take the texts as two keys.
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

bool may_be_layer(const Document& document, ValueId value) {
  if (document.kind(value) != Kind::object) return false;
  auto name = callable_name(document, value);
  if (name && document.name(*name) == "_reconstructor" && !document.arguments(value).empty()) {
    name = class_name(document, document.arguments(value)[0]);
  }
  if (!name) return false;
  const Row* row = find_row(document.module(*name), document.name(*name));
  return row == nullptr || row->role == Role::layer;
}

bool is_empty_ordered_dict(const Document& document, ValueId value) {
  if (document.kind(value) != Kind::object ||
      !document.is_global(document.callable(value), "collections", "OrderedDict") ||
      !document.pairs(value).empty() || document.state(value)) {
    return false;
  }
  // Python 2 passes the items of an OrderedDict as an argument: a list, which must be empty here.
  const auto arguments = document.arguments(value);
  return arguments.empty() || (arguments.size() == 1 && document.elements(arguments[0]).empty());
}

}  // namespace aether2onnx::torch
