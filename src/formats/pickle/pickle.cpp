#include "formats/pickle/pickle.h"

#include <fmt/format.h>

#include "base/text.h"

namespace aether2onnx::pickle {

std::span<const ValueId> Document::elements(ValueId value) const {
  const std::uint32_t container = values_[value].container;
  if (container == kNoContainer) return {};
  return containers_[container].elements;
}

std::span<const std::pair<ValueId, ValueId>> Document::pairs(ValueId value) const {
  const std::uint32_t container = values_[value].container;
  if (container == kNoContainer) return {};
  return containers_[container].pairs;
}

bool Document::is_global(ValueId value, std::string_view module, std::string_view name) const {
  return kind(value) == Kind::global && values_[value].text == module &&
         values_[value].second_text == name;
}

std::span<const ValueId> Document::arguments(ValueId value) const {
  const ValueId arguments = values_[value].second;
  if (arguments == kNoValue || kind(arguments) != Kind::tuple) return {};
  return elements(arguments);
}

std::optional<ValueId> Document::state(ValueId value) const {
  if (values_[value].state == kNoValue) return std::nullopt;
  return values_[value].state;
}

bool is_scalar(Kind kind) {
  return kind == Kind::none || kind == Kind::boolean || kind == Kind::integer ||
         kind == Kind::big_integer || kind == Kind::real || kind == Kind::string ||
         kind == Kind::bytes || kind == Kind::global;
}

std::string describe(const Document& document, ValueId value) {
  switch (document.kind(value)) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return document.boolean(value) ? "True" : "False";
    case Kind::integer:
      return fmt::format("the number {}", document.integer(value));
    case Kind::big_integer:
      return "a number of over 64 bits";
    case Kind::real:
      return fmt::format("the number {}", document.real(value));
    case Kind::string:
      return fmt::format("the text '{}'", printable(document.text(value), 60));
    case Kind::bytes:
      return "a byte string";
    case Kind::tuple:
      return "a tuple";
    case Kind::list:
      return "a list";
    case Kind::set:
      return "a set";
    case Kind::dict:
      return "a dict";
    case Kind::global:
      return fmt::format("{}.{}", printable(document.module(value), 80),
                         printable(document.name(value), 80));
    case Kind::object: {
      const ValueId callable = document.callable(value);
      if (document.kind(callable) != Kind::global) return "an object";
      return fmt::format("an object of {}.{}", printable(document.module(callable), 80),
                         printable(document.name(callable), 80));
    }
    case Kind::persistent_id:
      return "a reference to data outside the pickle";
  }
  return "a value";
}

}  // namespace aether2onnx::pickle
