// For every rule a file that trips it and one that doesn't.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/dtype.h"
#include "check/check.h"
#include "check/versions.h"
#include "protobuf.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx {
namespace {

using test::bytes_of;
using test::catch_error;
using test::field;
using test::fixed32;
using test::MemoryOutput;
using test::number_field;

constexpr int kFloat = 1;
constexpr int kUint8 = 2;
constexpr int kInt8 = 3;
constexpr int kInt64 = 7;
constexpr int kHalf = 10;
constexpr int kDouble = 11;
constexpr int kBfloat16 = 16;

// --- files, by hand ---

std::string value_info(const std::string& name, int data_type,
                       const std::vector<std::string>& dims) {
  std::string shape;
  for (const std::string& dim : dims) {
    const bool number = dim.find_first_not_of("0123456789") == std::string::npos;
    shape += field(1, number ? number_field(1, std::stoull(dim)) : field(2, dim));
  }
  return field(1, name) + field(2, field(1, number_field(1, static_cast<std::uint64_t>(data_type)) +
                                                field(2, shape)));
}

std::string int_attribute(const std::string& name, std::uint64_t value) {
  return field(5, field(1, name) + number_field(3, value));
}

std::string node(const std::string& op, const std::vector<std::string>& inputs,
                 const std::string& output, const std::string& attributes = "",
                 const std::string& domain = "") {
  std::string message;
  for (const std::string& input : inputs) message += field(1, input);
  message += field(2, output) + field(3, "node_" + output) + field(4, op) + attributes;
  if (!domain.empty()) message += field(7, domain);
  return field(1, message);
}

std::string cast(const std::string& input, const std::string& output, int to) {
  return node("Cast", {input}, output, int_attribute("to", static_cast<std::uint64_t>(to)));
}

std::string tensor(const std::string& name, int data_type, const std::vector<std::uint64_t>& dims,
                   const std::string& raw) {
  std::string message;
  for (const std::uint64_t dim : dims) message += number_field(1, dim);
  return field(5, message + number_field(2, static_cast<std::uint64_t>(data_type)) +
                      field(8, name) + field(9, raw));
}

std::string half(std::initializer_list<double> values) {
  std::string raw;
  for (const double value : values) {
    const std::uint16_t bits = to_half_bits(value);
    raw += static_cast<char>(bits & 0xffU);
    raw += static_cast<char>(bits >> 8U);
  }
  return raw;
}

std::string longs(std::initializer_list<std::int64_t> values) {
  std::string raw;
  for (const std::int64_t value : values) {
    for (unsigned byte = 0; byte < 8; ++byte) {
      raw += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * byte));
    }
  }
  return raw;
}

const std::vector<std::string> kStatic = {"1", "3", "8", "8"};
const std::vector<std::string> kDynamic = {"1", "3", "height", "width"};

// A model of one picture in and one out, both of `type`, that no rule of warnings speaks of.
struct TestModel {
  std::uint64_t opset = 17;
  std::uint64_t ir = 8;
  int type = kFloat;
  int output_type = 0;  // as `type` where 0
  std::string input_name = "input";
  std::vector<std::string> input = kStatic;
  std::vector<std::string> output = kStatic;
  std::string parts;   // nodes and initializers
  std::string behind;  // after the graph
  bool profile = true;

  std::string bytes() const {
    std::string graph =
        parts + field(2, "g") + field(11, value_info(input_name, type, input)) +
        field(12, value_info("output", output_type == 0 ? type : output_type, output));
    std::string model = number_field(1, ir) + field(7, graph);
    if (opset > 0) model += field(8, number_field(2, opset));
    for (const char* key : {"min_shape", "opt_shape", "max_shape"}) {
      if (profile) model += field(14, field(1, key) + field(2, "1x3x8x8"));
    }
    return model + behind;
  }
};

TestModel model_with(const std::string& parts) {
  TestModel model;
  model.parts = parts;
  return model;
}

CheckReport report_of(const std::string& bytes, const CheckOptions& options = {}) {
  return check(MemoryInput(bytes_of(bytes)), options);
}

CheckOptions only(CheckTarget target, const std::string& version = "") {
  return {{{target, version}}};
}
CheckOptions tensorrt(const std::string& version) { return only(CheckTarget::tensorrt, version); }

const Finding* find(const CheckReport& report, const std::string& code) {
  const auto found = std::find_if(report.findings.begin(), report.findings.end(),
                                  [&](const Finding& finding) { return finding.code == code; });
  return found == report.findings.end() ? nullptr : &*found;
}

// "error", "warning" or "note" of the worst finding of this code; "" where there is none.
std::string severity(const TestModel& model, const std::string& code,
                     const CheckOptions& options = {}) {
  const CheckReport report = report_of(model.bytes(), options);
  const Finding* finding = find(report, code);
  return finding == nullptr ? "" : std::string(to_string(finding->severity));
}

std::string all_codes(const CheckReport& report) {
  std::string text;
  for (const Finding& finding : report.findings) {
    text += fmt::format("{} {}: {}\n", to_string(finding.severity), finding.code, finding.what);
  }
  return text;
}

const std::string kRelu = node("Relu", {"input"}, "output");

// --- our own files ---

std::string write_sample(const Options& options) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors({});
  tools::fill_random(tensors, 3);
  const auto checkpoint = tools::write_checkpoint(tensors);
  MemoryOutput output;
  convert(MemoryInput(checkpoint), {&output, nullptr, {}}, options);
  return {reinterpret_cast<const char*>(output.bytes().data()), output.bytes().size()};
}

TEST(Check, OurOwnFilesHaveNoErrors) {
  for (const bool dynamic : {false, true}) {
    for (const Precision precision : {Precision::fp32, Precision::fp16}) {
      for (int opset = kMinOpset; opset <= kMaxOpset; ++opset) {
        Options options;
        options.opset_version = opset;
        options.precision = precision;
        if (dynamic) options.shape = InputShape::dynamic_defaults();
        const CheckReport report = report_of(write_sample(options));
        EXPECT_EQ(report.count(Severity::error), 0U)
            << opset << to_string(precision) << dynamic << '\n'
            << all_codes(report);
        EXPECT_EQ(find(report, "not-aethernet"), nullptr);
      }
    }
  }
}

TEST(Check, TheUsualFileHasNotesAlone) {
  const CheckReport report = report_of(write_sample({}));
  EXPECT_EQ(report.count(Severity::warning), 0U) << all_codes(report);
  // TensorRT 11 has no --fp16.
  ASSERT_NE(find(report, "fp32-only"), nullptr);
  EXPECT_EQ(find(report, "fp32-only")->severity, Severity::note);
  EXPECT_EQ(report.findings.size(), 1U) << all_codes(report);

  Options half;
  half.precision = Precision::fp16;
  const CheckReport of_half = report_of(write_sample(half));
  EXPECT_EQ(of_half.count(Severity::warning), 0U) << all_codes(of_half);
  EXPECT_EQ(find(of_half, "layernorm-half")->count, 4U);
}

// --- severities and versions ---

TEST(Check, WhatHoldsForSomeVersionsIsAStepLess) {
  const TestModel model = model_with(node("Gelu", {"input"}, "output"));
  TestModel twenty = model;
  twenty.opset = 20;
  twenty.ir = 9;
  EXPECT_EQ(severity(twenty, "operator-unsupported", tensorrt("8.6")), "error");
  EXPECT_EQ(severity(twenty, "operator-unsupported", tensorrt("9")), "error");
  EXPECT_EQ(severity(twenty, "operator-unsupported", tensorrt("10")), "");
  EXPECT_EQ(severity(twenty, "operator-unsupported", tensorrt("")), "warning");
  EXPECT_EQ(severity(twenty, "operator-unsupported", only(CheckTarget::onnxruntime)), "");
  const CheckReport report = report_of(twenty.bytes());
  const Finding* finding = find(report, "operator-unsupported");
  ASSERT_NE(finding, nullptr);
  ASSERT_EQ(finding->concerns.size(), 1U);
  EXPECT_EQ(finding->concerns[0].versions, "below 10.0");
  EXPECT_EQ(finding->concerns[0].target, CheckTarget::tensorrt);
}

TEST(Check, TheWorstComesFirst) {
  TestModel model = model_with(node("Gelu", {"input"}, "output"));
  model.input = {"2", "3", "8", "8"};
  const CheckReport report = report_of(model.bytes());
  EXPECT_TRUE(std::is_sorted(report.findings.begin(), report.findings.end(),
                             [](const auto& a, const auto& b) { return a.severity > b.severity; }));
  EXPECT_GT(report.count(Severity::error), 1U);
  EXPECT_GT(report.count(Severity::note), 0U);
}

TEST(Check, VersionsAreParsedWhole) {
  using checks::parse_versions;
  using checks::version;
  EXPECT_EQ(parse_versions("8")->from, version(8));
  EXPECT_EQ(parse_versions("8")->below, version(9));
  EXPECT_EQ(parse_versions("8.6")->below, version(8, 7));
  EXPECT_EQ(parse_versions("10.16.1")->from, version(10, 16, 1));
  EXPECT_EQ(parse_versions("10.16.1")->below, version(10, 16, 2));
  for (const char* text : {"", ".", "8.", "8.6.1.0", "-1", "8.-6", "x", "8x", " 8", "8 ", "100",
                           "99999999999999999999", "+8"}) {
    EXPECT_FALSE(parse_versions(text)) << text;
  }
  for (const char* text : {"x", "8.", "ten"}) {
    const auto caught = catch_error([&] { report_of(TestModel{}.bytes(), tensorrt(text)); });
    EXPECT_EQ(caught.kind, ErrorKind::usage) << text;
  }
  EXPECT_EQ(
      catch_error([&] { report_of(TestModel{}.bytes(), only(CheckTarget::vsmlrt, "15")); }).kind,
      ErrorKind::usage);
}

TEST(Check, RangesAreWrittenOut) {
  using checks::range_text;
  using checks::version;
  EXPECT_EQ(range_text(checks::all_versions()), "");
  EXPECT_EQ(range_text(checks::before(version(8, 6))), "below 8.6");
  EXPECT_EQ(range_text(checks::since(version(11))), "11.0 or newer");
  EXPECT_EQ(range_text(checks::between(version(8, 6, 1), version(9, 3))),
            "8.6.1 up to, but without, 9.3");
}

// --- the file ---

TEST(Check, Opsets) {
  struct Case {
    std::uint64_t opset;
    const char* tensorrt;
    const char* expected;
  };
  for (const Case& one : {Case{17, "8.6", ""}, Case{18, "8.6", "error"}, Case{19, "9", ""},
                          Case{20, "9.3", "error"}, Case{20, "10.0", ""}, Case{21, "10.1", "error"},
                          Case{22, "10.6", ""}, Case{23, "10.14", "error"}, Case{24, "10.15", ""},
                          Case{25, "11.4", "error"}, Case{25, "11.5", ""}, Case{26, "12", "error"},
                          Case{9'223'372'036'854'775'807U, "12", "error"}}) {
    TestModel model = model_with(kRelu);
    model.opset = one.opset;
    EXPECT_EQ(severity(model, "opset-too-new", tensorrt(one.tensorrt)), one.expected)
        << one.opset << " in " << one.tensorrt;
  }
  TestModel model = model_with(kRelu);
  model.opset = 20;
  EXPECT_EQ(severity(model, "opset-too-new", only(CheckTarget::onnxruntime, "1.16")), "error");
  EXPECT_EQ(severity(model, "opset-too-new", only(CheckTarget::onnxruntime, "1.17")), "");
  model.opset = 8;
  EXPECT_EQ(severity(model, "opset-too-old", tensorrt("10")), "error");
  EXPECT_EQ(severity(model, "opset-too-old", only(CheckTarget::onnxruntime)), "");
  model.opset = 6;
  EXPECT_EQ(severity(model, "opset-too-old", only(CheckTarget::onnxruntime)), "error");
  model.opset = 17;
  EXPECT_EQ(severity(model, "opset-too-old"), "");
  EXPECT_EQ(severity(model, "opset-missing"), "");
  model.opset = 0;
  EXPECT_EQ(severity(model, "opset-missing"), "error");
  model.behind = field(8, number_field(2, ~0ULL));
  EXPECT_EQ(severity(model, "opset-missing"), "error");
}

TEST(Check, IrBeyondWhatTheOpsetNeeds) {
  TestModel model = model_with(kRelu);
  const CheckOptions old = only(CheckTarget::onnxruntime, "1.16");
  EXPECT_EQ(severity(model, "ir-too-new", old), "");
  model.ir = 10;
  EXPECT_EQ(severity(model, "ir-too-new", old), "error");
  EXPECT_EQ(severity(model, "ir-too-new", only(CheckTarget::onnxruntime, "1.18")), "");
  EXPECT_EQ(severity(model, "ir-too-new"), "warning");
  EXPECT_EQ(severity(model, "ir-too-new", tensorrt("")), "");
  model.opset = 21;  // needs IR 10: the opset is what is too new
  EXPECT_EQ(severity(model, "ir-too-new", old), "");
  EXPECT_EQ(severity(model, "opset-too-new", old), "error");
  model.ir = 13;  // of no version that is known
  EXPECT_EQ(severity(model, "ir-too-new"), "error");
}

TEST(Check, MetadataThatContradictTheGraph) {
  std::string model = write_sample({});
  EXPECT_EQ(find(report_of(model), "metadata-contradict"), nullptr);
  const std::string honest(
      "\x0a\x05scale\x12\x01"
      "2");
  model[model.rfind(honest) + honest.size() - 1] = '4';
  const CheckReport report = report_of(model);
  ASSERT_NE(find(report, "metadata-contradict"), nullptr);
  EXPECT_EQ(find(report, "metadata-contradict")->severity, Severity::warning);
}

TEST(Check, AnotherNetworkIsANote) {
  EXPECT_EQ(severity(model_with(kRelu), "not-aethernet"), "note");
}

TEST(Check, BrokenGraphs) {
  EXPECT_EQ(severity(model_with(kRelu), "value-missing"), "");
  EXPECT_EQ(severity(model_with(node("Relu", {"nobody"}, "output")), "value-missing"), "error");
  EXPECT_EQ(severity(model_with(node("Relu", {"input"}, "x")), "value-missing"), "error");
  EXPECT_EQ(severity(model_with(kRelu), "value-made-twice"), "");
  EXPECT_EQ(severity(model_with(kRelu + kRelu), "value-made-twice"), "error");
  const std::string constant = tensor("output", kFloat, {1}, fixed32(1));
  EXPECT_EQ(severity(model_with(kRelu + constant), "value-made-twice"), "error");

  const std::string first = node("Relu", {"input"}, "x");
  const std::string second = node("Relu", {"x"}, "output");
  EXPECT_EQ(severity(model_with(first + second), "node-order"), "");
  EXPECT_EQ(severity(model_with(second + first), "node-order"), "warning");
  const std::string circle =
      node("Add", {"input", "y"}, "x") + node("Relu", {"x"}, "y") + node("Relu", {"y"}, "output");
  const CheckReport report = report_of(model_with(circle).bytes());
  ASSERT_NE(find(report, "node-order"), nullptr);
  EXPECT_EQ(find(report, "node-order")->severity, Severity::error);
  EXPECT_EQ(find(report, "node-order")->count, 3U);
  EXPECT_EQ(severity(model_with(node("Relu", {"output"}, "output")), "node-order"), "error");
}

// --- operators ---

TEST(Check, Operators) {
  const std::string norm_parts = tensor("s", kFloat, {8}, std::string(32, '\0')) +
                                 node("LayerNormalization", {"input", "s", "s"}, "output");
  TestModel norm = model_with(norm_parts);
  EXPECT_EQ(severity(norm, "operator-unsupported", tensorrt("8.5")), "error");
  EXPECT_EQ(severity(norm, "operator-unsupported", tensorrt("8.6")), "");
  EXPECT_EQ(severity(norm, "operator-not-in-opset"), "");
  norm.opset = 16;
  EXPECT_EQ(severity(norm, "operator-not-in-opset"), "error");
  for (const char* op :
       {"QLinearConv", "ConvInteger", "MatMulInteger", "QLinearMatMul", "DynamicQuantizeLinear"}) {
    EXPECT_EQ(severity(model_with(node(op, {"input"}, "output")), "operator-unsupported"), "error");
  }
  EXPECT_EQ(severity(model_with(kRelu), "operator-unsupported"), "");
}

TEST(Check, ManyNodesAreOneFinding) {
  std::string parts;
  for (int i = 0; i < 64; ++i) {
    parts += node("Gelu", {i == 0 ? "input" : fmt::format("x{}", i)}, fmt::format("x{}", i + 1));
  }
  const CheckReport report = report_of(model_with(parts + node("Relu", {"x64"}, "output")).bytes());
  const Finding* finding = find(report, "operator-unsupported");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->count, 64U);
  EXPECT_NE(finding->what.find("64 Gelu nodes, the first of them 'node_x1'"), std::string::npos)
      << finding->what;
}

TEST(Check, OperatorsOfOtherDomains) {
  TestModel model = model_with(node("FusedConv", {"input"}, "output", "", "com.microsoft"));
  EXPECT_EQ(severity(model, "foreign-operator", tensorrt("")), "error");
  EXPECT_EQ(severity(model, "foreign-operator", only(CheckTarget::onnxruntime)), "");
  model = model_with(node("Mine", {"input"}, "output", "", "mine"));
  EXPECT_EQ(severity(model, "foreign-operator", only(CheckTarget::onnxruntime)), "error");
  // Defined in the file itself.
  model.behind = field(25, field(1, "Mine") + field(10, "mine"));
  EXPECT_EQ(severity(model, "foreign-operator", only(CheckTarget::onnxruntime)), "");
  EXPECT_EQ(severity(model, "foreign-operator", tensorrt("8.6")), "error");
  EXPECT_EQ(severity(model, "foreign-operator", tensorrt("10")), "");
  EXPECT_EQ(severity(model_with(kRelu), "foreign-operator"), "");
  EXPECT_EQ(
      severity(model_with(node("Relu", {"input"}, "output", "", "ai.onnx")), "foreign-operator"),
      "");
}

TEST(Check, ControlFlowAndComputedShapes) {
  EXPECT_EQ(severity(model_with(node("If", {"input"}, "output")), "control-flow"), "warning");
  EXPECT_EQ(severity(model_with(kRelu), "control-flow"), "");
  TestModel model = model_with(kRelu + node("Shape", {"input"}, "s"));
  EXPECT_EQ(severity(model, "computed-shapes"), "");
  model.input = model.output = kDynamic;
  EXPECT_EQ(severity(model, "computed-shapes"), "note");
}

// --- shapes ---

TEST(Check, InputsAndOutputs) {
  const CheckOptions player = only(CheckTarget::vsmlrt);
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
  EXPECT_EQ(severity(model, "channels", only(CheckTarget::vsmlrt)), "");
  EXPECT_EQ(severity(model, "channels", only(CheckTarget::videojanai)), "warning");
  model.input[3] = model.output[3] = "width";
  EXPECT_EQ(severity(model, "channels", only(CheckTarget::videojanai)), "error");
  model.output = {"1", "12", "8", "8"};
  EXPECT_EQ(severity(model, "channels", only(CheckTarget::vsmlrt)), "error");
}

TEST(Check, OutputSize) {
  const CheckOptions player = only(CheckTarget::vsmlrt);
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
  EXPECT_EQ(severity(model, "input-name", only(CheckTarget::videojanai)), "error");
  EXPECT_EQ(severity(model, "input-name", only(CheckTarget::vsmlrt)), "warning");
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
  EXPECT_EQ(severity(model, "no-profile", only(CheckTarget::onnxruntime)), "");
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
  EXPECT_EQ(severity(model, "transposes", only(CheckTarget::videojanai)), "warning");
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
  EXPECT_EQ(severity(model, "edge-type", only(CheckTarget::vsmlrt)), "error");
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

// --- hostile files ---

TEST(Check, OtherFilesAreRefused) {
  EXPECT_EQ(catch_error([] { report_of("hello"); }).kind, ErrorKind::unsupported);
  const std::string model = write_sample({});
  for (std::size_t length = 0; length < model.size(); length += 211) {
    try {
      report_of(model.substr(0, length));
    } catch (const Error& error) {
      EXPECT_NE(error.kind(), ErrorKind::internal) << length;
    }
  }
}

TEST(Check, NamesArePrintable) {
  const CheckReport report =
      report_of(model_with(node("Relu", {"evil\x1b[31m"}, "output")).bytes());
  for (const Finding& finding : report.findings) {
    EXPECT_EQ(finding.what.find('\x1b'), std::string::npos) << finding.code;
  }
}

TEST(Check, EmptyGraphsAndNodes) {
  EXPECT_NO_THROW(report_of(number_field(1, 8) + field(7, field(2, "g"))));
  EXPECT_NO_THROW(report_of(number_field(1, 8) + field(7, field(1, "") + field(2, "g"))));
  for (const char* op : {"Cast", "Conv", "Where", "LayerNormalization", "Pow", "Reshape",
                         "QuantizeLinear", "ReduceMean", "Split", "Constant", "Clip"}) {
    EXPECT_NO_THROW(report_of(model_with(field(1, field(4, op))).bytes())) << op;
    EXPECT_NO_THROW(report_of(model_with(node(op, {"", "", ""}, "")).bytes())) << op;
  }
  std::vector<std::string> many(1000, "input");
  EXPECT_NO_THROW(report_of(model_with(node("Concat", many, "output")).bytes()));
}

// Time must not grow with the square of the nodes.
TEST(Check, ALongChainIsChecked) {
  std::string parts;
  for (int i = 0; i < 50'000; ++i) {
    parts += node("Relu", {i == 0 ? "input" : fmt::format("x{}", i)}, fmt::format("x{}", i + 1));
  }
  parts += node("Relu", {"x50000"}, "output");
  EXPECT_EQ(report_of(model_with(parts).bytes()).count(Severity::error), 0U);
}

}  // namespace
}  // namespace aether2onnx
