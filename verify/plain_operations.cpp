#include "plain_operations.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "port/port.h"
#include "products.h"

namespace aether2onnx::verify {

namespace {

using Shape = std::vector<std::int64_t>;

std::size_t count_of(const Shape& shape) { return count_elements(shape); }
std::size_t axis(const Shape& shape, std::size_t index) {
  return static_cast<std::size_t>(shape[index]);
}

// Distributes the calls work(0) to work(count - 1) over all processors. `work` must not throw.
template <typename Work>
void in_parallel(std::size_t count, const Work& work) {
  std::atomic<std::size_t> next = 0;
  port::run_on_threads(std::min(count, port::processors()), [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  });
}

// Splits the indices from 0 to count - 1 into ranges, and calls work(begin, end) for each range, on
// all processors. A single index has too little work to be worth a call of its own, so a range has
// at least `least` indices if `count` allows. `work` must not throw.
template <typename Work>
void in_ranges(std::size_t count, const Work& work) {
  constexpr std::size_t least = 1U << 14U;
  const std::size_t parts =
      std::max<std::size_t>(1, std::min(count / least, 4 * port::processors()));
  const auto run = [&](std::size_t part) {
    work(count * part / parts, count * (part + 1) / parts);
  };
  if (parts == 1) {
    run(0);
  } else {
    in_parallel(parts, run);
  }
}

// The settings with which rounded_to() rounds a float to a 16-bit type. A value beyond the range of
// float16 does not become infinite, because rounded_to() does not limit the exponent.
struct Rounding {
  int dropped_bits = 0;  // mantissa bits of a float that are dropped; 0: no rounding
  // Numbers below this magnitude are subnormals of float16, which are multiples of 2^-24. Floats
  // from 0.5 to 1 are also multiples of 2^-24. So rounded_to() adds 0.75: the sum is rounded to a
  // multiple of 2^-24. Then rounded_to() subtracts 0.75. bfloat16 does not need this method,
  // because bfloat16 has the exponents of float, so `smallest_normal` is 0 for bfloat16.
  float smallest_normal = 0;
};
constexpr Rounding kToFloat16 = {13, 0x1p-14F};
constexpr Rounding kToBfloat16 = {16, 0};

// Returns `value` rounded to the nearest number of a 16-bit type. In the middle between two
// numbers, returns the number whose last mantissa bit is 0 (ties to even).
float rounded_to(const Rounding& rounding, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  constexpr std::uint32_t infinity = 0x7f800000U;
  if ((bits & infinity) == infinity) return value;
  if (std::abs(value) < rounding.smallest_normal) return (value + 0.75F) - 0.75F;
  const std::uint32_t odd = bits >> rounding.dropped_bits & 1U;
  const std::uint32_t half = (1U << (rounding.dropped_bits - 1)) - 1;
  return std::bit_cast<float>((bits + half + odd) >> rounding.dropped_bits
                                                         << rounding.dropped_bits);
}

template <typename T>
class PlainOperations final : public Operations {
 public:
  explicit PlainOperations(std::string type, const Rounding& rounding = {})
      : type_(std::move(type)), rounding_(rounding), add_products_(fastest_add_products<T>()) {}

  std::string description() const override { return "the built-in reference, " + type_; }

  Value make(const Shape& shape, const double* values) const override {
    std::vector<T> elements(count_of(shape));
    std::transform(values, values + elements.size(), elements.begin(),
                   [](double value) { return static_cast<T>(value); });
    return made(shape, std::move(elements));
  }

  std::vector<double> read(const Value& value) const override {
    const std::vector<T>& elements = of(value);
    return {elements.begin(), elements.end()};
  }

  double largest_magnitude(const Value& value) const override {
    double largest = 0;
    for (const T element : of(value)) {
      const double magnitude = std::abs(static_cast<double>(element));
      if (!std::isfinite(magnitude)) return std::numeric_limits<double>::infinity();
      largest = std::max(largest, magnitude);
    }
    return largest;
  }

  Value convolution(const Value& x, const Value& weight, const Value& bias,
                    std::int64_t groups) const override {
    const std::size_t kernel = axis(weight.shape(), 2);
    const std::size_t outputs = axis(weight.shape(), 0);
    if (groups == 1) return convolve(x, of(weight), bias, outputs, kernel, false);
    return convolve(x, of(weight), bias, outputs, kernel, true);
  }

  Value linear(const Value& x, const Value& weight, const Value& bias) const override {
    return convolve(x, of(weight), bias, axis(weight.shape(), 0), 1, false);
  }

  Value layer_norm(const Value& x, const Value& weight, const Value& bias,
                   double epsilon) const override {
    const std::size_t channels = axis(x.shape(), 1);
    const std::size_t pixels = axis(x.shape(), 2) * axis(x.shape(), 3);
    const std::vector<T>& in = of(x);
    const std::vector<T>& factor = of(weight);
    const std::vector<T>& offset = of(bias);
    std::vector<T> out(in.size());
    const auto count = static_cast<T>(channels);
    const auto normalize = [&](std::size_t image, std::size_t begin, std::size_t end) {
      const std::size_t base = image * channels * pixels;
      for (std::size_t pixel = begin; pixel < end; ++pixel) {
        const auto at = [&](std::size_t channel) { return base + channel * pixels + pixel; };
        T sum = 0;
        for (std::size_t c = 0; c < channels; ++c) sum += in[at(c)];
        const T mean = rounded(sum / count);
        T squares = 0;
        for (std::size_t c = 0; c < channels; ++c) {
          const T centred = rounded(in[at(c)] - mean);
          squares += rounded(centred * centred);
        }
        const T deviation =
            rounded(std::sqrt(rounded(rounded(squares / count) + static_cast<T>(epsilon))));
        for (std::size_t c = 0; c < channels; ++c) {
          const T normal = rounded(rounded(in[at(c)] - mean) / deviation);
          out[at(c)] = rounded(normal * factor[c]) + offset[c];
        }
      }
    };
    for (std::size_t image = 0; image < axis(x.shape(), 0); ++image) {
      in_ranges(pixels, [&](std::size_t begin, std::size_t end) { normalize(image, begin, end); });
    }
    return made(x.shape(), std::move(out));
  }

  Value apply(Unary operation, const Value& x) const override {
    switch (operation) {
      case Unary::gelu:
        return map(x, [this](T v) {
          const T inner = rounded(std::erf(rounded(v / static_cast<T>(1.4142135623730951))));
          return rounded(v * rounded(inner + 1)) * static_cast<T>(0.5);
        });
      case Unary::silu:
        return map(x, [this](T v) { return v * rounded(sigmoid(v)); });
      case Unary::relu:
        return map(x, [](T v) { return v > 0 || std::isnan(v) ? v : T(0); });
      case Unary::sigmoid:
        return map(x, sigmoid);
      case Unary::square_root:
        return map(x, [](T v) { return std::sqrt(v); });
    }
    defect("this operation has no implementation");
  }

  Value leaky_relu(const Value& x, double slope) const override {
    return map(x, [factor = static_cast<T>(slope)](T v) { return v > 0 ? v : factor * v; });
  }

  Value combine(Binary operation, const Value& a, const Value& b) const override {
    switch (operation) {
      case Binary::add:
        return join(a, b, [](T x, T y) { return x + y; });
      case Binary::subtract:
        return join(a, b, [](T x, T y) { return x - y; });
      case Binary::multiply:
        return join(a, b, [](T x, T y) { return x * y; });
      case Binary::divide:
        return join(a, b, [](T x, T y) { return x / y; });
    }
    defect("this operation has no implementation");
  }

  Value concatenate(const std::vector<Value>& parts) const override {
    Shape shape = parts.at(0).shape();
    shape[1] = 0;
    for (const Value& part : parts) shape[1] += part.size(1);
    std::vector<T> out;
    out.reserve(count_of(shape));
    for (std::size_t image = 0; image < axis(shape, 0); ++image) {
      for (const Value& part : parts) {
        const std::vector<T>& in = of(part);
        const std::size_t size = in.size() / axis(shape, 0);
        const auto begin = in.begin() + static_cast<std::ptrdiff_t>(image * size);
        out.insert(out.end(), begin, begin + static_cast<std::ptrdiff_t>(size));
      }
    }
    return made(shape, std::move(out));
  }

  Value pixel_shuffle(const Value& x, std::int64_t factor) const override {
    const auto r = static_cast<std::size_t>(factor);
    const std::size_t height = axis(x.shape(), 2);
    const std::size_t width = axis(x.shape(), 3);
    const std::size_t planes = axis(x.shape(), 0) * axis(x.shape(), 1) / (r * r);
    const std::vector<T>& in = of(x);
    std::vector<T> out(in.size());
    for (std::size_t plane = 0; plane < planes; ++plane) {
      for (std::size_t y = 0; y < height * r; ++y) {
        for (std::size_t column = 0; column < width * r; ++column) {
          const std::size_t from = (plane * r + y % r) * r + column % r;
          out[(plane * height * r + y) * width * r + column] =
              in[(from * height + y / r) * width + column / r];
        }
      }
    }
    return made({x.size(0), x.size(1) / (factor * factor), x.size(2) * factor, x.size(3) * factor},
                std::move(out));
  }

  Value mean_over_pixels(const Value& x) const override {
    const std::size_t pixels = axis(x.shape(), 2) * axis(x.shape(), 3);
    const std::vector<T>& in = of(x);
    std::vector<T> out(in.size() / pixels);
    for (std::size_t plane = 0; plane < out.size(); ++plane) {
      T sum = 0;
      for (std::size_t i = 0; i < pixels; ++i) sum += in[plane * pixels + i];
      out[plane] = sum / static_cast<T>(pixels);
    }
    return made({x.size(0), x.size(1), 1, 1}, std::move(out));
  }

  Value mean_over_channels(const Value& x) const override {
    const auto count = static_cast<T>(x.size(1));
    Value sum = over_channels(x, [](T a, T b) { return a + b; });
    return map(sum, [count](T v) { return v / count; });
  }

  Value largest_over_channels(const Value& x) const override {
    return over_channels(x, [](T a, T b) { return b > a || std::isnan(b) ? b : a; });
  }

  Value reshape(const Value& x, const Shape& shape) const override {
    return {*this, shape, std::make_shared<const std::vector<T>>(of(x))};
  }

 private:
  static const std::vector<T>& of(const Value& value) { return value.content<std::vector<T>>(); }

  static T sigmoid(T v) { return 1 / (1 + std::exp(-v)); }

  // Returns `value`, rounded to 16 bits if this object computes in float16 or bfloat16.
  T rounded(T value) const {
    if constexpr (std::is_same_v<T, float>) {
      if (rounding_.dropped_bits > 0) return rounded_to(rounding_, value);
    }
    return value;
  }

  Value made(const Shape& shape, std::vector<T> elements) const {
    if (rounding_.dropped_bits > 0) {
      in_ranges(elements.size(), [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) elements[i] = rounded(elements[i]);
      });
    }
    return {*this, shape, std::make_shared<const std::vector<T>>(std::move(elements))};
  }

  template <typename Function>
  Value map(const Value& x, const Function& function) const {
    const std::vector<T>& in = of(x);
    std::vector<T> out(in.size());
    in_ranges(in.size(), [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) out[i] = function(in[i]);
    });
    return made(x.shape(), std::move(out));
  }

  template <typename Function>
  Value join(const Value& a, const Value& b, const Function& function) const {
    const std::vector<T>& left = of(a);
    const std::vector<T>& right = of(b);
    if (a.shape() == b.shape()) {
      std::vector<T> out(left.size());
      in_ranges(left.size(), [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) out[i] = function(left[i], right[i]);
      });
      return made(a.shape(), std::move(out));
    }
    // Broadcasts as PyTorch does: aligns both shapes at the last axis. An axis of size 1 gets a
    // stride of 0, which repeats its element.
    using Axes = std::array<std::size_t, 4>;
    const auto sizes_of = [](const Value& value) {
      Axes sizes = {1, 1, 1, 1};
      std::copy_backward(value.shape().begin(), value.shape().end(), sizes.end());
      return sizes;
    };
    const auto strides_of = [](const Axes& sizes) {
      Axes strides{};
      std::size_t stride = 1;
      for (std::size_t i = sizes.size(); i-- > 0; stride *= sizes[i]) {
        strides[i] = sizes[i] == 1 ? 0 : stride;
      }
      return strides;
    };
    const Axes left_sizes = sizes_of(a);
    const Axes right_sizes = sizes_of(b);
    const Axes left_strides = strides_of(left_sizes);
    const Axes right_strides = strides_of(right_sizes);
    Axes sizes{};
    Shape shape;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      sizes[i] = std::max(left_sizes[i], right_sizes[i]);
      if (i + std::max(a.shape().size(), b.shape().size()) >= sizes.size()) {
        shape.push_back(static_cast<std::int64_t>(sizes[i]));
      }
    }
    std::vector<T> out(count_of(shape));
    const auto position = [](const Axes& at, const Axes& strides) {
      return at[0] * strides[0] + at[1] * strides[1] + at[2] * strides[2] + at[3] * strides[3];
    };
    in_ranges(out.size(), [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const Axes at = {i / (sizes[1] * sizes[2] * sizes[3]), i / (sizes[2] * sizes[3]) % sizes[1],
                         i / sizes[3] % sizes[2], i % sizes[3]};
        out[i] = function(left[position(at, left_strides)], right[position(at, right_strides)]);
      }
    });
    return made(shape, std::move(out));
  }

  template <typename Function>
  Value over_channels(const Value& x, const Function& function) const {
    const std::size_t channels = axis(x.shape(), 1);
    const std::size_t pixels = axis(x.shape(), 2) * axis(x.shape(), 3);
    const std::vector<T>& in = of(x);
    std::vector<T> out(in.size() / channels);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const T* first = &in[i / pixels * channels * pixels + i % pixels];
      T result = *first;
      for (std::size_t c = 1; c < channels; ++c) result = function(result, first[c * pixels]);
      out[i] = result;
    }
    return made({x.size(0), 1, x.size(2), x.size(3)}, std::move(out));
  }

  // Computes a convolution by its definition, as sums of products of weights and input pixels. The
  // input first gets a border of zeros. The input pixel of a weight is then at a fixed distance in
  // memory from the output pixel, even at the edges. So one loop can compute many output pixels,
  // also across the ends of rows. At the end of each row, the loop also computes sums for the
  // border. The sums for the border are not copied to the output.
  Value convolve(const Value& x, const std::vector<T>& weight, const Value& bias,
                 std::size_t outputs, std::size_t kernel, bool depthwise) const {
    const std::size_t images = axis(x.shape(), 0);
    const std::size_t channels = axis(x.shape(), 1);
    const std::size_t height = axis(x.shape(), 2);
    const std::size_t width = axis(x.shape(), 3);
    const std::size_t border = kernel / 2;
    const std::size_t row = width + 2 * border;
    const std::size_t plane = row * (height + 2 * border);
    std::vector<T> with_border;
    const std::vector<T>* source = &of(x);
    if (border > 0) {
      with_border.resize(images * channels * plane);
      in_parallel(images * channels, [&](std::size_t i) {
        for (std::size_t y = 0; y < height; ++y) {
          const T* from = source->data() + (i * height + y) * width;
          std::copy(from, from + width, &with_border[i * plane + (y + border) * row + border]);
        }
      });
      source = &with_border;
    }
    const std::size_t taps = kernel * kernel;
    const std::size_t inputs = depthwise ? 1 : channels;
    const std::size_t terms = inputs * taps;
    const std::size_t run = row * (height - 1) + width;  // values from the first to the last pixel
    constexpr std::size_t tile = 512;
    const std::size_t tiles = (run + tile - 1) / tile;
    const std::size_t together = depthwise ? 1 : 2;  // output channels that are computed at once
    const std::size_t groups = (outputs + together - 1) / together;
    std::vector<T> out(images * outputs * height * width);

    const auto work = [&](std::size_t index) {
      const std::size_t image = index / (groups * tiles);
      const std::size_t group = index / tiles % groups;
      const std::size_t begin = index % tiles * tile;
      const std::size_t count = std::min(tile, run - begin);
      const std::size_t first = group * together;
      const bool pair = first + 1 < std::min(outputs, first + together);
      // `sums` is not initialized, because the loop below fills the elements that are used.
      std::array<std::array<T, tile>, 2> sums;  // NOLINT(cppcoreguidelines-pro-type-member-init)
      for (std::size_t o = 0; o < (pair ? 2U : 1U); ++o) {
        std::fill_n(sums[o].begin(), count, bias ? of(bias)[first + o] : T(0));
      }
      const T* const base =
          source->data() + (image * channels + (depthwise ? first : 0)) * plane + begin;
      constexpr std::size_t most = 16;
      std::array<Step<T>, most> steps;
      for (std::size_t term = 0; term < terms;) {
        std::size_t filled = 0;
        for (; filled < most && term < terms; ++filled) {
          Step<T>& step = steps[filled];
          for (std::size_t i = 0; i < kTerms; ++i, ++term) {
            // A Step (see products.h) adds kTerms products to a sum. If the last step needs fewer
            // products, each unused product gets the weight 0, and reads the input from the address
            // `base`, which is valid.
            const bool there = term < terms;
            const std::size_t tap = there ? term % taps : 0;
            const std::size_t input = there ? term / taps : 0;
            step.inputs[i] = base + input * plane + tap / kernel * row + tap % kernel;
            step.first[i] = there ? weight[first * terms + term] : T(0);
            step.second[i] = there && pair ? weight[(first + 1) * terms + term] : T(0);
          }
        }
        add_products_(steps.data(), filled, sums[0].data(), pair ? sums[1].data() : nullptr, count);
      }
      for (std::size_t o = 0; o < (pair ? 2U : 1U); ++o) {
        T* const to = &out[(image * outputs + first + o) * height * width];
        for (std::size_t i = 0; i < count;) {
          const std::size_t y = (begin + i) / row;
          const std::size_t column = (begin + i) % row;
          const std::size_t pixels = column < width ? std::min(width - column, count - i) : 0;
          std::copy_n(&sums[o][i], pixels, to + y * width + column);
          i += column < width ? pixels : std::min(row - column, count - i);
        }
      }
    };
    in_parallel(images * groups * tiles, work);
    return made({x.size(0), static_cast<std::int64_t>(outputs), x.size(2), x.size(3)},
                std::move(out));
  }

  std::string type_;
  Rounding rounding_;
  AddProducts<T> add_products_;
};

}  // namespace

std::unique_ptr<Operations> plain_operations(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::float64:
      return std::make_unique<PlainOperations<double>>("float64");
    case Arithmetic::float32:
      return std::make_unique<PlainOperations<float>>("float32");
    case Arithmetic::float16:
      return std::make_unique<PlainOperations<float>>("float16", kToFloat16);
    case Arithmetic::bfloat16:
      return std::make_unique<PlainOperations<float>>("bfloat16", kToBfloat16);
  }
  defect("a number type that the reference does not know");
}

}  // namespace aether2onnx::verify
