// The pass type(): chooses the type of each value in a graph.

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace aether2onnx::graph {

namespace {

constexpr double kLargestFloat16 = 65504;

// Returns whether a node computes statistics of many values, for example a mean.
bool is_normalization(const Node& node) {
  return node.op == kChannelNormalization ||
         is_one_of("LayerNormalization GlobalAveragePool", node.op);
}

bool is_sum(const Node& node) { return is_one_of("Add Sub", node.op); }

// Returns whether a node is a "follower": an operator that only moves values, or only scales
// negative values (LeakyRelu). Followers take whichever type avoids a Cast.
bool is_follower(const Node& node) {
  return is_one_of("Transpose DepthToSpace LeakyRelu", node.op);
}

// Returns whether the module path `path` is `block`, or a module within `block`.
bool is_within(std::string_view path, std::string_view block) {
  return path == block || (path.starts_with(block) && path[block.size()] == '.');
}

double largest_magnitude(const Initializer& initializer) {
  const TensorData data = initializer.load();
  double largest = 0;
  for (const double value : to_doubles(data.bytes, data.dtype)) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  return largest;
}

class Typer {
 public:
  Typer(const Graph& source, const ConvertOptions& options, bool read_weights,
        TypeDecisions& decisions)
      : source_(source),
        options_(options),
        compute_type_(compute_type(options.precision)),
        read_weights_(read_weights),
        decisions_(decisions),
        rewriter_(source, options.input_output() == IoType::fp32 ? DType::float32 : compute_type_),
        types_(source.values().size(), compute_type_) {}

  Graph run() {
    check_blocks();
    decide();
    Graph typed =
        rewriter_.run([this](const Node& node) { return rewriter_.copy(node, type_of(node)); });
    for (const Node& node : source_.nodes()) count(node);
    for (const Node& node : typed.nodes()) decisions_.casts += node.op == "Cast" ? 1U : 0U;
    return typed;
  }

 private:
  void check_blocks() const {
    for (const std::string& block : options_.fp32_blocks) {
      const bool known = !block.empty() &&
                         std::any_of(source_.nodes().begin(), source_.nodes().end(),
                                     [&](const Node& node) { return is_within(node.path, block); });
      if (known) continue;
      std::vector<std::string> blocks;
      for (const Node& node : source_.nodes()) {
        const std::string name = block_of(node.path);
        if (std::find(blocks.begin(), blocks.end(), name) == blocks.end()) blocks.push_back(name);
      }
      const std::string known_blocks = join(blocks, ", ");
      fail({ErrorKind::mismatch, "option-fp32-blocks", "fp32_blocks", known_blocks, block},
           "{} {}: the network has no part of this name. Its parts are {}.", option("fp32_blocks"),
           printable(block), known_blocks);
    }
  }

  bool is_forced(const Node& node) const {
    return std::any_of(options_.fp32_blocks.begin(), options_.fp32_blocks.end(),
                       [&](const std::string& block) { return is_within(node.path, block); });
  }

  DType type_of(const Node& node) const { return types_[node.output]; }

  // Chooses the type of each node. A follower (see is_follower()) first gets the type of its input.
  // If only nodes of the 16-bit type read its result, the follower then gets the 16-bit type.
  void decide() {
    std::vector<const Node*> followers;
    for (const Node& node : source_.nodes()) {
      DType type = own_type(node);
      if (type != DType::float32 && takes_float32(node)) {
        // If an input is float32, a sum stays float32 to keep the range of this input, and a
        // normalization stays float32 so that this input needs no Cast.
        if (is_sum(node) || is_normalization(node)) type = DType::float32;
        if (is_follower(node)) {
          type = DType::float32;
          followers.push_back(&node);
        }
      }
      types_[node.output] = type;
    }
    std::reverse(followers.begin(), followers.end());
    for (const Node* node : followers) {
      if (is_only_taken_as_half(node->output)) types_[node->output] = compute_type_;
    }
  }

  bool takes_float32(const Node& node) const {
    return std::any_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId input) { return types_[input] == DType::float32; });
  }

  bool is_only_taken_as_half(ValueId value) const {
    if (source_.is_output(value)) return false;
    bool taken = false;
    for (const Node& node : source_.nodes()) {
      if (std::find(node.inputs.begin(), node.inputs.end(), value) == node.inputs.end()) continue;
      if (type_of(node) == DType::float32) return false;
      taken = true;
    }
    return taken;
  }

  bool is_forced_operator(const Node& node) const {
    return std::find(options_.fp32_operators.begin(), options_.fp32_operators.end(), node.op) !=
           options_.fp32_operators.end();
  }

  DType own_type(const Node& node) {
    if (compute_type_ == DType::float32 || is_forced(node)) return DType::float32;
    if (is_forced_operator(node)) return DType::float32;
    if (options_.depthwise_fp32 && is_depthwise(node)) return DType::float32;
    if (!is_mixed(options_.precision)) return compute_type_;
    if (is_normalization(node) || has_constant(node)) return DType::float32;
    if (compute_type_ == DType::bfloat16 && (is_sum(node) || touches_image(node))) {
      return DType::float32;
    }
    if (node.op == "Conv" && has_weight_out_of_range(node)) {
      decisions_.out_of_range.push_back(node.path);
      return DType::float32;
    }
    return compute_type_;
  }

  // Returns whether the node adds or subtracts a constant, for example the image's mean.
  bool has_constant(const Node& node) const {
    return is_sum(node) && std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
             return rewriter_.initializer(input) != nullptr;
           });
  }

  // Returns whether a convolution reads the input image or makes the output image. Two kinds of
  // operators may come between the convolution and the graph's input or output: additions of a
  // constant (the image's mean), and operators such as Transpose (see is_follower()).
  bool touches_image(const Node& node) const {
    return node.op == "Conv" && (reads_image(node.inputs[0]) || makes_image(node.output));
  }

  bool passes_image(const Node& node) const { return has_constant(node) || is_follower(node); }

  bool reads_image(ValueId value) const {
    const auto& inputs = source_.inputs();
    if (std::find(inputs.begin(), inputs.end(), value) != inputs.end()) return true;
    return std::any_of(source_.nodes().begin(), source_.nodes().end(), [&](const Node& node) {
      return node.output == value && passes_image(node) && reads_image(node.inputs[0]);
    });
  }

  bool makes_image(ValueId value) const {
    if (source_.is_output(value)) return true;
    return std::any_of(source_.nodes().begin(), source_.nodes().end(), [&](const Node& node) {
      return node.inputs[0] == value && passes_image(node) && makes_image(node.output);
    });
  }

  bool has_weight_out_of_range(const Node& node) const {
    if (!read_weights_ || compute_type_ != DType::float16) return false;
    return std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
      const Initializer* initializer = rewriter_.initializer(input);
      return initializer != nullptr && largest_magnitude(*initializer) > kLargestFloat16;
    });
  }

  void count(const Node& node) {
    const bool is_float32 = type_of(node) == DType::float32;
    if (node.op == "Conv") {
      ++(is_float32 ? decisions_.float32_convolutions : decisions_.half_convolutions);
    }
    if (!is_float32) return;
    if (is_normalization(node)) ++decisions_.float32_normalizations;
    if (is_sum(node)) ++decisions_.float32_sums;
  }

  const Graph& source_;
  const ConvertOptions& options_;
  DType compute_type_;
  bool read_weights_;
  TypeDecisions& decisions_;
  Rewriter rewriter_;
  std::vector<DType> types_;  // by value: the type of the node that makes the value
};

}  // namespace

DType compute_type(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return DType::float32;
    case Precision::fp16:
    case Precision::mixed_fp16:
      return DType::float16;
    case Precision::bf16:
    case Precision::mixed_bf16:
      return DType::bfloat16;
  }
  return DType::float32;
}

Graph type(const Graph& graph, const ConvertOptions& options, bool read_weights,
           TypeDecisions& decisions) {
  return Typer(graph, options, read_weights, decisions).run();
}

}  // namespace aether2onnx::graph
