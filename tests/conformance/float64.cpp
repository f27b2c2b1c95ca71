#include "float64.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <numbers>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>

#include "base/dtype.h"

namespace aether2onnx::test {

namespace {

using Tensor = verify::DoubleTensor;
using Sizes = std::vector<std::int64_t>;
using verify::count_elements;

std::size_t place(std::int64_t index) { return static_cast<std::size_t>(index); }

Tensor zeros(Sizes shape) {
  const std::size_t count = count_elements(shape);
  return {std::move(shape), std::vector<double>(count)};
}

// Row-major distances between neighbours; 0 for an axis of size 1, which is repeated.
Sizes strides_of(const Sizes& shape, std::size_t rank) {
  Sizes strides(rank, 0);
  std::int64_t step = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::size_t from_end = shape.size() - 1 - i;
    if (shape[from_end] != 1) strides[rank - 1 - i] = step;
    step *= shape[from_end];
  }
  return strides;
}

// Calls `visit` with the index at each place of `shape`, in row-major order.
void for_each_index(const Sizes& shape, const std::function<void(const Sizes&)>& visit) {
  Sizes index(shape.size(), 0);
  for (std::size_t left = count_elements(shape); left > 0; --left) {
    visit(index);
    for (std::size_t axis = shape.size(); axis-- > 0 && ++index[axis] == shape[axis];) {
      index[axis] = 0;
    }
  }
}

std::size_t offset_of(const Sizes& index, const Sizes& strides) {
  return place(std::inner_product(index.begin(), index.end(), strides.begin(), std::int64_t{0}));
}

Tensor read(const onnx::TensorProto& proto) {
  Tensor tensor;
  tensor.shape.assign(proto.dims().begin(), proto.dims().end());
  const std::string& raw = proto.raw_data();
  const std::size_t count = count_elements(tensor.shape);
  if (proto.data_type() == onnx::TensorProto::INT64) {
    std::vector<std::int64_t> numbers(proto.int64_data().begin(), proto.int64_data().end());
    if (numbers.empty()) {
      numbers.resize(raw.size() / sizeof(std::int64_t));
      std::memcpy(numbers.data(), raw.data(), raw.size());
    }
    tensor.values.assign(numbers.begin(), numbers.end());
  } else {
    const DType dtype = proto.data_type() == onnx::TensorProto::FLOAT     ? DType::float32
                        : proto.data_type() == onnx::TensorProto::FLOAT16 ? DType::float16
                                                                          : DType::bfloat16;
    tensor.values = to_doubles(std::as_bytes(std::span(raw)), dtype);
  }
  if (tensor.values.size() != count) throw std::runtime_error("a tensor of another size");
  return tensor;
}

class Evaluator {
 public:
  explicit Evaluator(const onnx::ModelProto& model) : graph_(model.graph()) {
    for (const onnx::TensorProto& proto : graph_.initializer()) values_[proto.name()] = read(proto);
  }

  Tensor run(const Tensor& input) {
    values_[graph_.input(0).name()] = input;
    for (const onnx::NodeProto& node : graph_.node()) {
      node_ = &node;
      values_[node.output(0)] = evaluate();
    }
    return values_.at(graph_.output(0).name());
  }

 private:
  const Tensor& in(int number) const { return values_.at(node_->input(number)); }
  bool has(int number) const {
    return node_->input_size() > number && !node_->input(number).empty();
  }

  const onnx::AttributeProto* attribute(const std::string& name) const {
    for (const onnx::AttributeProto& each : node_->attribute()) {
      if (each.name() == name) return &each;
    }
    return nullptr;
  }
  std::int64_t integer(const std::string& name, std::int64_t usual) const {
    const auto* found = attribute(name);
    return found == nullptr ? usual : found->i();
  }
  double real(const std::string& name, double usual) const {
    const auto* found = attribute(name);
    return found == nullptr ? usual : static_cast<double>(found->f());
  }
  Sizes integers(const std::string& name, Sizes usual) const {
    const auto* found = attribute(name);
    return found == nullptr ? usual : Sizes(found->ints().begin(), found->ints().end());
  }

  Tensor evaluate() {
    const std::string& op = node_->op_type();
    if (op == "Cast" || op == "Identity") return in(0);
    if (op == "Conv") return convolution();
    if (op == "MatMul") return product();
    if (op == "Transpose") return transpose(in(0), integers("perm", {}));
    if (op == "LayerNormalization") return layer_normalization();
    if (op == "DepthToSpace") return depth_to_space();
    if (op == "Concat") return concatenate();
    if (op == "GlobalAveragePool") return reduce({2, 3}, false);
    if (op == "ReduceMean" || op == "ReduceMax") return reduce(axes(), op == "ReduceMax");
    if (op == "Div" && in(1).values.size() == 1) return combine(in(0), unrounded(in(1)), quotient);
    if (const auto binary = binary_of(op)) return combine(in(0), in(1), binary);
    if (const auto unary = unary_of(op)) {
      Tensor result = in(0);
      std::transform(result.values.begin(), result.values.end(), result.values.begin(), unary);
      return result;
    }
    throw std::runtime_error("no operator " + op);
  }

  static double quotient(double a, double b) { return a / b; }

  // The constant of the Erf chain.
  static Tensor unrounded(Tensor constant) {
    constexpr double rounding = 4e-3;  // of bfloat16
    double& value = constant.values[0];
    if (std::abs(value - std::numbers::sqrt2) < rounding) value = std::numbers::sqrt2;
    return constant;
  }

  static std::function<double(double, double)> binary_of(const std::string& op) {
    if (op == "Add") return [](double a, double b) { return a + b; };
    if (op == "Sub") return [](double a, double b) { return a - b; };
    if (op == "Mul") return [](double a, double b) { return a * b; };
    if (op == "Pow") return [](double a, double b) { return std::pow(a, b); };
    if (op == "Max") return [](double a, double b) { return std::max(a, b); };
    if (op == "Div") return quotient;
    return nullptr;
  }

  std::function<double(double)> unary_of(const std::string& op) const {
    if (op == "Erf") return [](double x) { return std::erf(x); };
    if (op == "Sqrt") return [](double x) { return std::sqrt(x); };
    if (op == "Sigmoid") return [](double x) { return 1 / (1 + std::exp(-x)); };
    if (op == "Relu") return [](double x) { return std::max(x, 0.0); };
    if (op == "Gelu")
      return [](double x) { return x * (1 + std::erf(x / std::numbers::sqrt2)) / 2; };
    if (op == "LeakyRelu") {
      return [alpha = real("alpha", 0.01)](double x) { return x < 0 ? alpha * x : x; };
    }
    return nullptr;
  }

  static Tensor combine(const Tensor& a, const Tensor& b,
                        const std::function<double(double, double)>& work) {
    const std::size_t rank = std::max(a.shape.size(), b.shape.size());
    Sizes shape(rank, 1);
    for (const Tensor* each : {&a, &b}) {
      for (std::size_t i = 0; i < each->shape.size(); ++i) {
        std::int64_t& size = shape[rank - each->shape.size() + i];
        size = std::max(size, each->shape[i]);
      }
    }
    const Sizes of_a = strides_of(a.shape, rank);
    const Sizes of_b = strides_of(b.shape, rank);
    Tensor result = zeros(shape);
    std::size_t at = 0;
    for_each_index(shape, [&](const Sizes& index) {
      result.values[at++] =
          work(a.values.at(offset_of(index, of_a)), b.values.at(offset_of(index, of_b)));
    });
    return result;
  }

  Tensor convolution() const {
    const Tensor& x = in(0);
    const Tensor& weight = in(1);
    const std::int64_t groups = integer("group", 1);
    const Sizes pads = integers("pads", {0, 0, 0, 0});
    const std::int64_t height = x.shape[2];
    const std::int64_t width = x.shape[3];
    const std::int64_t rows = weight.shape[2];
    const std::int64_t columns = weight.shape[3];
    const std::int64_t taken = weight.shape[1];
    const std::int64_t made = weight.shape[0] / groups;
    Tensor result = zeros({x.shape[0], weight.shape[0], height + pads[0] + pads[2] - rows + 1,
                           width + pads[1] + pads[3] - columns + 1});
    std::size_t at = 0;
    for_each_index(result.shape, [&](const Sizes& index) {
      double sum = has(2) ? in(2).values[place(index[1])] : 0;
      for (std::int64_t c = 0; c < taken; ++c) {
        const std::int64_t channel = index[1] / made * taken + c;
        for (std::int64_t i = 0; i < rows; ++i) {
          const std::int64_t y = index[2] - pads[0] + i;
          if (y < 0 || y >= height) continue;
          for (std::int64_t j = 0; j < columns; ++j) {
            const std::int64_t column = index[3] - pads[1] + j;
            if (column < 0 || column >= width) continue;
            sum +=
                x.values[place(((index[0] * x.shape[1] + channel) * height + y) * width + column)] *
                weight.values[place(((index[1] * taken + c) * rows + i) * columns + j)];
          }
        }
      }
      result.values[at++] = sum;
    });
    return result;
  }

  // (..., K) by (K, M).
  Tensor product() const {
    const Tensor& x = in(0);
    const Tensor& weight = in(1);
    const std::int64_t inner = weight.shape[0];
    const std::int64_t outer = weight.shape[1];
    Sizes shape = x.shape;
    shape.back() = outer;
    Tensor result = zeros(shape);
    for (std::size_t row = 0; row < x.values.size() / place(inner); ++row) {
      for (std::size_t k = 0; k < place(inner); ++k) {
        const double factor = x.values[row * place(inner) + k];
        for (std::size_t m = 0; m < place(outer); ++m) {
          result.values[row * place(outer) + m] += factor * weight.values[k * place(outer) + m];
        }
      }
    }
    return result;
  }

  static Tensor transpose(const Tensor& x, const Sizes& perm) {
    const Sizes before = strides_of(x.shape, x.shape.size());
    Sizes shape;
    Sizes strides;
    for (const std::int64_t axis : perm) {
      shape.push_back(x.shape[place(axis)]);
      strides.push_back(before[place(axis)]);
    }
    Tensor result = zeros(shape);
    std::size_t at = 0;
    for_each_index(shape, [&](const Sizes& index) {
      result.values[at++] = x.values[offset_of(index, strides)];
    });
    return result;
  }

  // Over the last axis.
  Tensor layer_normalization() const {
    Tensor result = in(0);
    const std::size_t size = in(1).values.size();
    for (std::size_t begin = 0; begin < result.values.size(); begin += size) {
      const std::span<double> row(&result.values[begin], size);
      const double mean = std::accumulate(row.begin(), row.end(), 0.0) / static_cast<double>(size);
      double square = 0;
      for (const double value : row) square += (value - mean) * (value - mean);
      const double deviation =
          std::sqrt(square / static_cast<double>(size) + real("epsilon", 1e-5));
      for (std::size_t i = 0; i < size; ++i) {
        row[i] = (row[i] - mean) / deviation * in(1).values[i] + (has(2) ? in(2).values[i] : 0);
      }
    }
    return result;
  }

  Tensor depth_to_space() const {
    const std::int64_t block = integer("blocksize", 1);
    if (attribute("mode") == nullptr || attribute("mode")->s() != "CRD") {
      throw std::runtime_error("DepthToSpace in another order than PixelShuffle's");
    }
    const Tensor& x = in(0);
    Tensor parts = x;
    parts.shape = {x.shape[0], x.shape[1] / block / block, block, block, x.shape[2], x.shape[3]};
    Tensor result = transpose(parts, {0, 1, 4, 2, 5, 3});
    result.shape = {x.shape[0], parts.shape[1], x.shape[2] * block, x.shape[3] * block};
    return result;
  }

  // Of channels.
  Tensor concatenate() const {
    if (integer("axis", 0) != 1) throw std::runtime_error("Concat of another axis");
    Tensor result = in(0);
    for (int i = 1; i < node_->input_size(); ++i) {
      if (in(i).shape[0] != 1) throw std::runtime_error("Concat of a batch");
      result.shape[1] += in(i).shape[1];
      result.values.insert(result.values.end(), in(i).values.begin(), in(i).values.end());
    }
    return result;
  }

  Sizes axes() const {
    Sizes axes = integers("axes", {});
    if (has(1)) {
      for (const double axis : in(1).values) axes.push_back(static_cast<std::int64_t>(axis));
    }
    for (std::int64_t& axis : axes) {
      if (axis < 0) axis += static_cast<std::int64_t>(in(0).shape.size());
    }
    return axes;
  }

  Tensor reduce(const Sizes& axes, bool largest) const {
    const Tensor& x = in(0);
    Sizes shape = x.shape;
    double count = 1;
    for (const std::int64_t axis : axes) {
      count *= static_cast<double>(shape[place(axis)]);
      shape[place(axis)] = 1;
    }
    Tensor result = zeros(shape);
    if (largest) std::fill(result.values.begin(), result.values.end(), -HUGE_VAL);
    const Sizes strides = strides_of(shape, shape.size());
    std::size_t at = 0;
    for_each_index(x.shape, [&](const Sizes& index) {
      double& into = result.values[offset_of(index, strides)];
      const double value = x.values[at++];
      into = largest ? std::max(into, value) : into + value / count;
    });
    return result;
  }

  const onnx::GraphProto& graph_;
  const onnx::NodeProto* node_ = nullptr;
  std::map<std::string, Tensor> values_;
};

}  // namespace

Tensor evaluate_in_float64(const onnx::ModelProto& model, const Tensor& input) {
  return Evaluator(model).run(input);
}

}  // namespace aether2onnx::test
