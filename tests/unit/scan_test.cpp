// Scans by the library: verdicts on names, calls as text, containers. The hostile corpus tests the
// rest.

#include "judge/scan/scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/limits.h"
#include "checkpoint_writer.h"
#include "formats/pickle/pickle.h"
#include "formats/torch/torch.h"
#include "judge/onnx_operators.h"
#include "network/notes.h"
#include "protobuf.h"
#include "sample_networks.h"
#include "stage_networks.h"
#include "state_dict/state_dict.h"
#include "support.h"

namespace aether2onnx::scan_test {
namespace {

using namespace std::string_literals;
using torch::verdict_of;

TEST(ScanVerdicts, AreByAListOfWhatIsAllowed) {
  EXPECT_EQ(verdict_of("torch._utils", "_rebuild_tensor_v2"), Verdict::tensors);
  EXPECT_EQ(verdict_of("torch", "FloatStorage"), Verdict::tensors);
  EXPECT_EQ(verdict_of("torch", "float16"), Verdict::tensors);
  EXPECT_EQ(verdict_of("collections", "OrderedDict"), Verdict::harmless);
  EXPECT_EQ(verdict_of("__builtin__", "set"), Verdict::harmless);
  EXPECT_EQ(verdict_of("argparse", "Namespace"), Verdict::harmless);
  EXPECT_EQ(verdict_of("my.network", "Net"), Verdict::suspicious);
  EXPECT_EQ(verdict_of("", ""), Verdict::suspicious);
  EXPECT_EQ(verdict_of("os", "system"), Verdict::dangerous);
  EXPECT_EQ(verdict_of("os.path", "join"), Verdict::dangerous);
  EXPECT_EQ(verdict_of("osmosis", "Net"), Verdict::suspicious);
  EXPECT_EQ(verdict_of("builtins", "eval"), Verdict::dangerous);
  EXPECT_EQ(verdict_of("torch.hub", "load"), Verdict::dangerous);
  EXPECT_EQ(verdict_of("torch", "load"), Verdict::dangerous);
}

TEST(ScanVerdicts, NothingIsAllowedByItsBeginning) {
  // What passes lists that compare beginnings, or that join module and name.
  EXPECT_GE(verdict_of("torch", "Size.mro"), Verdict::suspicious);
  EXPECT_GE(verdict_of("torch.Size", "mro"), Verdict::suspicious);
  EXPECT_GE(verdict_of("torch._utils", "_rebuild_tensor_v2.__globals__"), Verdict::dangerous);
  EXPECT_GE(verdict_of("torch._utils._rebuild_tensor_v2", ""), Verdict::suspicious);
  EXPECT_GE(verdict_of("torch\n_rebuild", "Size"), Verdict::suspicious);
  EXPECT_GE(verdict_of("torch", "Size\n"), Verdict::suspicious);
  EXPECT_GE(verdict_of("torch", "size"), Verdict::suspicious);
  EXPECT_GE(verdict_of(" torch", "Size"), Verdict::suspicious);
  EXPECT_GE(verdict_of("builtins", "getattr.x"), Verdict::dangerous);
}

std::string text(const std::string& value) {
  return "X" + std::string{static_cast<char>(value.size()), 0, 0, 0} + value;
}

ScanReport scan_text(const std::string& file) { return scan(MemoryInput(test::bytes_of(file))); }

bool has_finding(const ScanReport& report, const std::string& code) {
  return std::any_of(report.findings.begin(), report.findings.end(),
                     [&](const auto& finding) { return finding.code == code; });
}

TEST(ScanPickles, CallsAreShownAsPythonWouldWriteThem) {
  const ScanReport report =
      scan_text("\x80\x02(cos\nsystem\n(" + text("rm \x1b[2J") +
                "K\x05\x88NG\x3f\xf8\0\0\0\0\0\0tR"s + "csubprocess\nPopen\n(](" + text("a") +
                text("b") + "e}" + text("k") + "K\x01s\x85t\x81" + "t.");
  EXPECT_EQ(report.result, ScanResult::found);
  ASSERT_EQ(report.calls.size(), 2U);
  EXPECT_EQ(report.calls[0].text, "os.system('rm \\x1b[2J', 5, True, None, …)");
  EXPECT_EQ(report.calls[1].text, "subprocess.Popen(['a', 'b'], ({'k': 1}))");
  EXPECT_EQ(report.calls[0].where, "the file");
  ASSERT_EQ(report.globals.size(), 2U);
  EXPECT_EQ(report.globals[0].verdict, Verdict::dangerous);
}

TEST(ScanPickles, ArgumentsThatContainThemselvesOrGrowEnd) {
  std::string growing = "\x80\x02(cos\nsystem\n" + text("x");
  for (int i = 0; i < 60; ++i) growing += "22\x87";
  const ScanReport report = scan_text(growing + "\x85Rt.");
  ASSERT_EQ(report.calls.size(), 1U);
  EXPECT_LT(report.calls[0].text.size(), 2000U);
  const ScanReport cyclic = scan_text("\x80\x02(cos\nsystem\n]q\x05h\x05"s + "a\x85Rt.");
  ASSERT_EQ(cyclic.calls.size(), 1U);
  EXPECT_LT(cyclic.calls[0].text.size(), 2000U);
}

TEST(ScanPickles, WhatIsReadBeforeItBreaksCounts) {
  const MemoryInput input(test::bytes_of("\x80\x02(cos\nsystem\n)R\xff"));
  const auto document = pickle::Document::parse_as_far_as_possible(input, 0, {});
  EXPECT_NE(document.problem().find("opcode 0xff does not exist"), std::string::npos)
      << document.problem();
  EXPECT_EQ(document.consumed(), 16U);
  EXPECT_EQ(document.kind(document.root()), pickle::Kind::none);
  const ScanReport report = scan(input);
  EXPECT_EQ(report.result, ScanResult::found);
  EXPECT_TRUE(has_finding(report, "broken-pickle"));
  EXPECT_EQ(report.calls.size(), 1U);
}

TEST(ScanPickles, NestedOnesAreFollowedSoDeep) {
  std::string inner = "\x80\x02"s + "cos\nsystem\n)R.";
  for (int i = 0; i < limits::kNestedPickles; ++i) {
    inner = "\x80\x02(collections.x\n"s.substr(0, 2) + "(ccollections\nOrderedDict\nC" +
            std::string(1, static_cast<char>(inner.size())) + inner + "t.";
  }
  const ScanReport report = scan_text(inner);
  EXPECT_EQ(report.result, ScanResult::found);
  EXPECT_EQ(report.globals[0].name, "os.system");
  const std::string deeper = "\x80\x02(ccollections\nOrderedDict\nC"s +
                             std::string(1, static_cast<char>(inner.size())) + inner + "t.";
  const ScanReport beyond = scan_text(deeper);
  EXPECT_NE(beyond.result, ScanResult::clean);
  EXPECT_TRUE(has_finding(beyond, "too-many-pickles"));
}

TEST(ScanPickles, ListsAreCutAndCounted) {
  std::string many = "\x80\x02(";
  for (std::size_t i = 0; i < limits::kListed + 50; ++i) many += "cm" + std::to_string(i) + "\nn\n";
  const ScanReport report = scan_text(many + "t.");
  EXPECT_EQ(report.globals.size(), limits::kListed);
  EXPECT_EQ(report.not_listed, 50U);
  EXPECT_EQ(report.result, ScanResult::found);
}

std::vector<tools::NamedTensor> some_tensors() {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 3);
  return tensors;
}

TEST(ScanContainers, GoodFilesAreClean) {
  tools::CheckpointLayout layout;
  layout.wrapper = "params";
  layout.optimizer_copies = 1;
  for (const auto& bytes :
       {tools::write_checkpoint(some_tensors()), tools::write_checkpoint(some_tensors(), layout),
        tools::write_legacy_checkpoint(some_tensors()), tools::write_safetensors(some_tensors())}) {
    const ScanReport report = scan(MemoryInput(bytes));
    EXPECT_EQ(report.result, ScanResult::clean);
    EXPECT_TRUE(report.calls.empty());
  }
}

// fuse notes what the tensors do not show; scan must know every note.
TEST(ScanContainers, FusedFilesOfEveryGenerationAreClean) {
  std::set<std::string> notes;
  for (const std::string& generation : tools::stage_generations()) {
    if (generation == "G2") continue;  // it cannot be fused
    tools::StageShape shape;
    shape.generation = generation;
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
    tools::fill_random(tensors, 3);
    const auto checkpoint = tools::write_checkpoint(tensors);
    for (const CheckpointFormat format : {CheckpointFormat::pth, CheckpointFormat::safetensors}) {
      SCOPED_TRACE(generation + std::string(to_string(format)));
      FuseOptions options;
      options.read.generation = generation;
      options.read.img_range = 255;
      options.format = format;
      test::MemoryOutput output;
      fuse(MemoryInput(checkpoint), output, options);
      const MemoryInput fused(output.bytes());
      const ScanReport report = scan(fused);
      EXPECT_EQ(report.result, ScanResult::clean);
      for (const auto& finding : report.findings) ADD_FAILURE() << finding.code << finding.what;
      const auto state_dict = state_dict::StateDict::open(fused, {}, {});
      for (const auto& [name, text] : state_dict.metadata()) notes.insert(name);
    }
  }
  for (const std::string_view name : network::kNotes) {
    EXPECT_TRUE(notes.contains(std::string(name))) << name;
  }
}

TEST(ScanContainers, OtherRecordsBesideTheNotesAreNotClean) {
  const std::vector<tools::NamedTensor> tensors = {{"w", {1}, {1}}};
  const auto with_record = [&](const std::string& name) {
    return scan(MemoryInput(tools::write_zip({{"a/data.pkl", tools::pickle_state_dict(tensors, {})},
                                              {"a/data/0", std::string(4, '\0')},
                                              {"a/version", "3\n"},
                                              {name, "x"}})));
  };
  EXPECT_EQ(with_record("a/.data/res_scale").result, ScanResult::clean);
  for (const char* name :
       {"a/.data/other", "a/.data/res_scale2", "a/res_scale", "a/.data/generation/x"}) {
    EXPECT_TRUE(has_finding(with_record(name), "extra-entry")) << name;
  }
}

TEST(ScanContainers, EveryTruncationIsNotClean) {
  for (const auto& bytes : {tools::write_checkpoint({{"w", {2}, {1, 2}}}),
                            tools::write_legacy_checkpoint({{"w", {2}, {1, 2}}}),
                            tools::write_safetensors({{"w", {2}, {1, 2}}})}) {
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const ScanReport report = scan(MemoryInput(std::span(bytes).first(length)));
      EXPECT_NE(report.result, ScanResult::clean) << length;
    }
  }
}

// A model with one initializer, whose data are said to lie in `location`.
std::string model_with(const std::string& location, const std::string& node = "") {
  using test::field;
  using test::number_field;
  const std::string tensor = number_field(1, 1) + number_field(2, 1) + field(8, "w") +
                             number_field(14, 1) +
                             field(13, field(1, "location") + field(2, location));
  return number_field(1, 8) + field(2, "test") + field(8, number_field(2, 17)) +
         field(7, field(5, tensor) + node);
}

TEST(ScanContainers, OnnxFiles) {
  using test::field;
  EXPECT_EQ(scan_text(model_with("w.data")).result, ScanResult::clean);
  for (const char* name : {"../w.data", "/etc/passwd", "a/b", "..", "a\\b"}) {
    const ScanReport report = scan_text(model_with(name));
    EXPECT_EQ(report.result, ScanResult::found) << name;
    EXPECT_TRUE(has_finding(report, "external-path")) << name;
  }
  // Graphs within the graph are looked into.
  const auto loop = [](const std::string& graph) {
    const std::string body = field(1, "body") + field(6, graph) + test::number_field(20, 5);
    return field(1, field(4, "Loop") + field(5, body));
  };
  EXPECT_EQ(scan_text(model_with("w.data", loop(""))).result, ScanResult::clean);
  const std::string own = field(1, field(4, "Op") + field(7, "my.library"));
  for (const std::string& node : {own, loop(own)}) {
    const ScanReport report = scan_text(model_with("w.data", node));
    EXPECT_EQ(report.result, ScanResult::unclear);
    EXPECT_TRUE(has_finding(report, "operator"));
  }
}

TEST(ScanContainers, OperatorsOfOnnxFiles) {
  using judge::Power;
  const auto power = [](const char* domain, const char* op) {
    return judge::power_of(onnx::Node{"", op, domain, {}, {}, {}});
  };
  EXPECT_EQ(power("", "Conv"), Power::computes);
  EXPECT_EQ(power("ai.onnx", "Conv"), Power::computes);
  EXPECT_EQ(power("com.microsoft", "FusedConv"), Power::computes);
  EXPECT_EQ(power("com.microsoft.nchwc", "Conv"), Power::computes);
  EXPECT_EQ(power("com.microsoft.nchwc", "Relu"), Power::unknown);
  EXPECT_EQ(power("com.microsoft", "EPContext"), Power::loads);
  EXPECT_EQ(power("", "EPContext"), Power::unknown);
  EXPECT_EQ(power("", "ATen"), Power::loads);
  EXPECT_EQ(power("mine", "Conv"), Power::unknown);

  onnx::Model model;
  const auto call = [](const char* name) { return onnx::Node{"", name, "f", {}, {}, {}}; };
  const auto define = [&](const char* name, std::vector<onnx::Node> nodes) {
    model.function_places[{"f", name, ""}] = model.functions.size();
    model.functions.push_back({"f", name, "", std::move(nodes)});
  };
  model.nodes = {call("A"), call("none")};
  EXPECT_EQ(judge::expanded_nodes(model), 2U);
  define("A", {call("B"), call("B"), call("none")});
  define("B", {call("none"), call("none")});
  EXPECT_EQ(judge::expanded_nodes(model), 9U);
  define("C", {call("C")});
  EXPECT_EQ(judge::expanded_nodes(model), judge::kEndless);
}

Context with_limits(std::initializer_list<std::pair<std::string, std::uint64_t>> changes) {
  Context context;
  for (const auto& [name, value] : changes) set_limit(context.limits, name, value);
  return context;
}

TEST(Limits, AreChangedForOneCall) {
  const auto bytes = tools::write_checkpoint(some_tensors());
  const MemoryInput input(bytes);
  test::MemoryOutput output;
  const auto refused = test::catch_error([&] {
    convert(input, {&output, nullptr, {}}, {}, with_limits({{"pickle_values", 10}}));
  });
  EXPECT_EQ(refused.kind, ErrorKind::limit);
  EXPECT_NE(refused.message.find("limit pickle_values=N"), std::string::npos) << refused.message;
  convert(input, {&output, nullptr, {}}, {});
  EXPECT_EQ(scan(input, with_limits({{"archive_entries", 3}})).result, ScanResult::unclear);
  EXPECT_EQ(scan(input).result, ScanResult::clean);

  // Raised, so that what is refused otherwise is read.
  std::string many = "\x80\x02(";
  many += std::string(Limits{}.pickle_values + 5, 'N') + "t.";
  EXPECT_EQ(scan_text(many).result, ScanResult::unclear);
  EXPECT_EQ(scan(MemoryInput(test::bytes_of(many)),
                 with_limits({{"pickle_values", 3'000'000}, {"pickle_items", 9'000'000}}))
                .result,
            ScanResult::clean);

  const std::initializer_list<std::pair<std::string, std::uint64_t>> impossible = {
      {"nothing", 5}, {"pickle_values", 0}, {"pickle_values", UINT64_MAX}};
  for (const auto& [name, value] : impossible) {
    Limits limits;
    const auto wrong =
        test::catch_error([&, name = name, value = value] { set_limit(limits, name, value); });
    EXPECT_EQ(wrong.kind, ErrorKind::usage) << name;
    EXPECT_EQ(limits.pickle_values, Limits{}.pickle_values);
  }
}

TEST(Cancelling, EndsEveryTask) {
  const auto bytes = tools::write_checkpoint(some_tensors());
  const MemoryInput checkpoint(bytes);
  test::MemoryOutput model;
  convert(checkpoint, {&model, nullptr, {}}, {});
  const MemoryInput onnx(model.bytes());
  const std::atomic<bool> cancelled = true;
  const Context context{{}, nullptr, &cancelled};
  test::MemoryOutput output;
  const std::initializer_list<std::function<void()>> tasks = {
      [&] {
        convert(checkpoint, {&output, nullptr, {}}, {}, context);
      },
      [&] { fuse(checkpoint, output, {}, context); },
      [&] { inspect(checkpoint, {}, context); },
      [&] { inspect(onnx, {}, context); },
      [&] { scan(checkpoint, context); },
      [&] { scan(onnx, context); },
      [&] { check(onnx, {}, context); }};
  for (const auto& task : tasks) {
    EXPECT_EQ(test::catch_error(task).kind, ErrorKind::cancelled);
  }
}

}  // namespace
}  // namespace aether2onnx::scan_test
