// The reference in docs/ against the program: every option, and every field of --json.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::reference_test {
namespace {

using nlohmann::json;
using test::CommandResult;
using test::quoted;

const std::string kProgram = quoted(AETHER2ONNX_PROGRAM);
const std::string kDocs = std::string(AETHER2ONNX_TEST_DATA) + "/../../docs/";

TEST(Reference, DocsHaveWhatTheProgramPrints) {
  for (const char* part : {"options", "json"}) {
    EXPECT_EQ(test::read_text(kDocs + part + ".md"),
              test::run_shell(kProgram + " manual " + part).out)
        << "write it anew: aether2onnx manual " << part << " > docs/" << part << ".md";
  }
}

// The documented fields by heading.
std::map<std::string, std::set<std::string>> documented() {
  std::map<std::string, std::set<std::string>> fields;
  std::istringstream lines(test::run_shell(kProgram + " manual json").out);
  std::string heading;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("## ")) heading = line.substr(3);
    if (line.starts_with("| `")) fields[heading].insert(line.substr(3, line.find('`', 3) - 3));
  }
  return fields;
}

// All paths in `value`, "results[].file", with those of objects and lists themselves.
void collect(const json& value, const std::string& path, std::set<std::string>& paths) {
  if (!path.empty()) paths.insert(path);
  if (value.is_array()) {
    for (const json& entry : value) collect(entry, path + "[]", paths);
  }
  if (!value.is_object()) return;
  for (const auto& [name, entry] : value.items()) {
    collect(entry, path.empty() ? name : path + "." + name, paths);
  }
}

class JsonReference : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
    tools::fill_random(tensors, 5);
    test::write_file(folder_ / "model.pth", tools::write_checkpoint(tensors));
    test::write_text(folder_ / "bad.pth", "hello\n");
  }

  json run(const std::string& arguments) const {
    const CommandResult result = test::run_shell("cd " + quoted(folder_.path().string()) + " && " +
                                                 kProgram + " " + arguments + " --json");
    const json object = json::parse(result.out, nullptr, false);
    EXPECT_TRUE(object.is_object()) << arguments << '\n' << result.out << result.err;
    return object;
  }

  // Every field of the objects is documented, and every documented field is in one of them.
  void expect_documented(const std::string& heading, const std::vector<json>& objects,
                         bool is_part = false) {
    std::set<std::string> known = fields_.at(heading);
    if (!is_part) known.merge(std::set<std::string>(fields_.at("Every result")));
    std::set<std::string> found;
    for (const json& object : objects) collect(object, "", found);
    for (const std::string& path : known) {
      EXPECT_TRUE(found.contains(path)) << heading << ": no output has " << path;
    }
    for (const std::string& path : found) {
      const bool is_known = std::any_of(known.begin(), known.end(), [&](const std::string& field) {
        // A documented field covers what is below it, and is announced by what is above it.
        return path == field || path.starts_with(field + ".") || path.starts_with(field + "[]") ||
               field.starts_with(path + ".") || field.starts_with(path + "[]");
      });
      EXPECT_TRUE(is_known) << heading << ": not documented: " << path;
    }
  }

  std::map<std::string, std::set<std::string>> fields_ = documented();
  test::TemporaryFolder folder_;
};

TEST_F(JsonReference, HasEveryField) {
  const json converted = run("model.pth out.onnx");
  expect_documented("convert", {converted});
  expect_documented("Source", {converted["source"]}, true);
  expect_documented("Network", {converted["network"]}, true);
  expect_documented("convert with --dry_run", {run("model.pth out.onnx --dry_run")});
  json batch = run("model.pth bad.pth --output_dir out");
  for (json& result : batch["results"]) {
    result = {
        {"input", result["input"]}, {"result", result["result"]}, {"seconds", result["seconds"]}};
  }
  expect_documented("convert with several checkpoints", {batch});
  expect_documented("fuse", {run("fuse model.pth")});
  expect_documented("inspect", {run("inspect model.pth"), run("inspect out.onnx --tensors")});
  expect_documented("scan", {run("scan model.pth bad.pth missing.pth")});
  ASSERT_EQ(run("model.pth dynamic.onnx --dynamic_shapes --fp_mode fp16")["status"], "ok");
  expect_documented("check", {run("check dynamic.onnx")});
  expect_documented("engine",
                    {run("engine dynamic.onnx"), run("engine out.onnx --for onnxruntime")});
  expect_documented("Failure", {run("bad.pth")});
}

#ifdef AETHER2ONNX_WITH_PICTURES
TEST_F(JsonReference, HasEveryFieldOfWhatOnnxRuntimeComputes) {
  ASSERT_EQ(run("model.pth out.onnx --shape 1x3x16x16")["status"], "ok");
  expect_documented("verify", {run("verify out.onnx --against model.pth")});
  const std::string picture = quoted(kDocs + "../examples/picture.png");
  expect_documented("upscale", {run("upscale model.pth bad.pth " + picture +
                                    " --output pictures --compare page.html")});
}
#endif

}  // namespace
}  // namespace aether2onnx::reference_test
