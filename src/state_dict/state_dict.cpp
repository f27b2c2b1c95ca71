#include "state_dict/state_dict.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

namespace aether2onnx::state_dict {

StateDict::StateDict(Parts parts, Context context)
    : parts_(std::move(parts)), context_(std::move(context)) {
  by_name_.reserve(entries().size());
  for (std::size_t i = 0; i < entries().size(); ++i) by_name_.emplace(entries()[i].name, i);
  for (const Input* file : files()) made_.allow(file->size());
}

const Entry* StateDict::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries()[found->second];
}

namespace {

// An axis of a tensor. The stride is in elements. axes_of() returns the outermost axis first and
// leaves out axes of size 1, because their strides do not matter.
struct Axis {
  std::int64_t size;
  std::int64_t stride;
};

std::vector<Axis> axes_of(const Tensor& tensor) {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] != 1) axes.push_back({tensor.shape[i], tensor.strides[i]});
  }
  return axes;
}

bool is_contiguous(std::span<const Axis> axes) {
  std::int64_t expected = 1;
  for (std::size_t i = axes.size(); i-- > 0;) {
    if (axes[i].stride != expected) return false;
    expected *= axes[i].size;
  }
  return true;
}

// Returns how many elements of the storage the tensor spans: the tensor's first element, the last
// element, and all elements between them. If the tensor is a slice of a larger tensor, some of the
// elements between do not belong to the tensor.
std::int64_t extent(std::span<const Axis> axes) {
  std::int64_t last = 0;
  for (const Axis& axis : axes) last += (axis.size - 1) * axis.stride;
  return last + 1;
}

// Copies the tensor's elements from `window`, and returns the elements in row-major order. `window`
// is the part of the storage that begins with the tensor's first element.
std::vector<std::byte> gather(std::span<const std::byte> window, std::span<const Axis> axes,
                              std::size_t elements, std::size_t element_size) {
  std::vector<std::byte> out(elements * element_size);
  std::vector<std::int64_t> index(axes.size(), 0);
  std::int64_t from = 0;
  for (std::size_t to = 0; to < elements; ++to) {
    std::memcpy(out.data() + to * element_size,
                window.data() + static_cast<std::size_t>(from) * element_size, element_size);
    for (std::size_t axis = axes.size(); axis-- > 0;) {
      from += axes[axis].stride;
      if (++index[axis] < axes[axis].size) break;
      from -= axes[axis].stride * axes[axis].size;
      index[axis] = 0;
    }
  }
  return out;
}

}  // namespace

TensorData StateDict::read(const Entry& entry) const {
  context_.check_cancelled();
  require(entry.tensor.has_value(), "reading an entry that is no tensor");
  return entry.tensor->is_quantized() ? dequantized(*entry.tensor) : read_stored(*entry.tensor);
}

TensorData StateDict::read_stored(const Tensor& tensor) const {
  TensorData data{tensor.dtype, tensor.shape, {}};
  if (tensor.elements == 0) return data;

  const std::size_t element_size = size_of(tensor.dtype);
  const std::vector<Axis> axes = axes_of(tensor);
  const std::uint64_t window_bytes = static_cast<std::uint64_t>(extent(axes)) * element_size;
  made_.add(std::max(window_bytes, static_cast<std::uint64_t>(tensor.elements) * element_size));
  if (made_.exceeded()) {
    fail(
        {ErrorKind::limit, "state-dict-tensor-bytes", "", human_bytes(made_.most())},
        "The tensors read so far are larger than {} in total and far larger than the file, because "
        "many tensors share the same bytes.\nTraining programs do not write files like this. Use "
        "another copy of the file.",
        human_bytes(made_.most()));
  }
  std::vector<std::byte> window(to_size(window_bytes));
  parts_.storages->read(tensor.storage,
                        static_cast<std::uint64_t>(tensor.storage_offset) * element_size, window);
  data.bytes = is_contiguous(axes)
                   ? std::move(window)
                   : gather(window, axes, static_cast<std::size_t>(tensor.elements), element_size);

  const bool swap = parts_.storages->big_endian() != (std::endian::native == std::endian::big);
  if (swap) swap_byte_order(data.bytes, element_size);
  return data;
}

namespace {

template <typename T>
void append_as(std::span<const std::byte> bytes, auto& out) {
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    out.push_back(value);
  }
}

// Returns the elements of a tensor of an integer type.
std::vector<std::int64_t> to_integers(const TensorData& data) {
  std::vector<std::int64_t> values;
  switch (data.dtype) {
    case DType::qint8:
      append_as<std::int8_t>(data.bytes, values);
      break;
    case DType::quint8:
      append_as<std::uint8_t>(data.bytes, values);
      break;
    case DType::qint32:
    case DType::int32:
      append_as<std::int32_t>(data.bytes, values);
      break;
    case DType::int64:
      append_as<std::int64_t>(data.bytes, values);
      break;
    default: {
      defect("a quantized tensor or its zero points have a type that was not checked");
    }
  }
  return values;
}

}  // namespace

namespace {

// Throws Error(malformed) if a zero point is outside the range of `dtype`. PyTorch makes the same
// check before it dequantizes.
void check_zero_points(std::span<const std::int64_t> zero_points, DType dtype) {
  std::int64_t least = INT32_MIN;
  std::int64_t most = INT32_MAX;
  if (dtype == DType::qint8) std::tie(least, most) = std::pair(-128, 127);
  if (dtype == DType::quint8) std::tie(least, most) = std::pair(0, 255);
  for (const std::int64_t number : zero_points) {
    if (number >= least && number <= most) continue;
    fail({ErrorKind::malformed,
          "state-dict-zero-point",
          {},
          fmt::format("{} to {}", least, most),
          fmt::format("{}", number)},
         "a quantized tensor of {} in the file has the zero point {}; {} to {} are possible.\n"
         "Download or copy the file again.",
         to_string(dtype), number, least, most);
  }
}

// Returns integer - zero point for a tensor with one scale. Like PyTorch on x86, subtracts in
// int32, where the difference may overflow, and then converts the difference to float32.
// Source: fbgemm::Dequantize in fbgemm/QuantUtils.h.
float steps_of_int32(std::int64_t integer, std::int64_t zero_point) {
  const auto steps = static_cast<std::uint32_t>(integer) - static_cast<std::uint32_t>(zero_point);
  return static_cast<float>(static_cast<std::int32_t>(steps));
}

}  // namespace

// Returns the values of a quantized tensor in float32, rounded as in PyTorch. If the tensor has one
// scale, the scale is rounded to float32 before the multiplication. If each channel has a scale,
// integer and zero point are rounded to float32 first, and the multiplication is in float64.
// Source: dequantize_tensor_per_channel in ATen/native/quantized/AffineQuantizer.cpp.
TensorData StateDict::dequantized(const Tensor& tensor) const {
  const Quantizer& quantizer = *tensor.quantizer;
  const std::vector<std::int64_t> integers = to_integers(read_stored(tensor));
  std::vector<double> scales = {quantizer.scale};
  std::vector<std::int64_t> zero_points = {quantizer.zero_point};
  std::size_t inner = std::max<std::size_t>(integers.size(), 1);
  if (quantizer.axis) {
    const TensorData stored_scales = read_stored(*quantizer.scales);
    scales = to_doubles(stored_scales.bytes, stored_scales.dtype);
    zero_points = to_integers(read_stored(*quantizer.zero_points));
    check_zero_points(zero_points, tensor.dtype);
    inner = 1;
    for (std::size_t i = *quantizer.axis + 1; i < tensor.shape.size(); ++i) {
      inner *= static_cast<std::size_t>(tensor.shape[i]);
    }
  }
  TensorData data{DType::float32, tensor.shape, {}};
  data.bytes.resize(integers.size() * sizeof(float));
  for (std::size_t i = 0; i < integers.size(); ++i) {
    float value = 0;
    if (quantizer.axis) {
      const std::size_t index = i / inner % scales.size();
      const float steps = static_cast<float>(integers[i]) - static_cast<float>(zero_points[index]);
      value = static_cast<float>(static_cast<double>(steps) * scales[index]);
    } else {
      value = steps_of_int32(integers[i], zero_points[0]) * static_cast<float>(scales[0]);
    }
    std::memcpy(data.bytes.data() + i * sizeof value, &value, sizeof value);
  }
  return data;
}

}  // namespace aether2onnx::state_dict
