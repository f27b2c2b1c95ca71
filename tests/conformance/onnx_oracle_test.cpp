// libonnx's parser and ONNX Runtime as judges of our reading. Honest files are changed field by
// field, as exporters differ and as forgers might. Whatever the others see in a file that scan
// calls clean, our reader sees.

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include "formats/onnx/onnx.h"
#include "model_runner.h"
#include "onnx_facts.h"
#include "onnx_mutator.h"
#include "onnxruntime.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::onnx_oracle_test {
namespace {

using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;

// --- honest files ---

void describe(::onnx::ValueInfoProto& value, const std::string& name) {
  value.set_name(name);
  auto& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_value(1);
  type.mutable_shape()->add_dim()->set_dim_param("n");
}

NodeProto& add_node(GraphProto& graph, const std::string& op, const std::string& input,
                    const std::string& output) {
  NodeProto& node = *graph.add_node();
  node.set_op_type(op);
  node.set_name("node_" + output);
  if (!input.empty()) node.add_input(input);
  node.add_output(output);
  return node;
}

AttributeProto& add_attribute(NodeProto& node, const std::string& name,
                              AttributeProto::AttributeType type) {
  AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

ModelProto plain_model() {
  ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("oracle");
  model.add_opset_import()->set_version(15);
  GraphProto& graph = *model.mutable_graph();
  graph.set_name("g");
  describe(*graph.add_input(), "input");
  describe(*graph.add_output(), "output");
  return model;
}

std::string chain() {
  ModelProto model = plain_model();
  GraphProto& graph = *model.mutable_graph();
  TensorProto& weight = *graph.add_initializer();
  weight.set_name("w");
  weight.set_data_type(TensorProto::FLOAT);
  weight.add_dims(2);
  weight.add_float_data(1);
  weight.add_float_data(-2);
  add_node(graph, "Mul", "input", "a").add_input("w");
  NodeProto& constant = add_node(graph, "Constant", "", "shape");
  TensorProto& numbers = *add_attribute(constant, "value", AttributeProto::TENSOR).mutable_t();
  numbers.set_data_type(TensorProto::INT64);
  numbers.add_dims(2);
  numbers.add_int64_data(1);
  numbers.add_int64_data(-1);
  add_node(graph, "Reshape", "a", "b").add_input("shape");
  NodeProto& mean = add_node(graph, "ReduceMean", "b", "c");
  AttributeProto& axes = add_attribute(mean, "axes", AttributeProto::INTS);
  axes.add_ints(-1);
  add_attribute(mean, "keepdims", AttributeProto::INT).set_i(1);
  NodeProto& leaky = add_node(graph, "LeakyRelu", "c", "output");
  add_attribute(leaky, "alpha", AttributeProto::FLOAT).set_f(0.1F);
  auto& entry = *model.add_metadata_props();
  entry.set_key("author");
  entry.set_value("nobody");
  return model.SerializeAsString();
}

std::string branches() {
  ModelProto model = plain_model();
  GraphProto& graph = *model.mutable_graph();
  TensorProto& yes = *graph.add_initializer();
  yes.set_name("yes");
  yes.set_data_type(TensorProto::BOOL);
  yes.set_raw_data(std::string(1, '\1'));
  NodeProto& choice = add_node(graph, "If", "yes", "output");
  for (const char* name : {"then_branch", "else_branch"}) {
    GraphProto& branch = *add_attribute(choice, name, AttributeProto::GRAPH).mutable_g();
    branch.set_name(name);
    add_node(branch, name[0] == 't' ? "Relu" : "Tanh", "input", std::string(name) + "_out");
    describe(*branch.add_output(), std::string(name) + "_out");
  }
  return model.SerializeAsString();
}

std::string functions() {
  ModelProto model = plain_model();
  auto& domain = *model.add_opset_import();
  domain.set_domain("mine");
  domain.set_version(1);
  auto& function = *model.add_functions();
  function.set_domain("mine");
  function.set_name("Twice");
  function.add_input("a");
  function.add_output("c");
  function.add_opset_import()->set_version(15);
  for (const auto& [in, out] : {std::pair("a", "b"), std::pair("b", "c")}) {
    NodeProto& node = *function.add_node();
    node.set_op_type("Relu");
    node.add_input(in);
    node.add_output(out);
  }
  add_node(*model.mutable_graph(), "Twice", "input", "output").set_domain("mine");
  return model.SerializeAsString();
}

std::string outside_weight() {
  ModelProto model = plain_model();
  GraphProto& graph = *model.mutable_graph();
  TensorProto& outside = *graph.add_initializer();
  outside.set_name("w");
  outside.set_data_type(TensorProto::FLOAT);
  outside.add_dims(4);
  outside.set_data_location(TensorProto::EXTERNAL);
  for (const auto& [key, value] : {std::pair("location", "w.data"), std::pair("length", "16")}) {
    auto& entry = *outside.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
  add_node(graph, "Add", "input", "output").add_input("w");
  return model.SerializeAsString();
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::byte> our_bytes(bool dynamic) {
  tools::NetworkShape shape;
  shape.embed_dim = 2;
  shape.hidden_dim = 2;
  shape.depths = {1};
  shape.large_kernel = 3;
  shape.small_kernel = 1;
  shape.scale = 1;
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 7);
  ConvertOptions options;
  if (dynamic) options.shape = InputShape::dynamic_defaults();
  return test::convert_tensors(tensors, options).bytes;
}

// --- ONNX Runtime ---

Ort::Env& environment() {
  verify::OnnxRuntime::load({});  // initializes the interface
  static Ort::Env env(ORT_LOGGING_LEVEL_FATAL, "oracle");
  return env;
}

Ort::SessionOptions options_of(GraphOptimizationLevel level) {
  Ort::SessionOptions options;
  options.SetGraphOptimizationLevel(level);
  options.SetIntraOpNumThreads(1);
  options.SetLogSeverityLevel(ORT_LOGGING_LEVEL_FATAL);
  options.DisableCpuMemArena();
  return options;
}

// "name|type|[dims]" of inputs and the names of outputs; -1 for a dynamic axis. Nothing if ONNX
// Runtime does not take the file.
std::optional<test::Facts> seen_by_onnxruntime(const std::string& bytes) {
  environment();
  try {
    const Ort::Session session(environment(), bytes.data(), bytes.size(),
                               options_of(ORT_DISABLE_ALL));
    Ort::AllocatorWithDefaultOptions allocator;
    test::Facts facts;
    for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
      std::string fact = session.GetInputNameAllocated(i, allocator).get();
      const auto type = session.GetInputTypeInfo(i);
      if (type.GetONNXType() == ONNX_TYPE_TENSOR) {
        const auto tensor = type.GetTensorTypeAndShapeInfo();
        fact += fmt::format("|{}|", static_cast<int>(tensor.GetElementType()));
        for (const std::int64_t size : tensor.GetShape()) fact += fmt::format("{},", size);
      }
      facts.push_back(std::move(fact));
    }
    for (std::size_t i = 0; i < session.GetOutputCount(); ++i) {
      facts.push_back(session.GetOutputNameAllocated(i, allocator).get());
    }
    return facts;
  } catch (const Ort::Exception&) {
    return std::nullopt;
  }
}

std::int64_t size_of_axis(const std::string& dim) {
  const bool number = !dim.empty() && dim.find_first_not_of("0123456789") == std::string::npos;
  return number ? std::stoll(dim) : -1;
}

test::Facts seen_by_us(const onnx::Model& model) {
  test::Facts facts;
  for (const onnx::ValueInfo* input : onnx::open_inputs(model)) {
    std::string fact = input->name;
    if (input->elem_type != 0) {
      fact += fmt::format("|{}|", input->elem_type);
      for (const std::string& dim : input->dims) fact += fmt::format("{},", size_of_axis(dim));
    }
    facts.push_back(std::move(fact));
  }
  for (const onnx::ValueInfo& output : model.outputs) facts.push_back(output.name);
  return facts;
}

std::string difference(const test::Facts& others, const test::Facts& ours) {
  std::string text;
  std::vector<std::string> only;
  std::set_difference(others.begin(), others.end(), ours.begin(), ours.end(),
                      std::back_inserter(only));
  for (const std::string& fact : only) text += "others: " + fact + "\n";
  only.clear();
  std::set_difference(ours.begin(), ours.end(), others.begin(), others.end(),
                      std::back_inserter(only));
  for (const std::string& fact : only) text += "we:     " + fact + "\n";
  return text.empty() ? "the order\n" : text;
}

std::string all_findings(const ScanReport& report) {
  std::string text;
  for (const auto& finding : report.findings) text += finding.code + ": " + finding.what + "\n";
  return text;
}

struct Counts {
  std::uint64_t files = 0;
  std::uint64_t clean = 0;
  std::uint64_t loaded = 0;  // of the clean ones, by ONNX Runtime
};

// Compares all readings of a file. Returns what is wrong, or "".
std::string judge(const std::string& bytes, Counts& counts) {
  const MemoryInput input(test::bytes_of(bytes));
  ++counts.files;
  if (scan(input).result != ScanResult::clean) return "";
  ++counts.clean;
  const onnx::Model ours = onnx::read(input, {});
  ModelProto theirs;
  if (!theirs.ParseFromString(bytes)) return "protobuf refuses a clean file";
  const test::Facts seen = test::facts_of(theirs);
  const test::Facts own = test::facts_of(ours, input);
  if (seen != own) return "libonnx reads something else:\n" + difference(seen, own);
  if (const std::string danger = test::danger_in(theirs); !danger.empty()) {
    return "the clean file has " + danger;
  }
  const auto loaded = seen_by_onnxruntime(bytes);
  if (!loaded) return "";
  ++counts.loaded;
  if (*loaded != seen_by_us(ours)) {
    return "ONNX Runtime reads something else:\n" + testing::PrintToString(*loaded) + "\n" +
           testing::PrintToString(seen_by_us(ours));
  }
  return "";
}

std::vector<std::string> honest_files() {
  return {chain(),
          branches(),
          functions(),
          outside_weight(),
          text_of(our_bytes(false)),
          text_of(our_bytes(true))};
}

TEST(OnnxOracle, HonestFilesAreCleanAndReadAlike) {
  Counts counts;
  for (const std::string& bytes : honest_files()) {
    EXPECT_EQ(judge(bytes, counts), "");
    const ScanReport report = scan(MemoryInput(test::bytes_of(bytes)));
    EXPECT_EQ(to_string(report.result), "clean") << all_findings(report);
  }
  EXPECT_EQ(counts.clean, counts.files);
  EXPECT_GE(counts.loaded + 1, counts.files);  // not the one with weights in another file
}

TEST(OnnxOracle, ChangedFilesThatAreCleanAreReadAlike) {
  const char* wanted = std::getenv("AETHER2ONNX_ORACLE_FILES");
  const std::uint64_t files = wanted != nullptr ? std::stoull(wanted) : 6000;
  const std::vector<std::string> honest = honest_files();
  Counts counts;
  Counts forged;
  std::uint64_t wrong = 0;
  for (std::uint64_t seed = 0; seed < files && wrong < 10; ++seed) {
    const bool is_forged = seed % 2 == 1;
    test::Mutator mutator(honest[seed / 2 % honest.size()], seed);
    for (std::uint64_t i = 0; i < 1 + seed / 3 % 4; ++i) mutator.change_honestly();
    if (is_forged) {
      for (std::uint64_t i = 0; i < 1 + seed / 5 % 2; ++i) mutator.forge();
    }
    const std::string problem = judge(mutator.bytes(), is_forged ? forged : counts);
    EXPECT_EQ(problem, "") << "seed " << seed;
    wrong += problem.empty() ? 0 : 1;
  }
  RecordProperty("files", static_cast<int>(counts.files + forged.files));
  std::cout << fmt::format(
      "{} files as exporters differ: {} clean, {} run; {} forged files: {} clean, {} run\n",
      counts.files, counts.clean, counts.loaded, forged.files, forged.clean, forged.loaded);
  // An answer of "can't tell" for all would pass everything above.
  EXPECT_GE((counts.clean + forged.clean) * 10, files * 3);
  EXPECT_GE(counts.loaded * 10, files);
}

// --- honest exporters ---

TEST(OnnxExporters, WhatOnnxRuntimeOptimizesIsClean) {
  const test::TemporaryFolder folder;
  const std::string path = (folder / "optimized.onnx").string();
  environment();
  for (const auto level : {ORT_ENABLE_BASIC, ORT_ENABLE_EXTENDED, ORT_ENABLE_ALL}) {
    for (const std::string& bytes : {text_of(our_bytes(true)), chain(), branches(), functions()}) {
      Ort::SessionOptions options = options_of(level);
      options.SetOptimizedModelFilePath(path.c_str());
      { const Ort::Session session(environment(), bytes.data(), bytes.size(), options); }
      const ScanReport report = scan_file(path);
      EXPECT_EQ(to_string(report.result), "clean") << level << '\n' << all_findings(report);
      Counts counts;
      EXPECT_EQ(judge(test::read_text(path), counts), "");
      EXPECT_NO_THROW(inspect_file(path, {}));
      EXPECT_NO_THROW(check_file(path, {}));
    }
  }
}

// The file of the network's author, which PyTorch 2.7 exported.
TEST(OnnxExporters, TheAuthorsFileIsClean) {
  const auto path =
      std::filesystem::path(AETHER2ONNX_SHARED) / "checkpoints/aether_small_x2_fp16_author.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " isn't here";
  const ScanReport report = scan_file(path);
  EXPECT_EQ(to_string(report.result), "clean") << all_findings(report);
  Counts counts;
  EXPECT_EQ(judge(test::read_text(path), counts), "");
  EXPECT_EQ(counts.loaded, 1U);
  EXPECT_NO_THROW(inspect_file(path, {}));
}

}  // namespace
}  // namespace aether2onnx::onnx_oracle_test
