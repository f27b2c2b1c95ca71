#include "statistics.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace aether2onnx {

namespace {

// Returns the value of a float8_e5m2 number, which is the upper half of a binary16 number.
float from_float8_e5m2(std::uint8_t bits) {
  return from_half_bits(static_cast<std::uint16_t>(unsigned{bits} << 8U));
}

// Returns the value of a float8_e4m3 number. The type has exponent bias 7 and no infinity. A number
// is NaN if all bits besides the sign bit are 1.
// Source: Micikevicius et al., "FP8 formats for deep learning", 2022.
double from_float8_e4m3(std::uint8_t bits) {
  if ((bits & 0x7fU) == 0x7fU) return std::nan("");
  const int exponent = (bits >> 3) & 0xf;
  const int fraction = bits & 0x7;
  const double size =
      exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return (bits & 0x80U) != 0 ? -size : size;
}

template <typename Word>
double plain(Word word) {
  return static_cast<double>(word);
}

// Fills in the statistics of `tensor`. `data` has elements of type Word; value(word) returns the
// number in an element.
template <typename Word, typename Value>
void count(const TensorData& data, InspectedTensor& tensor, Value value) {
  std::uint64_t finite = 0;
  double min = HUGE_VAL;
  double max = -HUGE_VAL;
  double mean = 0;
  for (std::size_t at = 0; at + sizeof(Word) <= data.bytes.size(); at += sizeof(Word)) {
    Word word;
    std::memcpy(&word, data.bytes.data() + at, sizeof word);
    const double number = value(word);
    if (std::isnan(number)) {
      ++tensor.nan;
    } else if (std::isinf(number)) {
      ++tensor.infinite;
    } else {
      min = std::min(min, number);
      max = std::max(max, number);
      // The mean is updated with each number, because a sum could overflow.
      mean += (number - mean) / static_cast<double>(++finite);
    }
  }
  if (finite == 0) return;
  tensor.min = min;
  tensor.max = max;
  tensor.mean = mean;
}

template <typename Word>
void count(const TensorData& data, InspectedTensor& tensor) {
  count<Word>(data, tensor, plain<Word>);
}

}  // namespace

void measure(const TensorData& data, InspectedTensor& tensor) {
  switch (data.dtype) {
    case DType::float64:
      return count<double>(data, tensor);
    case DType::float32:
      return count<float>(data, tensor);
    case DType::float16:
      return count<std::uint16_t>(data, tensor, from_half_bits);
    case DType::bfloat16:
      return count<std::uint16_t>(data, tensor, from_bfloat16_bits);
    case DType::int64:
      return count<std::int64_t>(data, tensor);
    case DType::int32:
      return count<std::int32_t>(data, tensor);
    case DType::int16:
      return count<std::int16_t>(data, tensor);
    case DType::int8:
      return count<std::int8_t>(data, tensor);
    case DType::uint64:
      return count<std::uint64_t>(data, tensor);
    case DType::uint32:
      return count<std::uint32_t>(data, tensor);
    case DType::uint16:
      return count<std::uint16_t>(data, tensor);
    case DType::uint8:
    case DType::boolean:
      return count<std::uint8_t>(data, tensor);
    case DType::float8_e4m3fn:
      return count<std::uint8_t>(data, tensor, from_float8_e4m3);
    case DType::float8_e5m2:
      return count<std::uint8_t>(data, tensor, from_float8_e5m2);
    case DType::complex64:
    case DType::complex128:
      tensor.problem = "has complex numbers, which have no minimum or maximum";
      return;
    case DType::qint32:
    case DType::qint8:
    case DType::quint8:
      tensor.problem = "is quantized: its numbers mean nothing without their scales";
      return;
  }
  defect("a type without statistics");
}

}  // namespace aether2onnx
