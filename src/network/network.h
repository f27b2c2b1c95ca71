/// @file
/// Recognises the network in a state dict, and describes the network as data.
///
/// This folder has all knowledge of AetherNet: the generations (published versions), their keys and
/// shapes, and their forward passes. A Network lists its modules in the order of the forward pass.
/// Each Parameter has the formula of a weight. The other folders work on modules of any network.
/// Each generation has its own file and a row in the table in recognise.cpp.
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

/// The formula of a weight: a stored tensor of the state dict, or arithmetic on stored tensors in
/// float64. Arithmetic on two operands a and b works element by element, in row-major order. The
/// result has the shape of a. A single element of b is combined with each element of a.
struct Expression {
  enum class Kind {
    stored,       ///< The tensor whose key in the state dict is `key`.
    constant,     ///< A single element with the value `number`.
    add,          ///< a + b
    subtract,     ///< a - b
    multiply,     ///< a * b
    divide,       ///< a / b
    square_root,  ///< The square root of each element of a.
    /// Adds the kernel b (O, I, k, k) to the middle of the kernel a (O, I, K, K). Requires k <= K
    /// and K - k even.
    centred_add,
    scale_rows,  ///< Multiplies the elements a[o, …] of a weight (O, …) by b[o].
    apply,       ///< A matrix a, (O, I) or (O, I, 1, 1), times a vector b, (I). The result is (O).
    /// The operand, rounded to the type that a fused checkpoint has: float64 if a tensor of the
    /// operand is stored as float64, float32 otherwise.
    rounded,
  };
  Kind kind = Kind::stored;
  std::string key;
  double number = 0;
  std::vector<Expression> operands;

  static Expression stored(std::string key);
  static Expression constant(double number);
  /// Returns an expression of a kind that has operands.
  static Expression of(Kind kind, Expression a);
  static Expression of(Kind kind, Expression a, Expression b);
};

/// A weight of the network. `name` is the key of the weight in a state dict.
struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  Expression value;
  std::size_t position = 0;  ///< Position in the PyTorch class's list of parameters and buffers.
};

/// A tensor of the state dict that the forward pass does not use: folded statistics, counters,
/// version numbers. Fused checkpoints keep buffers, because PyTorch's strict loading requires them.
struct Buffer {
  std::string name;
  std::string key;  ///< The buffer's key in the state dict.
  std::vector<std::int64_t> shape;
  std::size_t position = 0;  ///< As Parameter::position.
};

/// Index into Network::parameters.
using ParameterId = std::size_t;

/// Index of a value (a feature map). Value 0 is the input image. Module i makes value i + 1.
using ValueId = std::size_t;

// The modules. The input x of a module is a feature map (N, C, H, W). A convolution has stride 1,
// dilation 1 and zero padding of half its kernel, so it keeps height and width. parameters()
// returns the ids of the weights that a module uses.

/// x + value. Used to subtract and to add the image's mean if the mean is a number, not a weight.
struct Shift {
  double value = 0;
};
/// x + value, or x - value if `subtract`. `value` (1, C, 1, 1) has one number for each channel.
struct ChannelShift {
  ParameterId value = 0;
  bool subtract = false;
  auto parameters() { return std::tie(value); }
};
/// x * factor, or x / factor if `divide`. The factor is `parameter` if set, otherwise `number`.
struct Scale {
  double number = 1;
  std::optional<ParameterId> parameter;  ///< A weight with one element.
  bool divide = false;
  auto parameters() { return std::tie(parameter); }
};
/// A convolution with the weight (out, in / groups, kernel, kernel) and an optional bias (out).
struct Conv2d {
  ParameterId weight = 0;
  std::optional<ParameterId> bias;
  std::int64_t kernel = 1;
  std::int64_t groups = 1;
  auto parameters() { return std::tie(weight, bias); }
};
/// The sum of two depthwise convolutions, each with a bias. Networks are trained in this form.
/// fuse() replaces the sum by one Conv2d with the path `fused_path`.
struct ReparameterizedConv2d {
  ParameterId large_weight = 0;  ///< (C, 1, K, K)
  ParameterId large_bias = 0;    ///< (C)
  ParameterId small_weight = 0;  ///< (C, 1, k, k)
  ParameterId small_bias = 0;    ///< (C)
  std::string fused_path;
  auto parameters() { return std::tie(large_weight, large_bias, small_weight, small_bias); }
};
/// Normalizes over the channels of each pixel:
/// (x - mean) / sqrt(variance + epsilon) * weight + bias. The variance is the biased variance.
struct LayerNorm {
  ParameterId weight = 0;
  ParameterId bias = 0;
  double epsilon = 0;
  auto parameters() { return std::tie(weight, bias); }
};
/// (x - running_mean) / sqrt(running_var + epsilon) * weight + bias. Each parameter has C elements.
/// fuse() replaces the norm by a ChannelAffine, except if `when_fused` is `kept`.
struct DeploymentNorm {
  ParameterId weight = 0;
  ParameterId bias = 0;
  ParameterId running_mean = 0;
  ParameterId running_var = 0;
  double epsilon = 0;
  /// The form of the norm in a fused checkpoint: unchanged, or with the statistics folded into
  /// weight and bias. The file then has no statistics, or has unused statistics.
  enum class WhenFused { kept, folded_without_statistics, folded_with_statistics };
  WhenFused when_fused = WhenFused::kept;
  auto parameters() { return std::tie(weight, bias, running_mean, running_var); }
};
/// x * weight + bias. Weight and bias have C elements each.
struct ChannelAffine {
  ParameterId weight = 0;
  ParameterId bias = 0;
  auto parameters() { return std::tie(weight, bias); }
};
/// A matrix product over the channels of each pixel, with the weight (out, in) and the bias (out).
struct Linear {
  ParameterId weight = 0;
  ParameterId bias = 0;
  auto parameters() { return std::tie(weight, bias); }
};
/// The exact GELU: x * (1 + erf(x / sqrt 2)) / 2.
struct Gelu {};
/// x * sigmoid(x).
struct Silu {};
struct LeakyRelu {
  double slope = 0;
};
/// Channel c * r * r + i * r + j at (y, x) becomes channel c at (y * r + i, x * r + j).
struct PixelShuffle {
  std::int64_t factor = 1;  ///< r
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

/// Calls `visit` with the id of every parameter that an operation uses.
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
  /// Contradictions and unusable values in the file, one line each.
  std::vector<std::string> warnings;

  ParameterId add_parameter(std::string name, std::vector<std::int64_t> shape, Expression value);
  /// Appends a module and returns the id of the module's output.
  ValueId add(std::string path, Operation operation, std::vector<ValueId> inputs);
};

/// The cost of one run of a network. Unless noted otherwise, a number is the sum over all modules,
/// divided by the pixels of the input picture (height times width, for each image of the batch).
struct Cost {
  double parameters = 0;     ///< Number of elements of all weights, not per pixel.
  double multiply_adds = 0;  ///< Multiply-adds of convolutions and Linear layers, without biases.
  /// The largest number of elements of all feature maps in memory at the same time. A feature map
  /// is in memory from the module that makes the feature map to the last module that reads it.
  double live_elements = 0;
  /// `live_elements` if each convolution and LayerNorm also copies its input and output. Libraries
  /// that rearrange channels make these copies.
  double live_elements_with_copies = 0;
  double input_elements = 0;
  double output_elements = 0;
};

Cost cost_of(const Network& network);

/// The receptive field: the input pixels that one output pixel depends on.
struct Reach {
  std::int64_t pixels = 0;     ///< The distance to each side, in pixels of the input picture.
  bool whole_picture = false;  ///< The output also depends on averages over the whole picture.
};

Reach reach_of(const Network& network);

/// An operator of an ONNX graph that has weights or moves pixels, or a LeakyRelu.
struct OutlineStep {
  enum class Kind {
    convolution,  ///< Stride 1, padding of half the kernel. `shape` is (out, in / groups, k, k).
    projection,   ///< A matrix product with a weight. `shape` is (out, in).
    leaky_relu,
    pixel_shuffle,
  };
  Kind kind = Kind::convolution;
  std::string name;  ///< The name of the weight.
  std::vector<std::int64_t> shape;
  std::int64_t groups = 1;
  std::int64_t factor = 1;  ///< The factor of a pixel shuffle.
};
/// The parts of a network that an ONNX graph of any exporter shows: the steps in the order of
/// execution, and the counts of other operators.
struct Outline {
  std::vector<OutlineStep> steps;
  std::size_t gelus = 0;
  std::size_t sigmoids = 0;
  std::size_t relus = 0;
  std::size_t layer_norms = 0;  ///< LayerNormalization nodes, or Sqrt nodes of decomposed norms.
};

/// Recognises the network of a graph. Returns nullopt if the network is unknown. `hint` has facts
/// from the file's metadata. A fact of `hint` counts only if the graph does not decide the fact:
/// the generation, if graphs of several generations have the same steps, and the groups of the
/// blocks, if the names of the weights do not show the groups.
std::optional<Network> recognise(const Outline& outline, const NetworkInfo& hint);

/// Recognises the network and checks the state dict as strictly as PyTorch's
/// load_state_dict(strict=True). Ignores the entries that quantization adds beside the weights. If
/// the tensors do not decide a fact, an option, other evidence in the file or else a documented
/// default decides the fact. facts.evidence lists every decision.
///
/// Throws Error(mismatch) if keys or shapes differ from those of the recognised AetherNet; the
/// error lists every missing key, unexpected key and wrong shape. Throws Error(mismatch) too if the
/// file is not of the generation in `options`. Throws Error(unsupported) if the file has another
/// network, if the generation cannot run, or if the file is in int8 and ReadOptions::dequantize is
/// not set.
Network recognise(const state_dict::StateDict& state_dict, const ReadOptions& options = {});

/// Returns one line for each fact that the file does not decide. The line has the assumed value,
/// and the option that sets another value.
std::vector<std::string> open_questions(const NetworkInfo& facts);

/// Returns the notes (name and text) of a fused checkpoint: facts that its tensors do not show.
std::vector<std::pair<std::string, std::string>> notes(const NetworkInfo& facts);

/// Returns the names of all generations, for ReadOptions::generation.
const std::vector<std::string>& generation_names();

/// Returns the names of all variants, for Expectations::model_type.
const std::vector<std::string>& named_variants();

/// Describes the parts that fusion combined, for metadata and fused checkpoints: "depthwise 11x11 +
/// 3x3, summed in float64". Adds "; norms with eps 0.0001" if norms with statistics are folded.
/// Returns "" for a fused checkpoint without this note.
std::string fused_from(const NetworkInfo& facts);

/// Throws Error(mismatch), with the expected and the found value, if the network is not `expected`.
void check_expectations(const NetworkInfo& facts, const Expectations& expected);

}  // namespace aether2onnx::network
