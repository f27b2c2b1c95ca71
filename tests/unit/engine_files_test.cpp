// ONNX files for which engine prints no command, or a command without the profile in the file.

#include <aether2onnx/aether2onnx.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine_models.h"
#include "judge/engine/engine.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::engine_files_test {
namespace {

using test::any_contains;
using test::catch_error;
using test::Caught;
using test::contains;
using test::file_of;
using test::has;
using test::kFloat;
using test::model_of;

TEST(EngineModelOfAFile, AProfileThatDoesntFitIsNotTaken) {
  const std::vector<std::pair<std::string, std::string>> profiles = {
      {"min_shape", ""},
      {"min_shape", "input"},
      {"min_shape", "input:"},
      {"min_shape", "input:1x3x32"},
      {"min_shape", "input:1x3x32x32x1"},
      {"min_shape", "input:1x3x32x32x"},
      {"min_shape", "input:x1x3x32x32"},
      {"min_shape", "input:1x3x-32x32"},
      {"min_shape", "input:1x3x0x32"},
      {"min_shape", "input:1x3x99999999999999999999x32"},
      {"min_shape", "input:1x3x32x32 --saveEngine=/etc/passwd"},
      {"min_shape", "other:1x3x32x32"},
      {"min_shape", "input:1x4x32x32"},
      {"min_shape", "input:1x3x128x32"},     // above opt
      {"max_shape", "input:4x3x65537x320"},  // above every limit
      {"max_shape", "input:4x3x32x320"},     // below opt
      {"opt_shape", "\x1b[31m"},
  };
  for (const auto& [key, value] : profiles) {
    onnx::Model file = file_of("fp32", false, true);
    for (auto& [name, text] : file.metadata) {
      if (name == key) text = value;
    }
    const EngineModel model = model_of(file);
    EXPECT_NE(model.profile_problem, "") << value;
    EXPECT_FALSE(contains(model.profile_problem, "\x1b"));
    const Caught caught = catch_error([&] { trtexec_command(model, {}); });
    EXPECT_EQ(caught.kind, ErrorKind::usage) << value;
    EXPECT_EQ(caught.code, "engine-no-profile");
    EXPECT_TRUE(contains(caught.message, "opt_height")) << caught.message;
  }
  onnx::Model without = file_of("fp32", false, true);
  without.metadata.clear();
  EXPECT_TRUE(contains(model_of(without).profile_problem, "no range"));
  EXPECT_THROW(onnxruntime_options(model_of(without), {}), Error);
  EXPECT_THROW(vsmlrt_call(model_of(without), {}), Error);
}

TEST(EngineModelOfAFile, AFixedAxisMustBeInItsProfile) {
  onnx::Model file = file_of("fp32", false, true);
  file.inputs[0].dims = {"1", "3", "height", "80"};
  EXPECT_TRUE(contains(model_of(file).profile_problem, "is fixed to")) << "batch goes to 4";
  file.metadata = {{"min_shape", "input:1x3x32x80"},
                   {"opt_shape", "input:1x3x64x80"},
                   {"max_shape", "input:1x3x96x80"}};
  EXPECT_EQ(model_of(file).profile_problem, "");
  EXPECT_TRUE(has(trtexec_command(model_of(file), {}).arguments, "--maxShapes=input:1x3x96x80"));
}

TEST(EngineModelOfAFile, InputsThatAreNoImagesAreRefused) {
  const auto expect = [](const onnx::Model& file, const std::string& code,
                         const std::string& text = "") {
    const Caught caught = catch_error([&] { judge::engine::describe(file); });
    EXPECT_EQ(caught.code, code) << caught.message;
    EXPECT_TRUE(contains(caught.message, text)) << caught.message;
    EXPECT_FALSE(contains(caught.message, "\x1b"));
  };
  onnx::Model file = file_of("fp32", false, true);
  file.inputs.clear();
  expect(file, "engine-inputs", "no input");
  file = file_of("fp32", false, true);
  file.inputs.push_back({"second", kFloat, {"1"}});
  expect(file, "engine-inputs", "2 inputs");
  file = file_of("fp32", false, true);
  file.inputs.push_back({"w", kFloat, {"8", "3", "3", "3"}});  // has a value in the file
  EXPECT_NO_THROW(judge::engine::describe(file));
  for (const std::vector<std::string>& dims :
       std::vector<std::vector<std::string>>{{},
                                             {"1", "3", "64"},
                                             {"1", "channels", "64", "64"},
                                             {"1", "", "64", "64"},
                                             {"1", "0", "64", "64"},
                                             {"1", "-3", "64", "64"},
                                             {"1", "3\x1b", "64", "64"},
                                             {"1", "3", "64", "64", "1"}}) {
    file = file_of("fp32", false, true);
    file.inputs[0].dims = dims;
    expect(file, "engine-input-shape", "fixed number of channels");
  }
  for (const char* size : {"0", "-1", "99999999999999999999"}) {
    file = file_of("fp32", false, false);
    file.inputs[0].dims[2] = size;
    expect(file, "engine-input-shape", "is no valid size");
  }
  for (const int type : {0, 2, 7, 11, 99}) {
    file = file_of("fp32", false, false);
    file.inputs[0].elem_type = type;
    expect(file, "engine-input-type");
  }
  file = file_of("fp32", false, false);
  file.outputs.clear();
  expect(file, "engine-no-output");
  for (const std::int64_t opset : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 40U}) {
    file = file_of("fp32", false, false);
    file.opsets = {{"", opset}};
    expect(file, "engine-no-opset");
  }
}

TEST(EngineModelOfAFile, NamesThatMeanSomethingInAProfileAreRefused) {
  for (const char* name : {"", "a:b", "a,b", "in*", "'input'", "in put", "in\nput", "in\x1b[31m"}) {
    onnx::Model file = file_of("fp32", false, true);
    file.inputs[0].name = name;
    const Caught caught = catch_error([&] { judge::engine::describe(file); });
    EXPECT_EQ(caught.kind, ErrorKind::unsupported) << name;
    EXPECT_EQ(caught.code, "engine-input-name") << name;
    EXPECT_FALSE(contains(caught.message, "\x1b"));
    // A static model is built without its name.
    file = file_of("fp32", false, false);
    file.inputs[0].name = name;
    EXPECT_NO_THROW(trtexec_command(model_of(file), {})) << name;
  }
}

TEST(EngineModelOfAFile, OtherFilesAreRefused) {
  const test::TemporaryFolder folder;
  const auto expect = [&](const std::string& name, ErrorKind kind) {
    const Caught caught = catch_error([&] { read_engine_model(folder / name); });
    EXPECT_TRUE(caught.thrown) << name;
    EXPECT_EQ(caught.kind, kind) << caught.message;
    EXPECT_TRUE(contains(caught.message, name)) << caught.message;
  };
  expect("missing.onnx", ErrorKind::io);
  test::write_text(folder / "text.onnx", "hello");
  expect("text.onnx", ErrorKind::unsupported);
  test::write_text(folder / "cut.onnx", std::string_view("\x08\x08\x12\x7f", 4));
  expect("cut.onnx", ErrorKind::malformed);
}

TEST(EngineModelOfAFile, WeightsMustLieBesideIt) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 9);
  const test::TemporaryFolder folder;
  test::write_file(folder / "net.pth", tools::write_checkpoint(tensors));
  ConvertOptions options;
  options.external_data_threshold = 1000;
  const ConvertReport report = convert_file(folder / "net.pth", folder / "net.onnx", options);
  const EngineModel model = read_engine_model(folder / "net.onnx");
  EXPECT_EQ(model.external_files, std::vector<std::string>{"net.onnx.data"});
  EXPECT_EQ(model.external_files, engine_model(report).external_files);
  EXPECT_TRUE(any_contains(trtexec_command(model, {}).notes, "net.onnx.data"));
  std::filesystem::remove(folder / "net.onnx.data");
  EXPECT_EQ(catch_error([&] { read_engine_model(folder / "net.onnx"); }).kind, ErrorKind::io);
}

}  // namespace
}  // namespace aether2onnx::engine_files_test
