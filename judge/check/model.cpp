// What rules see: constants, who makes and uses a value, types, and what the weights told.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/rules.h"

namespace aether2onnx::checks {

namespace {

using Result = TypeRow::Result;

constexpr std::uint32_t kAll = ~0U;

// Operators whose type is that of their first input and that have no further condition are those
// with `agree` 1. Source: the operators' type constraints in ONNX's Operators.md.
constexpr std::array kTypeRows = {
    TypeRow{"Add", Result::input, kAll},
    TypeRow{"Sub", Result::input, kAll},
    TypeRow{"Mul", Result::input, kAll},
    TypeRow{"Div", Result::input, kAll},
    TypeRow{"Max", Result::input, kAll},
    TypeRow{"Min", Result::input, kAll},
    TypeRow{"Sum", Result::input, kAll},
    TypeRow{"Mean", Result::input, kAll},
    TypeRow{"Concat", Result::input, kAll},
    TypeRow{"Conv", Result::input, kAll},
    TypeRow{"ConvTranspose", Result::input, kAll},
    TypeRow{"Gemm", Result::input, kAll},
    TypeRow{"MatMul", Result::input, kAll},
    TypeRow{"PRelu", Result::input, kAll},
    TypeRow{"Mod", Result::input, kAll},
    TypeRow{"LayerNormalization", Result::input, kAll},
    TypeRow{"GroupNormalization", Result::input, kAll},
    TypeRow{"InstanceNormalization", Result::input, kAll},
    TypeRow{"Clip", Result::input, kAll},
    TypeRow{"Pad", Result::input, 0b101},
    TypeRow{"Equal", Result::boolean, kAll},
    TypeRow{"Greater", Result::boolean, kAll},
    TypeRow{"GreaterOrEqual", Result::boolean, kAll},
    TypeRow{"Less", Result::boolean, kAll},
    TypeRow{"LessOrEqual", Result::boolean, kAll},
    TypeRow{"And", Result::boolean, kAll},
    TypeRow{"Or", Result::boolean, kAll},
    TypeRow{"Not", Result::boolean, 1},
    TypeRow{"Where", Result::second_input, 0b110},
    TypeRow{"Shape", Result::int64, 1},
    TypeRow{"Size", Result::int64, 1},
    TypeRow{"ArgMax", Result::int64, 1},
    TypeRow{"ArgMin", Result::int64, 1},
    TypeRow{"NonZero", Result::int64, 1},
    TypeRow{"Cast", Result::cast, 1},
    TypeRow{"CastLike", Result::cast_like, 1},
    TypeRow{"QuantizeLinear", Result::quantize, 1},
    TypeRow{"DequantizeLinear", Result::dequantize, 1},
    TypeRow{"Pow", Result::input, 1},
    TypeRow{"Abs", Result::input, 1},
    TypeRow{"AveragePool", Result::input, 1},
    TypeRow{"BatchNormalization", Result::input, 1},
    TypeRow{"Ceil", Result::input, 1},
    TypeRow{"DepthToSpace", Result::input, 1},
    TypeRow{"Dropout", Result::input, 1},
    TypeRow{"Elu", Result::input, 1},
    TypeRow{"Erf", Result::input, 1},
    TypeRow{"Exp", Result::input, 1},
    TypeRow{"Expand", Result::input, 1},
    TypeRow{"Flatten", Result::input, 1},
    TypeRow{"Floor", Result::input, 1},
    TypeRow{"Gather", Result::input, 1},
    TypeRow{"Gelu", Result::input, 1},
    TypeRow{"GlobalAveragePool", Result::input, 1},
    TypeRow{"HardSigmoid", Result::input, 1},
    TypeRow{"HardSwish", Result::input, 1},
    TypeRow{"Identity", Result::input, 1},
    TypeRow{"LeakyRelu", Result::input, 1},
    TypeRow{"Log", Result::input, 1},
    TypeRow{"MaxPool", Result::input, 1},
    TypeRow{"Neg", Result::input, 1},
    TypeRow{"Range", Result::input, kAll},
    TypeRow{"Reciprocal", Result::input, 1},
    TypeRow{"ReduceMax", Result::input, 1},
    TypeRow{"ReduceMean", Result::input, 1},
    TypeRow{"ReduceMin", Result::input, 1},
    TypeRow{"ReduceSum", Result::input, 1},
    TypeRow{"Relu", Result::input, 1},
    TypeRow{"Reshape", Result::input, 1},
    TypeRow{"Resize", Result::input, 1},
    TypeRow{"Round", Result::input, 1},
    TypeRow{"Sigmoid", Result::input, 1},
    TypeRow{"Sign", Result::input, 1},
    TypeRow{"Slice", Result::input, 1},
    TypeRow{"Softmax", Result::input, 1},
    TypeRow{"Softplus", Result::input, 1},
    TypeRow{"SpaceToDepth", Result::input, 1},
    TypeRow{"Split", Result::input, 1},
    TypeRow{"Sqrt", Result::input, 1},
    TypeRow{"Squeeze", Result::input, 1},
    TypeRow{"Tanh", Result::input, 1},
    TypeRow{"Tile", Result::input, 1},
    TypeRow{"Transpose", Result::input, 1},
    TypeRow{"Unsqueeze", Result::input, 1},
};

template <typename T>
std::optional<T> attribute(const onnx::FileNode& node, const char* name) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end() || !std::holds_alternative<T>(found->second)) {
    return std::nullopt;
  }
  return std::get<T>(found->second);
}

// A data type as it stands in an attribute.
int type_attribute(const onnx::FileNode& node, const char* name) {
  const std::int64_t number = attribute<std::int64_t>(node, name).value_or(0);
  return number > 0 && number <= 0xffff ? static_cast<int>(number) : type::unknown;
}

int input_type(const Model& model, const onnx::FileNode& node, std::size_t index) {
  return index < node.inputs.size() ? model.type_of(node.inputs[index]) : type::unknown;
}

int result_type(const Model& model, const onnx::FileNode& node) {
  if (node.op_type == "Constant" && node.domain.empty()) {
    if (attribute<float>(node, "value_float")) return type::float32;
    if (attribute<std::int64_t>(node, "value_int") ||
        attribute<std::vector<std::int64_t>>(node, "value_ints")) {
      return type::int64;
    }
    return type::unknown;
  }
  const TypeRow* row = find_type_row(node);
  if (row == nullptr) return type::unknown;
  switch (row->result) {
    case Result::input:
      return input_type(model, node, 0);
    case Result::second_input:
    case Result::cast_like:
      return input_type(model, node, 1);
    case Result::boolean:
      return type::boolean;
    case Result::int64:
      return type::int64;
    case Result::cast:
      return type_attribute(node, "to");
    case Result::quantize: {
      const int given = type_attribute(node, "output_dtype");
      if (given != type::unknown) return given;
      return node.inputs.size() > 2 && !node.inputs[2].empty() ? input_type(model, node, 2)
                                                               : int{type::uint8};
    }
    case Result::dequantize: {
      const int given = type_attribute(node, "output_dtype");
      return given != type::unknown ? given : input_type(model, node, 1);
    }
  }
  return type::unknown;
}

void infer_types(Model& model) {
  for (const onnx::FileTensor& tensor : model.file.initializers) {
    model.types[tensor.name] = tensor.data_type;
  }
  for (const onnx::FileValue& value : model.file.inputs) {
    model.types.emplace(value.name, value.elem_type);
  }
  for (const onnx::FileNode& node : model.file.nodes) {
    const int result = result_type(model, node);
    if (result == type::unknown || node.outputs.empty()) continue;
    // Further outputs are often of another type; Split's aren't.
    const std::size_t count = node.op_type == "Split" ? node.outputs.size() : 1;
    for (std::size_t i = 0; i < count; ++i) {
      if (!node.outputs[i].empty()) model.types.emplace(node.outputs[i], result);
    }
  }
  for (const auto& [name, data_type] : model.types) model.used_types.insert(data_type);
}

// --- weights ---

constexpr float kHalfLimit = 65504;
constexpr float kHalfSmallestNormal = 6.103515625e-5F;

void measure(const onnx::FileTensor& tensor, const TensorData& data, WeightFacts& facts) {
  bool not_finite = false;
  bool beyond_half = false;
  bool at_limit = false;
  const bool half = data.dtype == DType::float16;
  // In pieces, so that the numbers take less memory than the tensor.
  constexpr std::size_t piece = 4096;
  const std::span<const std::byte> bytes(data.bytes);
  const std::size_t step = piece * size_of(data.dtype);
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    for (const double value :
         to_doubles(bytes.subspan(at, std::min(step, bytes.size() - at)), data.dtype)) {
      const double size = std::abs(value);
      ++facts.elements;
      if (!std::isfinite(value)) {
        not_finite = true;
      } else if (size > kHalfLimit) {
        beyond_half = true;
      } else if (half) {
        at_limit = at_limit || size == kHalfLimit;
        if (size != 0 && size < kHalfSmallestNormal) ++facts.half_subnormal;
      }
      if (half) ++facts.half_elements;
    }
  }
  if (not_finite) facts.not_finite.add(tensor.name);
  if (beyond_half) facts.beyond_half.add(tensor.name);
  if (at_limit) facts.at_limit.add(tensor.name);
}

bool is_elsewhere(const std::string& name) {
  return name == "." || name == ".." || name.find_first_of("/\\") != std::string::npos;
}

void read_weight(const Model& model, const onnx::FileTensor& tensor, WeightFacts& facts) {
  const auto remember_file = [&] {
    if (facts.file.empty()) facts.file = tensor.external_file;
  };
  if (!tensor.external_file.empty()) {
    if (is_elsewhere(tensor.external_file)) {
      remember_file();
      return facts.elsewhere.add(tensor.name);
    }
    if (model.siblings == nullptr) return facts.unread.add(tensor.name);
  }
  const auto dtype = onnx::dtype_of(tensor.data_type);
  if (!dtype) return;  // of a type that has no numbers to look at
  try {
    const TensorData data = onnx::read_tensor(tensor, model.input, model.siblings);
    if (is_weight_dtype(data.dtype)) measure(tensor, data, facts);
  } catch (const Error& error) {
    if (must_pass_on(error)) throw;
    if (error.kind == ErrorKind::io && !tensor.external_file.empty()) {
      remember_file();
      facts.missing.add(tensor.name);
    } else {
      if (facts.damaged.empty()) facts.damage = error.what();
      facts.damaged.add(tensor.name);
    }
  }
}

void read_weights(Model& model, const Context& context) {
  std::uint64_t done = 0;
  for (const onnx::FileTensor& tensor : model.file.initializers) {
    read_weight(model, tensor, model.weights);
    context.check_cancelled();
    if (context.observer != nullptr) {
      context.observer->on_progress("weights", ++done, model.file.initializers.size());
    }
  }
}

void take_axes(Model& model) {
  for (const onnx::FileValue* value : model.inputs) {
    for (std::size_t axis = 0; axis < value->dims.size(); ++axis) {
      if (axis == 1 || size_of_axis(value->dims[axis])) continue;
      (axis == 0 ? model.dynamic_batch : model.dynamic_size) = true;
    }
  }
}

// Elements of a constant that is short enough to be looked at as a whole.
std::optional<TensorData> short_constant(const Model& model, std::string_view value) {
  constexpr std::int64_t longest = 1 << 16;
  const auto found = model.constants.find(value);
  if (found == model.constants.end()) return std::nullopt;
  const onnx::FileTensor& tensor = *found->second;
  if (tensor.dims.size() > 1 || (tensor.dims.size() == 1 && tensor.dims[0] > longest) ||
      !tensor.external_file.empty()) {
    return std::nullopt;
  }
  try {
    return onnx::read_tensor(tensor, model.input, nullptr);
  } catch (const Error& error) {
    if (must_pass_on(error)) throw;
    return std::nullopt;  // the rule "weight-damaged" tells of it
  }
}

}  // namespace

bool is_half(int data_type) { return data_type == type::float16 || data_type == type::bfloat16; }

bool is_real(int data_type) {
  return is_half(data_type) || data_type == type::float32 || data_type == type::float64;
}

void Places::add(std::string_view name) {
  if (count++ == 0) first = name;
}

std::string Places::text(std::string_view noun) const {
  if (count == 1) return fmt::format("the {} '{}'", noun, printable(first));
  return fmt::format("{}, the first of them '{}'", plural(count, noun), printable(first));
}

int Model::type_of(std::string_view value) const {
  const auto found = types.find(value);
  return found == types.end() ? int{type::unknown} : found->second;
}

const TypeRow* find_type_row(const onnx::FileNode& node) {
  static const auto rows = [] {
    std::unordered_map<std::string_view, const TypeRow*> result;
    for (const TypeRow& row : kTypeRows) result.emplace(row.op, &row);
    return result;
  }();
  if (!node.domain.empty() && node.domain != "ai.onnx") return nullptr;
  const auto found = rows.find(node.op_type);
  return found == rows.end() ? nullptr : found->second;
}

bool is_op(const onnx::FileNode& node, std::string_view op_type) {
  return node.op_type == op_type && (node.domain.empty() || node.domain == "ai.onnx");
}

std::string_view name_of(const onnx::FileNode& node) {
  if (!node.name.empty()) return node.name;
  return node.outputs.empty() ? std::string_view(node.op_type) : std::string_view(node.outputs[0]);
}

std::optional<std::int64_t> size_of_axis(const std::string& dim) {
  std::int64_t size = 0;
  const auto result = std::from_chars(dim.data(), dim.data() + dim.size(), size);
  const bool whole = result.ec == std::errc{} && result.ptr == dim.data() + dim.size();
  return whole && size > 0 ? std::optional(size) : std::nullopt;
}

std::optional<std::vector<std::int64_t>> integers_of(const Model& model, std::string_view value) {
  const auto data = short_constant(model, value);
  if (!data || data->dtype != DType::int64) return std::nullopt;
  std::vector<std::int64_t> numbers(data->bytes.size() / sizeof(std::int64_t));
  if (!numbers.empty()) {
    std::memcpy(numbers.data(), data->bytes.data(), numbers.size() * sizeof(std::int64_t));
  }
  return numbers;
}

std::optional<std::vector<double>> numbers_of(const Model& model, std::string_view value) {
  const auto data = short_constant(model, value);
  if (!data || !is_weight_dtype(data->dtype)) return std::nullopt;
  return to_doubles(data->bytes, data->dtype);
}

std::vector<Concern> everywhere(Severity severity) {
  return {tensorrt(severity), onnxruntime(severity), vsmlrt(severity), videojanai(severity)};
}

Model make_model(const onnx::File& file, const Input& input, const io::Siblings* siblings,
                 const Context& context) {
  Model model(file, input, siblings);
  for (const auto& [domain, opset] : file.opsets) {
    if (domain.empty() || domain == "ai.onnx") model.opset = opset;
  }
  for (const onnx::FileTensor& tensor : file.initializers) {
    model.constants.emplace(tensor.name, &tensor);
  }
  for (const onnx::FileValue& value : file.inputs) {
    if (!model.constants.contains(value.name)) model.inputs.push_back(&value);
  }
  for (const onnx::FileNode& node : file.nodes) {
    for (const std::string& output : node.outputs) {
      if (!output.empty()) model.makers.emplace(output, &node);
    }
    for (const std::string& used : node.inputs) {
      std::vector<const onnx::FileNode*>& users = model.users[used];
      if (users.empty() || users.back() != &node) users.push_back(&node);
    }
  }
  infer_types(model);
  take_axes(model);
  read_weights(model, context);
  return model;
}

}  // namespace aether2onnx::checks
