#include "onnx_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

namespace aether2onnx::test {

namespace {

using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;
using ::onnx::ValueInfoProto;

std::string text_of(float number) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &number, sizeof bits);
  return fmt::format("{:08x}", bits);
}

template <typename List>
std::string list_text(const List& list) {
  std::string text = "[";
  for (const auto& each : list) text += fmt::format("{},", each);
  return text + "]";
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// A line for an attribute of a simple type; "" for others.
std::string attribute_text(const std::string& name, const onnx::AttributeValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return fmt::format("{}=i{}", name, *number);
  }
  if (const auto* real = std::get_if<float>(&value)) {
    return fmt::format("{}=f{}", name, text_of(*real));
  }
  if (const auto* text = std::get_if<std::string>(&value))
    return fmt::format("{}=s{}", name, *text);
  return fmt::format("{}={}", name, list_text(std::get<std::vector<std::int64_t>>(value)));
}

std::string node_text(const char* where, const std::string& domain, const std::string& op,
                      const std::string& name, const std::string& inputs,
                      const std::string& outputs, std::vector<std::string> attributes) {
  std::sort(attributes.begin(), attributes.end());
  return fmt::format("{} node {}|{}|{}|{}|{}|{}", where, domain, op, name, inputs, outputs,
                     list_text(attributes));
}

std::string tensor_text(const char* where, const std::string& name, int type,
                        const std::string& dims, const std::string& location,
                        const std::string& offset, const std::string& length,
                        const std::string& elements) {
  return fmt::format("{} tensor {}|{}|{}|{}|{}|{}|{}", where, name, type, dims, location, offset,
                     length, elements);
}

// --- by libonnx ---

class ProtoFacts {
 public:
  Facts take(const ModelProto& model) {
    add(fmt::format("ir {}", model.ir_version()));
    add(fmt::format("producer {}|{}", model.producer_name(), model.producer_version()));
    for (const auto& opset : model.opset_import()) {
      add(fmt::format("opset {}|{}", opset.domain(), opset.version()));
    }
    for (const auto& entry : model.metadata_props()) {
      add(fmt::format("metadata {}|{}", entry.key(), entry.value()));
    }
    const GraphProto& graph = model.graph();
    add(fmt::format("graph {}", graph.name()));
    for (const auto& value : graph.input()) add("input " + value_text(value));
    for (const auto& value : graph.output()) add("output " + value_text(value));
    take(graph, "main");
    for (const auto& training : model.training_info()) {
      take(training.initialization(), "inner");
      take(training.algorithm(), "inner");
    }
    for (const auto& function : model.functions()) {
      add(fmt::format("function {}|{}", function.domain(), function.name()));
      for (const auto& node : function.node()) take(node, "function");
    }
    std::sort(facts_.begin(), facts_.end());
    return std::move(facts_);
  }

 private:
  void add(std::string fact) { facts_.push_back(std::move(fact)); }

  static std::string value_text(const ValueInfoProto& value) {
    const auto& tensor = value.type().tensor_type();
    std::vector<std::string> dims;
    for (const auto& dim : tensor.shape().dim()) {
      dims.push_back(dim.has_dim_value() ? fmt::format("{}", dim.dim_value()) : dim.dim_param());
    }
    return fmt::format("{}|{}|{}", value.name(), tensor.elem_type(), list_text(dims));
  }

  void take(const GraphProto& graph, const char* where) {
    for (const auto& node : graph.node()) take(node, where);
    const bool main = std::string_view(where) == "main";
    for (const auto& tensor : graph.initializer()) {
      take(tensor, main ? "main" : "other", tensor.name());
    }
    for (const auto& sparse : graph.sparse_initializer()) take(sparse);
  }

  void take(const ::onnx::SparseTensorProto& sparse) {
    if (sparse.has_values()) take(sparse.values(), "other", sparse.values().name());
    if (sparse.has_indices()) take(sparse.indices(), "other", sparse.indices().name());
  }

  void take(const NodeProto& node, const char* where) {
    // A graph within a function belongs to the function.
    const char* within = std::string_view(where) == "main" ? "inner" : where;
    std::vector<std::string> attributes;
    for (const AttributeProto& attribute : node.attribute()) {
      const std::string& name = attribute.name();
      if (attribute.ref_attr_name().empty()) {
        if (attribute.type() == AttributeProto::INT) {
          attributes.push_back(attribute_text(name, attribute.i()));
        } else if (attribute.type() == AttributeProto::FLOAT) {
          attributes.push_back(attribute_text(name, attribute.f()));
        } else if (attribute.type() == AttributeProto::STRING) {
          attributes.push_back(attribute_text(name, attribute.s()));
        } else if (attribute.type() == AttributeProto::INTS) {
          attributes.push_back(attribute_text(
              name, std::vector<std::int64_t>(attribute.ints().begin(), attribute.ints().end())));
        }
      }
      if (attribute.has_t()) {
        const bool constant = node.op_type() == "Constant" && name == "value" &&
                              (node.domain().empty() || node.domain() == "ai.onnx") &&
                              node.output_size() == 1;
        const bool main = constant && std::string_view(where) == "main";
        take(attribute.t(), main ? "main" : "other",
             constant ? node.output(0) : attribute.t().name());
      }
      for (const auto& tensor : attribute.tensors()) take(tensor, "other", tensor.name());
      if (attribute.has_sparse_tensor()) take(attribute.sparse_tensor());
      for (const auto& sparse : attribute.sparse_tensors()) take(sparse);
      if (attribute.has_g()) take(attribute.g(), within);
      for (const auto& graph : attribute.graphs()) take(graph, within);
    }
    add(node_text(where, node.domain(), node.op_type(), node.name(), list_text(node.input()),
                  list_text(node.output()), std::move(attributes)));
  }

  void take(const TensorProto& tensor, const char* where, const std::string& name) {
    std::map<std::string, std::string> entries;
    const bool external = tensor.data_location() == TensorProto::EXTERNAL;
    if (external) {
      for (const auto& entry : tensor.external_data()) entries[entry.key()] = entry.value();
    }
    add(tensor_text(where, name, tensor.data_type(), list_text(tensor.dims()), entries["location"],
                    entries["offset"], entries["length"], elements(tensor)));
  }

  static std::string elements(const TensorProto& tensor) {
    std::string text = hex(tensor.raw_data());
    for (const float number : tensor.float_data()) text += " " + text_of(number);
    for (const std::int64_t number : tensor.int64_data()) text += fmt::format(" {}", number);
    for (const std::int32_t number : tensor.int32_data()) text += fmt::format(" {}", number);
    return text;
  }

  Facts facts_;
};

// --- by our reader ---

class RecordFacts {
 public:
  explicit RecordFacts(const Input& input) : input_(input) {}

  Facts take(const onnx::Model& model) {
    add(fmt::format("ir {}", model.ir_version));
    add(fmt::format("producer {}|{}", model.producer_name, model.producer_version));
    for (const auto& [domain, version] : model.opsets)
      add(fmt::format("opset {}|{}", domain, version));
    for (const auto& [key, value] : model.metadata) add(fmt::format("metadata {}|{}", key, value));
    add(fmt::format("graph {}", model.graph_name));
    for (const auto& value : model.inputs) add("input " + value_text(value));
    for (const auto& value : model.outputs) add("output " + value_text(value));
    for (const auto& node : model.nodes) take(node, "main");
    for (const auto& node : model.inner_nodes) take(node, "inner");
    for (const auto& function : model.functions) {
      add(fmt::format("function {}|{}", function.domain, function.name));
      for (const auto& node : function.nodes) take(node, "function");
    }
    for (const auto& tensor : model.initializers) take(tensor, "main");
    for (const auto& tensor : model.other_tensors) take(tensor, "other");
    std::sort(facts_.begin(), facts_.end());
    return std::move(facts_);
  }

 private:
  void add(std::string fact) { facts_.push_back(std::move(fact)); }

  static std::string value_text(const onnx::ValueInfo& value) {
    return fmt::format("{}|{}|{}", value.name, value.elem_type, list_text(value.dims));
  }

  void take(const onnx::Node& node, const char* where) {
    std::vector<std::string> attributes;
    for (const auto& [name, value] : node.attributes)
      attributes.push_back(attribute_text(name, value));
    add(node_text(where, node.domain, node.op_type, node.name, list_text(node.inputs),
                  list_text(node.outputs), std::move(attributes)));
  }

  void take(const onnx::Tensor& tensor, const char* where) {
    add(tensor_text(where, tensor.name, tensor.data_type, list_text(tensor.dims),
                    tensor.external_file, tensor.external_offset, tensor.external_bytes,
                    elements(tensor)));
  }

  std::string bytes_at(std::uint64_t offset, std::uint64_t size) const {
    std::string bytes(static_cast<std::size_t>(size), '\0');
    input_.read(offset, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  // In the order of libonnx's fields: raw_data, float_data, int64_data, int32_data.
  std::string elements(const onnx::Tensor& tensor) const {
    std::string text = hex(bytes_at(tensor.raw_offset, tensor.raw_bytes));
    constexpr std::uint64_t kFloats = 4;
    constexpr std::uint64_t kInt32 = 5;
    constexpr std::uint64_t kInt64 = 7;
    for (const std::uint64_t field : {kFloats, kInt64, kInt32}) {
      for (const auto& piece : tensor.pieces) {
        if (piece.field != field) continue;
        const std::string bytes = bytes_at(piece.offset, piece.bytes);
        if (field == kFloats) {
          for (std::size_t i = 0; i + sizeof(float) <= bytes.size(); i += sizeof(float)) {
            float number = 0;
            std::memcpy(&number, bytes.data() + i, sizeof number);
            text += " " + text_of(number);
          }
          continue;
        }
        std::uint64_t number = 0;
        unsigned shift = 0;
        for (const char c : bytes) {
          const auto byte = static_cast<unsigned char>(c);
          number |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
          shift += 7;
          if (byte >= 0x80) continue;
          text += fmt::format(" {}", static_cast<std::int64_t>(number));
          number = 0;
          shift = 0;
        }
      }
    }
    return text;
  }

  const Input& input_;
  Facts facts_;
};

bool leads_elsewhere(const std::string& file) {
  return file.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos ||
         file.find_first_not_of(". ") == std::string::npos ||
         (file.size() > 1 && file[1] == ':' && std::isalpha(static_cast<unsigned char>(file[0])));
}

}  // namespace

Facts facts_of(const ModelProto& model) { return ProtoFacts().take(model); }
Facts facts_of(const onnx::Model& model, const Input& input) {
  return RecordFacts(input).take(model);
}

std::string danger_in(const ModelProto& model) {
  static const std::set<std::string> loaders = {"EPContext", "PythonOp", "PythonOpGrad", "PyOp",
                                                "ATen",      "Snpe",     "TritonOp"};
  static const std::set<std::string> libraries = {"",
                                                  "ai.onnx",
                                                  "ai.onnx.ml",
                                                  "ai.onnx.training",
                                                  "ai.onnx.preview.training",
                                                  "com.microsoft",
                                                  "com.microsoft.nchwc",
                                                  "com.ms.internal.nhwc"};
  std::set<std::string> functions;
  for (const auto& function : model.functions()) {
    functions.insert(function.domain() + "|" + function.name());
  }
  for (const std::string& fact : facts_of(model)) {
    const std::size_t node = fact.find(" node ");
    const std::size_t tensor = fact.find(" tensor ");
    const auto part = [&fact](std::size_t at, int index) {
      for (; index > 0; --index) at = fact.find('|', at) + 1;
      return fact.substr(at, fact.find('|', at) - at);
    };
    if (node < 9) {
      const std::string domain = part(node + 6, 0);
      const std::string op = part(node + 6, 1);
      if (loaders.contains(op)) return fact;
      if (!libraries.contains(domain) && !functions.contains(domain + "|" + op)) return fact;
    } else if (tensor < 9) {
      const std::string file = part(tensor + 8, 3);
      if (!file.empty() && leads_elsewhere(file)) return fact;
    }
  }
  return "";
}

}  // namespace aether2onnx::test
