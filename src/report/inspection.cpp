// What an inspection says.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "report/report.h"

namespace aether2onnx::report {

namespace {

// 2^64 and above become the largest number there is.
std::uint64_t whole(double number) {
  constexpr double limit = 18446744073709551615.0;
  return number >= limit ? ~std::uint64_t{0} : static_cast<std::uint64_t>(std::llround(number));
}

// The most frequent first, then by name.
template <typename Key>
std::vector<std::pair<Key, std::uint64_t>> by_frequency(
    const std::map<Key, std::uint64_t>& counts) {
  std::vector<std::pair<Key, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

TensorInfo describe_value(const onnx::FileValue& value) {
  TensorInfo info{value.name, value.elem_type == 0 ? "no tensor" : onnx::type_text(value.elem_type),
                  value.dims};
  for (std::string& dim : info.shape) {
    if (dim.empty()) dim = "?";
  }
  return info;
}

// Whether a file with these types may be of the precision: its 16-bit type is there, and no other.
bool may_be(Precision precision, const std::map<std::string, std::uint64_t>& types) {
  const std::string half(to_string(precision::heavy_type(precision)));
  return types.contains(half) && std::all_of(types.begin(), types.end(), [&](const auto& type) {
           return type.first == half || type.first == "float32";
         });
}

// Where all is of one type, the precision of that name. A mixture is what the metadata say, as far
// as that may be, or else the types.
std::string precision_text(const onnx::File& file) {
  std::map<std::string, std::uint64_t> types;
  for (const onnx::FileTensor& tensor : file.initializers) {
    if (is_weight(tensor)) ++types[onnx::type_text(tensor.data_type)];
  }
  for (const onnx::FileValue* input : onnx::open_inputs(file)) {
    if (input->elem_type != 0) ++types[onnx::type_text(input->elem_type)];
  }
  for (const Precision pure : {Precision::fp32, Precision::fp16, Precision::bf16}) {
    if (types.size() == 1 && may_be(pure, types)) return std::string(to_string(pure));
  }
  const std::string* noted = file.find_metadata("precision");
  for (const Precision precision :
       {Precision::fp16, Precision::bf16, Precision::mixed_fp16, Precision::mixed_bf16}) {
    if (noted != nullptr && *noted == to_string(precision) && may_be(precision, types)) {
      return *noted;
    }
  }
  std::string text;
  for (const auto& [type, count] : by_frequency(types)) text += (text.empty() ? "" : " + ") + type;
  return text;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> training(const state_dict::StateDict& state_dict) {
  static constexpr std::array<std::string_view, 11> keys = {
      "iter",        "iteration", "iterations",  "current_iter",  "total_iter", "step",
      "global_step", "steps",     "total_steps", "current_epoch", "epoch"};
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [key, value] : state_dict.metadata()) {
    const bool number = !value.empty() && std::all_of(value.begin(), value.end(),
                                                      [](char c) { return c >= '0' && c <= '9'; });
    if (number && std::find(keys.begin(), keys.end(), key) != keys.end()) {
      found.emplace_back(key, value);
    }
  }
  return found;
}

Inspection::Cost describe_cost(const network::Network& network, std::string precision,
                               std::size_t weight_size, std::size_t value_size) {
  constexpr double megapixel = 1e6;
  const network::Cost cost = network::cost_of(network);
  const auto scale = static_cast<double>(network.facts.scale);
  const double input_pixels = megapixel / (scale * scale);
  Inspection::Cost result;
  result.parameters = whole(cost.parameters);
  result.multiply_adds_per_megapixel = whole(cost.multiply_adds * input_pixels);
  result.weight_bytes = whole(cost.parameters * static_cast<double>(weight_size));
  result.activation_bytes_per_megapixel =
      whole(cost.live_elements * input_pixels * static_cast<double>(value_size));
  result.precision = std::move(precision);
  return result;
}

bool is_weight(const onnx::FileTensor& tensor) {
  const auto dtype = onnx::dtype_of(tensor.data_type);
  return !tensor.dims.empty() && (!dtype || is_weight_dtype(*dtype));
}

std::uint64_t elements_of(const onnx::FileTensor& tensor) {
  return static_cast<std::uint64_t>(checked_product(tensor.dims).value_or(0));
}

Report::Source describe_source(const onnx::File& file) {
  Report::Source source;
  source.container = "ONNX";
  std::map<std::string, std::uint64_t> types;
  for (const onnx::FileTensor& tensor : file.initializers) {
    if (!is_weight(tensor)) continue;
    ++source.tensors;
    source.parameters =
        checked_add(source.parameters, elements_of(tensor)).value_or(~std::uint64_t{0});
    ++types[onnx::type_text(tensor.data_type)];
  }
  for (const auto& [type, count] : by_frequency(types)) {
    source.dtype += (source.dtype.empty() ? "" : " + ") + type;
  }
  if (types.empty()) source.dtype = "no weights";
  return source;
}

Inspection::Onnx describe_onnx(const onnx::File& file) {
  Inspection::Onnx result;
  result.ir_version = file.ir_version;
  result.opsets = file.opsets;
  result.producer_name = file.producer_name;
  result.producer_version = file.producer_version;
  result.precision = precision_text(file);
  for (const onnx::FileValue* input : onnx::open_inputs(file)) {
    result.inputs.push_back(describe_value(*input));
  }
  for (const onnx::FileValue& output : file.outputs) {
    result.outputs.push_back(describe_value(output));
  }
  std::map<std::string, std::uint64_t> operators;
  for (const onnx::FileNode& node : file.nodes) {
    if (node.op_type != "Constant") ++operators[node.op_type];
  }
  result.operators = by_frequency(operators);
  for (const auto& [name, count] : result.operators) result.nodes += count;
  result.metadata = file.metadata;
  for (const onnx::FileTensor& tensor : file.initializers) {
    auto& files = result.external_files;
    if (!tensor.external_file.empty() &&
        std::find(files.begin(), files.end(), tensor.external_file) == files.end()) {
      files.push_back(tensor.external_file);
    }
  }
  return result;
}

// --- metadata against the graph ---------------------------------------------------------------

namespace {

// "4,4,4,4"; empty where the text isn't such a list.
std::vector<std::int64_t> numbers_of(std::string_view text) {
  std::vector<std::int64_t> numbers;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) {
    std::int64_t number = 0;
    const auto result = std::from_chars(at, end, number);
    if (result.ec != std::errc{} || (result.ptr != end && *result.ptr != ',')) return {};
    numbers.push_back(number);
    at = result.ptr == end ? end : result.ptr + 1;
  }
  return numbers;
}

std::optional<double> number_of(std::string_view text) {
  double number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Report::Network noted_network(const onnx::File& file) {
  Report::Network network;
  const auto text = [&](const char* key) {
    const std::string* found = file.find_metadata(key);
    return found == nullptr ? std::string() : *found;
  };
  network.architecture = text("architecture");
  network.generation = text("generation");
  network.model_type = text("model_type");
  network.depths = numbers_of(text("depths"));
  network.res_scale = number_of(text("res_scale")).value_or(1);
  network.img_range = number_of(text("img_range")).value_or(1);
  return network;
}

std::vector<std::string> check_metadata(const onnx::File& file, const std::string& precision,
                                        Report::Network& network) {
  const Report::Network noted = noted_network(file);
  if (noted.architecture != network.architecture) return {};
  // A fused network may have the dimensions of a variant and have been trained with another small
  // kernel.
  if (network.fused && noted.model_type == "custom") network.model_type = noted.model_type;
  // These factors are in the weights.
  network.res_scale = noted.res_scale;
  network.img_range = noted.img_range;
  std::vector<std::pair<std::string, std::string>> facts = network_facts(network);
  facts.emplace_back("precision", precision);
  std::vector<std::string> findings;
  for (const auto& [key, value] : facts) {
    const std::string* found = file.find_metadata(key);
    if (found == nullptr || *found == value) continue;
    findings.push_back(
        fmt::format("the metadata contradict the graph: {} is '{}' there, and {} here", key,
                    printable(*found, 60), value));
  }
  return findings;
}

}  // namespace aether2onnx::report
