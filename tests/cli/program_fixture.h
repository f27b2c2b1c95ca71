/// @file
/// The program in a temporary folder.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::test {

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class ProgramTest : public testing::Test {
 protected:
  // Writes a small network with random weights.
  void save(const std::string& name, const tools::NetworkShape& shape = {},
            const tools::CheckpointLayout& layout = {}, std::uint64_t seed = 5) const {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
    tools::fill_random(tensors, seed);
    write_file(folder_ / name, tools::write_checkpoint(tensors, layout));
  }

  // Runs the program in the temporary folder.
  CommandResult run(const std::string& arguments) const {
    return run_shell("cd " + quoted(folder_.path().string()) + " && " +
                     quoted(AETHER2ONNX_PROGRAM) + " " + arguments);
  }

  // Expects failure, a message with `text`, and nothing new in the folder.
  void expect_failure(const std::string& arguments, int exit_code, const std::string& text) const {
    const std::vector<std::string> before = list_files(folder_.path());
    const CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << arguments << '\n' << result.err;
    EXPECT_TRUE(contains(result.err, text)) << arguments << '\n' << result.err;
    EXPECT_TRUE(result.err.starts_with("error: ")) << result.err;
    EXPECT_LE(std::count(result.err.begin(), result.err.end(), '\n'), 3) << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << arguments;
  }

  bool has(const std::string& name) const { return std::filesystem::exists(folder_ / name); }

  TemporaryFolder folder_;
};

// The program beside model.pth, a small network.
class ModelProgramTest : public ProgramTest {
 protected:
  void SetUp() override { save("model.pth"); }
};

}  // namespace aether2onnx::test
