// Reads graphs, nodes and attributes into the structs of onnx.h (Model, Node, Tensor). Also reads
// graphs in attributes of nodes, so that the Model contains every node and tensor of the file.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/proto.h"
#include "formats/onnx/records.h"

namespace aether2onnx::onnx {

namespace {

[[noreturn]] void bad_attribute(const char* what, std::uint64_t at) {
  fail({ErrorKind::malformed, "onnx-attribute", fmt::format("byte {}", at)},
       "the ONNX file has an attribute {}, at byte {}. Readers disagree on the value.", what, at);
}

struct ValueField {
  std::uint32_t field;
  std::int64_t type;
  bool may_be_missing;
};

// For each type of attribute, the table names the field of AttributeProto that contains the value.
// For some types, this field may be missing: a proto3 writer leaves out the number 0 and an empty
// text, and every writer leaves out an empty list.
constexpr std::array kValueFields = {
    ValueField{attribute_proto::f, attribute_proto::type_float, true},
    ValueField{attribute_proto::i, attribute_proto::type_int, true},
    ValueField{attribute_proto::s, attribute_proto::type_string, true},
    ValueField{attribute_proto::t, attribute_proto::type_tensor, false},
    ValueField{attribute_proto::g, attribute_proto::type_graph, false},
    ValueField{attribute_proto::floats, attribute_proto::type_floats, true},
    ValueField{attribute_proto::ints, attribute_proto::type_ints, true},
    ValueField{attribute_proto::strings, attribute_proto::type_strings, true},
    ValueField{attribute_proto::tensors, attribute_proto::type_tensors, true},
    ValueField{attribute_proto::graphs, attribute_proto::type_graphs, true},
    ValueField{attribute_proto::sparse_tensor, attribute_proto::type_sparse_tensor, false},
    ValueField{attribute_proto::sparse_tensors, attribute_proto::type_sparse_tensors, true},
    ValueField{attribute_proto::tp, attribute_proto::type_type_proto, false},
    ValueField{attribute_proto::type_protos, attribute_proto::type_type_protos, true},
};

bool holds_value(std::uint32_t field) {
  return std::any_of(kValueFields.begin(), kValueFields.end(),
                     [field](const ValueField& row) { return row.field == field; });
}

}  // namespace

// The type and the value of one attribute. take_attribute() sets these members while reading the
// fields of the attribute.
struct GraphReader::Value {
  std::int64_t type = 0;
  std::uint32_t field = 0;  // the number of the field with the value; 0 for none
  bool is_reference = false;
  std::optional<AttributeValue> simple = {};
  std::vector<std::int64_t> integers = {};
  std::optional<Tensor> tensor = {};

  // Throws if `type` contradicts the field with the value: readers that use `type` and readers that
  // use the field would get different values. Also throws if `type` or a required value is missing,
  // or if a reference to a function's attribute has a value or is outside a function.
  void check(bool in_function, std::uint64_t at, Source& source) const {
    if (is_reference) {
      if (!in_function)
        bad_attribute("that refers to a function's attribute, outside a function", at);
      if (field != 0) bad_attribute("that has a value and also refers to another attribute", at);
      return;
    }
    if (type == 0) bad_attribute("without a type", at);
    const auto row = std::find_if(kValueFields.begin(), kValueFields.end(),
                                  [this](const ValueField& known) { return known.type == type; });
    const bool is_known = row != kValueFields.end();
    if (!is_known) source.add_unknown(fmt::format("an attribute of the type {}", type), at);
    if (field != 0 && (!is_known || field != row->field)) {
      bad_attribute("whose value does not have the type that the attribute states", at);
    }
    if (is_known && field == 0 && !row->may_be_missing) bad_attribute("without a value", at);
  }

  std::optional<AttributeValue> result() {
    if (is_reference || simple) return std::move(simple);
    if (type == attribute_proto::type_int) return std::int64_t{0};
    if (type == attribute_proto::type_float) return 0.0F;
    if (type == attribute_proto::type_string) return std::string();
    if (type == attribute_proto::type_ints) return std::move(integers);
    return std::nullopt;
  }
};

void GraphReader::take_value(Fields& fields, Value& value, Node& node) {
  const std::uint32_t number = fields.number();
  if (value.field != 0 && value.field != number) {
    bad_attribute("with two values", fields.place());
  }
  value.field = number;
  switch (number) {
    case attribute_proto::i:
      value.simple = fields.integer();
      break;
    case attribute_proto::f:
      value.simple = fields.real();
      break;
    case attribute_proto::s:
      value.simple = fields.text();
      break;
    case attribute_proto::ints:
      fields.take_integers(value.integers);
      break;
    case attribute_proto::t:
      value.tensor = tensor(fields.message());
      break;
    case attribute_proto::tensors:
      model_.other_tensors.push_back(tensor(fields.message()));
      break;
    case attribute_proto::sparse_tensor:
    case attribute_proto::sparse_tensors:
      ++model_.sparse_tensors;
      sparse_tensor(fields.message(), model_.other_tensors);
      break;
    case attribute_proto::g:
    case attribute_proto::graphs:
      take_inner_graph(fields.message(), node);
      break;
    default:
      break;
  }
}

void GraphReader::take_inner_graph(Fields fields, Node& node) {
  int& depth = place_.in_function ? model_.function_graph_depth : model_.graph_depth;
  depth = std::max(depth, place_.depth + 1);
  std::vector<ValueInfo> outputs;
  GraphReader(model_, {place_.in_function ? place_.nodes : model_.inner_nodes, model_.other_tensors,
                       place_.value_info, place_.inner_inputs, place_.in_function, nullptr,
                       place_.depth + 1})
      .take_graph(fields, nullptr, &outputs);
  for (ValueInfo& output : outputs) {
    node.graph_outputs.push_back(output.name);
    place_.value_info.push_back(std::move(output));
  }
}

void GraphReader::take_attribute(Fields fields, Node& node, Names& names,
                                 std::optional<Tensor>& constant) {
  std::string name;
  std::string reference;
  Value value;
  while (fields.next()) {
    if (holds_value(fields.number())) {
      take_value(fields, value, node);
    } else if (fields.number() == attribute_proto::name) {
      name = fields.text();
    } else if (fields.number() == attribute_proto::type) {
      value.type = fields.integer();
    } else if (fields.number() == attribute_proto::ref_attr_name) {
      reference = fields.text();
      value.is_reference = !reference.empty();
    }
  }
  value.check(place_.in_function, fields.place(), fields.source());
  names.add(name, fields.place());
  if (value.is_reference) node.references.emplace_back(name, std::move(reference));
  if (value.tensor && name == "value") {
    constant = std::move(value.tensor);
  } else if (value.tensor) {
    model_.other_tensors.push_back(std::move(*value.tensor));
  }
  if (auto result = value.result()) {
    node.attributes.insert_or_assign(std::move(name), std::move(*result));
  }
}

void GraphReader::take_default(Fields fields) {
  Node nobody;
  Names names("attributes of one function");
  std::optional<Tensor> constant;
  take_attribute(fields, nobody, names, constant);
  if (constant) model_.other_tensors.push_back(std::move(*constant));
}

void GraphReader::take_node(Fields fields) {
  Node node;
  Names attributes("attributes of one node");
  std::optional<Tensor> constant;
  while (fields.next()) {
    switch (fields.number()) {
      case node_proto::input:
        node.inputs.push_back(fields.text());
        break;
      case node_proto::output:
        node.outputs.push_back(fields.text());
        break;
      case node_proto::name:
        node.name = fields.text();
        break;
      case node_proto::op_type:
        node.op_type = fields.text();
        break;
      case node_proto::domain:
        node.domain = fields.text();
        break;
      case node_proto::overload:
        node.overload = fields.text();
        break;
      case node_proto::attribute:
        take_attribute(fields.message(), node, attributes, constant);
        break;
      default:
        break;
    }
  }
  if (constant && node.op_type == "Constant" && is_onnx_domain(node.domain) &&
      node.outputs.size() == 1) {
    constant->name = node.outputs[0];
    constants_.add(constant->name, fields.place());
    place_.constants.push_back(std::move(*constant));
  } else if (constant) {
    if (node.op_type == "ConstantOfShape") node.value_tensor = model_.other_tensors.size();
    model_.other_tensors.push_back(std::move(*constant));
  }
  node.inner_end = model_.inner_nodes.size();
  place_.nodes.push_back(std::move(node));
}

std::string GraphReader::take_graph(Fields fields, std::vector<ValueInfo>* inputs,
                                    std::vector<ValueInfo>* outputs) {
  std::string name;
  while (fields.next()) {
    const std::uint64_t at = fields.begin();
    switch (fields.number()) {
      case graph_proto::name:
        name = fields.text();
        break;
      case graph_proto::node:
        take_node(fields.message());
        break;
      case graph_proto::initializer:
        place_.constants.push_back(tensor(fields.message()));
        constants_.add(place_.constants.back().name, at);
        break;
      case graph_proto::sparse_initializer: {
        ++model_.sparse_tensors;
        std::string constant = sparse_tensor(fields.message(), model_.other_tensors);
        if (place_.sparse_constants != nullptr) place_.sparse_constants->push_back(constant);
        constants_.add(std::move(constant), at);
        break;
      }
      case graph_proto::input:
        if (inputs != nullptr) {
          inputs->push_back(value_info(fields.message()));
        } else {
          place_.inner_inputs.push_back(value_info(fields.message()).name);
        }
        break;
      case graph_proto::value_info:
        place_.value_info.push_back(value_info(fields.message()));
        break;
      case graph_proto::output:
        if (outputs != nullptr) outputs->push_back(value_info(fields.message()));
        break;
      default:
        break;
    }
  }
  return name;
}

}  // namespace aether2onnx::onnx
