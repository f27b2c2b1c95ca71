// Collects what TensorRT and other runtimes must know about an ONNX file (struct EngineModel).

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "judge/engine/engine.h"
#include "metadata.h"

namespace aether2onnx::judge::engine {

std::string profile_text(const EngineModel& model, std::int64_t Axis::*which) {
  return fmt::format("{}:{}", model.input_name,
                     metadata::shape_text(model.shape, model.channels, which));
}

namespace {

using Sizes = std::array<std::int64_t, 4>;

// Reads the size of an axis, a decimal number from 1 to `limits::kLayerWidth`, the largest allowed
// number of channels. Returns nullopt for any other text. For dynamic axes, take_profile() allows
// at most 65536.
std::optional<std::int64_t> size_of(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  const bool good =
      result.ec == std::errc{} && result.ptr == end && number >= 1 && number <= limits::kLayerWidth;
  return good ? std::optional(number) : std::nullopt;
}

std::optional<Sizes> sizes_of(std::string_view text) {
  Sizes sizes{};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::size_t end = std::min(text.find('x'), text.size());
    const auto size = size_of(text.substr(0, end));
    const bool last = i + 1 == sizes.size();
    if (!size || last != (end == text.size())) return std::nullopt;
    sizes.at(i) = *size;
    text.remove_prefix(last ? end : end + 1);
  }
  return sizes;
}

// Thrown if the metadata have no profile (range of input sizes) that fits the model's input.
struct ProfileProblem {
  std::string text;
};

// Returns the input shape that the metadata have under `key`: "min_shape", "opt_shape" or
// "max_shape", the smallest, usual or largest shape. Throws ProfileProblem if the shape is missing
// or wrong.
Sizes profile_end(const onnx::Model& file, const char* key, const EngineModel& model) {
  const std::string* text = file.find_metadata(key);
  if (text == nullptr) throw ProfileProblem{"the metadata contain no range of sizes"};
  const std::size_t colon = text->rfind(':');
  const auto sizes = colon == std::string::npos
                         ? std::nullopt
                         : sizes_of(std::string_view(*text).substr(colon + 1));
  if (!sizes) {
    throw ProfileProblem{
        fmt::format("{} in the metadata is no shape: '{}'", key, printable(*text))};
  }
  if (text->substr(0, colon) != model.input_name) {
    throw ProfileProblem{fmt::format("{} in the metadata names the input '{}', not '{}'", key,
                                     printable(text->substr(0, colon)),
                                     printable(model.input_name))};
  }
  return *sizes;
}

void take_profile(const onnx::Model& file, EngineModel& model) {
  std::array<Sizes, 3> ends{};
  for (std::size_t i = 0; i < ends.size(); ++i) {
    ends.at(i) = profile_end(file, metadata::kProfile.at(i).key, model);
  }
  constexpr std::int64_t largest = 65536;
  InputShape shape = model.shape;
  const std::array<Axis*, 3> axes = {&shape.batch, &shape.height, &shape.width};
  constexpr std::array<std::size_t, 3> dims = {0, 2, 3};
  const auto misfit = [](const std::string& what) {
    throw ProfileProblem{
        fmt::format("the range of sizes in the metadata does not fit the input: {}", what)};
  };
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (ends.at(i)[1] != model.channels) {
      misfit(fmt::format("{} has {} channels, but the input has {}", metadata::kProfile.at(i).key,
                         ends.at(i)[1], model.channels));
    }
  }
  for (std::size_t i = 0; i < axes.size(); ++i) {
    Axis& axis = *axes.at(i);
    const std::size_t dim = dims.at(i);
    const Axis range = Axis::range(ends[0].at(dim), ends[1].at(dim), ends[2].at(dim));
    if (!axis.dynamic) {
      if (range != Axis::range(axis.opt, axis.opt, axis.opt)) {
        misfit(fmt::format("the range of axis {} is {} to {}, but the axis is fixed to {}", dim,
                           range.min, range.max, axis.opt));
      }
      continue;
    }
    if (range.min > range.opt || range.opt > range.max || range.max > largest) {
      misfit(
          fmt::format("axis {} has min {}, opt {}, max {}; min <= opt <= max <= 65536 was expected",
                      dim, range.min, range.opt, range.max));
    }
    axis = range;
  }
  model.shape = shape;
}

// Returns an axis of the input: fixed to the number `dim`, or dynamic with `range` if `dim` is no
// number.
Axis axis_of(const std::string& dim, const Axis& range, const std::string& input) {
  const bool is_number = !dim.empty() && dim.find_first_not_of("-0123456789") == std::string::npos;
  if (!is_number) return range;
  const auto size = size_of(dim);
  if (!size) {
    fail({ErrorKind::unsupported, "engine-input-shape", input, "a size", dim},
         "the input '{}' has an axis of size {}, which is no valid size.", printable(input),
         printable(dim));
  }
  return Axis::fixed(*size);
}

void take_input(const onnx::Model& file, EngineModel& model) {
  const std::vector<const onnx::ValueInfo*> inputs = onnx::open_inputs(file);
  if (inputs.size() != 1) {
    const std::string count = inputs.empty() ? "no input" : plural(inputs.size(), "input");
    fail({ErrorKind::unsupported, "engine-inputs", "", "one input", count},
         "the model has {}, but an image-to-image model has one input.\n"
         "Convert the checkpoint with aether2onnx.",
         count);
  }
  const onnx::ValueInfo& input = *inputs.front();
  model.input_name = input.name;
  if (input.dims.size() != 4 || !size_of(input.dims[1])) {
    std::vector<std::string> dims;
    for (const std::string& dim : input.dims) dims.push_back(dim.empty() ? "?" : printable(dim));
    fail({ErrorKind::unsupported, "engine-input-shape", input.name, "(N, C, H, W)",
          join(dims, ", ")},
         "the input '{}' has the shape [{}]; (N, C, H, W) with a fixed number of channels was "
         "expected.\n"
         "Convert the checkpoint with aether2onnx.",
         printable(input.name), join(dims, ", "));
  }
  model.channels = *size_of(input.dims[1]);
  const InputShape defaults = InputShape::dynamic_defaults();
  model.shape = {axis_of(input.dims[0], defaults.batch, input.name),
                 axis_of(input.dims[2], defaults.height, input.name),
                 axis_of(input.dims[3], defaults.width, input.name)};
  model.input_dtype = onnx::type_text(input.elem_type);
  if (model.input_dtype != "float32" && model.input_dtype != "float16" &&
      model.input_dtype != "bfloat16") {
    fail({ErrorKind::unsupported, "engine-input-type", input.name, "float32, float16 or bfloat16",
          model.input_dtype},
         "the input '{}' has the type {}; float32, float16 or bfloat16 was expected.",
         printable(input.name), model.input_dtype);
  }
}

void take_types(const onnx::Model& file, EngineModel& model) {
  const auto take = [&model](int data_type) {
    const std::string type = onnx::type_text(data_type);
    model.has_float8 = model.has_float8 || type.starts_with("float8");
    model.has_float16 = model.has_float16 || type == "float16";
    model.has_bfloat16 = model.has_bfloat16 || type == "bfloat16";
  };
  for (const onnx::Tensor& tensor : file.initializers) take(tensor.data_type);
  for (const onnx::ValueInfo& value : file.inputs) take(value.elem_type);
  for (const onnx::ValueInfo& value : file.outputs) take(value.elem_type);
  bool has_mean = false;
  bool has_power = false;
  for (const onnx::Node& node : file.nodes) {
    if (!node.domain.empty() && node.domain != "ai.onnx") continue;
    if (node.op_type == "LayerNormalization") model.has_layer_normalization = true;
    if (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear") {
      model.is_quantized = true;
    }
    has_mean = has_mean || node.op_type == "ReduceMean";
    has_power = has_power || node.op_type == "Pow";
  }
  model.has_decomposed_normalization = has_mean && has_power;
}

// Returns whether the input's name can be part of a shape option such as
// --minShapes=input:1x3x64x64. No version of trtexec gives the allowed characters a special meaning
// in shape options.
bool fits_into_profile(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '/';
  });
}

}  // namespace

EngineModel describe(const onnx::Model& file) {
  EngineModel model;
  const std::int64_t opset = onnx::default_opset(file);
  if (opset < 1 || opset > std::numeric_limits<int>::max()) {
    fail({ErrorKind::malformed, "engine-no-opset"},
         "the file does not name the opset of ONNX's own operators.");
  }
  model.opset_version = static_cast<int>(opset);
  take_input(file, model);
  if (file.outputs.empty()) {
    fail({ErrorKind::malformed, "engine-no-output"}, "the graph has no output.");
  }
  model.output_dtype = onnx::type_text(file.outputs.front().elem_type);
  take_types(file, model);
  model.external_files = onnx::external_files(file);
  if (!model.shape.is_dynamic()) return model;
  if (!fits_into_profile(model.input_name)) {
    fail({ErrorKind::unsupported, "engine-input-name", model.input_name,
          "letters, digits, '_', '-', '.' and '/'"},
         "the input is called '{}', but shape options such as --minShapes cannot contain this "
         "name.\n"
         "Convert the checkpoint with aether2onnx, which calls the input 'input'.",
         printable(model.input_name));
  }
  try {
    take_profile(file, model);
  } catch (const ProfileProblem& problem) {
    model.profile_problem = problem.text;
  }
  return model;
}

}  // namespace aether2onnx::judge::engine
