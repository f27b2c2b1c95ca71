// Computes the output shapes of operators for layers: convolutions, pooling, matrix products,
// Resize, DepthToSpace, SpaceToDepth, GridSample, reductions, ArgMax and ArgMin.

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>

#include "judge/scan/onnx_shape_rules.h"
#include "judge/scan/onnx_shapes.h"

namespace aether2onnx::judge::scan {

namespace {

// The attributes of a node Conv, ConvTranspose or pooling. `kernel` has the kernel's size per axis.
struct Window {
  Dims kernel;
  Dims strides;
  Dims dilations;
  Dims pads;  // the begins of all axes, then the ends

  // Returns the size of the dilated kernel, which has gaps between its elements.
  std::int64_t extent(std::size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
  std::int64_t padding(std::size_t axis) const { return pads[axis] + pads[axis + kernel.size()]; }
};

std::optional<Window> window_of(const Operation& operation, const Dims& kernel) {
  const auto& attributes = operation.node.attributes;
  const auto automatic = attributes.find("auto_pad");
  if (automatic != attributes.end()) {
    const auto* text = std::get_if<std::string>(&automatic->second);
    if (text == nullptr || *text != "NOTSET") return std::nullopt;
  }
  const auto list = [&](std::string_view name, std::size_t size, std::int64_t absent) {
    const Dims* values = operation.list(name);
    return values == nullptr ? Dims(size, absent) : *values;
  };
  const std::size_t axes = kernel.size();
  Window window{list("kernel_shape", axes, 0), list("strides", axes, 1), list("dilations", axes, 1),
                list("pads", 2 * axes, 0)};
  if (operation.list("kernel_shape") == nullptr) window.kernel = kernel;
  constexpr std::int64_t most = 1 << 24;
  const auto is_fine = [&](const Dims& list_, std::size_t size, std::int64_t least) {
    return list_.size() == size && std::all_of(list_.begin(), list_.end(), [&](std::int64_t value) {
             return value >= least && value <= most;
           });
  };
  const bool fits = is_fine(window.kernel, axes, 1) && is_fine(window.strides, axes, 1) &&
                    is_fine(window.dilations, axes, 1) && is_fine(window.pads, 2 * axes, 0);
  return fits && window.kernel == kernel ? std::optional(window) : std::nullopt;
}

// Returns the shape [N, channels, sizes...] of the output if a window of the size `kernel` moves
// over the first input, as in convolution and pooling.
Shape slide(const Operation& operation, std::int64_t channels, const Dims& kernel) {
  const Dims* dims = operation.dims(0);
  if (dims == nullptr || dims->size() != kernel.size() + 2) return std::nullopt;
  const auto window = window_of(operation, kernel);
  if (!window) return std::nullopt;
  const bool rounds_up = operation.integer("ceil_mode", 0) != std::optional<std::int64_t>(0);
  Dims result{(*dims)[0], channels};
  for (std::size_t axis = 0; axis < kernel.size(); ++axis) {
    const std::int64_t room = (*dims)[axis + 2] + window->padding(axis) - window->extent(axis);
    if (room < 0 || (rounds_up && room % window->strides[axis] != 0)) return std::nullopt;
    result.push_back(room / window->strides[axis] + 1);
  }
  return result;
}

// Returns `size` x `scale`, rounded down. Returns nullopt if float32 and float64 give different
// results, because the size then depends on the type in which a program computes the size.
std::optional<std::int64_t> scaled(std::int64_t size, double scale) {
  const double exact = std::floor(static_cast<double>(size) * scale);
  const float rounded = std::floor(static_cast<float>(size) * static_cast<float>(scale));
  const bool is_safe = exact >= 0 && exact < (1 << 24) && static_cast<double>(rounded) == exact;
  return is_safe ? std::optional(static_cast<std::int64_t>(exact)) : std::nullopt;
}

}  // namespace

Shape conv(const Operation& operation) {
  const Dims* weights = operation.dims(1);
  if (weights == nullptr || weights->size() < 3) return std::nullopt;
  return slide(operation, weights->front(), Dims(weights->begin() + 2, weights->end()));
}

Shape pool(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  const Dims* kernel = operation.list("kernel_shape");
  if (dims == nullptr || dims->size() < 3 || kernel == nullptr) return std::nullopt;
  return slide(operation, (*dims)[1], *kernel);
}

Shape conv_transpose(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  const Dims* weights = operation.dims(1);
  const auto groups = operation.integer("group", 1);
  if (dims == nullptr || weights == nullptr || weights->size() < 3 || !groups ||
      dims->size() != weights->size() || !is_size(*groups)) {
    return std::nullopt;
  }
  const Dims kernel(weights->begin() + 2, weights->end());
  const auto window = window_of(operation, kernel);
  const Dims* more = operation.list("output_padding");
  if (!window || (more != nullptr && more->size() != kernel.size())) return std::nullopt;
  if (more != nullptr && !std::all_of(more->begin(), more->end(), is_size)) return std::nullopt;
  if ((*weights)[1] > (1 << 24) || *groups > (1 << 24)) return std::nullopt;
  Dims result{(*dims)[0], (*weights)[1] * *groups};
  for (std::size_t axis = 0; axis < kernel.size(); ++axis) {
    const std::int64_t size = (*dims)[axis + 2];
    if (size < 1 || size > (1 << 24)) return std::nullopt;
    result.push_back(window->strides[axis] * (size - 1) + (more == nullptr ? 0 : (*more)[axis]) +
                     window->extent(axis) - window->padding(axis));
  }
  return result;
}

Shape global_pool(const Operation& operation) {
  Shape result = as_first(operation);
  if (!result || result->size() < 3) return std::nullopt;
  std::fill(result->begin() + 2, result->end(), 1);
  return result;
}

Shape matmul(const Operation& operation) {
  if (operation.dims(0) == nullptr || operation.dims(1) == nullptr) return std::nullopt;
  Dims a = *operation.dims(0);
  Dims b = *operation.dims(1);
  if (a.empty() || b.empty()) return std::nullopt;
  const bool is_row = a.size() == 1;
  const bool is_column = b.size() == 1;
  if (is_row) a.insert(a.begin(), 1);
  if (is_column) b.push_back(1);
  Shape result = broadcast({a.begin(), a.end() - 2}, {b.begin(), b.end() - 2});
  if (!result) return std::nullopt;
  if (!is_row) result->push_back(a[a.size() - 2]);
  if (!is_column) result->push_back(b.back());
  return result;
}

// Returns the shape of the output. Returns nullopt unless the equation consists of small letters,
// commas, spaces and an arrow, for example "bij,bjk->bik".
Shape einsum(const Operation& operation) {
  const auto found = operation.node.attributes.find("equation");
  const auto* equation =
      found == operation.node.attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  if (equation == nullptr) return std::nullopt;
  std::map<char, std::int64_t> sizes;
  std::size_t input = 0;
  std::size_t axis = 0;
  std::size_t at = 0;
  for (; at < equation->size() && (*equation)[at] != '-'; ++at) {
    const char letter = (*equation)[at];
    const Dims* dims = operation.dims(input);
    if (dims == nullptr) return std::nullopt;
    if (letter == ',') {
      if (axis != dims->size()) return std::nullopt;
      ++input;
      axis = 0;
      continue;
    }
    if (letter == ' ') continue;
    if (letter < 'a' || letter > 'z' || axis == dims->size()) return std::nullopt;
    if (sizes.try_emplace(letter, (*dims)[axis]).first->second != (*dims)[axis])
      return std::nullopt;
    ++axis;
  }
  const Dims* last = operation.dims(input);
  const bool is_whole = last != nullptr && axis == last->size() &&
                        input + 1 == operation.inputs.size() && equation->compare(at, 2, "->") == 0;
  if (!is_whole) return std::nullopt;
  Dims result;
  for (at += 2; at < equation->size(); ++at) {
    if ((*equation)[at] == ' ') continue;
    const auto size = sizes.find((*equation)[at]);
    if (size == sizes.end()) return std::nullopt;
    result.push_back(size->second);
  }
  return result;
}

Shape gemm(const Operation& operation) {
  const Dims* a = operation.dims(0);
  const Dims* b = operation.dims(1);
  const auto turns_a = operation.integer("transA", 0);
  const auto turns_b = operation.integer("transB", 0);
  if (a == nullptr || b == nullptr || a->size() != 2 || b->size() != 2 || !turns_a || !turns_b) {
    return std::nullopt;
  }
  return Dims{(*a)[*turns_a != 0 ? 1 : 0], (*b)[*turns_b != 0 ? 0 : 1]};
}

Shape resize(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  const auto& attributes = operation.node.attributes;
  if (const auto mode = attributes.find("coordinate_transformation_mode");
      mode != attributes.end()) {
    const auto* text = std::get_if<std::string>(&mode->second);
    if (text == nullptr || *text == "tf_crop_and_resize") return std::nullopt;
  }
  const std::size_t at = operation.inputs.size() <= 2 ? 1 : 2;
  const bool has_scales =
      operation.input(at) != nullptr && operation.input(at)->dims != std::optional(Dims{0});
  const auto* scales = operation.numbers(at);
  const auto* sizes = operation.numbers(3);
  if (dims == nullptr || has_scales == (operation.input(3) != nullptr)) return std::nullopt;
  const auto* given = has_scales ? scales : sizes;
  if (given == nullptr || given->size() != dims->size()) return std::nullopt;
  if (!has_scales) return clamped(*sizes);
  Dims result;
  for (std::size_t i = 0; i < dims->size(); ++i) {
    const auto size = scaled((*dims)[i], (*scales)[i]);
    if (!size) return std::nullopt;
    result.push_back(*size);
  }
  return result;
}

Shape reduce(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  const List axes = list_of(operation, "axes", 1);
  const auto keeps = operation.integer("keepdims", 1);
  const auto may_do_nothing = operation.integer("noop_with_empty_axes", 0);
  if (dims == nullptr || !keeps || !may_do_nothing || (axes.is_given && !axes.values)) {
    return std::nullopt;
  }
  const bool is_empty = !axes.is_given || axes.values->empty();
  if (is_empty && *may_do_nothing != 0) return *dims;
  const auto chosen = is_empty ? std::vector<bool>(dims->size(), true)
                               : marked(*axes.values, dims->size()).value_or(std::vector<bool>());
  if (chosen.size() != dims->size()) return std::nullopt;
  Dims result;
  for (std::size_t i = 0; i < dims->size(); ++i) {
    if (!chosen[i]) result.push_back((*dims)[i]);
    if (chosen[i] && *keeps != 0) result.push_back(1);
  }
  return result;
}

Shape arg_max(const Operation& operation) {
  Shape result = as_first(operation);
  const auto keeps = operation.integer("keepdims", 1);
  if (!result || !keeps) return std::nullopt;
  const auto axis = axis_of(operation.integer("axis", 0), result->size());
  if (!axis) return std::nullopt;
  (*result)[*axis] = 1;
  if (*keeps == 0) result->erase(result->begin() + static_cast<std::ptrdiff_t>(*axis));
  return result;
}

// Returns the output shape of DepthToSpace or SpaceToDepth. These operators move elements between
// the channels and the picture, in blocks of `blocksize` x `blocksize` elements.
Shape shuffle(const Operation& operation) {
  Shape result = as_first(operation);
  const auto block = operation.integer("blocksize", 0);
  if (!result || result->size() != 4 || !block || *block < 1 || *block > 4096) return std::nullopt;
  Dims& dims = *result;
  const std::int64_t square = *block * *block;
  const bool to_picture = operation.node.op_type == "DepthToSpace";
  const std::array divided = to_picture ? std::array{square, std::int64_t{1}, std::int64_t{1}}
                                        : std::array{std::int64_t{1}, *block, *block};
  const std::array times = to_picture ? std::array{std::int64_t{1}, *block, *block}
                                      : std::array{square, std::int64_t{1}, std::int64_t{1}};
  for (std::size_t i = 0; i < 3; ++i) {
    std::int64_t& size = dims[i + 1];
    if (size % divided[i] != 0 || size > kLargest / square) return std::nullopt;
    size = size / divided[i] * times[i];
  }
  return result;
}

Shape grid_sample(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  const Dims* grid = operation.dims(1);
  if (dims == nullptr || grid == nullptr || dims->size() != 4 || grid->size() != 4) {
    return std::nullopt;
  }
  // ONNX may take the number of pictures (the first size) from either input. If the numbers differ,
  // the shape of the output is unknown.
  if (dims->front() != grid->front()) return std::nullopt;
  return Dims{(*dims)[0], (*dims)[1], (*grid)[1], (*grid)[2]};
}

}  // namespace aether2onnx::judge::scan
