/// @file
/// Stage "network description": which network a state dict is, and that network as data.
///
/// Owns all that is known of AetherNet: its generations, their keys and shapes, their forward pass.
/// A description is a list of modules in the order of the forward pass, with parameters that say
/// how to get each weight from the state dict. The stages after this one work on modules of any
/// network; a generation adds its row to the table in recognise.cpp and one file that describes it.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "state_dict/state_dict.h"

namespace aether2onnx::network {

/// How a weight comes from the state dict. Anything but a stored tensor is computed in float64.
struct Expression {
  enum class Kind {
    stored,       ///< The tensor `key`.
    add,          ///< The sum of two operands of one shape.
    centred_add,  ///< Two kernels (O, I, K, K) and (O, I, k, k), k <= K, K - k even: the second one
                  ///< added to the middle of the first.
  };
  Kind kind = Kind::stored;
  std::string key;
  std::vector<Expression> operands;

  static Expression stored(std::string key);
  static Expression add(Expression a, Expression b);
  static Expression centred_add(Expression large, Expression small);
};

/// A weight of the network, named as its key in a state dict.
struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  Expression value;
};

/// Index into Network::parameters.
using ParameterId = std::size_t;

/// Index of a value: 0 is the image, module i makes value i + 1.
using ValueId = std::size_t;

// The modules. Feature maps are (N, C, H, W); a convolution has stride 1, dilation 1 and zero
// padding of half its kernel, so that height and width stay.

/// x + value. The image's mean is subtracted and added with it.
struct Shift {
  double value = 0;
};
/// Weight (out, in / groups, kernel, kernel), bias (out).
struct Conv2d {
  ParameterId weight = 0;
  ParameterId bias = 0;
  std::int64_t kernel = 1;
  std::int64_t groups = 1;
};
/// The sum of two depthwise convolutions with a bias each, as it is trained; fusion makes one
/// Conv2d of it, named `fused_path`.
struct ReparameterizedConv2d {
  ParameterId large_weight = 0;  ///< (C, 1, K, K)
  ParameterId large_bias = 0;    ///< (C)
  ParameterId small_weight = 0;  ///< (C, 1, k, k)
  ParameterId small_bias = 0;    ///< (C)
  std::string fused_path;
};
/// Over the channels at each pixel: (x - mean) / sqrt(variance + epsilon) * weight + bias, with the
/// biased variance.
struct LayerNorm {
  ParameterId weight = 0;
  ParameterId bias = 0;
  double epsilon = 0;
};
/// Over the channels at each pixel: weight (out, in), bias (out).
struct Linear {
  ParameterId weight = 0;
  ParameterId bias = 0;
};
/// Exact: x * (1 + erf(x / sqrt 2)) / 2.
struct Gelu {};
struct LeakyRelu {
  double slope = 0;
};
/// Channel c * r * r + i * r + j at (y, x) becomes channel c at (y * r + i, x * r + j).
struct PixelShuffle {
  std::int64_t factor = 1;
};
struct Add {};
struct Multiply {};

using Operation = std::variant<Shift, Conv2d, ReparameterizedConv2d, LayerNorm, Linear, Gelu,
                               LeakyRelu, PixelShuffle, Add, Multiply>;

/// One step of the forward pass.
struct Module {
  std::string path;  ///< Path in the PyTorch module tree, "layers.0.1.ffn.fc2".
  Operation operation;
  std::vector<ValueId> inputs;
};

/// A recognised network.
struct Network {
  Report::Network facts;
  std::vector<Parameter> parameters;
  std::vector<Module> modules;

  ParameterId add_parameter(std::string name, std::vector<std::int64_t> shape, Expression value);
  /// Appends a module and gives its value.
  ValueId add(std::string path, Operation operation, std::vector<ValueId> inputs);
};

/// What one run of a network costs: the sums over its modules, for each pixel of the input picture
/// (height times width, for each image of the batch) where nothing else is said.
struct Cost {
  double parameters = 0;     ///< Elements of all weights; not for each pixel.
  double multiply_adds = 0;  ///< Of convolutions and projections, biases left out.
  /// Elements of the feature maps that are alive at once at the most: each from the module that
  /// makes it to the last one that uses it.
  double live_elements = 0;
  /// The same where each convolution and normalization has a copy of what goes in and comes out
  /// beside it, as libraries that rearrange channels do.
  double live_elements_with_copies = 0;
  double input_elements = 0;
  double output_elements = 0;
};

Cost cost_of(const Network& network);

/// What is left of a network in the operators of an ONNX graph, whoever made it: the steps that
/// have weights or move pixels, in the order of execution.
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
struct Outline {
  std::vector<OutlineStep> steps;
  std::size_t gelus = 0;
};

/// Recognises the network that a graph is of. `hint` are the facts that the file notes of itself,
/// where it does; they count only for what the graph leaves open: how the blocks are grouped, where
/// names of weights don't tell. Nothing where the graph is of no network that is known here.
std::optional<Network> recognise(const Outline& outline, const Report::Network& hint);

/// Recognises the network and checks the state dict against it as strictly as PyTorch's
/// load_state_dict(strict=True).
///
/// Throws Error(mismatch) with every missing key, unexpected key and wrong shape where it is an
/// AetherNet that doesn't fit; Error(unsupported) with a plain word on what it is where it is
/// another network or a generation that isn't read.
Network recognise(const state_dict::StateDict& state_dict);

/// What the network's weights were fused from, as it stands in metadata and in fused checkpoints:
/// "depthwise 11x11 + 3x3, summed in float64"; "" for a fused one that doesn't say.
std::string fused_from(const Report::Network& facts);

/// The names of the variants that Options::model_type may ask for.
const std::vector<std::string>& named_variants();

/// Throws Error(mismatch), naming both sides, where the options contradict the network.
void check_options(const Network& network, const CheckpointOptions& options);

}  // namespace aether2onnx::network
