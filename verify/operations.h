/// @file
/// The tensor operations that the reference uses. (The reference computes the network from the
/// checkpoint; see reference.h.) There are two implementations. The program itself contains an
/// implementation with plain loops (plain_operations.h). A separate shared library, the torch
/// module, contains an implementation with libtorch (torch_module.h). The module does not link
/// compiled code of the program, so this header contains all code that the module needs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensor.h"

namespace aether2onnx::verify {

class Operations;

/// A tensor that an implementation of Operations made. Copies share the elements, which never
/// change. A Value that is constructed without arguments is empty: it holds no tensor.
class Value {
 public:
  Value() = default;
  Value(const Operations& operations, std::vector<std::int64_t> shape,
        std::shared_ptr<const void> content)
      : operations_(&operations), shape_(std::move(shape)), content_(std::move(content)) {}

  explicit operator bool() const { return content_ != nullptr; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t size(std::size_t axis) const { return shape_.at(axis); }
  const Operations& operations() const { return *operations_; }
  /// Returns the tensor as the type that the implementation stored, such as at::Tensor. Only the
  /// implementation that made the Value may call this function, because the type is not checked.
  template <typename Content>
  const Content& content() const {
    return *static_cast<const Content*>(content_.get());
  }

 private:
  const Operations* operations_ = nullptr;
  std::vector<std::int64_t> shape_;
  std::shared_ptr<const void> content_;
};

/// Functions of a single element x. gelu is x * (1 + erf(x / sqrt 2)) / 2. silu is x * sigmoid(x).
enum class Unary { gelu, silu, relu, sigmoid, square_root };
enum class Binary { add, subtract, multiply, divide };

/// The interface of the tensor operations. Feature maps are (N, C, H, W). The caller checks shapes.
/// A function throws std::exception if a library fails. Only one thread may use an object.
class Operations {
 public:
  Operations() = default;
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;
  virtual ~Operations() = default;

  /// Returns the implementation, the number type and the device: "PyTorch 1.13.1, float32, CPU".
  virtual std::string description() const = 0;

  virtual Value make(const std::vector<std::int64_t>& shape, const double* values) const = 0;
  virtual std::vector<double> read(const Value& value) const = 0;
  /// Returns the largest magnitude of all elements; infinity if an element is infinite or NaN.
  virtual double largest_magnitude(const Value& value) const = 0;

  /// Computes a convolution (cross-correlation) from I to O channels, with stride 1 and dilation 1.
  /// The weight has the shape (O, I / groups, K, K), and K is odd. The bias has the shape (O) or is
  /// empty. Each side of x is padded with (K - 1) / 2 zeros, so height and width stay the same.
  /// `groups` is 1 or, for a depthwise convolution, I. A depthwise convolution requires O = I.
  virtual Value convolution(const Value& x, const Value& weight, const Value& bias,
                            std::int64_t groups) const = 0;
  /// Normalizes over the channels of each pixel, with the biased variance. The weight and the bias
  /// have the shape (C).
  virtual Value layer_norm(const Value& x, const Value& weight, const Value& bias,
                           double epsilon) const = 0;
  /// Applies a linear layer to the channels of each pixel. The weight has the shape (O, I). The
  /// bias has the shape (O) or is empty.
  virtual Value linear(const Value& x, const Value& weight, const Value& bias) const = 0;
  virtual Value apply(Unary operation, const Value& x) const = 0;
  /// Returns x if x > 0, else slope * x, for each element.
  virtual Value leaky_relu(const Value& x, double slope) const = 0;
  /// Applies `operation` to each pair of elements of two tensors of rank 4 at most. Axes of size 1
  /// are repeated, as in PyTorch.
  virtual Value combine(Binary operation, const Value& a, const Value& b) const = 0;
  /// Concatenates feature maps along the channels.
  virtual Value concatenate(const std::vector<Value>& parts) const = 0;
  /// PyTorch's pixel_shuffle, with r = `factor`: channel c * r * r + i * r + j at (y, x) becomes
  /// channel c at (y * r + i, x * r + j).
  virtual Value pixel_shuffle(const Value& x, std::int64_t factor) const = 0;
  virtual Value mean_over_pixels(const Value& x) const = 0;       ///< Shape (N, C, 1, 1).
  virtual Value mean_over_channels(const Value& x) const = 0;     ///< Shape (N, 1, H, W).
  virtual Value largest_over_channels(const Value& x) const = 0;  ///< Shape (N, 1, H, W).
  virtual Value reshape(const Value& x, const std::vector<std::int64_t>& shape) const = 0;
};

}  // namespace aether2onnx::verify
