/// @file
/// Which network a state dict is, and this network as data.
///
/// This folder owns all knowledge of AetherNet: its generations, their keys and shapes, their
/// forward passes. A description is a list of modules in the order of the forward pass. Its
/// parameters say how to get each weight from the state dict. Later folders work on the modules of
/// any network. A generation is one file with its row in the table in recognise.cpp.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include "state_dict/state_dict.h"

namespace aether2onnx::network {

/// How a weight follows from the state dict. Everything but a stored tensor is computed in float64.
/// Two operands are combined element by element, in row-major order, and the result has the shape
/// of the first operand. If the second operand has a single element, it counts for all elements.
struct Expression {
  enum class Kind {
    stored,       ///< The tensor `key`.
    constant,     ///< One element, `number`.
    add,          ///< a + b
    subtract,     ///< a - b
    multiply,     ///< a * b
    divide,       ///< a / b
    square_root,  ///< Of each element.
    /// Two kernels (O, I, K, K) and (O, I, k, k), k <= K, K - k even: the second kernel added to
    /// the middle of the first.
    centred_add,
    scale_rows,  ///< A weight (O, …) whose elements with index o are multiplied by b[o].
    apply,       ///< A matrix (O, I) or (O, I, 1, 1) times a vector b of I elements: (O).
    /// The operand rounded to the type in which a checkpoint keeps it: float64 if one of its
    /// tensors is stored as float64, float32 otherwise.
    rounded,
  };
  Kind kind = Kind::stored;
  std::string key;
  double number = 0;
  std::vector<Expression> operands;

  static Expression stored(std::string key);
  static Expression constant(double number);
  /// Of the kinds with operands.
  static Expression of(Kind kind, Expression a);
  static Expression of(Kind kind, Expression a, Expression b);
};

/// A weight of the network. Its name is its key in a state dict.
struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  Expression value;
  std::size_t position = 0;  ///< Among all parameters and buffers of the class.
};

/// A tensor of the state dict that is not in use: folded statistics, counters, version numbers.
/// Fused checkpoints keep buffers, so that PyTorch loads them strictly.
struct Buffer {
  std::string name;
  std::string key;  ///< In the state dict.
  std::vector<std::int64_t> shape;
  std::size_t position = 0;  ///< As a parameter's.
};

/// Index into Network::parameters.
using ParameterId = std::size_t;

/// Index of a value. Value 0 is the image. Module i makes value i + 1.
using ValueId = std::size_t;

// The modules. Feature maps are (N, C, H, W); a convolution has stride 1, dilation 1 and zero
// padding of half its kernel, so that height and width stay. parameters() has the weights in use.

/// x + value. Subtracts and adds the image's mean if the mean is a number and not a weight.
struct Shift {
  double value = 0;
};
/// x + value, or x - value, for each channel; value (1, C, 1, 1).
struct ChannelShift {
  ParameterId value = 0;
  bool subtract = false;
  auto parameters() { return std::tie(value); }
};
/// x * factor, or x / factor.
struct Scale {
  double number = 1;
  std::optional<ParameterId> parameter;  ///< Of one element, instead of the number.
  bool divide = false;
  auto parameters() { return std::tie(parameter); }
};
/// Weight (out, in / groups, kernel, kernel), optional bias (out).
struct Conv2d {
  ParameterId weight = 0;
  std::optional<ParameterId> bias;
  std::int64_t kernel = 1;
  std::int64_t groups = 1;
  auto parameters() { return std::tie(weight, bias); }
};
/// The sum of two depthwise convolutions, each with a bias, as the network is trained. fuse() makes
/// one Conv2d of it, with the path `fused_path`.
struct ReparameterizedConv2d {
  ParameterId large_weight = 0;  ///< (C, 1, K, K)
  ParameterId large_bias = 0;    ///< (C)
  ParameterId small_weight = 0;  ///< (C, 1, k, k)
  ParameterId small_bias = 0;    ///< (C)
  std::string fused_path;
  auto parameters() { return std::tie(large_weight, large_bias, small_weight, small_bias); }
};
/// Over the channels at each pixel: (x - mean) / sqrt(variance + epsilon) * weight + bias, with the
/// biased variance.
struct LayerNorm {
  ParameterId weight = 0;
  ParameterId bias = 0;
  double epsilon = 0;
  auto parameters() { return std::tie(weight, bias); }
};
/// (x - running_mean) / sqrt(running_var + epsilon) * weight + bias, each of C elements. fuse()
/// makes a ChannelAffine of it.
struct DeploymentNorm {
  ParameterId weight = 0;
  ParameterId bias = 0;
  ParameterId running_mean = 0;
  ParameterId running_var = 0;
  double epsilon = 0;
  /// A fused checkpoint keeps the norm, or it folds the statistics into weight and bias. Folded
  /// statistics are dropped, or they stay in the file without use.
  enum class WhenFused { kept, folded_without_statistics, folded_with_statistics };
  WhenFused when_fused = WhenFused::kept;
  auto parameters() { return std::tie(weight, bias, running_mean, running_var); }
};
/// x * weight + bias, each of C elements.
struct ChannelAffine {
  ParameterId weight = 0;
  ParameterId bias = 0;
  auto parameters() { return std::tie(weight, bias); }
};
/// Over the channels at each pixel: weight (out, in), bias (out).
struct Linear {
  ParameterId weight = 0;
  ParameterId bias = 0;
  auto parameters() { return std::tie(weight, bias); }
};
/// Exact: x * (1 + erf(x / sqrt 2)) / 2.
struct Gelu {};
/// x * sigmoid(x).
struct Silu {};
struct LeakyRelu {
  double slope = 0;
};
/// Channel c * r * r + i * r + j at (y, x) becomes channel c at (y * r + i, x * r + j).
struct PixelShuffle {
  std::int64_t factor = 1;
};
/// x * sigmoid(expand(relu(reduce(mean of x over height and width)))). The factor is per channel.
struct ChannelAttention {
  ParameterId reduce_weight = 0;  ///< (R, C) or (R, C, 1, 1)
  std::optional<ParameterId> reduce_bias;
  ParameterId expand_weight = 0;  ///< (C, R) or (C, R, 1, 1)
  std::optional<ParameterId> expand_bias;
  std::string reduce_path;
  std::string expand_path;
  auto parameters() { return std::tie(reduce_weight, reduce_bias, expand_weight, expand_bias); }
};
/// x * sigmoid(conv(max and mean of x over the channels, in this order)). The factor is per pixel.
struct SpatialAttention {
  ParameterId weight = 0;  ///< (1, 2, kernel, kernel)
  std::int64_t kernel = 7;
  std::string conv_path;
  auto parameters() { return std::tie(weight); }
};
struct Add {};
struct Multiply {};
/// Joins any number of inputs along the channels.
struct Concat {};

using Operation =
    std::variant<Shift, ChannelShift, Scale, Conv2d, ReparameterizedConv2d, LayerNorm,
                 DeploymentNorm, ChannelAffine, Linear, Gelu, Silu, LeakyRelu, PixelShuffle,
                 ChannelAttention, SpatialAttention, Add, Multiply, Concat>;

/// Calls `visit` with every parameter that an operation uses.
template <typename Visit>
void for_each_parameter(Operation& operation, Visit visit) {
  const auto take = [&](auto& id) {
    if constexpr (std::is_same_v<decltype(id), ParameterId&>) {
      visit(id);
    } else if (id) {
      visit(*id);
    }
  };
  std::visit(
      [&](auto& of) {
        if constexpr (requires { of.parameters(); }) {
          std::apply([&](auto&... ids) { (take(ids), ...); }, of.parameters());
        }
      },
      operation);
}

/// One step of the forward pass.
struct Module {
  std::string path;  ///< Path in the PyTorch module tree, "layers.0.1.ffn.fc2".
  Operation operation;
  std::vector<ValueId> inputs;
};

/// A recognised network.
struct Network {
  NetworkInfo facts;
  std::vector<Parameter> parameters;
  std::vector<Buffer> buffers;
  std::vector<Module> modules;
  /// Contradictions in the file, one line each.
  std::vector<std::string> warnings;

  ParameterId add_parameter(std::string name, std::vector<std::int64_t> shape, Expression value);
  /// Appends a module and returns its value.
  ValueId add(std::string path, Operation operation, std::vector<ValueId> inputs);
};

/// The cost of one run of a network: sums over its modules. Unless noted otherwise, a sum is per
/// pixel of the input picture (height times width, for each image of the batch).
struct Cost {
  double parameters = 0;     ///< Elements of all weights, in total.
  double multiply_adds = 0;  ///< Of convolutions and projections, without biases.
  /// The largest number of elements of feature maps that live at the same time. A feature map lives
  /// from the module that makes it to the last module that uses it.
  double live_elements = 0;
  /// The same if each convolution and normalization also copies its input and output, as libraries
  /// do that rearrange channels.
  double live_elements_with_copies = 0;
  double input_elements = 0;
  double output_elements = 0;
};

Cost cost_of(const Network& network);

/// How far around a pixel of the input picture the network looks for an output pixel.
struct Reach {
  std::int64_t pixels = 0;     ///< To each side, of the input picture.
  bool whole_picture = false;  ///< Averages over the whole picture count as well.
};

Reach reach_of(const Network& network);

/// One operator of an ONNX graph that has weights or moves pixels.
struct OutlineStep {
  enum class Kind {
    convolution,  ///< Stride 1 with a padding of half the kernel; `shape` (out, in / groups, k, k).
    projection,   ///< A matrix product with a weight; `shape` (out, in).
    leaky_relu,
    pixel_shuffle,
  };
  Kind kind = Kind::convolution;
  std::string name;  ///< Of the weight.
  std::vector<std::int64_t> shape;
  std::int64_t groups = 1;
  std::int64_t factor = 1;  ///< Of a pixel shuffle.
};
/// What remains of a network in an ONNX graph of any exporter: the steps in the order of execution,
/// and the numbers of other operators.
struct Outline {
  std::vector<OutlineStep> steps;
  std::size_t gelus = 0;
  std::size_t sigmoids = 0;
  std::size_t relus = 0;
  std::size_t layer_norms = 0;  ///< As operators of their own, or in single steps.
};

/// Recognises the network of a graph. `hint` has the facts that the file notes of itself. They
/// count only for what the graph leaves open: the generation, if graphs of several generations look
/// alike, and how the blocks are grouped, if the names of weights do not tell. Returns nullopt if
/// the graph's network is unknown.
std::optional<Network> recognise(const Outline& outline, const NetworkInfo& hint);

/// Recognises the network and checks the state dict against it as strictly as PyTorch's
/// load_state_dict(strict=True). Entries that quantization left beside the weights are left out.
/// The evidence in the file, or else a documented preference, decides what tensors do not tell;
/// facts.evidence has every decision.
///
/// Throws Error(mismatch) with every missing key, unexpected key and wrong shape if the file is an
/// AetherNet with differences, or not of the generation that `options` ask for. Throws
/// Error(unsupported) if the file is another network, a generation that cannot run, or in int8 and
/// ReadOptions::dequantize is not set.
Network recognise(const state_dict::StateDict& state_dict, const ReadOptions& options = {});

/// One line for each question that the file left open. The line names the option that decides it.
std::vector<std::string> open_questions(const NetworkInfo& facts);

/// Facts that a fused checkpoint must note, since its tensors do not tell them: name and text.
std::vector<std::pair<std::string, std::string>> notes(const NetworkInfo& facts);

/// The names of all generations, for ReadOptions::generation.
const std::vector<std::string>& generation_names();

/// The names of all variants, for Expectations::model_type.
const std::vector<std::string>& named_variants();

/// What the network's weights were fused from, for metadata and fused checkpoints: "depthwise 11x11
/// + 3x3, summed in float64", with "; norms with eps 0.0001" after it if norms with statistics are
/// folded. Empty for a fused checkpoint that does not note it.
std::string fused_from(const NetworkInfo& facts);

/// Throws Error(mismatch) with both sides if the network is not the expected one.
void check_expectations(const NetworkInfo& facts, const Expectations& expected);

}  // namespace aether2onnx::network
