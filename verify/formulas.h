/// @file
/// Tensor functions that the forward passes of the reference networks use. The functions call only
/// the interface Operations, so they work with each implementation of Operations. All functions
/// throw Error(mismatch) if the shapes of their arguments do not fit.
#pragma once

#include <vector>

#include "operations.h"

namespace aether2onnx::verify {

/// Computes a convolution with stride 1. Pads each side of `x` with (K - 1) / 2 zeros, where K is
/// the height and width of the kernel. `bias` may be an empty Value.
Value conv2d(const Value& x, const Value& weight, const Value& bias, std::int64_t groups = 1);
/// Normalizes over the channels of each pixel.
Value layer_norm(const Value& x, const Value& weight, const Value& bias, double epsilon);
/// Applies a linear layer to the channels of each pixel. `bias` may be an empty Value.
Value linear(const Value& x, const Value& weight, const Value& bias);

Value gelu(const Value& x);  ///< The exact GELU, with erf.
Value silu(const Value& x);
Value relu(const Value& x);
Value sigmoid(const Value& x);
Value square_root(const Value& x);
Value leaky_relu(const Value& x, double slope);

Value operator+(const Value& a, const Value& b);
Value operator-(const Value& a, const Value& b);
Value operator*(const Value& a, const Value& b);
Value operator/(const Value& a, const Value& b);
Value operator+(const Value& a, double b);
Value operator-(const Value& a, double b);
Value operator*(double a, const Value& b);
Value operator*(const Value& a, double b);
Value operator/(const Value& a, double b);

/// Concatenates feature maps along the channels.
Value concatenate(const std::vector<Value>& parts);
Value pixel_shuffle(const Value& x, std::int64_t factor);
Value mean_over_pixels(const Value& x);
Value mean_over_channels(const Value& x);
Value largest_over_channels(const Value& x);
/// Reshapes a tensor with one number per channel to (1, C, 1, 1).
Value of_channels(const Value& x);

}  // namespace aether2onnx::verify
