#include "network/network_writer.h"

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::network {

using state_dict::Entry;

ParameterId NetworkWriter::parameter(const std::string& name, std::vector<std::int64_t> shape) {
  return parameter(name, name, std::move(shape));
}

ParameterId NetworkWriter::parameter(const std::string& name, const std::string& key,
                                     std::vector<std::int64_t> shape) {
  expected_.push_back({key, shape});
  const ParameterId id = network_.add_parameter(name, std::move(shape), Expression::stored(key));
  network_.parameters[id].position = expected_.size();
  return id;
}

void NetworkWriter::buffer(const std::string& name, std::vector<std::int64_t> shape) {
  expected_.push_back({name, shape, false});
  network_.buffers.push_back({name, name, std::move(shape), expected_.size()});
}

void NetworkWriter::buffer_if_there(const std::string& name) {
  const Entry* entry = file_ == nullptr ? nullptr : file_->find(name);
  if (entry != nullptr && entry->tensor) buffer(name, entry->tensor->shape);
}

void NetworkWriter::no_bias(const std::string& path, std::int64_t out) {
  const std::string key = path + ".bias";
  if (file_ == nullptr || file_->quantization() != Quantization::int8 || !file_->has(key)) return;
  expected_.push_back({key, {out}, true, true});
}

ValueId NetworkWriter::add(std::string path, Operation operation, std::vector<ValueId> inputs) {
  return network_.add(std::move(path), std::move(operation), std::move(inputs));
}

ValueId NetworkWriter::conv(const std::string& path, std::int64_t out, std::int64_t in,
                            std::int64_t kernel, ValueId input) {
  return conv_at(path, path, out, in, kernel, input);
}

ValueId NetworkWriter::conv_at(const std::string& path, const std::string& key, std::int64_t out,
                               std::int64_t in, std::int64_t kernel, ValueId input) {
  const ParameterId weight =
      parameter(path + ".weight", key + ".weight", {out, in, kernel, kernel});
  const ParameterId bias = parameter(path + ".bias", key + ".bias", {out});
  return add(path, Conv2d{weight, bias, kernel, 1}, {input});
}

ValueId NetworkWriter::linear(const std::string& path, std::int64_t out, std::int64_t in,
                              ValueId input) {
  const ParameterId weight = parameter(path + ".weight", {out, in});
  const ParameterId bias = parameter(path + ".bias", {out});
  return add(path, Linear{weight, bias}, {input});
}

ValueId NetworkWriter::layer_norm(const std::string& path, double epsilon, ValueId input) {
  const ParameterId weight = parameter(path + ".weight", {d.embed_dim});
  const ParameterId bias = parameter(path + ".bias", {d.embed_dim});
  return add(path, LayerNorm{weight, bias, epsilon}, {input});
}

ValueId NetworkWriter::depthwise(const std::string& path, ValueId input, const char* large_bias,
                                 const char* small_bias) {
  const std::int64_t channels = d.embed_dim;
  const std::int64_t large = d.large_kernel;
  const std::int64_t small = d.small_kernel;
  const std::string fused_path = path + ".fused_conv";
  if (d.fused) {
    const ParameterId weight = parameter(fused_path + ".weight", {channels, 1, large, large});
    const ParameterId bias = parameter(fused_path + ".bias", {channels});
    return add(fused_path, Conv2d{weight, bias, large, channels}, {input});
  }
  ReparameterizedConv2d unfused;
  unfused.large_bias = parameter(fmt::format("{}.{}", path, large_bias), {channels});
  unfused.small_bias = parameter(fmt::format("{}.{}", path, small_bias), {channels});
  unfused.large_weight = parameter(path + ".lk_conv.weight", {channels, 1, large, large});
  unfused.small_weight = parameter(path + ".sk_conv.weight", {channels, 1, small, small});
  unfused.fused_path = fused_path;
  // In the generation G5x, the biases belong to the layers lk_conv and sk_conv. In other
  // generations, the biases are the separate parameters lk_bias and sk_bias, so the layers lk_conv
  // and sk_conv have no bias.
  if (std::string_view(large_bias) != "lk_conv.bias") no_bias(path + ".lk_conv", channels);
  if (std::string_view(small_bias) != "sk_conv.bias") no_bias(path + ".sk_conv", channels);
  return add(path, unfused, {input});
}

ValueId NetworkWriter::multiply_by_range(const char* path, ValueId input) {
  if (settings.img_range == 1) return input;
  return add(path, Scale{settings.img_range, {}, false}, {input});
}

ValueId NetworkWriter::divide_by_range(const char* path, ValueId input) {
  if (settings.img_range == 1) return input;
  return add(path, Scale{settings.img_range, {}, true}, {input});
}

// A network that was pickled as a Python object contains attributes of PyTorch's own layers, for
// example eps. Returns the attributes that change a layer's output, with the values that they must
// have.
std::vector<NetworkWriter::ExpectedAttribute> NetworkWriter::expected_attributes() const {
  std::vector<ExpectedAttribute> expected;
  for (const Module& module : network_.modules) {
    if (const auto* norm = std::get_if<LayerNorm>(&module.operation)) {
      expected.push_back({module.path + ".eps", fmt::format("{}", norm->epsilon)});
    } else if (const auto* relu = std::get_if<LeakyRelu>(&module.operation)) {
      expected.push_back({module.path + ".negative_slope", fmt::format("{}", relu->slope)});
    } else if (std::holds_alternative<Gelu>(module.operation)) {
      expected.push_back({module.path + ".approximate", "none"});
    }
  }
  return expected;
}

namespace {

bool is_zero(const FloatStateDict& file, const std::string& key) {
  const auto numbers = file.numbers(key);
  return numbers &&
         std::all_of(numbers->begin(), numbers->end(), [](double number) { return number == 0; });
}

}  // namespace

void NetworkWriter::check_strictly(const FloatStateDict& file, const std::string& what) const {
  std::vector<Diagnostic> findings;
  const auto found = [&](const char* code, const std::string& key, const char* problem,
                         const std::string& expected, const std::string& is) {
    std::string detail = expected + is;
    if (!expected.empty() && !is.empty()) detail = fmt::format("is {}, expected {}", is, expected);
    findings.push_back(
        {code, key, expected, is, fmt::format("{}: {} {}", problem, printable(key), detail)});
  };
  std::unordered_set<std::string_view> known;
  for (const ExpectedTensor& want : expected_) {
    known.insert(want.key);
    const Entry* entry = file.find(want.key);
    if (entry == nullptr) {
      found("network-key-missing", want.key, "missing key", shape_text(want.shape), "");
    } else if (!entry->tensor) {
      found("network-key-tensor", want.key, "no usable tensor", "", entry->problem);
    } else if (entry->tensor->shape != want.shape) {
      found("network-key-shape", want.key, "wrong shape", shape_text(want.shape),
            shape_text(entry->tensor->shape));
    } else if (const DType type = entry->tensor->read_dtype();
               !is_weight_dtype(type) && (want.is_weight || !is_counter_dtype(type))) {
      found("network-key-type", want.key, "wrong type",
            fmt::format("{}float32, float16, bfloat16 or float64",
                        want.is_weight ? "" : "integers, "),
            std::string(to_string(entry->tensor->dtype)));
    } else if (want.is_zero && !is_zero(file, want.key)) {
      found("network-key-bias", want.key,
            "wrong bias (the network adds no bias in this layer, so only zeros fit)", "zeros",
            "not zero");
    }
  }
  for (const ExpectedAttribute& want : expected_attributes()) {
    const std::string* is = file.attribute(want.name);
    if (is == nullptr || *is == want.value) continue;
    found("network-attribute", want.name, "wrong attribute", want.value, printable(*is));
  }
  for (const Entry* entry : file.entries()) {
    if (known.contains(entry->name)) continue;
    found("network-key-unexpected", entry->name, "unexpected key", "",
          entry->tensor ? shape_text(entry->tensor->shape) : fmt::format("({})", entry->problem));
  }
  if (findings.empty()) return;
  const std::string text =
      fmt::format("the file is {}, but its state dict does not fit this network ({}):\n  {}", what,
                  plural(findings.size(), "difference"), join(texts(findings), "\n  "));
  throw Error(ErrorKind::mismatch, Diagnostic{"network-keys", "", what, "", text}, findings);
}

}  // namespace aether2onnx::network
