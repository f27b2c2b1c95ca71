// ONNX files with a constant whose size stands in an unusual place, and honest files that look
// alike.

#include <string>
#include <vector>

#include "onnx_forge.h"
#include "onnx_maker.h"

namespace aether2onnx::corpus {

using namespace onnx_forge;

// ONNX Runtime 1.20 computes each constant while it loads the file, and needs 4 GB.
void add_constants(Maker& maker) {
  constexpr std::uint64_t large = 1U << 30U;
  const auto told = [&](const std::string& name, const char* reason, const std::string& nodes,
                        const std::string& functions = "") {
    File file;
    file.parts = node("Relu", "input", "output") + nodes;
    file.model_more = functions;
    maker.told(name, reason, file.bytes(), ScanResult::unclear, "");
  };
  const std::string ints = attribute("value_ints", 7, number_field(8, large));
  told("constant_of_an_attribute", "the size is in an attribute",
       many("Constant", {}, "shape", ints) + node("ConstantOfShape", "shape", "large"));
  told("constant_of_a_number", "the size is a number that becomes a vector",
       many("Constant", {}, "n", attribute("value_int", 2, number_field(3, large))) +
           field(5, integers("axes", {0})) + many("Unsqueeze", {"n", "axes"}, "shape") +
           node("ConstantOfShape", "shape", "large"));
  const std::string filler = body_node("ConstantOfShape");
  told("constant_of_an_argument", "a function gets the size",
       field(5, integers("shape", {static_cast<std::int64_t>(large)})) +
           node("F", "shape", "large", "", "mine"),
       function("mine", "F", filler));
  const auto inside = [&](const std::string& size) {
    return field(7, field(2, "c") + field(4, "Constant") + size) +
           field(7, field(1, "c") + field(2, "b") + field(4, "ConstantOfShape"));
  };
  told("constant_in_a_function", "the size is in a function",
       node("F", "input", "large", "", "mine"), function("mine", "F", inside(ints)));
  told("constant_of_a_call", "the size is an attribute of the call",
       node("F", "input", "large", attribute("size", 7, number_field(8, large)), "mine"),
       function("mine", "F",
                inside(field(5, field(1, "value_ints") + field(21, "size") + number_field(20, 7))) +
                    field(6, "size")));
  const std::string condition =
      field(5, number_field(2, 9) + field(8, "condition") + field(5, varint(1)));
  const auto branches = [&](const std::string& yes, const std::string& no) {
    return many("If", {"condition"}, "chosen",
                attribute("then_branch", kGraph, field(6, yes)) +
                    attribute("else_branch", kGraph, field(6, no)));
  };
  const std::string chosen = graph(many("Constant", {}, "then", ints));
  told("constant_of_an_if", "the size comes from an If whose condition is constant",
       condition + branches(chosen, chosen) + node("ConstantOfShape", "chosen", "large"));
  const auto filled = [&](std::int64_t size) {
    return graph(node("ConstantOfShape", "size", "then"), field(5, integers("size", {size})));
  };
  told("constant_of_a_name_used_twice", "two inner graphs have a tensor of one name",
       node("Cast", "input", "condition", attribute("to", 2, number_field(3, 9))) +
           branches(filled(2), filled(static_cast<std::int64_t>(large))));
  // PyTorch's exporter computes the sizes of expand() so.
  maker.honest(
      "sizes_of_expand", "PyTorch's exporter replaces the sizes -1",
      with_graph(field(5, integers("data", {1, 2, 3})) + field(5, integers("sizes", {4, -1})) +
                 field(5, integers("minus", {-1})) + node("Shape", "sizes", "rank") +
                 many("ConstantOfShape", {"rank"}, "ones",
                      attribute("value", kTensor, field(5, integers("", {1})))) +
                 many("Mul", {"ones", "minus"}, "all_minus") +
                 many("Equal", {"sizes", "all_minus"}, "unknown") +
                 many("Where", {"unknown", "ones", "sizes"}, "new_sizes") +
                 many("Expand", {"data", "new_sizes"}, "expanded")));
}

}  // namespace aether2onnx::corpus
