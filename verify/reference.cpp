#include "reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <random>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "reference_generation.h"

namespace aether2onnx::verify {

namespace {

struct Row {
  std::string_view generation;  // as in NetworkInfo::generation
  Forward forward;
};

constexpr std::array kGenerations = {
    Row{"G1", forward_generation1},   Row{"G3", forward_generation3},
    Row{"G4", forward_generation4},   Row{"G5.0", forward_generation5},
    Row{"G5.1", forward_generation5}, Row{"G5.2", forward_generation5},
    Row{"G5x", forward_generation5x}, Row{"G6.0", forward_generation6},
    Row{"G6.1", forward_generation6}, Row{"G7a", forward_generation7},
    Row{"G7b", forward_generation7},  Row{"G7c", forward_generation7},
    Row{"G7d", forward_generation7}};

Forward forward_of(const std::string& generation) {
  for (const Row& row : kGenerations) {
    if (row.generation == generation) return row.forward;
  }
  fail({ErrorKind::unsupported, "verify-no-reference", generation},
       "AetherNet {} cannot be verified: aether2onnx has no reference computation for this "
       "generation.",
       generation);
}

class Recorder final : public Trace {
 public:
  Recorder(const Operations& operations, const Probe& probe, const std::atomic<bool>* cancelled)
      : operations_(operations), probe_(probe) {
    context_.cancelled = cancelled;
  }
  void value(const Value& value) override {
    context_.check_cancelled();
    if (probe_.on_layer) probe_.on_layer();
    if (probe_.ranges == nullptr) return;
    largest_ = std::max(largest_, operations_.largest_magnitude(value));
  }
  Value block(const std::string& path, Value output) override {
    value(output);
    if (probe_.ranges != nullptr) probe_.ranges->add(path, largest_);
    if (probe_.replace) {
      const auto* others = probe_.replace(path, {output.shape(), operations_.read(output)});
      if (others != nullptr) {
        const std::vector<double> values(others->begin(), others->end());
        output = operations_.make(output.shape(), values.data());
      }
    }
    if (probe_.blocks != nullptr) {
      probe_.blocks->emplace_back(path, DoubleTensor{output.shape(), operations_.read(output)});
    }
    // This output is the input of the network's next block or layer. `largest_` begins with this
    // output, because the largest value of a block or layer includes its input.
    largest_ = probe_.ranges == nullptr ? 0 : operations_.largest_magnitude(output);
    return output;
  }

 private:
  const Operations& operations_;
  const Probe& probe_;
  Context context_;
  double largest_ = 0;
};

}  // namespace

const Value& Weights::operator[](const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    fail({ErrorKind::mismatch, "verify-missing-tensor", name},
         "The reference computation needs the tensor {}, but the checkpoint does not have it.",
         name);
  }
  return found->second;
}

Value Weights::seen(Value value) const {
  if (trace != nullptr) trace->value(value);
  return value;
}

Value conv(const Weights& w, const std::string& path, const Value& x) {
  return w.seen(conv2d(x, w[path + ".weight"], w[path + ".bias"]));
}

Value layer_norm(const Weights& w, const std::string& path, const Value& x, double eps) {
  return w.seen(layer_norm(x, w[path + ".weight"], w[path + ".bias"], eps));
}

Value linear(const Weights& w, const std::string& path, const Value& x) {
  return w.seen(linear(x, w[path + ".weight"], w[path + ".bias"]));
}

Value depthwise(const Weights& w, const std::string& path, const Value& x,
                const std::string& large_bias, const std::string& small_bias) {
  const auto branch = [&](const std::string& weight, const std::string& bias) {
    return conv2d(x, w[path + "." + weight + ".weight"], w[path + "." + bias], x.size(1));
  };
  if (w.has(path + ".fused_conv.weight")) return branch("fused_conv", "fused_conv.bias");
  return branch("lk_conv", large_bias) + branch("sk_conv", small_bias);
}

namespace {

// Rounds weights to a 16-bit type. A weight beyond the range of the type stays unchanged, because
// the exporter keeps the layer of such a weight in float32.
class Rounder {
 public:
  // WeightRounding::dithered changes the weights at random. The random generator has its default
  // seed, so every run of the program makes the same changes. NOLINTNEXTLINE(cert-msc51-cpp)
  explicit Rounder(WeightRounding rounding) : rounding_(rounding) {}

  double operator()(double value) {
    double rounded = value;
    if (rounding_.type == DType::float16) rounded = from_half_bits(to_half_bits(value));
    if (rounding_.type == DType::bfloat16) rounded = from_bfloat16_bits(to_bfloat16_bits(value));
    if (!std::isfinite(rounded)) return value;
    if (!rounding_.dithered) return rounded;
    const double unit = rounding_.type == DType::bfloat16 ? 0x1p-8 : 0x1p-11;
    const double random = static_cast<double>(generator_() >> 11U) * 0x1p-52 - 1;
    return rounded * (1 + unit * random);
  }

 private:
  WeightRounding rounding_;
  std::mt19937_64 generator_;
};

}  // namespace

struct Reference::State {
  std::unique_ptr<Operations> operations;
  Weights weights;
  Forward forward = nullptr;
  const std::atomic<bool>* cancelled = nullptr;

  DoubleTensor run(const std::vector<std::int64_t>& shape, const double* image, const Probe& probe);
};

DoubleTensor Reference::State::run(const std::vector<std::int64_t>& shape, const double* image,
                                   const Probe& probe) {
  Recorder recorder(*operations, probe, cancelled);
  weights.trace = &recorder;
  try {
    const Value output = forward(weights, operations->make(shape, image), recorder);
    return {output.shape(), operations->read(output)};
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    fail({ErrorKind::unsupported, "verify-reference"}, "The reference computation ({}) failed: {}",
         operations->description(), printable(error.what(), 2000));
  }
}

Reference::Reference(const state_dict::StateDict& state_dict, const network::Network& network,
                     std::unique_ptr<Operations> operations, const std::atomic<bool>* cancelled,
                     WeightRounding weights)
    : state_(std::make_unique<State>()) {
  state_->forward = forward_of(network.facts.generation);
  state_->operations = std::move(operations);
  state_->weights.facts = network.facts;
  state_->cancelled = cancelled;
  Rounder rounder(weights);
  for (const state_dict::Entry& entry : state_dict.entries()) {
    if (!entry.tensor) continue;
    if (!entry.tensor->is_quantized() && !is_weight_dtype(entry.tensor->dtype)) continue;
    const TensorData data = state_dict.read(entry);
    std::vector<double> values = aether2onnx::to_doubles(data.bytes, data.dtype);
    std::transform(values.begin(), values.end(), values.begin(), std::ref(rounder));
    state_->weights.tensors.emplace(entry.name,
                                    state_->operations->make(data.shape, values.data()));
  }
}

Reference::~Reference() = default;

DoubleTensor Reference::run(const FloatTensor& input, const Probe& probe) const {
  return run(DoubleTensor{input.shape, {input.values.begin(), input.values.end()}}, probe);
}

DoubleTensor Reference::run(const DoubleTensor& input, const Probe& probe) const {
  return state_->run(input.shape, input.values.data(), probe);
}

std::string Reference::description() const { return state_->operations->description(); }

}  // namespace aether2onnx::verify
