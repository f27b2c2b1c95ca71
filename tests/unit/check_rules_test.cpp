// For every rule of shapes, types, quantization and weights a file that breaks the rule and a file
// that does not.

#include <gtest/gtest.h>

#include <cmath>

#include "check_models.h"

namespace aether2onnx::check_rules_test {
namespace {

using test::all_codes;
using test::cast;
using test::field;
using test::find;
using test::fixed32;
using test::half;
using test::kBfloat16;
using test::kDouble;
using test::kDynamic;
using test::kFloat;
using test::kHalf;
using test::kInt64;
using test::kInt8;
using test::kRelu;
using test::kStatic;
using test::kUint8;
using test::longs;
using test::model_with;
using test::node;
using test::number_field;
using test::only;
using test::severity;
using test::tensor;
using test::tensorrt;
using test::TestModel;
using test::value_info;

// --- shapes ---

TEST(Check, InputsAndOutputs) {
  const CheckOptions player = only(Target::vsmlrt);
  TestModel model = model_with(kRelu);
  EXPECT_EQ(severity(model, "inputs-outputs"), "");
  model.parts += field(11, value_info("second", kFloat, kStatic));
  EXPECT_EQ(severity(model, "inputs-outputs", player), "error");
  EXPECT_EQ(severity(model, "inputs-outputs", tensorrt("")), "");
  // An input with a value is a weight.
  model.parts += tensor("second", kFloat, {1, 3, 8, 8}, std::string(768, '\0'));
  EXPECT_EQ(severity(model, "inputs-outputs", player), "");

  model = model_with(kRelu);
  EXPECT_EQ(severity(model, "rank"), "");
  model.output = {"1", "8", "8"};
  EXPECT_EQ(severity(model, "rank", player), "error");
}

TEST(Check, Channels) {
  TestModel model = model_with(kRelu);
  EXPECT_EQ(severity(model, "channels"), "");
  EXPECT_EQ(severity(model, "channels-dynamic"), "");
  model.input = {"1", "C", "8", "8"};
  EXPECT_EQ(severity(model, "channels-dynamic", tensorrt("")), "error");
  model.input = model.output = {"1", "1", "8", "8"};
  EXPECT_EQ(severity(model, "channels", only(Target::vsmlrt)), "");
  EXPECT_EQ(severity(model, "channels", only(Target::videojanai)), "warning");
  model.input[3] = model.output[3] = "width";
  EXPECT_EQ(severity(model, "channels", only(Target::videojanai)), "error");
  model.output = {"1", "12", "8", "8"};
  EXPECT_EQ(severity(model, "channels", only(Target::vsmlrt)), "error");
}

TEST(Check, OutputSize) {
  const CheckOptions player = only(Target::vsmlrt);
  TestModel model = model_with(kRelu);
  model.output = {"1", "3", "16", "16"};
  EXPECT_EQ(severity(model, "output-size", player), "");
  for (const auto& output : {std::pair("16", "24"), std::pair("9", "9"), std::pair("4", "4")}) {
    model.output = {"1", "3", output.first, output.second};
    EXPECT_EQ(severity(model, "output-size", player), "error") << output.first << output.second;
  }
  model.input = kDynamic;
  EXPECT_EQ(severity(model, "output-size", tensorrt("")), "warning");
  model.output = {"1", "3", "h", "w"};
  EXPECT_EQ(severity(model, "output-size"), "");
}

TEST(Check, InputNameAndBatch) {
  TestModel model = model_with(node("Relu", {"x"}, "output"));
  model.input_name = "x";
  EXPECT_EQ(severity(model, "input-name"), "note");
  model.input = model.output = kDynamic;
  EXPECT_EQ(severity(model, "input-name", only(Target::videojanai)), "error");
  EXPECT_EQ(severity(model, "input-name", only(Target::vsmlrt)), "warning");
  EXPECT_EQ(severity(model_with(kRelu), "input-name"), "");

  model = model_with(kRelu);
  EXPECT_EQ(severity(model, "batch"), "");
  model.input[0] = "2";
  EXPECT_EQ(severity(model, "batch"), "error");
  EXPECT_EQ(severity(model, "batch", tensorrt("")), "");
  model.input[0] = "batch_size";
  EXPECT_EQ(severity(model, "batch"), "note");
}

TEST(Check, Profile) {
  TestModel model = model_with(kRelu);
  model.profile = false;
  EXPECT_EQ(severity(model, "no-profile"), "");
  model.input = model.output = kDynamic;
  EXPECT_EQ(severity(model, "no-profile"), "warning");
  EXPECT_EQ(severity(model, "no-profile", only(Target::onnxruntime)), "");
  model.profile = true;
  EXPECT_EQ(severity(model, "no-profile"), "");
}

TEST(Check, SizesBakedIn) {
  const auto reshaping = [](std::initializer_list<std::int64_t> shape) {
    TestModel model = model_with(tensor("shape", kInt64, {shape.size()}, longs(shape)) +
                                 node("Reshape", {"input", "shape"}, "output"));
    model.input = model.output = kDynamic;
    return model;
  };
  EXPECT_EQ(severity(reshaping({1, 3, 8, 8}), "size-baked-in"), "error");
  EXPECT_EQ(severity(reshaping({-1, 3, 8, 8}), "size-baked-in"), "error");
  EXPECT_EQ(severity(reshaping({0, 0, -1}), "size-baked-in"), "");
  EXPECT_EQ(severity(reshaping({1, 3, -1}), "size-baked-in"), "");
  EXPECT_EQ(severity(reshaping({}), "size-baked-in"), "");
  TestModel fixed = reshaping({1, 3, 8, 8});
  fixed.input = fixed.output = kStatic;
  EXPECT_EQ(severity(fixed, "size-baked-in"), "");
}

TEST(Check, Transposes) {
  TestModel model = model_with(
      node("Transpose", {"input"}, "x") + tensor("s", kFloat, {3}, std::string(12, '\0')) +
      node("LayerNormalization", {"x", "s", "s"}, "y") + node("Transpose", {"y"}, "output"));
  EXPECT_EQ(severity(model, "transposes"), "");
  model.input = model.output = kDynamic;
  EXPECT_EQ(severity(model, "transposes", only(Target::videojanai)), "warning");
  EXPECT_EQ(severity(model, "transposes", tensorrt("9.2")), "warning");
  EXPECT_EQ(severity(model, "transposes", tensorrt("10")), "");
}

// --- types ---

TEST(Check, InputsOfDifferentTypes) {
  const std::string one = tensor("one", kHalf, {}, half({1}));
  EXPECT_EQ(severity(model_with(one + node("Add", {"input", "one"}, "output")), "mixed-types"),
            "error");
  EXPECT_EQ(
      severity(model_with(one + cast("one", "f", kFloat) + node("Add", {"input", "f"}, "output")),
               "mixed-types"),
      "");
  // The condition and the picture of Where are of two types; the two pictures aren't.
  const std::string where = one + node("Greater", {"input", "input"}, "c");
  EXPECT_EQ(
      severity(model_with(where + node("Where", {"c", "input", "input"}, "output")), "mixed-types"),
      "");
  EXPECT_EQ(
      severity(model_with(where + node("Where", {"c", "input", "one"}, "output")), "mixed-types"),
      "error");
  // Of an unknown type nothing is said.
  EXPECT_EQ(
      severity(model_with(node("Odd", {"input"}, "x") + one + node("Add", {"x", "one"}, "output")),
               "mixed-types"),
      "");
  EXPECT_EQ(
      severity(model_with(one + node("LayerNormalization", {"input", "one", "one"}, "output")),
               "layernorm-mixed"),
      "error");
  const TestModel power = model_with(one + node("Pow", {"input", "one"}, "output"));
  EXPECT_EQ(severity(power, "pow-mixed", tensorrt("11")), "error");
  EXPECT_EQ(severity(power, "pow-mixed", tensorrt("10")), "");
  EXPECT_EQ(severity(power, "mixed-types"), "");
}

TEST(Check, TypesOfInputAndOutput) {
  TestModel model = model_with(kRelu);
  EXPECT_EQ(severity(model, "output-type"), "");
  EXPECT_EQ(severity(model, "edge-type"), "");
  model.output_type = kHalf;
  EXPECT_EQ(severity(model, "output-type"), "error");
  model.output_type = 0;
  model.type = kBfloat16;
  EXPECT_EQ(severity(model, "edge-type", only(Target::vsmlrt)), "error");
  EXPECT_EQ(severity(model, "bf16-opset"), "error");
  EXPECT_EQ(severity(model, "bf16-kernels"), "warning");
  model.opset = 22;
  EXPECT_EQ(severity(model, "bf16-opset", tensorrt("10.6")), "");
  EXPECT_EQ(severity(model, "bf16-opset", tensorrt("8.6")), "error");
  model.type = kHalf;
  for (const char* code : {"edge-type", "bf16-opset", "bf16-kernels"}) {
    EXPECT_EQ(severity(model, code), "") << code;
  }
}

TEST(Check, Casts) {
  const CheckOptions any = tensorrt("");
  EXPECT_EQ(severity(model_with(cast("input", "output", kFloat)), "cast-useless", any), "warning");
  EXPECT_EQ(severity(model_with(cast("input", "x", kHalf) + cast("x", "output", kFloat)),
                     "cast-useless", any),
            "warning");
  EXPECT_EQ(severity(model_with(cast("input", "x", kHalf) + cast("input", "y", kHalf) +
                                node("Add", {"x", "y"}, "z") + cast("z", "output", kFloat)),
                     "cast-useless", any),
            "warning");
  EXPECT_EQ(severity(model_with(cast("input", "x", kHalf) + node("Relu", {"x"}, "y") +
                                cast("y", "output", kFloat)),
                     "cast-useless"),
            "");
  const std::string weight = tensor("w", kFloat, {1}, fixed32(1));
  EXPECT_EQ(severity(model_with(weight + cast("w", "h", kHalf) + kRelu), "cast-of-weight"), "note");
  EXPECT_EQ(severity(model_with(weight + cast("w", "h", kHalf) + kRelu), "cast-of-weight",
                     tensorrt("8.4")),
            "error");
  EXPECT_EQ(severity(model_with(weight + cast("input", "h", kHalf) + kRelu), "cast-of-weight"), "");
}

TEST(Check, NormalizationsInHalf) {
  TestModel model = model_with(tensor("s", kHalf, {8}, std::string(16, '\0')) +
                               node("LayerNormalization", {"input", "s", "s"}, "output"));
  model.type = kHalf;
  EXPECT_EQ(severity(model, "layernorm-half", tensorrt("11")), "warning");
  EXPECT_EQ(severity(model, "layernorm-half", tensorrt("10")), "note");
  EXPECT_EQ(severity(model, "layernorm-half", tensorrt("8.6")), "");
  const std::string squares =
      node("Mul", {"input", "input"}, "x") + node("ReduceMean", {"x"}, "output");
  model.parts = squares;
  EXPECT_EQ(severity(model, "half-statistics"), "warning");
  EXPECT_EQ(severity(model, "layernorm-decomposed"), "");
  model.parts = tensor("two", kHalf, {}, half({2})) + node("Pow", {"input", "two"}, "x") +
                node("ReduceMean", {"x"}, "output");
  EXPECT_EQ(severity(model, "half-statistics"), "warning");
  model.parts = tensor("two", kHalf, {}, half({0.5})) + node("Pow", {"input", "two"}, "x") +
                node("ReduceMean", {"x"}, "output");
  EXPECT_EQ(severity(model, "half-statistics"), "");
  model.parts = node("ReduceMean", {"input"}, "output");
  EXPECT_EQ(severity(model, "half-statistics"), "");
  model.parts = squares;
  model.type = kFloat;
  EXPECT_EQ(severity(model, "half-statistics"), "");
  EXPECT_EQ(severity(model, "layernorm-half"), "");
  EXPECT_EQ(severity(model, "layernorm-decomposed", tensorrt("10")), "warning");
  EXPECT_EQ(severity(model, "layernorm-decomposed", tensorrt("11")), "");
}

TEST(Check, Float32Throughout) {
  TestModel model = model_with(kRelu);
  EXPECT_EQ(severity(model, "fp32-only", tensorrt("11")), "warning");
  EXPECT_EQ(severity(model, "fp32-only", tensorrt("10")), "");
  model.type = kHalf;
  EXPECT_EQ(severity(model, "fp32-only", tensorrt("11")), "");
}

// --- quantization ---

struct Quantizer {
  int zero_type = kInt8;
  char zero = 0;
  int scale_type = kFloat;
  std::string scale = fixed32(0.5F);
  std::vector<std::uint64_t> dims;
  bool constant = true;
  std::uint64_t opset = 17;
};

std::string quantized(const Quantizer& quantizer, const std::string& code) {
  std::string parts = quantizer.constant
                          ? tensor("s", quantizer.scale_type, quantizer.dims, quantizer.scale)
                          : node("ReduceMax", {"input"}, "s");
  parts += tensor("z", quantizer.zero_type, {}, std::string(1, quantizer.zero)) +
           node("QuantizeLinear", {"input", "s", "z"}, "q") +
           node("DequantizeLinear", {"q", "s", "z"}, "output");
  TestModel model = model_with(parts);
  model.opset = quantizer.opset;
  return severity(model, code);
}

TEST(Check, Quantization) {
  for (const char* code : {"qdq-zero-point", "qdq-uint8", "qdq-scale", "qdq-scale-type",
                           "qdq-per-channel", "fp32-only"}) {
    EXPECT_EQ(quantized({}, code), "") << code;
  }
  Quantizer quantizer;
  quantizer.zero = 3;
  EXPECT_EQ(quantized(quantizer, "qdq-zero-point"), "error");
  quantizer = {};
  quantizer.zero_type = kUint8;
  EXPECT_EQ(quantized(quantizer, "qdq-uint8"), "warning");
  quantizer = {};
  for (const float scale : {0.0F, -1.0F, std::nanf("")}) {
    quantizer.scale = fixed32(scale);
    EXPECT_EQ(quantized(quantizer, "qdq-scale"), "error") << scale;
  }
  quantizer = {};
  quantizer.constant = false;
  EXPECT_EQ(quantized(quantizer, "qdq-scale"), "warning");
  quantizer = {};
  quantizer.scale_type = kHalf;
  quantizer.scale = half({0.5});
  EXPECT_EQ(quantized(quantizer, "qdq-scale-type"), "error");
  quantizer.opset = 19;
  EXPECT_EQ(quantized(quantizer, "qdq-scale-type"), "");
  quantizer = {};
  quantizer.dims = {2};
  quantizer.scale = fixed32(1) + fixed32(2);
  EXPECT_EQ(quantized(quantizer, "qdq-per-channel"), "error");
}

TEST(Check, Float8NeedsAda) {
  constexpr int float8 = 17;
  const TestModel model = model_with(tensor("s", kFloat, {}, fixed32(0.5F)) +
                                     tensor("z", float8, {}, std::string(1, '\0')) +
                                     node("QuantizeLinear", {"input", "s", "z"}, "q") +
                                     node("DequantizeLinear", {"q", "s", "z"}, "output"));
  EXPECT_EQ(severity(model, "fp8-gpu", only(Target::tensorrt)), "note");
  EXPECT_EQ(severity(model, "fp8-gpu", only(Target::tensorrt_rtx)), "note");
  EXPECT_EQ(severity(model, "fp8-gpu", only(Target::openvino)), "");
  EXPECT_EQ(severity(model_with(kRelu), "fp8-gpu"), "");
}

// What check calls an error is no engine either.
TEST(Check, EnginesAreRefusedForTheSameZeroPoints) {
  const test::TemporaryFolder folder;
  const auto model_of = [&](char zero) {
    TestModel model = model_with(tensor("s", kFloat, {}, fixed32(0.5F)) +
                                 tensor("z", kInt8, {}, std::string(1, zero)) +
                                 node("QuantizeLinear", {"input", "s", "z"}, "q") +
                                 node("DequantizeLinear", {"q", "s", "z"}, "output"));
    test::write_text(folder / "q.onnx", model.bytes());
    return read_engine_model(folder / "q.onnx");
  };
  EXPECT_EQ(model_of(0).quantization_problem, "");
  EXPECT_NO_THROW(trtexec_command(model_of(0), {}));
  const EngineModel wrong = model_of(3);
  EngineOptions rtx;
  rtx.version = newest_tensorrt_rtx();
  EXPECT_EQ(test::catch_error([&] { trtexec_command(wrong, {}); }).code, "engine-quantization");
  EXPECT_EQ(test::catch_error([&] { onnxruntime_options(wrong, {}); }).code, "engine-quantization");
  EXPECT_EQ(test::catch_error([&] { tensorrt_rtx_command(wrong, rtx); }).code,
            "engine-quantization");
}

// --- weights ---

TEST(Check, ValuesOfWeights) {
  const auto of_half = [](std::initializer_list<double> values) {
    return model_with(kRelu + tensor("w", kHalf, {values.size()}, half(values)));
  };
  for (const char* code : {"weight-not-finite", "weight-at-limit", "weight-beyond-half",
                           "weight-subnormal", "weight-double", "weight-damaged"}) {
    EXPECT_EQ(severity(of_half({1, 0, -3}), code), "") << code;
  }
  EXPECT_EQ(severity(of_half({1, 1e6}), "weight-not-finite"), "error");
  EXPECT_EQ(severity(of_half({std::nan(""), 1}), "weight-not-finite"), "error");
  EXPECT_EQ(severity(of_half({-65504}), "weight-at-limit"), "warning");
  EXPECT_EQ(severity(of_half({1e-6, 1}), "weight-subnormal"), "warning");
  const auto of_float = [](float value) {
    return model_with(kRelu + tensor("w", kFloat, {1}, fixed32(value)));
  };
  EXPECT_EQ(severity(of_float(70000), "weight-beyond-half", tensorrt("10")), "warning");
  EXPECT_EQ(severity(of_float(70000), "weight-beyond-half", tensorrt("11")), "");
  EXPECT_EQ(severity(of_float(65504), "weight-beyond-half"), "");
  EXPECT_EQ(severity(of_float(1e-6F), "weight-subnormal"), "");
  EXPECT_EQ(severity(model_with(kRelu + tensor("w", kDouble, {1}, std::string(8, '\0'))),
                     "weight-double"),
            "warning");
  EXPECT_EQ(severity(model_with(kRelu + tensor("w", kFloat, {2}, fixed32(1))), "weight-damaged"),
            "error");
}

std::string external(const std::string& location) {
  return field(5, number_field(1, 1) + number_field(2, kFloat) + field(8, "w") +
                      field(13, field(1, "location") + field(2, location)) + number_field(14, 1));
}

TEST(Check, ExternalData) {
  EXPECT_EQ(severity(model_with(kRelu + external("weights")), "external-data-unread"), "note");
  for (const char* location : {"../weights", "/etc/passwd", "a\\b", ".."}) {
    EXPECT_EQ(severity(model_with(kRelu + external(location)), "external-data-elsewhere"), "error")
        << location;
  }
  const test::TemporaryFolder folder;
  test::write_text(folder / "m.onnx", model_with(kRelu + external("weights")).bytes());
  const CheckReport missing = check_file(folder / "m.onnx", {});
  ASSERT_NE(find(missing, "external-data-missing"), nullptr) << all_codes(missing);
  EXPECT_NE(find(missing, "external-data-missing")->what.find("'weights'"), std::string::npos);
  test::write_text(folder / "weights", fixed32(70000));
  const CheckReport there = check_file(folder / "m.onnx", {});
  EXPECT_EQ(find(there, "external-data-missing"), nullptr);
  EXPECT_NE(find(there, "weight-beyond-half"), nullptr);
  test::write_text(folder / "weights", "abc");
  EXPECT_NE(find(check_file(folder / "m.onnx", {}), "weight-damaged"), nullptr);
}

}  // namespace
}  // namespace aether2onnx::check_rules_test
