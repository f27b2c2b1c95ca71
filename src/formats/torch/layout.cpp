#include "formats/torch/layout.h"

#include "base/checked.h"
#include "base/limits.h"
#include "formats/torch/storage_table.h"

namespace aether2onnx::torch {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

std::vector<std::int64_t> sizes(const Document& document, ValueId value, const char* what) {
  if (document.kind(value) == Kind::object &&
      document.is_global(document.callable(value), "torch", "Size") &&
      document.arguments(value).size() == 1) {
    value = document.arguments(value)[0];
  }
  const Kind kind = document.kind(value);
  if (kind != Kind::tuple && kind != Kind::list) {
    no_tensor("torch-tensor-layout", "is a tensor whose {} is {}", what,
              pickle::describe(document, value));
  }
  const auto elements = document.elements(value);
  if (elements.size() > limits::kTensorRank) {
    no_tensor("torch-tensor-rank", "is a tensor with too many dimensions ({})", elements.size());
  }
  std::vector<std::int64_t> result;
  for (const ValueId element : elements) {
    if (document.kind(element) != Kind::integer || document.integer(element) < 0) {
      no_tensor("torch-tensor-layout", "is a tensor whose {} has {} in it", what,
                pickle::describe(document, element));
    }
    result.push_back(document.integer(element));
  }
  return result;
}

std::optional<std::int64_t> reach(const formats::Tensor& tensor) {
  std::optional<std::int64_t> last = 0;
  for (std::size_t i = 0; i < tensor.shape.size() && last; ++i) {
    const auto step = checked_multiply(tensor.shape[i] - 1, tensor.strides[i]);
    last = step ? checked_add(*last, *step) : std::nullopt;
  }
  return last;
}

}  // namespace aether2onnx::torch
