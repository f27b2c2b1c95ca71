// Computes the shapes of a node's outputs. Source: the shape inference of each operator in ONNX's
// repository (onnx/defs). If versions of ONNX or ONNX Runtime could infer different shapes, the
// shape is unknown.

#include "judge/scan/onnx_shapes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <string>

#include "base/text.h"
#include "judge/scan/onnx_numbers.h"
#include "judge/scan/onnx_shape_rules.h"

namespace aether2onnx::judge::scan {

namespace {

Shape elementwise(const Operation& operation) {
  Shape result = Dims{};
  for (std::size_t i = 0; i < operation.inputs.size() && result; ++i) {
    const Dims* dims = operation.dims(i);
    result = dims == nullptr ? Shape() : broadcast(*result, *dims);
  }
  return result;
}

// Returns the shape of PRelu's output, which must be the shape of the first input. The shape is
// unknown if broadcasting with the second input would give another shape.
Shape one_way(const Operation& operation) {
  Shape result = elementwise(operation);
  return result && operation.dims(0) != nullptr && *result == *operation.dims(0) ? result : Shape();
}

Shape transpose(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  const Dims* order = operation.list("perm");
  if (dims == nullptr) return std::nullopt;
  if (order == nullptr) return Dims(dims->rbegin(), dims->rend());
  if (order->size() != dims->size()) return std::nullopt;
  Dims sorted = *order;
  std::sort(sorted.begin(), sorted.end());
  Dims result;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != static_cast<std::int64_t>(i)) return std::nullopt;
    result.push_back((*dims)[static_cast<std::size_t>((*order)[i])]);
  }
  return result;
}

Shape reshape(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  const auto* numbers = operation.numbers(1);
  const auto keeps_zero = operation.integer("allowzero", 0);
  if (dims == nullptr || numbers == nullptr || !keeps_zero) return std::nullopt;
  Dims result = clamped(*numbers);
  std::optional<std::size_t> rest;
  double count = 1;
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (result[i] == 0 && *keeps_zero == 0) {
      if (i >= dims->size()) return std::nullopt;
      result[i] = (*dims)[i];
    }
    if (result[i] == -1) {
      if (rest) return std::nullopt;
      rest = i;
      continue;
    }
    count *= static_cast<double>(result[i]);
  }
  if (!rest) return result;
  const double all = std::accumulate(
      dims->begin(), dims->end(), 1.0,
      [](double product, std::int64_t size) { return product * static_cast<double>(size); });
  if (!(all < 9e15) || !(count > 0) || std::fmod(all, count) != 0) return std::nullopt;
  result[*rest] = static_cast<std::int64_t>(all / count);
  return result;
}

Shape squeeze(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  const List axes = list_of(operation, "axes", 1);
  if (dims == nullptr || (axes.is_given && !axes.values)) return std::nullopt;
  std::vector<bool> drops;
  if (axes.is_given) {
    const auto chosen = marked(*axes.values, dims->size());
    if (!chosen) return std::nullopt;
    drops = *chosen;
  } else {
    for (const std::int64_t size : *dims) drops.push_back(size == 1);
  }
  Dims result;
  for (std::size_t i = 0; i < drops.size(); ++i) {
    if (drops[i] && (*dims)[i] != 1) return std::nullopt;
    if (!drops[i]) result.push_back((*dims)[i]);
  }
  return result;
}

Shape unsqueeze(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  const List axes = list_of(operation, "axes", 1);
  if (dims == nullptr || !axes.values || axes.values->size() > kMostNumbers) return std::nullopt;
  const auto is_new = marked(*axes.values, dims->size() + axes.values->size());
  if (!is_new) return std::nullopt;
  Dims result;
  auto next = dims->begin();
  for (const bool one : *is_new) result.push_back(one ? 1 : *next++);
  return result;
}

Shape flatten(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  if (dims == nullptr) return std::nullopt;
  const auto number = operation.integer("axis", 1);
  const bool is_end = number == std::optional(static_cast<std::int64_t>(dims->size()));
  const auto axis = is_end ? dims->size() : axis_of(number, dims->size());
  if (!axis) return std::nullopt;
  double sizes[] = {1, 1};
  for (std::size_t i = 0; i < dims->size(); ++i) {
    sizes[i < *axis ? 0 : 1] *= static_cast<double>((*dims)[i]);
  }
  if (!(sizes[0] < 9e15) || !(sizes[1] < 9e15)) return std::nullopt;
  return Dims{static_cast<std::int64_t>(sizes[0]), static_cast<std::int64_t>(sizes[1])};
}

Shape concat(const Operation& operation) {
  Shape result = as_first(operation);
  if (!result || !operation.node.attributes.contains("axis")) return std::nullopt;
  const auto axis = axis_of(operation.integer("axis", 0), result->size());
  if (!axis) return std::nullopt;
  for (std::size_t i = 1; i < operation.inputs.size(); ++i) {
    const Dims* dims = operation.dims(i);
    if (dims == nullptr || dims->size() != result->size()) return std::nullopt;
    for (std::size_t k = 0; k < dims->size(); ++k) {
      if (k == *axis) {
        (*result)[k] = std::min(kLargest + 1, (*result)[k] + (*dims)[k]);
      } else if ((*dims)[k] != (*result)[k]) {
        return std::nullopt;
      }
    }
  }
  return result;
}

std::vector<Shape> parts(const Operation& operation) {
  const std::size_t outputs = operation.node.outputs.size();
  const Dims* dims = operation.dims(0);
  std::vector<Shape> unknown(outputs);
  if (dims == nullptr) return unknown;
  const auto axis = axis_of(operation.integer("axis", 0), dims->size());
  const List sizes = list_of(operation, "split", 1);
  if (!axis || (sizes.is_given && !sizes.values)) return unknown;
  const std::int64_t size = (*dims)[*axis];
  const auto count = static_cast<std::int64_t>(outputs);
  if (sizes.is_given ? sizes.values->size() != outputs : size % count != 0) return unknown;
  if (operation.integer("num_outputs", count) != std::optional(count)) return unknown;
  std::vector<Shape> result(outputs, *dims);
  for (std::size_t i = 0; i < outputs; ++i) {
    (*result[i])[*axis] = sizes.is_given ? (*sizes.values)[i] : size / count;
  }
  return result;
}

Shape slice(const Operation& operation) {
  auto slices = slices_of(operation);
  return slices ? Shape(std::move(slices->sizes)) : std::nullopt;
}

Shape pad(const Operation& operation) {
  Shape result = as_first(operation);
  const List pads = list_of(operation, "pads", 1);
  if (!result || !pads.values) return std::nullopt;
  Dims axes(result->size());
  std::iota(axes.begin(), axes.end(), 0);
  if (operation.input(3) != nullptr) {
    if (operation.numbers(3) == nullptr) return std::nullopt;
    axes = clamped(*operation.numbers(3));
  }
  if (pads.values->size() != 2 * axes.size() || !marked(axes, result->size())) return std::nullopt;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    (*result)[*axis_of(axes[i], result->size())] +=
        (*pads.values)[i] + (*pads.values)[axes.size() + i];
  }
  return result;
}

Shape filled(const Operation& operation) {
  const auto* sizes = operation.numbers(0);
  return sizes == nullptr ? Shape() : clamped(*sizes);
}

Shape range(const Operation& operation) {
  double numbers[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto* given = operation.numbers(i);
    const bool is_fine = given != nullptr && given->size() == 1 &&
                         is_exact(given->front(), operation.input(i)->is_integer);
    if (!is_fine) return std::nullopt;
    numbers[i] = given->front();
  }
  const auto [start, limit, delta] = numbers;
  if (delta == 0) return std::nullopt;
  return Dims{static_cast<std::int64_t>(std::max(0.0, std::ceil((limit - start) / delta)))};
}

Shape expand(const Operation& operation) {
  const auto* sizes = operation.numbers(1);
  if (operation.dims(0) == nullptr || sizes == nullptr) return std::nullopt;
  return broadcast(*operation.dims(0), clamped(*sizes));
}

Shape tile(const Operation& operation) {
  Shape result = as_first(operation);
  const auto* repeats = operation.numbers(1);
  if (!result || repeats == nullptr || repeats->size() != result->size()) return std::nullopt;
  for (std::size_t i = 0; i < result->size(); ++i) {
    const double size = static_cast<double>((*result)[i]) * (*repeats)[i];
    if (!(size >= 0 && size < 9e15)) return std::nullopt;
    (*result)[i] = static_cast<std::int64_t>(size);
  }
  return result;
}

Shape gather(const Operation& operation) {
  const Dims* data = operation.dims(0);
  const Dims* indices = operation.dims(1);
  if (data == nullptr || indices == nullptr) return std::nullopt;
  const auto axis = axis_of(operation.integer("axis", 0), data->size());
  if (!axis) return std::nullopt;
  const auto place = data->begin() + static_cast<std::ptrdiff_t>(*axis);
  Dims result(data->begin(), place);
  result.insert(result.end(), indices->begin(), indices->end());
  result.insert(result.end(), place + 1, data->end());
  return result;
}

Shape as_second(const Operation& operation) {
  const Dims* dims = operation.dims(1);
  return dims == nullptr ? Shape() : *dims;
}

Shape gather_nd(const Operation& operation) {
  const Dims* data = operation.dims(0);
  const Dims* indices = operation.dims(1);
  const auto batch = operation.integer("batch_dims", 0);
  if (data == nullptr || indices == nullptr || indices->empty() ||
      batch != std::optional<std::int64_t>(0)) {
    return std::nullopt;
  }
  const std::int64_t used = indices->back();
  if (used < 0 || used > static_cast<std::int64_t>(data->size())) return std::nullopt;
  Dims result(indices->begin(), indices->end() - 1);
  result.insert(result.end(), data->begin() + static_cast<std::ptrdiff_t>(used), data->end());
  return result;
}

Shape top_k(const Operation& operation) {
  Shape result = as_first(operation);
  const auto* count = operation.numbers(1);
  if (!result || count == nullptr || count->size() != 1) return std::nullopt;
  const auto axis = axis_of(operation.integer("axis", -1), result->size());
  if (!axis) return std::nullopt;
  (*result)[*axis] = clamped(*count).front();
  return result;
}

// The number of elements that are not 0 depends on the input at run time. kOpenSize stands for this
// unknown number.
Shape non_zero(const Operation& operation) {
  const Value* input = operation.input(0);
  if (input == nullptr || !input->dims || input->is_constant) return std::nullopt;
  return Dims{static_cast<std::int64_t>(input->dims->size()), kOpenSize};
}

struct Rule {
  std::string_view operators;
  std::string_view attributes;  // attributes known to `shape`; "*" if none changes the shape
  Shape (*shape)(const Operation&);
  bool for_all = false;  // whether all outputs have the shape, not only the first
};

constexpr std::array kRules = {
    Rule{
        "Abs Acos Acosh Asin Asinh Atan Atanh BatchNormalization Bernoulli BitwiseNot Cast "
        "CastLike Ceil Celu Clip Cos Cosh CumSum DequantizeLinear Elu Erf Exp EyeLike Floor Gelu "
        "GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf "
        "IsNaN LRN LayerNormalization LeakyRelu Log LogSoftmax LpNormalization "
        "MeanVarianceNormalization Mish Neg Not QuantizeLinear RandomNormalLike RandomUniformLike "
        "Reciprocal Relu Round Scatter ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh "
        "Softmax Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Trilu",
        "*", as_first},
    Rule{"Dropout", "*", as_first, true},
    Rule{"Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less "
         "LessOrEqual Max Mean Min Mod Mul Or Pow Sub Sum Where Xor",
         "direction fmod", elementwise},
    Rule{"PRelu", "", one_way},
    Rule{"Conv", "auto_pad dilations group kernel_shape pads strides", conv},
    Rule{"ConvTranspose", "auto_pad dilations group kernel_shape output_padding pads strides",
         conv_transpose},
    Rule{"AveragePool LpPool MaxPool",
         "auto_pad ceil_mode count_include_pad dilations kernel_shape p pads storage_order strides",
         pool, true},
    Rule{"GlobalAveragePool GlobalLpPool GlobalMaxPool", "p", global_pool},
    Rule{"MatMul", "", matmul},
    Rule{"Einsum", "equation", einsum},
    Rule{"Gemm", "alpha beta transA transB", gemm},
    Rule{"Transpose", "perm", transpose},
    Rule{"Reshape", "allowzero", reshape},
    Rule{"Squeeze", "axes", squeeze},
    Rule{"Unsqueeze", "axes", unsqueeze},
    Rule{"Flatten", "axis", flatten},
    Rule{"Concat", "axis", concat},
    Rule{"Slice", "axes ends starts", slice},
    Rule{"Pad", "mode pads value", pad},
    Rule{"Resize Upsample",
         "antialias coordinate_transformation_mode cubic_coeff_a exclude_outside "
         "extrapolation_value mode nearest_mode",
         resize},
    Rule{"ConstantOfShape", "", filled},
    Rule{"Range", "", range},
    Rule{"Expand", "", expand},
    Rule{"Tile", "", tile},
    Rule{"Gather", "axis", gather},
    Rule{"GatherElements", "axis", as_second},
    Rule{"GatherND", "batch_dims", gather_nd},
    Rule{"ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
         "ReduceSum ReduceSumSquare",
         "axes keepdims noop_with_empty_axes", reduce},
    Rule{"ArgMax ArgMin", "axis keepdims select_last_index", arg_max},
    Rule{"DepthToSpace SpaceToDepth", "blocksize mode", shuffle},
    Rule{"TopK", "axis largest sorted", top_k, true},
    Rule{"GridSample", "align_corners mode padding_mode", grid_sample},
    Rule{"NonZero", "", non_zero},
};

const Rule* rule_of(std::string_view op) {
  static const std::map<std::string_view, const Rule*> rules = [] {
    std::map<std::string_view, const Rule*> result;
    for (const Rule& rule : kRules) {
      for (const std::string_view name : split(rule.operators, ' ')) result[name] = &rule;
    }
    return result;
  }();
  const auto found = rules.find(op);
  return found == rules.end() ? nullptr : found->second;
}

bool knows_attributes(const Rule& rule, const onnx::Node& node) {
  return rule.attributes == "*" ||
         (node.references.empty() &&
          std::all_of(node.attributes.begin(), node.attributes.end(), [&](const auto& attribute) {
            return is_one_of(rule.attributes, attribute.first);
          }));
}

}  // namespace

List list_of(const Operation& operation, std::string_view name, std::size_t input) {
  const Dims* list = operation.list(name);
  const bool is_input = operation.input(input) != nullptr;
  if (list != nullptr && is_input) return {true, {}};
  if (list != nullptr) return {true, clamped(*list)};
  if (!is_input) return {};
  const auto* numbers = operation.numbers(input);
  return {true, numbers == nullptr ? Shape() : clamped(*numbers)};
}

std::optional<std::vector<bool>> marked(const Dims& axes, std::size_t rank) {
  std::vector<bool> result(rank);
  for (const std::int64_t number : axes) {
    const auto axis = axis_of(number, rank);
    if (!axis || result[*axis]) return std::nullopt;
    result[*axis] = true;
  }
  return result;
}

Shape broadcast(const Dims& a, const Dims& b) {
  Dims result = a.size() < b.size() ? b : a;
  const Dims& shorter = a.size() < b.size() ? a : b;
  const std::size_t offset = result.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    std::int64_t& size = result[offset + i];
    if (size == shorter[i] || shorter[i] == 1) continue;
    if (size != 1) return std::nullopt;
    size = shorter[i];
  }
  return result;
}

Shape as_first(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  return dims == nullptr ? Shape() : *dims;
}

std::optional<std::size_t> axis_of(std::optional<std::int64_t> axis, std::size_t rank) {
  const auto count = static_cast<std::int64_t>(rank);
  if (!axis || *axis < -count || *axis >= count) return std::nullopt;
  return static_cast<std::size_t>(*axis < 0 ? *axis + count : *axis);
}

std::optional<Slices> slices_of(const Operation& operation) {
  const Dims* dims = operation.dims(0);
  const List starts = list_of(operation, "starts", 1);
  const List ends = list_of(operation, "ends", 2);
  const List axes = list_of(operation, "axes", 3);
  const List steps = list_of(operation, "steps", 4);
  if (dims == nullptr || !starts.values || !ends.values || (axes.is_given && !axes.values) ||
      (steps.is_given && !steps.values)) {
    return std::nullopt;
  }
  const std::size_t count = starts.values->size();
  Dims places(count);
  std::iota(places.begin(), places.end(), 0);
  if (axes.is_given) places = *axes.values;
  const Dims strides = steps.is_given ? *steps.values : Dims(count, 1);
  if (ends.values->size() != count || places.size() != count || strides.size() != count ||
      !marked(places, dims->size())) {
    return std::nullopt;
  }
  Slices result{Dims(dims->size(), 0), Dims(dims->size(), 1), *dims};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t axis = *axis_of(places[i], dims->size());
    const std::int64_t size = (*dims)[axis];
    const std::int64_t step = strides[i];
    if (step == 0 || (step < 0 && size == 0)) return std::nullopt;
    const std::int64_t first = step > 0 ? 0 : -1;  // the lowest place where a slice may end
    const auto place = [&](std::int64_t number, std::int64_t least) {
      return std::clamp(number < 0 ? number + size : number, least, std::max(least, size + first));
    };
    const std::int64_t start = place((*starts.values)[i], 0);
    const std::int64_t end = place((*ends.values)[i], first);
    const std::int64_t length = step > 0 ? end - start : start - end;
    const std::int64_t width = std::abs(step);
    result.starts[axis] = start;
    result.steps[axis] = step;
    result.sizes[axis] = length <= 0 ? 0 : (length - 1) / width + 1;
  }
  return result;
}

std::vector<Shape> shapes_of(const Operation& operation) {
  const onnx::Node& node = operation.node;
  std::vector<Shape> result(node.outputs.size());
  if (result.empty()) return result;
  if (node.op_type == "Split") {
    if (node.references.empty()) result = parts(operation);
  } else if (const Rule* rule = rule_of(node.op_type);
             rule != nullptr && knows_attributes(*rule, node)) {
    Shape shape = rule->shape(operation);
    for (std::size_t i = 1; i < result.size() && rule->for_all; ++i) result[i] = shape;
    result[0] = std::move(shape);
  }
  for (Shape& shape : result) {
    const bool is_fine = shape && shape->size() <= kMostNumbers &&
                         std::all_of(shape->begin(), shape->end(), is_size);
    if (!is_fine) shape.reset();
  }
  return result;
}

}  // namespace aether2onnx::judge::scan
