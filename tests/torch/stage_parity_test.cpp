// Checkpoints of the later generations, and quantized ones, that torch.save wrote: what the program
// says of them, and their models in ONNX Runtime and fused forms against PyTorch's own outputs.
// make_stage_cases.py makes the files; ctest runs it first.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "npy.h"
#include "onnxruntime.h"
#include "support.h"

namespace aether2onnx::stage_parity_test {
namespace {

using nlohmann::json;
using test::quoted;
using verify::FloatTensor;

const std::filesystem::path kCases = AETHER2ONNX_STAGE_CASES;

// Relative to the largest output.
constexpr double kTolerance = 1e-6;

// The options that decide what a checkpoint leaves open.
constexpr const char* kOptions[] = {"--generation", "--res_scale", "--norm_eps", "--img_range"};

struct Case {
  std::string name;
  json expected;
  std::vector<std::string> runs;  ///< Names of files with an input and an output.
};

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string& name : lines_of(kCases / "cases.txt")) {
    all.push_back({name, json::parse(test::read_text(kCases / (name + ".json"))),
                   lines_of(kCases / (name + ".txt"))});
  }
  EXPECT_GE(all.size(), 150U);
  return all;
}

bool is_refused(const Case& each) { return !each.expected["fails"].is_null(); }

std::vector<std::string> strings_in(const json& list) {
  return list.get<std::vector<std::string>>();
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += ' ' + quoted(word);
  return text;
}

test::CommandResult run_program(const std::string& arguments) {
  return test::run_shell(quoted(AETHER2ONNX_PROGRAM) + ' ' + arguments);
}

std::string checkpoint_of(const Case& each) { return (kCases / (each.name + ".pth")).string(); }

// What is said of a conversion to `model`; nothing, and a failure of the test, where it fails.
json convert(const std::string& checkpoint, const std::string& model, const std::string& options) {
  const test::CommandResult result =
      run_program(quoted(checkpoint) + ' ' + quoted(model) + " --json --dynamic_shapes" + options);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result.exit_code == 0 ? json::parse(result.out) : json();
}

void expect_outputs(const Case& each, const std::filesystem::path& model) {
  const verify::Session session = verify::OnnxRuntime::load({}).open(model);
  ASSERT_FALSE(each.runs.empty());
  for (const std::string& run : each.runs) {
    const test::Array input = test::load_npy(kCases / (run + ".in.npy"));
    const test::Array expected = test::load_npy(kCases / (run + ".out.npy"));
    const FloatTensor output =
        session.run({input.shape, std::vector<float>(input.values.begin(), input.values.end())});
    ASSERT_EQ(output.shape, expected.shape);
    double difference = 0;
    double magnitude = 0;
    for (std::size_t i = 0; i < expected.values.size(); ++i) {
      const double found = output.values.at(i);
      ASSERT_TRUE(std::isfinite(found));
      difference = std::max(difference, std::abs(found - expected.values[i]));
      magnitude = std::max(magnitude, std::abs(expected.values[i]));
    }
    EXPECT_GT(magnitude, 0.1) << run << ": an output of zeros would prove nothing";
    EXPECT_LE(difference, kTolerance * magnitude) << run;
  }
}

// A number, or one of several texts.
void expect_fact(const json& network, const char* name, const json& expected) {
  ASSERT_TRUE(network.contains(name)) << name;
  const json& found = network[name];
  if (expected.is_array()) {
    EXPECT_NE(std::find(expected.begin(), expected.end(), found), expected.end())
        << name << " is " << found << ", not one of " << expected;
  } else {
    EXPECT_EQ(found, expected) << name;
  }
}

void expect_warnings(const json& expected, const std::vector<std::string>& warnings) {
  std::vector<std::string> named;
  for (const std::string& warning : warnings) {
    EXPECT_EQ(warning.find('\n'), std::string::npos) << warning;
  }
  for (const std::string option : kOptions) {
    const auto count = std::count_if(warnings.begin(), warnings.end(), [&](const auto& warning) {
      return warning.find(option) != std::string::npos;
    });
    EXPECT_LE(count, 1) << option << " is named twice";
    if (count > 0) named.push_back(option);
  }
  std::vector<std::string> wanted = strings_in(expected["warns"]);
  std::sort(named.begin(), named.end());
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(named, wanted) << json(warnings);
  for (const std::string& claim : strings_in(expected["contradictions"])) {
    EXPECT_TRUE(
        std::any_of(warnings.begin(), warnings.end(),
                    [&](const auto& warning) { return warning.find(claim) != std::string::npos; }))
        << "no warning of " << claim << ": " << json(warnings);
  }
}

// What is decided without certainty is what warnings are about.
void expect_evidence(const json& expected, const json& evidence) {
  ASSERT_TRUE(evidence.is_array());
  bool has_generation = false;
  std::vector<std::string> open;
  for (const json& each : evidence) {
    EXPECT_FALSE(each["because"].get<std::string>().empty()) << each;
    has_generation = has_generation || each["what"] == "generation";
    if (!each["certain"].get<bool>()) open.push_back("--" + each["what"].get<std::string>());
  }
  EXPECT_TRUE(has_generation) << evidence;
  std::vector<std::string> wanted = strings_in(expected["warns"]);
  std::sort(open.begin(), open.end());
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(open, wanted) << evidence;
}

TEST(StageParity, EveryCaseIsRecognisedAndComputesTheSame) {
  for (const Case& each : cases()) {
    if (is_refused(each)) continue;
    SCOPED_TRACE(each.name);
    const json& expected = each.expected;
    const test::TemporaryFolder folder;
    const auto model = folder / "model.onnx";
    const json said =
        convert(checkpoint_of(each), model.string(), joined(strings_in(expected["options"])));
    if (said.is_null()) continue;

    const json& network = said["network"];
    for (const char* name :
         {"generation", "model_type", "scale", "fused", "quantization", "res_scale", "img_range",
          "norm_type", "norm_eps", "channel_attention", "spatial_attention"}) {
      expect_fact(network, name, expected[name]);
    }
    expect_warnings(expected, strings_in(said["warnings"]));
    EXPECT_TRUE(network.contains("evidence"));
    expect_evidence(expected, network.value("evidence", json()));
    expect_outputs(each, model);
  }
}

TEST(StageParity, ChannelsFirst) {
  int count = 0;
  std::string last;
  for (const Case& each : cases()) {
    // The first of each generation, and whatever has layer norms.
    const std::string generation = each.name.substr(0, each.name.find('_', 3));
    if (is_refused(each) ||
        (generation == last && each.name.find("layernorm") == std::string::npos)) {
      continue;
    }
    last = generation;
    SCOPED_TRACE(each.name);
    const test::TemporaryFolder folder;
    const auto model = folder / "model.onnx";
    const json said =
        convert(checkpoint_of(each), model.string(),
                joined(strings_in(each.expected["options"])) + " --graph_form channels_first");
    if (said.is_null()) continue;
    EXPECT_FALSE(said["onnx"]["operators"].contains("Transpose"));
    EXPECT_FALSE(said["onnx"]["operators"].contains("Reshape"));
    expect_outputs(each, model);
    ++count;
  }
  EXPECT_GE(count, 20);
}

TEST(StageParity, RefusalsSayWhyAndWriteNothing) {
  int count = 0;
  for (const Case& each : cases()) {
    if (!is_refused(each)) continue;
    SCOPED_TRACE(each.name);
    const test::TemporaryFolder folder;
    const test::CommandResult result =
        run_program(quoted(checkpoint_of(each)) + ' ' + quoted((folder / "model.onnx").string()) +
                    joined(strings_in(each.expected["options"])));
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_NE(result.err.find(each.expected["fails"].get<std::string>()), std::string::npos)
        << result.err;
    EXPECT_TRUE(test::list_files(folder.path()).empty());
    ++count;
  }
  EXPECT_GE(count, 3);
}

// The ONNX file with the hash of its source blotted out.
std::string anonymous(const std::filesystem::path& model, const json& said) {
  std::string bytes = test::read_text(model);
  const std::string hash = said["source"]["sha256"];
  const std::size_t at = bytes.find(hash);
  EXPECT_NE(at, std::string::npos);
  return at == std::string::npos ? "" : bytes.replace(at, hash.size(), std::string(64, '#'));
}

// A fused checkpoint notes the facts that were decided for the checkpoint that it is made of, so
// it is converted without options. In float32, since half precision doesn't hold the sums.
TEST(StageFused, ConvertToTheSameBytes) {
  int count = 0;
  for (const Case& each : cases()) {
    if (is_refused(each) || each.expected["quantization"] == "int8") continue;
    SCOPED_TRACE(each.name);
    const test::TemporaryFolder folder;
    const std::string options = joined(strings_in(each.expected["options"]));
    // Of the same name, since the model notes that of its source.
    const std::string fused = (folder / (each.name + ".pth")).string();
    const test::CommandResult result = run_program("fuse " + quoted(checkpoint_of(each)) + ' ' +
                                                   quoted(fused) + options + " --dtype float32");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    if (result.exit_code != 0) continue;
    const json direct = convert(checkpoint_of(each), (folder / "direct.onnx").string(), options);
    const json by_way = convert(fused, (folder / "by_way.onnx").string(), "");
    if (direct.is_null() || by_way.is_null()) continue;
    EXPECT_TRUE(by_way["network"]["fused"].get<bool>());
    expect_fact(by_way["network"], "generation", direct["network"]["generation"]);
    // An assumption stays one. What an option decided becomes one, unless the file says the same.
    const std::vector<std::string> open = strings_in(each.expected["warns"]);
    const std::vector<std::string> warnings = strings_in(by_way["warnings"]);
    for (const std::string option : kOptions) {
      const auto names_it = [&option](const std::string& text) {
        return text.find(option) != std::string::npos;
      };
      const auto named = std::count_if(warnings.begin(), warnings.end(), names_it);
      EXPECT_LE(named, names_it(options) || std::count(open.begin(), open.end(), option));
      if (option == "--norm_eps") continue;  // no option changes it once it is part of the weights
      EXPECT_GE(named, std::count(open.begin(), open.end(), option)) << option << json(warnings);
    }
    EXPECT_GE(warnings.size(), open.size()) << json(warnings);
    EXPECT_TRUE(anonymous(folder / "direct.onnx", direct) ==
                anonymous(folder / "by_way.onnx", by_way));
    ++count;
  }
  EXPECT_GE(count, 130);
}

// The weights of a network in int8, dequantized into a checkpoint of their own.
TEST(StageFused, DequantizedOnesComputeTheSame) {
  int count = 0;
  for (const Case& each : cases()) {
    if (is_refused(each) || each.expected["quantization"] != "int8") continue;
    SCOPED_TRACE(each.name);
    const test::TemporaryFolder folder;
    const std::string fused = (folder / "fused.pth").string();
    const test::CommandResult result =
        run_program("fuse " + quoted(checkpoint_of(each)) + ' ' + quoted(fused) +
                    joined(strings_in(each.expected["options"])));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto model = folder / "model.onnx";
    if (result.exit_code != 0 || convert(fused, model.string(), "").is_null()) continue;
    expect_outputs(each, model);
    ++count;
  }
  EXPECT_GE(count, 15);
}

TEST(StageFused, PyTorchLoadsThemStrictlyAndComputesTheSame) {
  const test::TemporaryFolder folder;
  std::ptrdiff_t files = 0;
  for (const Case& each : cases()) {
    if (is_refused(each)) continue;
    const std::string options = joined(strings_in(each.expected["options"]));
    for (const char* extension : {".pth", ".safetensors"}) {
      const test::CommandResult result =
          run_program("fuse " + quoted(checkpoint_of(each)) + ' ' +
                      quoted((folder / (each.name + extension)).string()) + options);
      EXPECT_EQ(result.exit_code, 0) << each.name << ": " << result.err;
      ++files;
    }
  }
  const test::CommandResult result =
      test::run_shell("OMP_NUM_THREADS=1 " + quoted(AETHER2ONNX_PYTHON) + ' ' +
                      quoted(AETHER2ONNX_CHECK_FUSED_STAGES) + ' ' + quoted(kCases.string()) + ' ' +
                      quoted(folder.path().string()));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), files) << result.out;
}

}  // namespace
}  // namespace aether2onnx::stage_parity_test
