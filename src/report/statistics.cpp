// What the elements of a tensor say: extremes, mean, what isn't finite.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "report/report.h"

namespace aether2onnx::report {

namespace {

template <typename Word>
struct Plain {
  using Type = Word;
  static double value(Word word) { return static_cast<double>(word); }
};
struct Half {
  using Type = std::uint16_t;
  static double value(Type word) { return from_half_bits(word); }
};
struct BFloat16 {
  using Type = std::uint16_t;
  static double value(Type word) { return from_bfloat16_bits(word); }
};
// The upper half of a binary16 number.
struct Float8E5M2 {
  using Type = std::uint8_t;
  static double value(Type word) {
    return from_half_bits(static_cast<std::uint16_t>(unsigned{word} << 8U));
  }
};
// Exponent bias 7, no infinity, NaN with all bits but the sign set. Source: Micikevicius et al.,
// "FP8 formats for deep learning", 2022.
struct Float8E4M3 {
  using Type = std::uint8_t;
  static double value(Type word) {
    if ((word & 0x7fU) == 0x7fU) return std::nan("");
    const int exponent = (word >> 3) & 0xf;
    const int fraction = word & 0x7;
    const double size =
        exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
    return (word & 0x80U) != 0 ? -size : size;
  }
};

class Statistics {
 public:
  void add(double value) {
    if (std::isnan(value)) {
      ++nan_;
    } else if (std::isinf(value)) {
      ++infinite_;
    } else {
      min_ = std::min(min_, value);
      max_ = std::max(max_, value);
      // The mean so far, which can't overflow where the sum would.
      mean_ += (value - mean_) / static_cast<double>(++finite_);
    }
  }

  void give(InspectedTensor& tensor) const {
    tensor.nan = nan_;
    tensor.infinite = infinite_;
    if (finite_ == 0) return;
    tensor.min = min_;
    tensor.max = max_;
    tensor.mean = mean_;
  }

 private:
  std::uint64_t nan_ = 0;
  std::uint64_t infinite_ = 0;
  std::uint64_t finite_ = 0;
  double min_ = HUGE_VAL;
  double max_ = -HUGE_VAL;
  double mean_ = 0;
};

template <typename Element>
void count(std::span<const std::byte> bytes, InspectedTensor& tensor) {
  using Word = typename Element::Type;
  Statistics statistics;
  for (std::size_t at = 0; at + sizeof(Word) <= bytes.size(); at += sizeof(Word)) {
    Word word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    statistics.add(Element::value(word));
  }
  statistics.give(tensor);
}

}  // namespace

void measure(const TensorData& data, InspectedTensor& tensor) {
  switch (data.dtype) {
    case DType::float64:
      return count<Plain<double>>(data.bytes, tensor);
    case DType::float32:
      return count<Plain<float>>(data.bytes, tensor);
    case DType::float16:
      return count<Half>(data.bytes, tensor);
    case DType::bfloat16:
      return count<BFloat16>(data.bytes, tensor);
    case DType::int64:
      return count<Plain<std::int64_t>>(data.bytes, tensor);
    case DType::int32:
      return count<Plain<std::int32_t>>(data.bytes, tensor);
    case DType::int16:
      return count<Plain<std::int16_t>>(data.bytes, tensor);
    case DType::int8:
      return count<Plain<std::int8_t>>(data.bytes, tensor);
    case DType::uint64:
      return count<Plain<std::uint64_t>>(data.bytes, tensor);
    case DType::uint32:
      return count<Plain<std::uint32_t>>(data.bytes, tensor);
    case DType::uint16:
      return count<Plain<std::uint16_t>>(data.bytes, tensor);
    case DType::uint8:
    case DType::boolean:
      return count<Plain<std::uint8_t>>(data.bytes, tensor);
    case DType::float8_e4m3fn:
      return count<Float8E4M3>(data.bytes, tensor);
    case DType::float8_e5m2:
      return count<Float8E5M2>(data.bytes, tensor);
    case DType::complex64:
    case DType::complex128:
      tensor.problem = "has complex numbers, which have no order";
      return;
    case DType::qint32:
    case DType::qint8:
    case DType::quint8:
      tensor.problem = "is quantized: its numbers mean nothing without their scales";
      return;
  }
  defect("a type without statistics");
}

}  // namespace aether2onnx::report
