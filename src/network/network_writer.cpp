#include "network/network_writer.h"

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
  expected_.push_back({key, shape, true});
  const ParameterId id = network_.add_parameter(name, std::move(shape), Expression::stored(key));
  network_.parameters[id].position = expected_.size();
  return id;
}

void NetworkWriter::buffer(const std::string& name, std::vector<std::int64_t> shape) {
  expected_.push_back({name, shape, false});
  network_.buffers.push_back({name, name, std::move(shape), expected_.size()});
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

ValueId NetworkWriter::layer_norm(const std::string& path, std::int64_t channels, double epsilon,
                                  ValueId input) {
  const ParameterId weight = parameter(path + ".weight", {channels});
  const ParameterId bias = parameter(path + ".bias", {channels});
  return add(path, LayerNorm{weight, bias, epsilon}, {input});
}

ValueId NetworkWriter::depthwise(const std::string& path, const DepthwiseLayout& layout,
                                 ValueId input) {
  const std::int64_t channels = layout.channels;
  const std::int64_t large = layout.large_kernel;
  const std::int64_t small = layout.small_kernel;
  const std::string fused_path = path + ".fused_conv";
  if (layout.fused) {
    const ParameterId weight = parameter(fused_path + ".weight", {channels, 1, large, large});
    const ParameterId bias = parameter(fused_path + ".bias", {channels});
    return add(fused_path, Conv2d{weight, bias, large, channels}, {input});
  }
  ReparameterizedConv2d unfused;
  unfused.large_bias = parameter(fmt::format("{}.{}", path, layout.large_bias), {channels});
  unfused.small_bias = parameter(fmt::format("{}.{}", path, layout.small_bias), {channels});
  unfused.large_weight = parameter(path + ".lk_conv.weight", {channels, 1, large, large});
  unfused.small_weight = parameter(path + ".sk_conv.weight", {channels, 1, small, small});
  unfused.fused_path = fused_path;
  return add(path, unfused, {input});
}

bool NetworkWriter::has_type_of(const ExpectedTensor& expected, DType dtype) {
  return is_weight_dtype(dtype) || (!expected.is_weight && is_counter_dtype(dtype));
}

void NetworkWriter::check_strictly(const View& view, const std::string& what) const {
  std::vector<std::string> findings;
  std::unordered_set<std::string_view> known;
  for (const ExpectedTensor& want : expected_) {
    known.insert(want.name);
    const Entry* entry = view.find(want.name);
    if (entry == nullptr) {
      findings.push_back(fmt::format("missing key: {} {}", want.name, shape_text(want.shape)));
    } else if (!entry->tensor) {
      findings.push_back(fmt::format("no usable tensor: {} {}", want.name, entry->problem));
    } else if (entry->tensor->shape != want.shape) {
      findings.push_back(fmt::format("wrong shape: {} is {}, expected {}", want.name,
                                     shape_text(entry->tensor->shape), shape_text(want.shape)));
    } else if (!has_type_of(want, entry->tensor->read_dtype())) {
      findings.push_back(fmt::format(
          "wrong type: {} is {}, expected {}float32, float16, bfloat16 or float64", want.name,
          to_string(entry->tensor->dtype), want.is_weight ? "" : "integers, "));
    }
  }
  for (const Entry* entry : view.entries()) {
    if (!known.contains(entry->name)) {
      findings.push_back(fmt::format(
          "unexpected key: {} {}", printable(entry->name),
          entry->tensor ? shape_text(entry->tensor->shape) : fmt::format("({})", entry->problem)));
    }
  }
  if (findings.empty()) return;
  std::string message =
      fmt::format("the file is {}, but its state dict doesn't fit that network ({}):", what,
                  plural(findings.size(), "difference"));
  for (const std::string& finding : findings) message += "\n  " + finding;
  throw Error(ErrorKind::mismatch, message, std::move(findings));
}

}  // namespace aether2onnx::network
