/// @file
/// Tensor formulas for the forward passes of the reference, whatever implements the operations.
/// Each function checks the shapes and throws Error(mismatch) if they do not fit.
#pragma once

#include <vector>

#include "operations.h"

namespace aether2onnx::verify {

/// With stride 1 and zero padding of half the kernel. `bias` may be no tensor.
Value conv2d(const Value& x, const Value& weight, const Value& bias, std::int64_t groups = 1);
/// Over the channels of each pixel.
Value layer_norm(const Value& x, const Value& weight, const Value& bias, double epsilon);
/// Over the channels of each pixel. `bias` may be no tensor.
Value linear(const Value& x, const Value& weight, const Value& bias);

Value gelu(const Value& x);  ///< The exact one.
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

/// Along the channels.
Value concatenate(const std::vector<Value>& parts);
Value pixel_shuffle(const Value& x, std::int64_t factor);
Value mean_over_pixels(const Value& x);
Value mean_over_channels(const Value& x);
Value largest_over_channels(const Value& x);
/// One number a channel as (1, C, 1, 1).
Value of_channels(const Value& x);

}  // namespace aether2onnx::verify
