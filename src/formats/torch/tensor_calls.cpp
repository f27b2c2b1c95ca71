// Recognises the calls that rebuild tensors, without reading the tensors.

#include "base/limits.h"
#include "formats/torch/calls.h"
#include "formats/torch/storage_ids.h"
#include "formats/torch/torch.h"

namespace aether2onnx::torch {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

std::string_view rebuild_function(const Document& document, ValueId value) {
  if (document.kind(value) != Kind::object) return {};
  const ValueId callable = document.callable(value);
  if (document.kind(callable) != Kind::global) return {};
  const std::string_view module = document.module(callable);
  const std::string_view name = document.name(callable);
  // torch.tensor is the old name of torch._tensor. When PyTorch loads a zip container, PyTorch
  // replaces the old name by the new name.
  const bool rebuilds =
      (module == "torch._utils" || module == "torch._tensor" || module == "torch.tensor") &&
      name.starts_with("_rebuild_");
  return rebuilds ? name : std::string_view{};
}

bool is_tensor(const Document& document, ValueId value) {
  return !rebuild_function(document, value).empty();
}

bool may_be_weight(const Document& document, ValueId value) {
  // Each round of the loop examines one call. If the call rebuilds a torch.nn.Parameter, the first
  // argument is a tensor, and the next round examines this tensor. If the call rebuilds a tensor,
  // the first arguments are storage, offset and size.
  for (int depth = 0; depth < limits::kTensorCalls && is_tensor(document, value); ++depth) {
    auto arguments = document.arguments(value);
    if (arguments.size() > 2 && document.kind(arguments[0]) == Kind::global) {
      arguments = document.elements(arguments[2]);  // the arguments of the inner call
    }
    if (arguments.empty()) return true;
    if (is_tensor(document, arguments[0])) {
      value = arguments[0];
      continue;
    }
    if (arguments.size() > 2 && document.kind(arguments[2]) == Kind::tuple &&
        document.elements(arguments[2]).empty()) {
      return false;
    }
    const auto id = storage_id(document, arguments[0]);
    const auto dtype = id ? id->dtype() : std::nullopt;
    return !dtype || !is_counter_dtype(*dtype);
  }
  return is_tensor(document, value);
}

std::string describe(const Document& document, ValueId value) {
  if (document.kind(value) == Kind::object) {
    const ValueId callable = document.callable(value);
    if (document.kind(callable) == Kind::persistent_id) {
      const ValueId id = document.persistent(callable);
      const auto parts = document.elements(id);
      if (document.kind(id) == Kind::tuple && parts.size() > 1 &&
          document.kind(parts[1]) == Kind::global) {
        return "an object of " + pickle::describe(document, parts[1]);
      }
    }
  }
  return pickle::describe(document, value);
}

}  // namespace aether2onnx::torch
