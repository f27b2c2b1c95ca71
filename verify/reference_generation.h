/// @file
/// The functions and types for the forward pass of a generation (version of AetherNet).
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <unordered_map>

#include "formulas.h"

namespace aether2onnx::verify {

/// Receives the values of a forward pass, and may replace the output of a block.
class Trace {
 public:
  Trace() = default;
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  virtual ~Trace() = default;
  /// Receives the output of a block, or of a layer outside of the blocks. All values that value()
  /// received since the previous call of block() belong to this block or layer. Returns the tensor
  /// with which the forward pass continues: `output`, or a tensor with other values.
  virtual Value block(const std::string& path, Value output) = 0;
  /// Receives a value that a block or layer computes. The last of these values can be the output
  /// that block() receives, too.
  virtual void value(const Value& value) = 0;
};

/// The checkpoint's tensors by their keys.
class Weights {
 public:
  std::unordered_map<std::string, Value> tensors;
  /// The settings of the network (generation, norm_eps, …). `facts` is needed because the tensors
  /// do not show all settings.
  NetworkInfo facts;
  Trace* trace = nullptr;

  /// Passes a value inside a block or layer to `trace`, and returns the value. The functions for
  /// layers, such as conv(), call seen() for their outputs, so their callers need not call seen().
  Value seen(Value value) const;

  /// Returns the tensor `name`. Throws Error(mismatch) if there is no such tensor.
  const Value& operator[](const std::string& name) const;
  bool has(const std::string& name) const { return tensors.contains(name); }
  double img_range() const { return facts.number("img_range", 1); }
};

// Computes the layer of the module at `path`, with the tensors `path`.weight and `path`.bias.
// Passes the layer's output to `w.trace`, which observes the forward pass.
Value conv(const Weights& w, const std::string& path, const Value& x);
Value layer_norm(const Weights& w, const std::string& path, const Value& x, double eps);
Value linear(const Weights& w, const std::string& path, const Value& x);

/// Computes the depthwise convolution of a block at `path`. A fused checkpoint has one convolution,
/// fused_conv. An unfused checkpoint has two convolutions with a large and a small kernel, lk_conv
/// and sk_conv, whose outputs are added. `large_bias` and `small_bias` are the keys of the biases
/// of lk_conv and sk_conv. Does not pass the output to `w.trace`, which observes the forward pass.
Value depthwise(const Weights& w, const std::string& path, const Value& x,
                const std::string& large_bias = "lk_bias",
                const std::string& small_bias = "sk_bias");

/// A generation's forward pass from an image (N, C, H, W) to an image (N, C, scale * H, scale * W).
using Forward = Value (*)(const Weights& w, const Value& image, Trace& trace);

Value forward_generation1(const Weights& w, const Value& image, Trace& trace);
Value forward_generation3(const Weights& w, const Value& image, Trace& trace);
Value forward_generation4(const Weights& w, const Value& image, Trace& trace);
Value forward_generation5(const Weights& w, const Value& image, Trace& trace);
Value forward_generation5x(const Weights& w, const Value& image, Trace& trace);
Value forward_generation6(const Weights& w, const Value& image, Trace& trace);
Value forward_generation7(const Weights& w, const Value& image, Trace& trace);

}  // namespace aether2onnx::verify
