// The table of targets: names and versions. docs/targets.md must be equal to the table.

#include <aether2onnx/aether2onnx.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "judge/targets.h"
#include "support.h"

namespace aether2onnx::targets_table_test {
namespace {

using test::catch_error;

// --- names --------------------------------------------------------------------------------------

TEST(Targets, EveryNameIsReadAgain) {
  EXPECT_EQ(targets().size(), 17U);
  for (const TargetInfo& info : targets()) {
    EXPECT_EQ(parse_target(info.name).target, info.target);
    EXPECT_EQ(to_string(info.target), info.name);
    EXPECT_FALSE(info.title.empty());
    EXPECT_FALSE(info.program.empty());
    EXPECT_FALSE(info.source.empty());
    ASSERT_FALSE(info.precisions.empty());
    EXPECT_EQ(&judge::row_of(info.target),
              &judge::target_rows()[static_cast<std::size_t>(info.target)]);
  }
  EXPECT_EQ(parse_target("trtexec").target, Target::tensorrt);
  EXPECT_EQ(parse_target("TensorRT-RTX").target, Target::tensorrt_rtx);
  EXPECT_EQ(parse_target("vsmlrt_ov").target, Target::vsmlrt_ov);
  EXPECT_EQ(to_string(parse_target("trtexec:10.3")), "tensorrt:10.3");
  EXPECT_EQ(to_string(parse_target("tensorrt-rtx:1.7")), "tensorrt-rtx:1.7");
}

TEST(Targets, UnknownNamesGetTheNearest) {
  const auto message = [](const char* text) {
    const auto caught = catch_error([&] { parse_target(text); });
    EXPECT_EQ(caught.kind, ErrorKind::usage) << text;
    EXPECT_EQ(caught.code, "option-choice") << text;
    return caught.message;
  };
  EXPECT_NE(message("tensort").find("nearest names: tensorrt"), std::string::npos);
  EXPECT_NE(message("vsmlr").find("nearest names: vsmlrt"), std::string::npos);
  EXPECT_NE(message("openvno").find("nearest names: openvino"), std::string::npos);
  EXPECT_NE(message("comfy").find("nearest names: comfyui"), std::string::npos);
  const std::string none = message("photoshop-plugin");
  EXPECT_EQ(none.find("nearest"), std::string::npos);
  EXPECT_NE(none.find("chainner"), std::string::npos);
  message("");
  message("TensorRT\x1b[31m");
}

TEST(Targets, VersionsAreThoseOfTheProgram) {
  const auto code = [](const char* text) { return catch_error([&] { parse_target(text); }).code; };
  for (const char* text : {"tensorrt:", "tensorrt:x", "tensorrt:8.", "vsmlrt:3", "ncnn:1",
                           "tensorrt-rtx:1.4", "tensorrt:1.7", "tensorrt-rtx:10.3"}) {
    EXPECT_EQ(code(text), "option-version") << text;
  }
  const auto rtx = catch_error([] { parse_target("tensorrt:1.7"); });
  EXPECT_NE(rtx.message.find("Write tensorrt-rtx:1.7."), std::string::npos) << rtx.message;
  for (const char* text : {"tensorrt:8.4", "tensorrt:11", "tensorrt-rtx:1", "tensorrt-rtx:1.5.0",
                           "onnxruntime:1.20", "onnxruntime-cuda:1.29"}) {
    EXPECT_NO_THROW(parse_target(text)) << text;
  }
}

// --- docs/targets.md ----------------------------------------------------------------------------

std::string settings_text(const TargetInfo& info) {
  const TargetChoice choice = choose_for({{info.target, ""}}, {});
  std::vector<std::string> parts;
  for (const TargetChoice::Setting& setting : choice.settings) {
    parts.push_back(fmt::format("`--{} {}`", setting.option, setting.value));
  }
  return fmt::format("{}", fmt::join(parts, "<br>"));
}

std::string reasons_text(const TargetInfo& info) {
  const TargetChoice choice = choose_for({{info.target, ""}}, {});
  std::string text = fmt::format("\n### {}\n\n- Precisions: ", info.name);
  std::vector<std::string> modes;
  for (const Precision precision : info.precisions) {
    modes.push_back(fmt::format("`{}`", to_string(precision)));
  }
  text += fmt::format("{}.\n- Source: {}.\n", fmt::join(modes, ", "), info.source);
  for (const TargetChoice::Setting& setting : choice.settings) {
    text += fmt::format("- `--{} {}`: {}.\n", setting.option, setting.value, setting.why);
  }
  return text;
}

constexpr const char* kWhy = R"(
## Why

Below, each target has a list with the precisions that the target runs (the preferred precision first), the source of
our facts about the target, and the reason for each option that `convert --for TARGET` sets. Each reason begins with the
name of the target that prefers the option's value, because the values for `vsmlrt-any` come from several targets.
)";

// The part of docs/targets.md between its marks.
std::string tables() {
  std::string text =
      "| target | program | versions | `convert --for` sets |\n| --- | --- | --- | --- |\n";
  for (const TargetInfo& info : targets()) {
    text += fmt::format("| `{}` | {} | {} | {} |\n", info.name, info.program,
                        info.has_versions ? info.versions : "", settings_text(info));
  }
  text += kWhy;
  for (const TargetInfo& info : targets()) text += reasons_text(info);
  return text;
}

TEST(Targets, TheDocumentIsTheTable) {
  const std::filesystem::path path =
      std::filesystem::path(AETHER2ONNX_TEST_DATA) / ".." / ".." / "docs" / "targets.md";
  const std::string begin =
      "<!-- The table of targets; see tests/unit/targets_table_test.cpp. -->\n";
  const std::string end = "<!-- End of the table. -->\n";
  std::string page = test::read_text(path);
  const std::size_t from = page.find(begin);
  const std::size_t to = page.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos && from < to);
  const std::size_t first = from + begin.size();
  if (std::getenv("AETHER2ONNX_UPDATE_GOLDEN") != nullptr) {
    page.replace(first, to - first, tables());
    test::write_text(path, page);
    return;
  }
  EXPECT_EQ(page.substr(first, to - first), tables())
      << "If the change of the table is meant, run this test with AETHER2ONNX_UPDATE_GOLDEN=1 and "
         "commit docs/targets.md.";
}

}  // namespace
}  // namespace aether2onnx::targets_table_test
