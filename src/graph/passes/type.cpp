#include "graph/passes/type.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::precision {

namespace {

using graph::Graph;
using graph::Initializer;
using graph::Node;
using graph::ValueId;

constexpr double kLargestFloat16 = 65504;

template <std::size_t Count>
bool is_one_of(const std::string& op, const std::array<std::string_view, Count>& ops) {
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

// What statistics are made of.
bool is_normalization(const Node& node) {
  return is_one_of(
      node.op, std::array<std::string_view, 3>{"LayerNormalization", graph::kChannelNormalization,
                                               "GlobalAveragePool"});
}

bool is_sum(const Node& node) {
  return is_one_of(node.op, std::array<std::string_view, 2>{"Add", "Sub"});
}

// What gives values that it got, or nearly so: it has whatever type spares a cast.
bool is_follower(const Node& node) {
  return is_one_of(node.op,
                   std::array<std::string_view, 3>{"Transpose", "DepthToSpace", "LeakyRelu"});
}

// Whether `path` is `block` or lies within it.
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
  Typer(const Graph& source, const Options& options, bool read_weights)
      : source_(source),
        options_(options),
        heavy_(heavy_type(options.precision)),
        read_weights_(read_weights) {
    for (const Initializer& initializer : source.initializers()) {
      initializers_[initializer.value] = &initializer;
    }
  }

  Typed run() {
    check_blocks();
    decide();
    Graph& target = result_.graph;
    target.name = source_.name;
    target.scale = source_.scale;
    moved_.assign(source_.values().size(), graph::kNoInput);
    const DType edge = options_.edges() == IoType::fp32 ? DType::float32 : heavy_;
    for (const ValueId id : source_.inputs()) {
      const graph::Value& value = source_.value(id);
      moved_[id] = target.add_input(value.name, edge, value.shape);
    }
    for (std::size_t i = 0; i < source_.nodes().size(); ++i) add(source_.nodes()[i], types_[i]);
    for (const ValueId id : source_.outputs()) {
      const std::string& name = source_.value(id).name;
      target.set_output(as_type(moved_.at(id), edge, name), name);
    }
    return std::move(result_);
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
        const std::string name = graph::block_of(node.path);
        if (std::find(blocks.begin(), blocks.end(), name) == blocks.end()) blocks.push_back(name);
      }
      fail(ErrorKind::mismatch, "--fp32_blocks {}: the network has no such part. Its parts are {}.",
           printable(block), join(blocks, ", "));
    }
  }

  bool is_forced(const Node& node) const {
    return std::any_of(options_.fp32_blocks.begin(), options_.fp32_blocks.end(),
                       [&](const std::string& block) { return is_within(node.path, block); });
  }

  // The type of each node. What follows has its input's type, or else that of all who take what it
  // makes.
  void decide() {
    std::vector<std::size_t> followers;
    made_.assign(source_.values().size(), heavy_);
    for (const Node& node : source_.nodes()) {
      DType type = own_type(node);
      if (type != DType::float32 && takes_float32(node)) {
        // A sum keeps the range of its terms, and a normalization needs no cast in between.
        if (is_sum(node) || is_normalization(node)) type = DType::float32;
        if (is_follower(node)) {
          type = DType::float32;
          followers.push_back(types_.size());
        }
      }
      made_[node.output] = type;
      types_.push_back(type);
    }
    std::reverse(followers.begin(), followers.end());
    for (const std::size_t index : followers) {
      if (is_only_taken_as_half(source_.nodes()[index].output)) types_[index] = heavy_;
    }
  }

  bool takes_float32(const Node& node) const {
    return std::any_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId input) { return made_[input] == DType::float32; });
  }

  bool is_only_taken_as_half(ValueId value) const {
    if (source_.is_output(value)) return false;
    bool taken = false;
    for (std::size_t i = 0; i < source_.nodes().size(); ++i) {
      const auto& inputs = source_.nodes()[i].inputs;
      if (std::find(inputs.begin(), inputs.end(), value) == inputs.end()) continue;
      if (types_[i] == DType::float32) return false;
      taken = true;
    }
    return taken;
  }

  DType own_type(const Node& node) {
    if (heavy_ == DType::float32 || is_forced(node)) return DType::float32;
    if (options_.depthwise_fp32 && graph::is_depthwise(node)) return DType::float32;
    if (!is_mixed(options_.precision)) return heavy_;
    if (is_normalization(node) || has_constant(node)) return DType::float32;
    if (heavy_ == DType::bfloat16 && (is_sum(node) || touches_image(node))) return DType::float32;
    if (node.op == "Conv" && has_weight_out_of_range(node)) {
      result_.out_of_range.push_back(node.path);
      return DType::float32;
    }
    return heavy_;
  }

  // A formula's constant: the image's mean, which is subtracted or added.
  bool has_constant(const Node& node) const {
    return is_sum(node) && std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
             return initializers_.contains(input);
           });
  }

  // A convolution that reads the image, or makes it: nothing between it and the graph's edge but
  // the mean and what moves values.
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
    if (!read_weights_ || heavy_ != DType::float16) return false;
    return std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
      const auto initializer = initializers_.find(input);
      return initializer != initializers_.end() &&
             largest_magnitude(*initializer->second) > kLargestFloat16;
    });
  }

  void add(const Node& node, DType type) {
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) {
      const auto initializer = initializers_.find(id);
      inputs.push_back(initializer == initializers_.end() ? as_type(moved_.at(id), type, node.path)
                                                          : constant(*initializer->second, type));
    }
    moved_[node.output] =
        result_.graph.add_node(node.path, node.op, std::move(inputs), node.attributes);
    if (node.op == "Conv" && type != DType::float32) ++result_.half_convolutions;
    if (type != DType::float32) return;
    if (node.op == "Conv") ++result_.float32_convolutions;
    if (is_normalization(node)) ++result_.float32_normalizations;
    if (is_sum(node)) ++result_.float32_sums;
  }

  // The value in that type: itself, or cast, once for all who ask.
  ValueId as_type(ValueId value, DType type, const std::string& path) {
    Graph& target = result_.graph;
    if (target.value(value).dtype == type) return value;
    const auto [known, is_new] = casts_.try_emplace({value, type}, graph::kNoInput);
    if (is_new) {
      known->second = target.add_node(path, "Cast", {value}, {{"to", graph::cast_type(type)}});
      ++result_.casts;
    }
    return known->second;
  }

  ValueId constant(const Initializer& initializer, DType type) {
    const auto [known, is_new] = constants_.try_emplace({initializer.value, type}, graph::kNoInput);
    if (is_new) known->second = graph::copy_initializer(source_, initializer, type, result_.graph);
    return known->second;
  }

  const Graph& source_;
  const Options& options_;
  DType heavy_;
  bool read_weights_;
  Typed result_;
  std::vector<DType> types_;  // of the nodes
  std::vector<DType> made_;   // of what they make, by value
  std::map<ValueId, const Initializer*> initializers_;
  std::vector<ValueId> moved_;
  std::map<std::pair<ValueId, DType>, ValueId> casts_;
  std::map<std::pair<ValueId, DType>, ValueId> constants_;
};

}  // namespace

bool is_mixed(Precision precision) {
  return precision == Precision::mixed_fp16 || precision == Precision::mixed_bf16;
}

DType heavy_type(Precision precision) {
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

Typed apply(const graph::Graph& graph, const Options& options, bool read_weights) {
  return Typer(graph, options, read_weights).run();
}

}  // namespace aether2onnx::precision
