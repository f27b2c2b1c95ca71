// ONNX files with a constant whose size comes from the operator Shape or Size, and honest files
// that look alike.

#include <cstdint>
#include <string>
#include <vector>

#include "onnx_forge.h"
#include "onnx_maker.h"

namespace aether2onnx::corpus {

using namespace onnx_forge;

namespace {

// A ValueInfoProto. A size of -1 becomes an axis with a name.
std::string sized(const std::string& name, const std::vector<std::int64_t>& sizes) {
  std::string shape;
  for (const std::int64_t size : sizes) {
    shape += field(1, size < 0 ? field(2, "n") : number_field(1, static_cast<std::uint64_t>(size)));
  }
  return field(1, name) + field(2, field(1, number_field(1, 1) + field(2, shape)));
}
std::string input(const std::string& name, const std::vector<std::int64_t>& sizes) {
  return field(11, sized(name, sizes));
}
std::string stated(const std::string& name, const std::vector<std::int64_t>& sizes) {
  return field(13, sized(name, sizes));
}

std::string numbers(const std::string& name, const std::vector<std::int64_t>& values) {
  return field(5, integers(name, values));
}

// A constant without axes: an int64, a float32.
std::string one_integer(const std::string& name, std::int64_t value) {
  return field(
      5, number_field(2, 7) + field(8, name) + field(7, varint(static_cast<std::uint64_t>(value))));
}
std::string one_real(const std::string& name, float value) {
  return field(5, number_field(2, 1) + field(8, name) + field(9, fixed32(value)));
}

// Fills a tensor of the shape of a value.
std::string fill(const std::string& value) {
  return node("Shape", value, "shape") + node("ConstantOfShape", "shape", "large");
}

std::string condition() {
  return node("Cast", "input", "c", attribute("to", kInt, number_field(3, 9)));
}

std::string choose(const std::string& branch) {
  return many("If", {"c"}, "v",
              attribute("then_branch", kGraph, field(6, branch)) +
                  attribute("else_branch", kGraph, field(6, branch)));
}

std::string loop(const std::string& body_nodes) {
  const std::string body = body_nodes + node("Identity", "go", "went") + field(2, "body") +
                           field(11, field(1, "i")) + field(11, field(1, "go")) +
                           field(11, field(1, "state")) + field(12, field(1, "went")) +
                           field(12, field(1, "then"));
  return numbers("trips", {2}) +
         many("Loop", {"trips", "", "big"}, "v", attribute("body", kGraph, field(6, body)));
}

}  // namespace

void add_shapes(Maker& maker) {
  const std::vector<std::int64_t> large{1 << 15, 1 << 16};
  const auto told = [&](const std::string& name, const char* reason, const std::string& graph_,
                        const std::string& functions = "") {
    File file;
    file.graph_more = graph_;
    file.model_more = functions;
    maker.told(name, reason, file.bytes(), ScanResult::unclear, "");
  };
  const std::string big = input("big", large);
  told("shape_of_an_input", "the file states the size of an input", big + fill("big"));
  told("shape_in_any_order", "the nodes stand in the order in which they do not run",
       big + node("ConstantOfShape", "shape", "large") + node("Shape", "r", "shape") +
           node("Relu", "big", "r"));
  told("shape_of_one_axis", "Shape takes only the axis whose size is stated",
       input("big", {1 << 30, -1}) +
           many("Shape", {"big"}, "shape", attribute("end", kInt, number_field(3, 1))) +
           node("ConstantOfShape", "shape", "large"));
  told("size_of_an_input", "Size gives the number of elements",
       big + node("Size", "big", "n") + numbers("one", {1}) +
           many("Reshape", {"n", "one"}, "shape") + node("ConstantOfShape", "shape", "large"));
  told("shape_of_a_reshape", "the size of an input of any size",
       input("open", {-1, -1}) + numbers("sizes", large) + many("Reshape", {"open", "sizes"}, "v") +
           fill("v"));
  told("shape_of_a_statement", "the file states the size of a result",
       input("open", {-1, -1}) + node("Relu", "open", "v") + stated("v", large) + fill("v"));
  told("shape_of_an_output", "the file states the size of an output",
       input("open", {-1, -1}) + node("Relu", "open", "v") + field(12, sized("v", large)) +
           fill("v"));
  told("shape_of_two_inputs", "each of two inputs states one size",
       input("a", {-1, large[1]}) + input("b", {large[0], -1}) + many("Add", {"a", "b"}, "v") +
           fill("v"));
  told("shape_of_an_unknown_size", "scan does not know the size that Det gives",
       input("many", {1 << 30, 2, 2}) + node("Det", "many", "v") + fill("v"));
  told(
      "shape_of_an_equation", "Einsum turns the axes",
      big + many("Einsum", {"big"}, "v", attribute("equation", 3, field(4, "ij->ji"))) + fill("v"));
  told("shape_of_a_grid", "only the grid states the number of pictures",
       input("a", {-1, 1, 4, 4}) + input("b", {1 << 30, 1, 2, 2}) +
           many("GridSample", {"a", "b"}, "v") + fill("v"));
  told("shape_of_an_if", "the size comes from either branch of an If",
       big + condition() + choose(graph(node("Identity", "big", "then"))) + fill("v"));
  told("shape_in_an_if", "the constant is in a branch of an If",
       big + condition() +
           choose(graph(node("Shape", "big", "s") + node("ConstantOfShape", "s", "then"))));
  told("shape_of_a_loop", "the size comes from a Loop",
       big + loop(node("Identity", "state", "then")) + fill("v"));
  told("shape_in_a_loop", "the constant is in a Loop",
       big + loop(node("Shape", "big", "s") + node("ConstantOfShape", "s", "then")));
  told("shape_of_an_argument", "a function gets the value", big + node("F", "big", "v", "", "mine"),
       function("mine", "F",
                field(7, field(1, "a") + field(2, "s") + field(4, "Shape")) +
                    field(7, field(1, "s") + field(2, "b") + field(4, "ConstantOfShape"))));
  told("shape_behind_a_missing_argument", "the call leaves out an argument of the function",
       big + node("F", "big", "v", "", "mine"),
       function("mine", "F",
                field(7, field(1, "a") + field(1, "least") + field(2, "k") + field(4, "Clip")) +
                    field(7, field(1, "k") + field(2, "s") + field(4, "Shape")) +
                    field(7, field(1, "s") + field(2, "b") + field(4, "ConstantOfShape")) +
                    field(4, "least")));
  const std::string plane = numbers("image_size", {1, 1, 4000, 4000}) +
                            numbers("kernel_size", {1, 1, 1000, 1000}) +
                            node("ConstantOfShape", "image_size", "image") +
                            node("ConstantOfShape", "kernel_size", "kernel");
  told("long_convolution", "a constant of 9 million elements needs 9 * 10^12 multiplications",
       plane + many("Conv", {"image", "kernel"}, "large"));
  told("long_pooling", "a constant needs 9 * 10^12 comparisons",
       numbers("image_size", {1, 1, 4000, 4000}) + node("ConstantOfShape", "image_size", "image") +
           many("MaxPool", {"image"}, "large",
                attribute("kernel_shape", 7, number_field(8, 1000) + number_field(8, 1000))));
  told("long_product", "a constant of 16 million elements needs 6 * 10^10 multiplications",
       numbers("size", {4000, 4000}) + node("ConstantOfShape", "size", "m") +
           many("MatMul", {"m", "m"}, "large"));
  std::string sums;
  for (int number = 0; number < 2000; ++number) {
    sums += node("ReduceSum", "m", "sum" + std::to_string(number));
  }
  told("many_sums", "each of 2,000 sums reads 9 million elements",
       numbers("size", {3000, 3000}) + node("ConstantOfShape", "size", "m") + sums);
  maker.honest(
      "short_product", "a table of positions goes through a layer",
      with_graph(numbers("a_size", {225, 2}) + numbers("b_size", {2, 512}) +
                 node("ConstantOfShape", "a_size", "a") + node("ConstantOfShape", "b_size", "b") +
                 many("MatMul", {"a", "b"}, "bias")));
  maker.honest(
      "elements_by_index", "the indices have more axes than the result",
      with_graph(numbers("sizes", {12}) + node("ConstantOfShape", "sizes", "data") +
                 numbers("index_size", {2, 1}) + node("ConstantOfShape", "index_size", "real") +
                 node("Cast", "real", "indices", attribute("to", kInt, number_field(3, 7))) +
                 many("GatherND", {"data", "indices"}, "found")));
  std::string inputs;
  for (int number = 0; number < 20'000; ++number) {
    inputs += field(11, field(1, "i" + std::to_string(number)));
  }
  std::string calls;
  for (int number = 0; number < 3'000; ++number) {
    calls += node("F", "input", "v" + std::to_string(number), "", "mine");
  }
  told("calls_with_many_inputs", "each of 3,000 calls has a graph with 20,000 inputs", calls,
       function("mine", "F",
                body_node("Loop", "", attribute("body", kGraph, field(6, graph("", inputs))))));
  maker.honest(
      "range_of_real_numbers", "torch.arange() with a size of the input as a real number",
      with_graph(one_integer("axis", 0) + node("Shape", "input", "sizes") +
                 many("Gather", {"sizes", "axis"}, "first") +
                 node("Cast", "first", "end", attribute("to", kInt, number_field(3, 1))) +
                 one_real("zero", 0) + one_real("one", 1) +
                 many("Range", {"zero", "end", "one"}, "places") +
                 node("Shape", "places", "count") + node("ConstantOfShape", "count", "filled")));
  // PyTorch's exporter writes zeros of the size of a picture so.
  const std::string zeros = numbers("one", {1}) + numbers("zero", {0}) + numbers("two", {2}) +
                            node("Shape", "picture", "sizes") +
                            many("Gather", {"sizes", "zero"}, "batch") +
                            many("Slice", {"sizes", "two", "end"}, "plane") + numbers("end", {4}) +
                            many("Concat", {"batch", "one", "plane"}, "all",
                                 attribute("axis", kInt, number_field(3, 0))) +
                            node("ConstantOfShape", "all", "zeros");
  maker.honest("zeros_of_any_size", "zeros as large as a picture",
               with_graph(input("picture", {-1, 3, -1, -1}) + zeros));
  maker.honest("zeros_of_a_stated_size", "zeros as large as a picture of 720p",
               with_graph(input("picture", {1, 3, 720, 1280}) + zeros));
}

}  // namespace aether2onnx::corpus
