// Builds the Model of an ONNX file for the rules of check: constants, the nodes that compute and
// use each value, types of values, and facts about the elements of weights.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/check.h"

namespace aether2onnx::judge::check {

namespace {

using Result = TypeRow::Result;

constexpr std::uint32_t kAll = ~0U;

struct TypeRows {
  const char* operators;
  TypeRow row;
};

// States for each operator how the type of the output follows from the inputs, and which inputs
// must have the same type (bit 0 for the first input). Source: the type constraints in ONNX's
// Operators.md.
constexpr std::array kTypeRows = {
    TypeRows{"Add Sub Mul Div Max Min Sum Mean Concat Conv ConvTranspose Gemm MatMul PRelu Mod "
             "LayerNormalization GroupNormalization InstanceNormalization Clip Range",
             {Result::input, kAll}},
    TypeRows{"Pad", {Result::input, 0b101}},
    TypeRows{"Equal Greater GreaterOrEqual Less LessOrEqual And Or", {Result::boolean, kAll}},
    TypeRows{"Not", {Result::boolean, 1}},
    TypeRows{"Where", {Result::second_input, 0b110}},
    TypeRows{"Shape Size ArgMax ArgMin NonZero", {Result::int64, 1}},
    TypeRows{"Cast", {Result::cast, 1}},
    TypeRows{"CastLike", {Result::cast_like, 1}},
    TypeRows{"QuantizeLinear", {Result::quantize, 1}},
    TypeRows{"DequantizeLinear", {Result::dequantize, 1}},
    TypeRows{
        "Pow Abs AveragePool BatchNormalization Ceil DepthToSpace Dropout Elu Erf Exp Expand "
        "Flatten Floor Gather Gelu GlobalAveragePool HardSigmoid HardSwish Identity LeakyRelu "
        "Log MaxPool Neg Reciprocal ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape "
        "Resize Round Sigmoid Sign Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Tanh "
        "Tile Transpose Unsqueeze",
        {Result::input, 1}},
};

template <typename T>
std::optional<T> attribute(const onnx::Node& node, const char* name) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end() || !std::holds_alternative<T>(found->second)) {
    return std::nullopt;
  }
  return std::get<T>(found->second);
}

int input_type(const Model& model, const onnx::Node& node, std::size_t index) {
  return index < node.inputs.size() ? model.type_of(node.inputs[index]) : type::unknown;
}

// Returns the output type of QuantizeLinear or DequantizeLinear: the attribute output_dtype, else
// the type of input `index`. Without attribute and input, returns `without_input`.
int quantized_type(const Model& model, const onnx::Node& node, std::size_t index,
                   int without_input) {
  const int given = type_attribute(node, "output_dtype");
  if (given != type::unknown) return given;
  const bool has_input = node.inputs.size() > index && !node.inputs[index].empty();
  return has_input ? input_type(model, node, index) : without_input;
}

int result_type(const Model& model, const onnx::Node& node) {
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
    case Result::quantize:
      return quantized_type(model, node, 2, type::uint8);
    case Result::dequantize:
      return quantized_type(model, node, 1, type::unknown);
  }
  return type::unknown;
}

void infer_types(Model& model) {
  for (const onnx::Tensor& tensor : model.file.initializers) {
    model.types[tensor.name] = tensor.data_type;
  }
  for (const onnx::ValueInfo& value : model.file.inputs) {
    model.types.emplace(value.name, value.elem_type);
  }
  for (const onnx::Node& node : model.file.nodes) {
    const int result = result_type(model, node);
    if (result == type::unknown || node.outputs.empty()) continue;
    // `result` is the type of the first output. Among the operators in kTypeRows, only Split always
    // has the same type for all outputs.
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

void measure(const onnx::Tensor& tensor, const TensorData& data, WeightFacts& facts) {
  bool not_finite = false;
  bool beyond_half = false;
  bool at_limit = false;
  const bool half = data.dtype == DType::float16;
  // Converts the elements to doubles in pieces, because doubles for all elements at once would take
  // more memory than the tensor.
  constexpr std::size_t piece = 4096;
  const std::span<const std::byte> bytes(data.bytes);
  const std::size_t step = piece * size_of(data.dtype);
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    for (const double value :
         to_doubles(bytes.subspan(at, std::min(step, bytes.size() - at)), data.dtype)) {
      const double size = std::abs(value);
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

// Adds the tensor to `facts` if its elements are in an external file that check may not open: a
// file in another folder, or any file if the model is in memory. Returns whether the tensor was
// added.
bool report_place(const Model& model, const onnx::Tensor& tensor, WeightFacts& facts) {
  if (tensor.external_file.empty()) return false;
  if (!onnx::is_beside(tensor.external_file)) {
    if (facts.elsewhere.empty()) facts.file_elsewhere = tensor.external_file;
    facts.elsewhere.add(tensor.name);
    return true;
  }
  if (model.siblings == nullptr) facts.unread.add(tensor.name);
  return model.siblings == nullptr;
}

void report_missing(const onnx::Tensor& tensor, WeightFacts& facts) {
  if (facts.missing.empty()) facts.file_missing = tensor.external_file;
  facts.missing.add(tensor.name);
}

void read_weight(const Model& model, const onnx::Tensor& tensor, onnx::TensorReader& reader,
                 WeightFacts& facts) {
  if (report_place(model, tensor, facts) || !onnx::dtype_of(tensor.data_type)) return;
  try {
    const TensorData data = reader.read(tensor);
    if (is_weight_dtype(data.dtype)) measure(tensor, data, facts);
  } catch (const Error& error) {
    if (must_pass_on(error)) throw;
    if (error.kind == ErrorKind::io && !tensor.external_file.empty()) {
      report_missing(tensor, facts);
    } else {
      if (facts.damaged.empty()) facts.damage = error.what();
      facts.damaged.add(tensor.name);
    }
  }
}

void read_weights(Model& model, const Context& context) {
  std::uint64_t done = 0;
  onnx::TensorReader reader(model.input, model.siblings);
  for (const onnx::Tensor& tensor : model.file.initializers) {
    read_weight(model, tensor, reader, model.weights);
    context.check_cancelled();
    if (context.observer != nullptr) {
      context.observer->on_progress("weights", ++done, model.file.initializers.size());
    }
  }
  // The elements of tensors in attributes, inner graphs and functions are not read. For these
  // tensors, `check` tests only whether their external files exist in the model's folder.
  for (const onnx::Tensor& tensor : model.file.other_tensors) {
    if (report_place(model, tensor, model.weights) || tensor.external_file.empty()) continue;
    context.check_cancelled();
    if (model.siblings->open(tensor.external_file) == nullptr) {
      report_missing(tensor, model.weights);
    }
  }
}

void take_axes(Model& model) {
  for (const onnx::ValueInfo* value : model.inputs) {
    for (std::size_t axis = 0; axis < value->dims.size(); ++axis) {
      if (axis == 1 || size_of_axis(value->dims[axis])) continue;
      (axis == 0 ? model.dynamic_batch : model.dynamic_size) = true;
    }
  }
}

// Returns the elements of the constant `value`. Returns nullopt if `value` is no constant, has more
// than one axis or more than 65,536 elements, or is in an external file.
std::optional<TensorData> short_constant(const Model& model, std::string_view value) {
  constexpr std::int64_t longest = 1 << 16;
  const auto found = model.constants.find(value);
  if (found == model.constants.end()) return std::nullopt;
  const onnx::Tensor& tensor = *found->second;
  if (tensor.dims.size() > 1 || (tensor.dims.size() == 1 && tensor.dims[0] > longest) ||
      !tensor.external_file.empty()) {
    return std::nullopt;
  }
  try {
    return onnx::read_tensor(tensor, model.input, nullptr);
  } catch (const Error& error) {
    if (must_pass_on(error)) throw;
    return std::nullopt;  // the rule "weight-damaged" reports the tensor
  }
}

}  // namespace

int type_attribute(const onnx::Node& node, const char* name) {
  const std::int64_t number = attribute<std::int64_t>(node, name).value_or(0);
  return number > 0 && number <= 0xffff ? static_cast<int>(number) : type::unknown;
}

bool is_half(int data_type) { return data_type == type::float16 || data_type == type::bfloat16; }

bool is_real(int data_type) {
  return is_half(data_type) || data_type == type::float32 || data_type == type::float64;
}

void Places::add(std::string_view name) {
  if (count++ == 0) first = name;
}

std::string Places::text(std::string_view noun) const {
  if (count == 1) return fmt::format("the {} '{}'", noun, printable(first));
  return fmt::format("{} (the first is '{}')", plural(count, noun), printable(first));
}

int Model::type_of(std::string_view value) const {
  const auto found = types.find(value);
  return found == types.end() ? int{type::unknown} : found->second;
}

const onnx::Node* Model::maker_of(std::string_view value) const {
  const auto found = makers.find(value);
  return found == makers.end() ? nullptr : found->second;
}

const TypeRow* find_type_row(const onnx::Node& node) {
  static const auto rows = [] {
    std::unordered_map<std::string_view, const TypeRow*> result;
    for (const auto& [operators, row] : kTypeRows) {
      for (const std::string_view op : split(operators, ' ')) result.emplace(op, &row);
    }
    return result;
  }();
  if (!node.domain.empty() && node.domain != "ai.onnx") return nullptr;
  const auto found = rows.find(node.op_type);
  return found == rows.end() ? nullptr : found->second;
}

bool is_op(const onnx::Node& node, std::string_view op_type) {
  return node.op_type == op_type && (node.domain.empty() || node.domain == "ai.onnx");
}

std::string_view input_of(const onnx::Node& node, std::size_t index) {
  return index < node.inputs.size() ? std::string_view(node.inputs[index]) : std::string_view();
}

std::string_view name_of(const onnx::Node& node) {
  if (!node.name.empty()) return node.name;
  return node.outputs.empty() ? std::string_view(node.op_type) : std::string_view(node.outputs[0]);
}

std::optional<std::int64_t> size_of_axis(const std::string& dim) {
  const auto size = parse_number<std::int64_t>(dim);
  return size && *size > 0 ? size : std::nullopt;
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

void Found::add(std::string what, std::vector<Concern> concerns, std::string remedy,
                std::uint64_t count) {
  findings.push_back({std::move(what), std::move(concerns), std::move(remedy), count});
}

void Found::add(const Places& places, std::string_view noun, std::string_view what,
                std::vector<Concern> concerns, std::string remedy) {
  if (places.empty()) return;
  add(fmt::format("{}: {}", places.text(noun), what), std::move(concerns), std::move(remedy),
      places.count);
}

std::string convert_with(std::string_view option_name, std::string_view value) {
  return fmt::format("Convert the checkpoint with {} {}", option(option_name), value);
}

std::string instead_of_bfloat16() {
  return "bfloat16 needs opset 22. " + convert_with("fp_mode", "mixed_fp16") +
         ", or update the program that runs the model.";
}

Model make_model(const onnx::Model& file, const Input& input, const io::Siblings* siblings,
                 const Context& context) {
  Model model(file, input, siblings);
  model.opset = onnx::default_opset(file);
  model.inputs = onnx::open_inputs(file);
  for (const onnx::Tensor& tensor : file.initializers) {
    model.constants.emplace(tensor.name, &tensor);
  }
  for (const onnx::Node& node : file.nodes) {
    for (const std::string& output : node.outputs) {
      if (!output.empty()) model.makers.emplace(output, &node);
    }
    for (const std::string& used : node.inputs) {
      std::vector<const onnx::Node*>& users = model.users[used];
      if (users.empty() || users.back() != &node) users.push_back(&node);
    }
  }
  infer_types(model);
  take_axes(model);
  read_weights(model, context);
  return model;
}

}  // namespace aether2onnx::judge::check
