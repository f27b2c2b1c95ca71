// ONNX files that mean one thing to one reader and another thing to the next, that reach outside,
// or that honest exporters write although they look strange.

#include "onnx_cases.h"

#include <fmt/format.h>

#include "corpus.h"
#include "onnx_forge.h"
#include "onnx_maker.h"

namespace aether2onnx::corpus {

using namespace onnx_forge;
using namespace std::string_literals;

namespace {

// --- numbers ---

void add_numbers(Maker& maker) {
  const std::string graph_tag = varint(7U << 3U | 2U);
  const std::string second = graph(node("EPContext", "x", "y", context_of("/tmp/x")));
  const auto text = [](const std::string& content) { return varint(content.size()) + content; };
  maker.refused("tag_cut_to_32_bits",
                "protobuf keeps 32 bits of a tag, so this field 2^29 + 7 is the graph",
                with_model("\xba\x80\x80\x80\x10"s + text(second)), "onnx-field-number");
  maker.refused("tag_in_two_bytes", "a graph, for readers that take long tags",
                with_model(long_varint(7U << 3U | 2U, 1) + text(second)), "onnx-varint");
  maker.refused("tag_in_five_bytes", "a graph, for readers that take long tags",
                with_model(long_varint(7U << 3U | 2U, 4) + text(second)), "onnx-varint");
  maker.refused("length_in_two_bytes", "readers that take one byte see other fields",
                with_model(varint(6U << 3U | 2U) + long_varint(1, 1) + "d"), "onnx-varint");
  maker.refused("number_in_two_bytes", "no writer emits a number so",
                with_model(varint(5U << 3U) + long_varint(8, 1)), "onnx-varint");
  maker.refused("number_of_ten_bytes_and_more_bits", "readers drop the bits beyond 64",
                with_model(varint(5U << 3U) + std::string(9, '\xff') + '\x7f'), "onnx-varint");
  maker.refused("number_of_eleven_bytes", "readers stop at ten bytes or go on",
                with_model(varint(5U << 3U) + std::string(10, '\x80') + '\x01'), "onnx-varint");
  maker.refused("field_zero", "no message has it; readers stop or fail",
                with_model("\x00\x00"s + graph_tag), "onnx-field-number");
  maker.refused("type_cut_to_32_bits", "2^32 + 1 is float32 for protobuf, unknown for others",
                with_graph(field(5, number_field(1, 1) + number_field(2, (1ULL << 32U) + 1) +
                                        field(8, "w") + field(9, fixed32(1)))),
                "onnx-number");
  maker.refused("packed_number_in_two_bytes", "the elements of a weight in a form of their own",
                with_graph(field(5, number_field(1, 1) + number_field(2, 7) + field(8, "w") +
                                        field(7, long_varint(5, 1)))),
                "onnx-varint");
  maker.refused("packed_half_a_number", "readers cut the list or fail",
                with_graph(field(5, number_field(1, 1) + number_field(2, 1) + field(8, "w") +
                                        field(4, fixed32(1) + "\1"))),
                "onnx-malformed");
  maker.honest(
      "negative_number", "a negative number takes ten bytes",
      with_parts(node("Relu", "input", "output", attribute("axis", kInt, number_field(3, ~0ULL)))));
}

// --- fields ---

void add_fields(Maker& maker) {
  const std::string second = graph(node("Tanh", "x", "y"));
  maker.refused("group", "protobuf skips a group with all that is in it",
                with_model(varint(7U << 3U | 3U) + varint(7U << 3U | 4U)), "onnx-group");
  maker.refused("end_of_a_group", "protobuf ends the message here, others don't",
                with_model(varint(7U << 3U | 4U)), "onnx-group");
  maker.refused("graph_as_a_number", "a field of another wire type is unknown to protobuf",
                with_model(number_field(7, 5)), "onnx-wire-type");
  maker.refused("operator_as_a_number", "the same for the name of an operator",
                with_parts(node("Relu", "input", "output", varint(4U << 3U | 5U) + fixed32(1))),
                "onnx-wire-type");
  maker.refused("version_as_a_text", "a single number can't be packed",
                with_model(field(5, varint(3))), "onnx-wire-type");
  maker.refused("graph_twice", "protobuf joins both; other readers take one of them",
                with_model(field(7, second)), "onnx-field-twice");
  maker.refused("operator_twice", "the last one counts for protobuf",
                with_parts(node("Relu", "input", "output", field(4, "PyOp"))), "onnx-field-twice");
  maker.refused("domain_twice", "the last one counts for protobuf",
                with_parts(node("Relu", "input", "output", field(7, "a") + field(7, ""))),
                "onnx-field-twice");
  maker.refused("name_of_a_weight_twice", "the last one counts for protobuf",
                with_graph(field(5, tensor("w", raw() + field(8, "v")))), "onnx-field-twice");
  maker.refused(
      "size_by_number_and_name", "an axis has one of the two; the last one counts",
      with_graph(field(
          11, field(1, "x") +
                  field(2, field(1, number_field(1, 1) +
                                        field(2, field(1, number_field(1, 4) + field(2, "n"))))))),
      "onnx-alternatives");
  maker.refused(
      "tensor_and_sequence", "a value has one type; the last one counts",
      with_graph(field(11, field(1, "x") + field(2, field(1, number_field(1, 1)) + field(4, "")))),
      "onnx-alternatives");
  maker.refused(
      "nested_beyond_protobuf", "protobuf nests a hundred messages",
      [] {
        std::string inner = graph(node("Relu", "a", "b"));
        for (int i = 0; i < 40; ++i) {
          inner = graph(node("If", "c", "b", attribute("g", kGraph, field(6, inner))));
        }
        return with_parts(node("If", "c", "output", attribute("g", kGraph, field(6, inner))));
      }(),
      "onnx-depth");
  maker.told("unknown_field_of_the_model", "a later ONNX may know the field",
             with_model(field(99, second)), ScanResult::unclear, "unknown-part");
  maker.told("unknown_field_of_a_node", "a later ONNX may know the field",
             with_parts(node("Relu", "input", "output", number_field(31, 1))), ScanResult::unclear,
             "unknown-part");
  maker.told("part_of_a_tensor",
             "TensorProto.segment: no writer emits it, no reader joins the parts",
             with_graph(field(5, tensor("w", raw() + field(3, number_field(1, 0))))),
             ScanResult::unclear, "unknown-part");
  maker.honest(
      "all_that_newer_versions_have", "metadata, devices and an overload, of IR 10 to 14", [] {
        File file;
        file.head = number_field(1, 11);
        file.parts = node("Relu", "input", "output",
                          entry(9, "scope", "net") + field(8, "") +
                              field(10, field(1, "gpus") + number_field(3, 0)));
        file.graph_more = entry(16, "k", "v") + field(14, field(1, "w")) +
                          field(5, tensor("w", raw() + entry(16, "k", "v")));
        file.model_more = field(26, field(1, "gpus") + number_field(2, 2)) + entry(14, "k", "v");
        return file.bytes();
      }());
}

// --- attributes and names ---

void add_attributes(Maker& maker) {
  const auto relu = [](const std::string& attributes) {
    return with_parts(node("Relu", "input", "output", attributes));
  };
  const std::string tensor_value = field(5, tensor("t", outside("../w")));
  maker.refused("attribute_with_two_values", "readers take the one of the type, or the first one",
                relu(attribute("value", kInt, number_field(3, 1) + tensor_value)),
                "onnx-attribute");
  maker.refused("attribute_of_another_type", "ONNX Runtime goes by the type, others by the value",
                relu(attribute("value", kInt, tensor_value)), "onnx-attribute");
  maker.refused("attribute_without_a_type", "ONNX Runtime sees no value, others do",
                relu(field(5, field(1, "alpha") + number_field(3, 1))), "onnx-attribute");
  maker.refused("attribute_without_a_value", "a tensor that isn't there",
                relu(attribute("value", kTensor, "")), "onnx-attribute");
  maker.refused("attribute_twice", "readers take the first one or the last one",
                relu(attribute("axis", kInt, number_field(3, 1)) +
                     attribute("axis", kInt, number_field(3, 2))),
                "onnx-name-twice");
  maker.refused("reference_outside_of_functions", "no function gives the value",
                relu(attribute("axis", kInt, field(21, "axis"))), "onnx-attribute");
  maker.refused("weight_twice", "readers take the first one or the last one",
                with_graph(field(5, tensor("w", raw())) + field(5, tensor("w", raw()))),
                "onnx-name-twice");
  maker.refused("weight_and_constant", "the same, with a Constant node",
                with_parts(node("Constant", "", "w",
                                attribute("value", kTensor, field(5, tensor("", raw())))) +
                           field(5, tensor("w", raw()))),
                "onnx-name-twice");
  maker.refused("metadata_twice", "readers take the first one or the last one",
                with_model(entry(14, "scale", "2") + entry(14, "scale", "4")), "onnx-name-twice");
  maker.refused("opset_twice", "readers take the first one, the last one or the highest",
                with_model(field(8, field(1, "ai.onnx") + number_field(2, 9))), "onnx-opset-twice");
  maker.refused("function_twice", "readers take the first one or the last one",
                with_model(function("mine", "F", body_node("Relu")) +
                           function("mine", "F", body_node("Tanh"))),
                "onnx-name-twice");
  maker.told("attribute_of_an_unknown_type", "a later ONNX may know the type",
             relu(attribute("axis", 15, "")), ScanResult::unclear, "unknown-part");
  maker.honest("zero_left_out", "writers of proto3 leave out zeros",
               relu(attribute("axis", kInt, "")));
}

// --- external data ---

void add_external_data(Maker& maker) {
  const auto weight = [](const std::string& elements) {
    return with_graph(field(5, tensor("w", elements)));
  };
  maker.refused(
      "two_locations", "readers take the first one or the last one",
      weight(entry(13, "location", "w.data") + entry(13, "location", "../w") + number_field(14, 1)),
      "onnx-name-twice");
  maker.refused("entries_without_the_mark", "ONNX Runtime goes by the mark, others by the entries",
                weight(entry(13, "location", "../w") + raw()), "onnx-external-data");
  maker.refused("mark_without_entries", "there is no file", weight(number_field(14, 1)),
                "onnx-external-data");
  maker.refused("mark_without_a_location", "there is no file",
                weight(entry(13, "offset", "0") + number_field(14, 1)), "onnx-external-data");
  maker.refused("empty_location", "the model's folder itself",
                weight(entry(13, "location", "") + number_field(14, 1)), "onnx-external-data");
  maker.refused("elements_in_two_places", "readers take the one or the other",
                weight(outside("w.data") + raw()), "onnx-external-data");
  maker.refused("elements_in_two_fields", "readers take the one or the other",
                weight(raw() + field(4, fixed32(3) + fixed32(4))), "onnx-external-data");
  maker.told("unknown_place_of_elements", "a later ONNX may know the place",
             weight(raw() + number_field(14, 7)), ScanResult::unclear, "unknown-part");
  maker.told("place_is_no_number", "readers make numbers of the text, each in its own way",
             weight(outside("w.data", "0x10")), ScanResult::unclear, "external-data-unread");
  maker.told("unknown_entry", "ONNX Runtime refuses an unknown key, others ignore the key",
             weight(outside("w.data") + entry(13, "path", "../w")), ScanResult::unclear,
             "unknown-part");
  maker.honest("beside_the_model", "external data as exporters write them",
               weight(outside("w.data") + entry(13, "checksum", "abc")));
}

struct Place {
  const char* name;
  std::string bytes;
};

// Every place that can hold a tensor.
std::vector<Place> places(const std::string& tensor_outside) {
  const std::string single = attribute("t", kTensor, field(5, tensor_outside));
  const std::string sparse =
      field(1, tensor_outside) + field(2, tensor("", raw())) + number_field(3, 4);
  const std::string sparse_indices =
      field(1, tensor("s", raw())) + field(2, tensor_outside) + number_field(3, 4);
  const auto relu = [](const std::string& attributes) {
    return with_parts(node("Relu", "input", "output", attributes));
  };
  std::string nested = graph(node("Relu", "a", "b", single));
  for (int i = 0; i < 12; ++i) nested = graph(if_node(nested));
  return {
      {"weight", with_graph(field(5, tensor_outside))},
      {"constant", with_parts(node("Constant", "", "c",
                                   attribute("value", kTensor, field(5, tensor_outside))))},
      {"attribute", relu(single)},
      {"second_attribute", relu(attribute("a", kTensor, field(5, tensor("a", raw()))) + single)},
      {"attribute_of_tensors",
       relu(attribute("t", kTensors, field(10, tensor("a", raw())) + field(10, tensor_outside)))},
      {"sparse_attribute", relu(attribute("s", 11, field(22, sparse)))},
      {"sparse_attributes", relu(attribute("s", 12, field(23, sparse)))},
      {"sparse_values", with_graph(field(15, sparse))},
      {"sparse_indices", with_graph(field(15, sparse_indices))},
      {"inner_weight",
       with_parts(if_node(graph(node("Relu", "a", "b"), field(5, tensor_outside))))},
      {"inner_attribute", with_parts(if_node(graph(node("Relu", "a", "b", single))))},
      {"deep_inner_attribute", with_parts(if_node(nested))},
      {"graphs_attribute",
       relu(attribute("g", 10,
                      field(11, graph("")) + field(11, graph(node("Relu", "a", "b", single)))))},
      {"function", with_model(function("mine", "F", body_node("Relu", "", single)))},
      {"default_of_a_function",
       with_model(field(25, field(1, "F") + body_node("Relu") + field(10, "mine") +
                                field(11, field(1, "t") + field(5, tensor_outside) +
                                              number_field(20, kTensor))))},
      {"training",
       with_model(field(20, field(2, graph(node("Relu", "a", "b"), field(5, tensor_outside)))))},
  };
}

void add_places(Maker& maker) {
  for (const Place& place : places(tensor("w", outside("../../secret")))) {
    maker.told(fmt::format("outside_in_{}", place.name), "weights from outside the model's folder",
               place.bytes, ScanResult::found, "external-data-elsewhere");
  }
  for (const Place& place : places(tensor("w", outside("w.data")))) {
    const std::string_view name = place.name;
    // ONNX Runtime does not handle sparse tensors and deep graphs safely, wherever their weights
    // are.
    const bool unclear = name.starts_with("sparse") || name.starts_with("deep");
    maker.told(fmt::format("beside_in_{}", name), "weights in a file beside the model", place.bytes,
               unclear ? ScanResult::unclear : ScanResult::clean, "");
  }
  const std::vector<std::pair<const char*, std::string>> files = {
      {"absolute", "/etc/passwd"},     {"parent", ".."},
      {"folder", "weights/w.data"},    {"backslash", "..\\w.data"},
      {"drive", "C:w.data"},           {"dots_and_spaces", ".. ."},
      {"null_byte", "w.data\0/../x"s}, {"memory_of_onnx_runtime", "*/_ORT_MEM_ADDR_/*"},
  };
  for (const auto& [name, file] : files) {
    maker.told(fmt::format("outside_by_{}", name),
               "a name that leads out of the model's folder somewhere",
               with_graph(field(5, tensor("w", outside(file)))), ScanResult::found,
               "external-data-elsewhere");
  }
}

// --- operators ---

std::string calls(int depth, bool in_a_circle) {
  std::string functions;
  for (int i = 0; i < depth; ++i) {
    const std::string next = i + 1 < depth ? fmt::format("F{}", i + 1)
                             : in_a_circle ? "F0"s
                                           : "Relu"s;
    const std::string domain = next == "Relu" ? "" : "mine";
    functions +=
        function("mine", fmt::format("F{}", i), body_node(next, domain) + body_node(next, domain));
  }
  File file;
  file.parts = node("F0", "input", "output", "", "mine");
  file.model_more = functions;
  return file.bytes();
}

void add_operators(Maker& maker) {
  const std::string ep = node("EPContext", "a", "b", context_of("../x.bin"), "com.microsoft");
  const auto relu = node("Relu", "a", "b");
  maker.told("ep_context", "ONNX Runtime loads a compiled program from a file",
             with_parts(node("EPContext", "input", "output", context_of("x.bin"), "com.microsoft")),
             ScanResult::found, "operator-loads");
  maker.told("ep_context_in_an_if", "the same, in an inner graph", with_parts(if_node(graph(ep))),
             ScanResult::found, "operator-loads");
  maker.told("ep_context_in_a_function", "the same, in a function",
             with_model(function("mine", "F", body_node("EPContext", "com.microsoft"))),
             ScanResult::found, "operator-loads");
  maker.told(
      "ep_context_as_a_function", "ONNX Runtime prefers its own operator to the function",
      [] {
        File file;
        file.parts = node("EPContext", "input", "output", "", "com.microsoft");
        file.model_more = function("com.microsoft", "EPContext", body_node("Relu"));
        return file.bytes();
      }(),
      ScanResult::found, "operator-loads");
  maker.told("python_op", "ONNX Runtime for training calls Python",
             with_parts(node("PythonOp", "input", "output",
                             attribute("func_name", 3, field(4, "os.system")), "com.microsoft")),
             ScanResult::found, "operator-loads");
  maker.told("py_op", "an old ONNX Runtime imports the module",
             with_parts(node("PyOp", "input", "output", attribute("module", 3, field(4, "os")),
                             "any.domain")),
             ScanResult::found, "operator-loads");
  maker.told("aten", "any operator of PyTorch by its name",
             with_parts(node("ATen", "input", "output", "", "org.pytorch.aten")), ScanResult::found,
             "operator-loads");
  maker.told(
      "python_op_in_training", "the same, in training information",
      with_model(field(20, field(1, graph(node("PythonOp", "a", "b", "", "com.microsoft"))))),
      ScanResult::found, "operator-loads");
  maker.told("unknown_operator_of_microsoft", "not every operator of com.microsoft only computes",
             with_parts(node("Brandnew", "input", "output", "", "com.microsoft")),
             ScanResult::unclear, "foreign-operator");
  maker.told("operator_of_another_library", "somebody's library runs",
             with_parts(node("Relu", "input", "output", "", "my.library")), ScanResult::unclear,
             "foreign-operator");
  maker.told("operator_of_another_library_in_a_loop", "the same, in an inner graph",
             with_parts(node("Loop", "input", "output",
                             attribute("body", kGraph,
                                       field(6, graph(node("Op", "a", "b", "", "my.library")))))),
             ScanResult::unclear, "foreign-operator");
  maker.told("unknown_operator_of_onnx", "TensorRT looks for a plug-in of that name",
             with_parts(node("Ghost", "input", "output")), ScanResult::unclear, "operator-unknown");
  maker.told("function_in_place_of_an_operator", "some readers run the function, others Relu",
             with_model(function("", "Relu", body_node("Tanh"))), ScanResult::unclear,
             "operator-replaced");
  maker.told("function_that_calls_itself", "runtimes replace calls by bodies without end",
             calls(1, true), ScanResult::unclear, "functions-expand");
  maker.told("functions_in_a_circle", "the same, through others", calls(5, true),
             ScanResult::unclear, "functions-expand");
  maker.told("functions_that_double", "40 functions expand to 2^40 nodes", calls(40, false),
             ScanResult::unclear, "functions-expand");
  maker.told("settings_for_onnx_runtime", "ONNX Runtime may take settings from the metadata",
             with_model(entry(14, "ort_config", "{}")), ScanResult::unclear, "");
  maker.told("model_of_onnx_runtime", "from memory, ONNX Runtime reads its own format here",
             number_field(1, 8) + field(2, "ORTM") + File{}.bytes().substr(10), ScanResult::found,
             "");
  maker.honest("fused_by_onnx_runtime", "ONNX Runtime writes this when it optimizes a model",
               with_parts(node("FusedConv", "input", "output", "", "com.microsoft")));
  maker.honest("inner_graphs", "an If with harmless branches",
               with_parts(if_node(graph(relu + node("Tanh", "b", "then")))));
  maker.honest("functions", "PyTorch's exporter writes functions", calls(3, false));
  maker.told("sparse_weight", "ONNX Runtime makes a sparse weight dense, also with wrong indices",
             with_graph(field(15, field(1, tensor("s", raw())) +
                                      field(2, number_field(1, 2) + number_field(2, 7) +
                                                   field(7, varint(0) + varint(3))) +
                                      number_field(3, 4))),
             ScanResult::unclear, "");
  const auto expanded = [](std::int64_t size) {
    const std::string shape = number_field(1, 1) + number_field(2, 7) + field(8, "shape") +
                              field(7, varint(static_cast<std::uint64_t>(size)));
    return with_graph(field(5, shape) + node("ConstantOfShape", "shape", "large"));
  };
  maker.honest("constant_of_a_shape", "a constant as exporters write it", expanded(1000));
  maker.told("large_constant_of_a_shape", "a constant of 4 GB, which ONNX Runtime computes at once",
             expanded(std::int64_t{1} << 30), ScanResult::unclear, "");
  maker.told("sum_over_nothing", "the sum over an empty axis has 2^29 elements",
             with_graph(field(5, number_field(1, 0) + number_field(1, 1U << 29U) +
                                     number_field(2, 1) + field(8, "empty")) +
                        field(5, number_field(1, 1) + number_field(2, 7) + field(8, "axis") +
                                     field(7, varint(0))) +
                        field(1, field(1, "empty") + field(1, "axis") + field(2, "large") +
                                     field(4, "ReduceSum"))),
             ScanResult::unclear, "");
  maker.told("texts_of_another_shape", "ONNX Runtime makes 2^27 texts before it counts them",
             with_graph(field(5, number_field(1, 1U << 27U) + number_field(2, 8) + field(8, "t"))),
             ScanResult::unclear, "");
  maker.honest("operators_for_machine_learning", "scikit-learn's exporter writes these",
               with_parts(node("Scaler", "input", "output", "", "ai.onnx.ml")));
}

}  // namespace

std::vector<OnnxCase> onnx_cases() {
  Maker maker;
  add_numbers(maker);
  add_fields(maker);
  add_attributes(maker);
  add_external_data(maker);
  add_places(maker);
  add_constants(maker);
  add_shapes(maker);
  add_operators(maker);
  return maker.take();
}

void add_onnx_cases(Cases& cases) {
  for (const OnnxCase& file : onnx_cases()) {
    refused(cases, "onnx_" + file.name, file.bytes, {ErrorKind::unsupported, "file-onnx"},
            file.scan);
  }
}

}  // namespace aether2onnx::corpus
