/// @file
/// Recognises the AetherNet in a state dict, and describes this network as a list of modules and
/// weights.
///
/// A module is one operation of the forward pass. A Network lists its modules in the order of the
/// forward pass. Each weight has an Expression, which tells how to compute the weight's elements
/// from the checkpoint. evaluate() computes the elements later, when the program needs them.
///
/// Only this folder describes AetherNet: its generations (published versions), their keys and
/// shapes, and their forward passes. Code in other folders works on modules of any network. Each
/// generation has its own file, and a row in the table in recognise.cpp.
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

/// Tells how to compute the elements of a weight. Most weights are a tensor of the state dict. When
/// two modules are merged, the new weight is the result of arithmetic in float64, for example the
/// sum of two kernels. The operands are called a and b. The operations + - * / combine elements
/// with the same position in row-major order. If b has only one element, the operations combine
/// each element of a with this element. The result has the shape of a.
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
    scale_rows,  ///< Multiplies each row a[o, …] of a weight (O, …) by the number b[o].
    apply,       ///< Matrix a, (O, I) or (O, I, 1, 1), times vector b, (I). The result is (O).
    /// Rounds the elements of a as a fused checkpoint stores them: to float64 if a is computed from
    /// a float64 tensor, otherwise to float32.
    rounded,
  };
  Kind kind = Kind::stored;
  std::string key;
  double number = 0;
  std::vector<Expression> operands;

  static Expression stored(std::string key);
  static Expression constant(double number);
  /// Returns an expression of the kind `kind` with the operand a, or with the operands a and b.
  static Expression of(Kind kind, Expression a);
  static Expression of(Kind kind, Expression a, Expression b);
};

/// A weight of the network. `name` is its key in the state dict of the published PyTorch class.
struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  Expression value;
  std::size_t position = 0;  ///< Position in the PyTorch class's list of parameters and buffers.
};

/// A tensor of the state dict that the forward pass does not use, for example a version number, or
/// a norm's running_mean after it was merged into the norm's bias. Fused checkpoints (the output of
/// `fuse`) contain the buffers, because PyTorch's load_state_dict(strict=True) requires them.
struct Buffer {
  std::string name;
  std::string key;  ///< The buffer's key in the state dict.
  std::vector<std::int64_t> shape;
  std::size_t position = 0;  ///< Position in the PyTorch class's list of parameters and buffers.
};

/// Index of a weight in Network::parameters.
using ParameterId = std::size_t;

/// Index of a feature map. Feature map 0 is the input image. Module i makes feature map i + 1.
using ValueId = std::size_t;

// The operations of modules. The input x is a feature map (N, C, H, W). A convolution has stride 1,
// dilation 1 and zero padding of half its kernel, so it keeps height and width. parameters()
// returns the ids of the weights that an operation uses.

/// Computes x + value. A network subtracts and adds the image's mean with Shift modules if the mean
/// is a constant in the PyTorch class. If the mean is a weight, a network has ChannelShift modules.
struct Shift {
  double value = 0;
};
/// Computes x + value, or x - value if `subtract`. The weight `value` is (1, C, 1, 1).
struct ChannelShift {
  ParameterId value = 0;
  bool subtract = false;
  auto parameters() { return std::tie(value); }
};
/// Computes x * f, or x / f if `divide`. f is the weight `parameter` if set, otherwise `number`.
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
/// The sum of two depthwise convolutions of x, each with a bias. Networks are trained with this
/// sum. The pass fuse() replaces the sum by one Conv2d with the module path `fused_path`.
struct ReparameterizedConv2d {
  ParameterId large_weight = 0;  ///< Shape (C, 1, K, K).
  ParameterId large_bias = 0;    ///< Shape (C).
  ParameterId small_weight = 0;  ///< Shape (C, 1, k, k).
  ParameterId small_bias = 0;    ///< Shape (C).
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
/// Computes (x - running_mean) / sqrt(running_var + epsilon) * weight + bias. The file contains
/// these four weights, and each has C elements. The pass fuse() replaces the norm by a
/// ChannelAffine, except if `when_fused` is `kept`.
struct DeploymentNorm {
  ParameterId weight = 0;
  ParameterId bias = 0;
  ParameterId running_mean = 0;
  ParameterId running_var = 0;
  double epsilon = 0;
  /// What a fused checkpoint contains for this norm.
  ///  - kept: weight, bias, running_mean and running_var.
  ///  - folded_without_statistics: only the weight and bias of the ChannelAffine.
  ///  - folded_with_statistics: also running_mean and running_var, which have no effect (Buffer).
  enum class WhenFused { kept, folded_without_statistics, folded_with_statistics };
  WhenFused when_fused = WhenFused::kept;
  auto parameters() { return std::tie(weight, bias, running_mean, running_var); }
};
/// Computes x * weight + bias for each channel. Weight and bias have C elements each.
struct ChannelAffine {
  ParameterId weight = 0;
  ParameterId bias = 0;
  auto parameters() { return std::tie(weight, bias); }
};
/// A Linear layer over the channels of each pixel, with the weight (out, in) and the bias (out).
struct Linear {
  ParameterId weight = 0;
  ParameterId bias = 0;
  auto parameters() { return std::tie(weight, bias); }
};
/// The exact GELU activation: x * (1 + erf(x / sqrt 2)) / 2.
struct Gelu {};
/// The SiLU activation: x * sigmoid(x).
struct Silu {};
struct LeakyRelu {
  double slope = 0;
};
/// Moves channel c*r*r + i*r + j at (y, x) to channel c at (y*r + i, x*r + j).
struct PixelShuffle {
  std::int64_t factor = 1;  ///< The factor r of height and width.
};
/// Multiplies each channel of x by sigmoid(expand(relu(reduce(mean of x over all pixels)))). The
/// layers `reduce` and `expand` are Linear layers or 1 x 1 convolutions.
struct ChannelAttention {
  ParameterId reduce_weight = 0;  ///< Shape (R, C) or (R, C, 1, 1).
  std::optional<ParameterId> reduce_bias;
  ParameterId expand_weight = 0;  ///< Shape (C, R) or (C, R, 1, 1).
  std::optional<ParameterId> expand_bias;
  std::string reduce_path;
  std::string expand_path;
  auto parameters() { return std::tie(reduce_weight, reduce_bias, expand_weight, expand_bias); }
};
/// Multiplies each pixel of x by sigmoid(conv(max and mean of x over channels, in this order)).
struct SpatialAttention {
  ParameterId weight = 0;  ///< Shape (1, 2, kernel, kernel).
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

/// Calls `visit` with the id of every weight that an operation uses. `visit` may change the id.
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

/// One step of the forward pass: an operation on feature maps.
struct Module {
  std::string path;  ///< Path in the PyTorch module tree, for example "layers.0.1.ffn.fc2".
  Operation operation;
  std::vector<ValueId> inputs;
};

/// A recognised network: its sizes and settings (`facts`), weights, buffers and modules.
struct Network {
  NetworkInfo facts;
  std::vector<Parameter> parameters;
  std::vector<Buffer> buffers;
  std::vector<Module> modules;
  /// Warnings for the user, one line each: a setting in the file contradicts the shapes of the
  /// tensors, or has an unusable value (for example a negative res_scale).
  std::vector<std::string> warnings;

  ParameterId add_parameter(std::string name, std::vector<std::int64_t> shape, Expression value);
  /// Appends a module and returns the id of the module's output.
  ValueId add(std::string path, Operation operation, std::vector<ValueId> inputs);
};

/// The cost of one run of a network. Unless noted otherwise, a number is a cost per pixel: the cost
/// of the run, divided by batch size, height and width of the input.
struct Cost {
  double parameters = 0;     ///< Number of elements of all weights, not per pixel.
  double multiply_adds = 0;  ///< Multiply-adds of convolutions and Linear layers, without biases.
  /// The largest number of elements of all feature maps that are in memory at the same time. A
  /// feature map is in memory from the module that makes it to the last module that reads it.
  double live_elements = 0;
  /// `live_elements` for a library that rearranges the channels in memory. In this library, each
  /// convolution and each LayerNorm also needs memory for a copy of its input and of its output.
  double live_elements_with_copies = 0;
  double input_elements = 0;
  double output_elements = 0;
};

Cost cost_of(const Network& network);

/// The receptive field of a network: the input pixels on which one output pixel depends.
struct Reach {
  std::int64_t pixels = 0;     ///< How far the field reaches to each side, in input pixels.
  bool whole_picture = false;  ///< True if channel attention averages over the whole image.
};

Reach reach_of(const Network& network);

/// A step in the summary of an ONNX graph. A step is a pixel shuffle, a LeakyRelu, or a convolution
/// or matrix product with a weight.
struct OutlineStep {
  enum class Kind {
    convolution,  ///< Stride 1, padding of half the kernel. `shape` is (out, in / groups, k, k).
    projection,   ///< A matrix product with a weight. `shape` is (out, in).
    leaky_relu,
    pixel_shuffle,
  };
  Kind kind = Kind::convolution;
  std::string name;  ///< The name of the weight in the ONNX file.
  std::vector<std::int64_t> shape;
  std::int64_t groups = 1;
  std::int64_t factor = 1;  ///< The factor of a pixel shuffle.
};
/// A summary of an ONNX graph: the steps in the order of execution, and the numbers of GELUs,
/// sigmoids, ReLUs and normalizations. Exporters may write the same network with different
/// operators, but the summaries have equal steps and numbers. So recognise() compares summaries,
/// not graphs.
struct Outline {
  std::vector<OutlineStep> steps;
  std::size_t gelus = 0;
  std::size_t sigmoids = 0;
  std::size_t relus = 0;
  std::size_t layer_norms = 0;  ///< LayerNormalization nodes, and Sqrt nodes of decomposed norms.
};

/// Recognises the AetherNet in the summary of an ONNX graph. Returns nullopt if the graph contains
/// another network. `hint` has settings from the file's metadata. recognise() uses two of these
/// settings, and only if the graph does not show them:
///  - the generation, if graphs of several generations have the same steps;
///  - the depths (number of blocks in each group), if the graph does not show where a group ends.
///    A graph shows the end by the names of weights, or by a projection (1 x 1 convolution) after
///    each group.
std::optional<Network> recognise(const Outline& outline, const NetworkInfo& hint);

/// Recognises the AetherNet in a state dict and checks keys and shapes as strictly as PyTorch's
/// load_state_dict(strict=True). Ignores the observers, scales and zero points of a quantized
/// network. Tensors do not show all settings, for example res_scale. recognise() takes such a
/// setting from `options`, otherwise from other data in the file (for example arch_config),
/// otherwise from a documented default. facts.evidence lists the source of each setting.
///
/// Throws Error(mismatch) if keys or shapes differ from those of the recognised AetherNet; the
/// error lists every missing key, unexpected key and wrong shape. Throws Error(mismatch) too if the
/// file is not of the generation in `options`. Throws Error(unsupported) if the file contains
/// another network, if the published PyTorch code cannot run the network, or if the network is in
/// int8 and ReadOptions::dequantize is false.
Network recognise(const state_dict::StateDict& state_dict, const ReadOptions& options = {});

/// Returns one line for each setting that is an assumption, because the file does not show its
/// value. The line has the assumed value, and the option that sets another value.
std::vector<std::string> open_questions(const NetworkInfo& facts);

/// Returns the notes that `fuse` writes into a fused checkpoint, as pairs of name and text. Notes
/// contain the settings that tensors do not show.
std::vector<std::pair<std::string, std::string>> notes(const NetworkInfo& facts);

/// Returns the names of all generations: the allowed values of ReadOptions::generation.
const std::vector<std::string>& generation_names();

/// Returns the names of all variants (published sizes of the network): the allowed values of
/// Expectations::model_type.
const std::vector<std::string>& named_variants();

/// Returns a text about the unfused network, for metadata and fused checkpoints: "depthwise 11x11 +
/// 3x3, summed in float64; norms with eps 0.0001". Leaves out the kernels if the size of the small
/// kernel is unknown, and the norms if their epsilon is unknown. Returns "" if both are unknown,
/// for example for a fused checkpoint that does not contain this text.
std::string fused_from(const NetworkInfo& facts);

/// Throws Error(mismatch), with expected and found values, if the network is not as `expected`.
void check_expectations(const NetworkInfo& facts, const Expectations& expected);

}  // namespace aether2onnx::network
