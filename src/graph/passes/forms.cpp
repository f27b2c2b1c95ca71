// The passes split_kernels_over() and projections_as_matmul(). Both passes replace convolutions by
// operators that ONNX Runtime's CUDA provider runs faster (docs/performance.md).

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace aether2onnx::graph {

namespace {

using Ints = std::vector<std::int64_t>;

std::vector<std::int64_t> sizes_of(const Value& value) {
  std::vector<std::int64_t> sizes;
  for (const Dim& dim : value.shape) sizes.push_back(dim.value);
  return sizes;
}

std::int64_t group_of(const Node& node) {
  return std::get<std::int64_t>(node.attributes.at("group"));
}

// --- split_kernels_over(): large kernels --------------------------------------------------------

constexpr std::int64_t kPart = 7;                 // height and width of the small kernels
constexpr std::int64_t kLargest = 2 * kPart - 1;  // a larger kernel would need negative padding

// Two small kernels together cover all rows (or columns) of a large kernel, and overlap. Part
// describes one small kernel: it covers `kPart` rows, from row `begin` of the large kernel on. The
// second small kernel has zeros in the rows before row `fresh` of the large kernel, because the
// first small kernel contains these rows already.
struct Part {
  std::int64_t begin = 0;
  std::int64_t fresh = 0;
};

std::array<Part, 2> parts_of(std::int64_t kernel) { return {{{0, 0}, {kernel - kPart, kPart}}}; }

// Returns the loader of one small kernel (C, 1, kPart, kPart). The loader cuts this kernel out of
// the large kernel (C, 1, K, K) that `load` returns.
TensorLoader part_of(TensorLoader load, std::int64_t channels, std::int64_t kernel, Part rows,
                     Part columns) {
  return [load = std::move(load), channels, kernel, rows, columns] {
    const TensorData whole = load();
    const std::size_t size = size_of(whole.dtype);
    require(whole.bytes.size() == static_cast<std::size_t>(channels * kernel * kernel) * size,
            "the depthwise kernel has a wrong size");
    TensorData part{whole.dtype, {channels, 1, kPart, kPart}, {}};
    part.bytes.resize(static_cast<std::size_t>(channels * kPart * kPart) * size);
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t y = rows.fresh - rows.begin; y < kPart; ++y) {
        const std::int64_t x = columns.fresh - columns.begin;
        const std::int64_t from = (c * kernel + rows.begin + y) * kernel + columns.fresh;
        const std::int64_t to = (c * kPart + y) * kPart + x;
        std::copy_n(whole.bytes.begin() + from * static_cast<std::int64_t>(size),
                    (kPart - x) * static_cast<std::int64_t>(size),
                    part.bytes.begin() + to * static_cast<std::int64_t>(size));
      }
    }
    return part;
  };
}

class Splitter {
 public:
  Splitter(const Graph& source, int size) : rewriter_(source), size_(size) {}

  Graph run() {
    return rewriter_.run(
        [this](const Node& node) { return is_large(node) ? split(node) : rewriter_.copy(node); });
  }

 private:
  bool is_large(const Node& node) const {
    if (!is_depthwise(node) || rewriter_.initializer(node.inputs[1]) == nullptr) return false;
    const Ints sizes = sizes_of(rewriter_.source.value(node.inputs[1]));
    return sizes[1] == 1 && sizes[2] == sizes[3] && sizes[2] > size_ && sizes[2] <= kLargest;
  }

  ValueId split(const Node& node) {
    const Value& weight = rewriter_.source.value(node.inputs[1]);
    const Ints sizes = sizes_of(weight);
    const std::int64_t kernel = sizes[2];
    const std::int64_t centre = kernel / 2;
    const ValueId x = rewriter_.use(node.inputs[0], weight.dtype, node.path);
    std::vector<ValueId> sums;
    for (const Part rows : parts_of(kernel)) {
      std::vector<ValueId> row;
      for (const Part columns : parts_of(kernel)) {
        Attributes attributes = node.attributes;
        attributes["kernel_shape"] = Ints{kPart, kPart};
        attributes["pads"] =
            Ints{centre - rows.begin, centre - columns.begin, rows.begin + kPart - 1 - centre,
                 columns.begin + kPart - 1 - centre};
        const ValueId part = rewriter_.target.add_parameter(
            fmt::format("{}/{}_{}", weight.name, rows.begin, columns.begin), weight.dtype,
            Ints{sizes[0], 1, kPart, kPart},
            part_of(rewriter_.initializer(node.inputs[1])->load, sizes[0], kernel, rows, columns));
        std::vector<ValueId> inputs = {x, part};
        const bool first = sums.empty() && row.empty();
        if (first && node.inputs.size() > 2) {
          inputs.push_back(rewriter_.use(node.inputs[2], weight.dtype, node.path));
        }
        row.push_back(rewriter_.target.add_node(node.path, "Conv", std::move(inputs), attributes));
      }
      sums.push_back(rewriter_.target.add_node(node.path, "Add", {row[0], row[1]}));
    }
    return rewriter_.target.add_node(node.path, "Add", {sums[0], sums[1]});
  }

  Rewriter rewriter_;
  std::int64_t size_;
};

// --- projections_as_matmul(): 1 x 1 convolutions ------------------------------------------------

const Ints kToChannelsLast = {0, 2, 3, 1};
const Ints kToChannelsFirst = {0, 3, 1, 2};

// Returns a loader that calls `load`, and transposes the loaded weight from (O, I, 1, 1) to (I, O).
TensorLoader transposed(TensorLoader load, std::int64_t rows, std::int64_t columns) {
  return [load = std::move(load), rows, columns] {
    const TensorData before = load();
    const std::size_t size = size_of(before.dtype);
    require(before.bytes.size() == static_cast<std::size_t>(rows * columns) * size,
            "the weight of the projection has a wrong size");
    TensorData after{before.dtype, {columns, rows}, {}};
    after.bytes.resize(before.bytes.size());
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        std::copy_n(
            before.bytes.begin() + (row * columns + column) * static_cast<std::int64_t>(size), size,
            after.bytes.begin() + (column * rows + row) * static_cast<std::int64_t>(size));
      }
    }
    return after;
  };
}

class Projector {
 public:
  explicit Projector(const Graph& source)
      : rewriter_(source), is_last_(source.values().size(), false) {}

  Graph run() {
    for (const Node& node : rewriter_.source.nodes()) {
      const bool last = is_transpose_back(node) || is_projection(node) || is_between(node);
      is_last_[node.output] = last && !rewriter_.source.is_output(node.output);
    }
    return rewriter_.run([this](const Node& node) { return replace(node); });
  }

 private:
  bool is_constant(ValueId value) const { return rewriter_.initializer(value) != nullptr; }

  static bool is_transpose_back(const Node& node) {
    return node.op == "Transpose" && std::get<Ints>(node.attributes.at("perm")) == kToChannelsFirst;
  }

  // Returns whether a node is a 1 x 1 convolution that reads a feature map. Returns false for the
  // 1 x 1 convolutions of channel attention, which read a mean over all pixels.
  bool is_projection(const Node& node) const {
    if (node.op != "Conv" || group_of(node) != 1 || !is_constant(node.inputs[1])) return false;
    if (node.inputs.size() > 2 && !is_constant(node.inputs[2])) return false;
    const Shape& weight = rewriter_.source.value(node.inputs[1]).shape;
    const Shape& x = rewriter_.source.value(node.inputs[0]).shape;
    const Dim one = Dim::fixed(1);
    const bool of_mean = x[2] == one && x[3] == one;
    return weight[2] == one && weight[3] == one && !of_mean;
  }

  // Returns whether a node is an element-wise operator on NHWC values (and on scalar constants).
  // The result of this operator is also NHWC, so that the graph needs fewer Transposes.
  bool is_between(const Node& node) const {
    static constexpr std::array<std::string_view, 10> names = {
        "Add", "Sub", "Mul", "Div", "Cast", "Gelu", "Erf", "Sigmoid", "Relu", "LeakyRelu"};
    if (std::find(names.begin(), names.end(), node.op) == names.end()) return false;
    bool any = false;
    for (const ValueId input : node.inputs) {
      if (is_constant(input)) {
        if (!rewriter_.source.value(input).shape.empty()) return false;
      } else if (!is_last_[input]) {
        return false;
      } else {
        any = true;
      }
    }
    return any;
  }

  DType type_of(ValueId value) const { return rewriter_.source.value(value).dtype; }

  ValueId transpose(ValueId value, const Ints& perm, const std::string& path) {
    const auto [known, is_new] = transposed_.try_emplace(value);
    if (is_new)
      known->second = rewriter_.target.add_node(path, "Transpose", {value}, {{"perm", perm}});
    return known->second;
  }

  // `value` belongs to the old graph. Returns the value that replaces `value` in the new graph, in
  // NHWC if `last`, else in NCHW. Adds a Transpose if necessary.
  ValueId use(ValueId value, bool last, const std::string& path) {
    const ValueId made = rewriter_.use(value, type_of(value), path);
    if (is_constant(value) || is_last_[value] == last) return made;
    return transpose(made, last ? kToChannelsLast : kToChannelsFirst, path);
  }

  ValueId replace(const Node& node) {
    const bool last = is_last_[node.output];
    if (last && is_transpose_back(node)) {
      return rewriter_.use(node.inputs[0], type_of(node.inputs[0]), node.path);
    }
    if (is_projection(node)) {
      const ValueId made = project(node);
      return last ? made : transpose(made, kToChannelsFirst, node.path);
    }
    std::vector<ValueId> inputs;
    for (const ValueId input : node.inputs) inputs.push_back(use(input, last, node.path));
    return rewriter_.target.add_node(node.path, node.op, std::move(inputs), node.attributes);
  }

  ValueId project(const Node& node) {
    const Value& weight = rewriter_.source.value(node.inputs[1]);
    const std::int64_t out = weight.shape[0].value;
    const std::int64_t in = weight.shape[1].value;
    const ValueId matrix = rewriter_.target.add_parameter(
        weight.name, weight.dtype, Ints{in, out},
        transposed(rewriter_.initializer(node.inputs[1])->load, out, in));
    const ValueId x = use(node.inputs[0], true, node.path);
    const ValueId product = rewriter_.target.add_node(node.path, "MatMul", {x, matrix});
    if (node.inputs.size() < 3) return product;
    const ValueId bias = rewriter_.use(node.inputs[2], weight.dtype, node.path);
    return rewriter_.target.add_node(node.path, "Add", {product, bias});
  }

  Rewriter rewriter_;
  std::vector<bool> is_last_;              // by value of `source`: is NHWC in `target`
  std::map<ValueId, ValueId> transposed_;  // by value of `target`: its Transpose
};

}  // namespace

Graph split_kernels_over(const Graph& graph, int size) {
  require(size >= kPart,
          "split_kernels_over is less than the size of the kernels that a split makes");
  return Splitter(graph, size).run();
}

Graph projections_as_matmul(const Graph& graph) { return Projector(graph).run(); }

}  // namespace aether2onnx::graph
