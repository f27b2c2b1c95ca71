#include "formulas.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::verify {

namespace {

using Shape = std::vector<std::int64_t>;

std::string text_of(const Shape& shape) { return fmt::format("({})", join(shape, ", ")); }

void check(bool fits, const char* what, const Shape& a, const Shape& b) {
  if (fits) return;
  fail({ErrorKind::mismatch, "verify-shapes", what, text_of(a), text_of(b)},
       "The reference computation has a {} of tensors whose shapes do not fit: {} and {}.", what,
       text_of(a), text_of(b));
}

bool is_bias(const Value& bias, std::int64_t outputs) {
  return !bias || bias.shape() == Shape{outputs};
}

// Returns whether both shapes have at most 4 axes and PyTorch can broadcast the shapes. PyTorch
// compares the shapes from the last axis on. In each axis, both sizes must be equal, or one size
// must be 1.
bool can_be_joined(const Shape& a, const Shape& b) {
  const std::size_t rank = std::min(a.size(), b.size());
  for (std::size_t i = 1; i <= rank; ++i) {
    const std::int64_t left = a[a.size() - i];
    const std::int64_t right = b[b.size() - i];
    if (left != right && left != 1 && right != 1) return false;
  }
  return std::max(a.size(), b.size()) <= 4;
}

Value combine(Binary operation, const char* what, const Value& a, const Value& b) {
  check(can_be_joined(a.shape(), b.shape()), what, a.shape(), b.shape());
  return a.operations().combine(operation, a, b);
}

Value number(const Value& like, double number) { return like.operations().make({1}, &number); }

}  // namespace

Value conv2d(const Value& x, const Value& weight, const Value& bias, std::int64_t groups) {
  const Shape& w = weight.shape();
  const bool fits = x.shape().size() == 4 && w.size() == 4 && w[2] == w[3] && w[2] % 2 == 1 &&
                    w[1] * groups == x.size(1) && (groups == 1 || groups == w[0]) &&
                    is_bias(bias, w[0]);
  check(fits, "convolution", x.shape(), w);
  return x.operations().convolution(x, weight, bias, groups);
}

Value layer_norm(const Value& x, const Value& weight, const Value& bias, double epsilon) {
  const bool fits =
      x.shape().size() == 4 && weight.shape() == Shape{x.size(1)} && bias.shape() == weight.shape();
  check(fits, "normalization", x.shape(), weight.shape());
  return x.operations().layer_norm(x, weight, bias, epsilon);
}

Value linear(const Value& x, const Value& weight, const Value& bias) {
  const Shape& w = weight.shape();
  const bool fits =
      x.shape().size() == 4 && w.size() == 2 && w[1] == x.size(1) && is_bias(bias, w[0]);
  check(fits, "linear layer", x.shape(), w);
  return x.operations().linear(x, weight, bias);
}

Value gelu(const Value& x) { return x.operations().apply(Unary::gelu, x); }
Value silu(const Value& x) { return x.operations().apply(Unary::silu, x); }
Value relu(const Value& x) { return x.operations().apply(Unary::relu, x); }
Value sigmoid(const Value& x) { return x.operations().apply(Unary::sigmoid, x); }
Value square_root(const Value& x) { return x.operations().apply(Unary::square_root, x); }
Value leaky_relu(const Value& x, double slope) { return x.operations().leaky_relu(x, slope); }

Value operator+(const Value& a, const Value& b) { return combine(Binary::add, "sum", a, b); }
Value operator-(const Value& a, const Value& b) {
  return combine(Binary::subtract, "difference", a, b);
}
Value operator*(const Value& a, const Value& b) {
  return combine(Binary::multiply, "product", a, b);
}
Value operator/(const Value& a, const Value& b) {
  return combine(Binary::divide, "quotient", a, b);
}
Value operator+(const Value& a, double b) { return a + number(a, b); }
Value operator-(const Value& a, double b) { return a - number(a, b); }
Value operator*(double a, const Value& b) { return b * number(b, a); }
Value operator*(const Value& a, double b) { return a * number(a, b); }
Value operator/(const Value& a, double b) { return a / number(a, b); }

Value concatenate(const std::vector<Value>& parts) {
  require(!parts.empty(), "a concatenation without tensors");
  for (const Value& part : parts) {
    const Shape& first = parts.front().shape();
    const bool fits = part.shape().size() == 4 && part.size(0) == first[0] &&
                      part.size(2) == first[2] && part.size(3) == first[3];
    check(fits, "concatenation", first, part.shape());
  }
  return parts.front().operations().concatenate(parts);
}

Value pixel_shuffle(const Value& x, std::int64_t factor) {
  check(x.shape().size() == 4 && x.size(1) % (factor * factor) == 0, "pixel shuffle", x.shape(),
        {factor, factor});
  return x.operations().pixel_shuffle(x, factor);
}

Value mean_over_pixels(const Value& x) { return x.operations().mean_over_pixels(x); }
Value mean_over_channels(const Value& x) { return x.operations().mean_over_channels(x); }
Value largest_over_channels(const Value& x) { return x.operations().largest_over_channels(x); }

Value of_channels(const Value& x) {
  return x.operations().reshape(x, {1, static_cast<std::int64_t>(count_elements(x.shape())), 1, 1});
}

}  // namespace aether2onnx::verify
