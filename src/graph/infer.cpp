// Infers the type and the shape of the result of each operator in a graph.

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "graph/graph.h"

namespace aether2onnx::graph {

namespace {

using Inputs = std::vector<const Value*>;
using Ints = std::vector<std::int64_t>;

template <typename T>
const T& attribute(const Attributes& attributes, const char* name) {
  const auto found = attributes.find(name);
  require(found != attributes.end() && std::holds_alternative<T>(found->second),
          "an operator lacks an attribute");
  return std::get<T>(found->second);
}

bool is_size(const Dim& dim, std::int64_t size) { return dim == Dim::fixed(size); }

Shape same(const Inputs& inputs, const Attributes& /*attributes*/) { return inputs[0]->shape; }

// Returns the shape of a convolution's result. Convolutions in our graphs have stride 1, and
// padding that keeps height and width.
Shape conv(const Inputs& inputs, const Attributes& attributes) {
  require(inputs.size() == 2 || inputs.size() == 3, "Conv must have two or three inputs");
  const Shape& x = inputs[0]->shape;
  const Shape& w = inputs[1]->shape;
  const auto group = attribute<std::int64_t>(attributes, "group");
  const auto& kernel = attribute<Ints>(attributes, "kernel_shape");
  const auto& pads = attribute<Ints>(attributes, "pads");
  require(x.size() == 4 && w.size() == 4 && kernel.size() == 2 && pads.size() == 4,
          "the input and the weight of Conv must have rank 4");
  require(is_size(x[1], w[1].value * group) && w[0].value % group == 0,
          "the channels of Conv's input and weight don't fit");
  require(is_size(w[2], kernel[0]) && is_size(w[3], kernel[1]),
          "the kernel_shape of Conv differs from its weight");
  require(pads[0] + pads[2] == kernel[0] - 1 && pads[1] + pads[3] == kernel[1] - 1,
          "Conv must keep the picture's size");
  require(inputs.size() == 2 || inputs[2]->shape == Shape{w[0]},
          "the bias of Conv has a wrong size");
  return {x[0], w[0], x[2], x[3]};
}

// Returns the shape of the result of a binary operator, as ONNX's broadcasting defines the shape:
// from the last axis on, the two sizes of an axis must be equal, or one of the sizes must be 1.
Shape broadcast(const Inputs& inputs, const Attributes& /*attributes*/) {
  require(inputs.size() == 2, "a binary operator must have two inputs");
  Shape longer = inputs[0]->shape;
  Shape shorter = inputs[1]->shape;
  if (longer.size() < shorter.size()) std::swap(longer, shorter);
  for (std::size_t i = 1; i <= shorter.size(); ++i) {
    Dim& a = longer[longer.size() - i];
    const Dim& b = shorter[shorter.size() - i];
    if (a == b || is_size(b, 1)) continue;
    require(is_size(a, 1), "the shapes of a binary operator's inputs don't fit");
    a = b;
  }
  return longer;
}

Shape transpose(const Inputs& inputs, const Attributes& attributes) {
  const Shape& x = inputs[0]->shape;
  const Ints& permutation = attribute<Ints>(attributes, "perm");
  require(permutation.size() == x.size(),
          "the perm of Transpose must have one number for each axis");
  Shape result;
  for (const std::int64_t axis : permutation) {
    result.push_back(x.at(static_cast<std::size_t>(axis)));
  }
  return result;
}

Shape layer_normalization(const Inputs& inputs, const Attributes& attributes) {
  require(inputs.size() == 3 && attribute<std::int64_t>(attributes, "axis") == -1,
          "LayerNormalization must have three inputs and the axis -1");
  const Shape& x = inputs[0]->shape;
  require(!x.empty() && inputs[1]->shape == Shape{x.back()} && inputs[2]->shape == Shape{x.back()},
          "the scale and bias of LayerNormalization must have the size of the last axis");
  return x;
}

Shape channel_normalization(const Inputs& inputs, const Attributes& /*attributes*/) {
  require(inputs.size() == 3 && inputs[0]->shape.size() == 4,
          "ChannelNormalization must have three inputs, the first of rank 4");
  const Shape each{inputs[0]->shape[1], Dim::fixed(1), Dim::fixed(1)};
  require(inputs[1]->shape == each && inputs[2]->shape == each,
          "the scale and bias of ChannelNormalization must be (C, 1, 1)");
  return inputs[0]->shape;
}

Shape depth_to_space(const Inputs& inputs, const Attributes& attributes) {
  Shape x = inputs[0]->shape;
  const auto factor = attribute<std::int64_t>(attributes, "blocksize");
  require(x.size() == 4 && x[1].symbol == Symbol::none && x[1].value % (factor * factor) == 0,
          "the channels of DepthToSpace must be a multiple of blocksize * blocksize");
  x[1].value /= factor * factor;
  x[2].value *= factor;
  x[3].value *= factor;
  return x;
}

// Returns the shape after ReduceMax or ReduceMean. The axes are an input from opset 18 on, and an
// attribute in older opsets.
Shape reduce(const Inputs& inputs, const Attributes& attributes) {
  Shape x = inputs[0]->shape;
  const Ints& axes = inputs.size() > 1 ? inputs[1]->integers : attribute<Ints>(attributes, "axes");
  require(axes.size() == 1 && attribute<std::int64_t>(attributes, "keepdims") == 1,
          "a reduction must have one axis and keepdims 1");
  const auto rank = static_cast<std::int64_t>(x.size());
  const std::int64_t axis = axes[0] < 0 ? axes[0] + rank : axes[0];
  require(axis >= 0 && axis < rank, "the axis of a reduction doesn't exist");
  x[static_cast<std::size_t>(axis)] = Dim::fixed(1);
  return x;
}

Shape concat(const Inputs& inputs, const Attributes& attributes) {
  Shape result = inputs[0]->shape;
  const auto axis = static_cast<std::size_t>(attribute<std::int64_t>(attributes, "axis"));
  require(axis < result.size() && result[axis].symbol == Symbol::none,
          "the axis of Concat doesn't exist or has no fixed size");
  result[axis].value = 0;
  for (const Value* input : inputs) {
    Shape other = input->shape;
    require(other.size() == result.size() && other[axis].symbol == Symbol::none,
            "the inputs of Concat must have the same rank");
    result[axis].value += other[axis].value;
    other[axis] = result[axis];
    require(other == result,
            "the inputs of Concat may differ in size only along the axis of Concat");
  }
  return result;
}

Shape global_pool(const Inputs& inputs, const Attributes& /*attributes*/) {
  Shape x = inputs[0]->shape;
  require(x.size() == 4, "the input of GlobalAveragePool must have rank 4");
  x[2] = x[3] = Dim::fixed(1);
  return x;
}

// Returns the shape of a matrix product over the last axis of the first input.
Shape matmul(const Inputs& inputs, const Attributes& /*attributes*/) {
  require(inputs.size() == 2 && inputs[1]->shape.size() == 2 && !inputs[0]->shape.empty(),
          "the second input of MatMul must be a matrix");
  Shape x = inputs[0]->shape;
  require(x.back() == inputs[1]->shape[0], "the sizes of MatMul's inputs don't fit");
  x.back() = inputs[1]->shape[1];
  return x;
}

struct Row {
  std::string_view ops;  // names of operators, separated by blanks
  Shape (*shape)(const Inputs& inputs, const Attributes& attributes);
};

constexpr std::array kOperators = {
    Row{"Add Sub Mul Div Pow", broadcast},
    Row{"Cast Erf Gelu LeakyRelu Relu Sigmoid Sqrt", same},
    Row{"Concat", concat},
    Row{"Conv", conv},
    Row{"DepthToSpace", depth_to_space},
    Row{"GlobalAveragePool", global_pool},
    Row{"LayerNormalization", layer_normalization},
    Row{kChannelNormalization, channel_normalization},
    Row{"MatMul", matmul},
    Row{"ReduceMax ReduceMean", reduce},
    Row{"Transpose", transpose},
};

}  // namespace

Value infer(const std::string& op, const std::vector<const Value*>& inputs,
            const Attributes& attributes) {
  require(!inputs.empty(), "an operator must have inputs");
  for (const Value* input : inputs) {
    require(input->dtype == inputs[0]->dtype || !input->integers.empty(),
            "all inputs of an operator must have the same type");
  }
  DType dtype = inputs[0]->dtype;
  if (op == "Cast") {
    const auto to = onnx::dtype_of(static_cast<int>(attribute<std::int64_t>(attributes, "to")));
    require(to && is_weight_dtype(*to), "the target of a Cast must be a known weight type");
    dtype = *to;
  }
  for (const Row& row : kOperators) {
    if (is_one_of(row.ops, op)) return {{}, dtype, row.shape(inputs, attributes)};
  }
  defect("the shape inference of an operator is missing");
}

const std::vector<std::string>& computing_operators() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Row& row : kOperators) {
      for (const std::string_view op : split(row.ops, ' ')) {
        if (op != "Cast" && op != kChannelNormalization) result.emplace_back(op);
      }
    }
    return result;
  }();
  return names;
}

}  // namespace aether2onnx::graph
