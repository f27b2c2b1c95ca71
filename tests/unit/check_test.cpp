// Severities and versions; for every rule of files, graphs and operators a file that breaks the
// rule and a file that does not; hostile files.

#include <gtest/gtest.h>

#include <algorithm>

#include "check_models.h"
#include "judge/targets.h"

namespace aether2onnx::check_test {
namespace {

using test::all_codes;
using test::cast;
using test::catch_error;
using test::field;
using test::find;
using test::fixed32;
using test::kDynamic;
using test::kFloat;
using test::kHalf;
using test::kRelu;
using test::model_with;
using test::node;
using test::number_field;
using test::only;
using test::report_of;
using test::severity;
using test::tensor;
using test::tensorrt;
using test::TestModel;
using test::write_sample;

// --- our own files ---

TEST(Check, OurOwnFilesHaveNoErrors) {
  for (const bool dynamic : {false, true}) {
    for (const Precision precision : {Precision::fp32, Precision::fp16}) {
      for (int opset = kMinOpset; opset <= kMaxOpset; ++opset) {
        ConvertOptions options;
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
  // Players show pictures of any size.
  ASSERT_NE(find(report, "fixed-size"), nullptr);
  EXPECT_EQ(report.findings.size(), 2U) << all_codes(report);

  ConvertOptions half;
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
  EXPECT_EQ(severity(twenty, "operator-unsupported", only(Target::onnxruntime)), "");
  const CheckReport report = report_of(twenty.bytes());
  const Finding* finding = find(report, "operator-unsupported");
  ASSERT_NE(finding, nullptr);
  ASSERT_EQ(finding->concerns.size(), 1U);
  EXPECT_EQ(finding->concerns[0].versions, "below 10.0");
  EXPECT_EQ(finding->concerns[0].target, Target::tensorrt);
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
  using judge::parse_versions;
  using judge::version;
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
    EXPECT_EQ(caught.code, "option-version") << text;
  }
  EXPECT_EQ(catch_error([&] { report_of(TestModel{}.bytes(), only(Target::vsmlrt, "15")); }).code,
            "option-version");
}

// Both directions of the table of opsets must agree.
TEST(Check, NewestOpsetsFollowFromTheTable) {
  for (const judge::Version version :
       {judge::version(8, 4), judge::version(8, 6, 1), judge::version(9), judge::version(10, 5),
        judge::version(10, 6), judge::version(11), judge::version(11, 5)}) {
    const int newest = judge::newest_opset_of_tensorrt(version);
    EXPECT_LE(judge::first_tensorrt_of_opset(newest), version);
    EXPECT_GT(judge::first_tensorrt_of_opset(newest + 1), version);
  }
  EXPECT_EQ(to_string(Target::videojanai), "videojanai");
  for (const judge::TargetRow& row : judge::target_rows()) {
    EXPECT_EQ(&judge::row_of(row.target), &row);
  }
}

TEST(Check, RangesAreWrittenOut) {
  using judge::range_text;
  using judge::version;
  EXPECT_EQ(range_text(judge::all_versions()), "");
  EXPECT_EQ(range_text(judge::before(version(8, 6))), "below 8.6");
  EXPECT_EQ(range_text(judge::since(version(11))), "11.0 or newer");
  EXPECT_EQ(range_text(judge::between(version(8, 6, 1), version(9, 3))),
            "8.6.1 or newer, below 9.3");
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
  EXPECT_EQ(severity(model, "opset-too-new", only(Target::onnxruntime, "1.16")), "error");
  EXPECT_EQ(severity(model, "opset-too-new", only(Target::onnxruntime, "1.17")), "");
  model.opset = 8;
  EXPECT_EQ(severity(model, "opset-too-old", tensorrt("10")), "error");
  EXPECT_EQ(severity(model, "opset-too-old", only(Target::onnxruntime)), "");
  model.opset = 6;
  EXPECT_EQ(severity(model, "opset-too-old", only(Target::onnxruntime)), "error");
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
  const CheckOptions old = only(Target::onnxruntime, "1.16");
  EXPECT_EQ(severity(model, "ir-too-new", old), "");
  model.ir = 10;
  EXPECT_EQ(severity(model, "ir-too-new", old), "error");
  EXPECT_EQ(severity(model, "ir-too-new", only(Target::onnxruntime, "1.18")), "");
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
  EXPECT_NE(finding->what.find("64 Gelu nodes (the first is 'node_x1')"), std::string::npos)
      << finding->what;
}

TEST(Check, OperatorsOfOtherDomains) {
  TestModel model = model_with(node("FusedConv", {"input"}, "output", "", "com.microsoft"));
  EXPECT_EQ(severity(model, "foreign-operator", tensorrt("")), "error");
  EXPECT_EQ(severity(model, "foreign-operator", only(Target::onnxruntime)), "");
  model = model_with(node("Mine", {"input"}, "output", "", "mine"));
  EXPECT_EQ(severity(model, "foreign-operator", only(Target::onnxruntime)), "error");
  // Defined in the file itself.
  model.behind = field(25, field(1, "Mine") + field(10, "mine"));
  EXPECT_EQ(severity(model, "foreign-operator", only(Target::onnxruntime)), "");
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

// --- hostile files ---

TEST(Check, OtherFilesAreRefused) {
  const auto caught = catch_error([] { report_of("hello"); });
  EXPECT_EQ(caught.kind, ErrorKind::unsupported);
  EXPECT_EQ(caught.code, "file-not-onnx");
  const std::string model = write_sample({});
  for (std::size_t length = 0; length < model.size(); length += 211) {
    try {
      report_of(model.substr(0, length));
    } catch (const Error& error) {
      EXPECT_NE(error.kind, ErrorKind::internal) << length;
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

// The time must not grow with the square of the number of nodes.
TEST(Check, ALongChainIsChecked) {
  std::string parts;
  for (int i = 0; i < 50'000; ++i) {
    parts += node("Relu", {i == 0 ? "input" : fmt::format("x{}", i)}, fmt::format("x{}", i + 1));
  }
  parts += node("Relu", {"x50000"}, "output");
  EXPECT_EQ(report_of(model_with(parts).bytes()).count(Severity::error), 0U);
}

CheckOptions all_targets() {
  CheckOptions options;
  for (const judge::TargetRow& row : judge::target_rows())
    options.targets.push_back({row.target, ""});
  return options;
}

// A file from a stranger may have nodes with too few inputs, which ONNX does not allow.
TEST(Check, NodesWithoutInputsAreNoProblemForAnyRule) {
  const std::vector<std::string> operators = {"Add",       "Cast",      "Clip",
                                              "Concat",    "Conv",      "DepthToSpace",
                                              "Div",       "Erf",       "Expand",
                                              "Gather",    "Gelu",      "GlobalAveragePool",
                                              "MatMul",    "Mul",       "Pow",
                                              "Relu",      "Reshape",   "LayerNormalization",
                                              "LeakyRelu", "ReduceMax", "ReduceMean",
                                              "Resize",    "Split",     "DequantizeLinear",
                                              "Shape",     "Sqrt",      "QuantizeLinear",
                                              "Sub",       "Transpose"};
  const std::string weight = tensor("w", kHalf, {3, 3, 1, 1}, std::string(18, '\0'));
  for (const std::string& op : operators) {
    for (const std::vector<std::string>& inputs :
         {std::vector<std::string>{}, {"input"}, {""}, {"input", "w"}}) {
      const std::string after = cast("a", "b", kFloat) + node("Conv", {"a", "w"}, "output") +
                                node("Pow", {"a"}, "c") + node("Mul", {"a", "a"}, "d");
      TestModel model = model_with(weight + node(op, inputs, "a") + after);
      model.type = kHalf;
      EXPECT_FALSE(report_of(model.bytes(), all_targets()).findings.empty()) << op;
    }
  }
}

// Before, check --for onnxruntime-cuda never ended: the rule on 1x1 Convs followed the cycle.
TEST(Check, ACycleOfNodesIsFoundAndNotFollowed) {
  TestModel model = model_with(tensor("w", kHalf, {3, 3, 1, 1}, std::string(18, '\0')) +
                               node("Conv", {"b", "w"}, "output") + node("Relu", {"b"}, "a") +
                               node("Relu", {"a"}, "b"));
  model.type = kHalf;
  const CheckReport report = report_of(model.bytes(), all_targets());
  ASSERT_NE(find(report, "node-order"), nullptr);
  EXPECT_NE(find(report, "node-order")->what.find("cycle"), std::string::npos);
}

}  // namespace
}  // namespace aether2onnx::check_test
