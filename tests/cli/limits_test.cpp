// --limit, in every command that reads a file.

#include <gtest/gtest.h>

#include "program_fixture.h"

namespace aether2onnx::limits_test {
namespace {

using test::CommandResult;
using test::contains;
using test::quoted;

class LimitsOption : public test::ModelProgramTest {};

TEST_F(LimitsOption, OfEveryCommand) {
  for (const char* command : {"model.pth out.onnx", "fuse model.pth out.pth", "inspect model.pth",
                              "model.pth --output_dir new"}) {
    const CommandResult result = run(std::string(command) + " --limit pickle_values=20");
    EXPECT_EQ(result.exit_code, 1) << command;
    EXPECT_TRUE(contains(result.err, "over 20 values")) << result.err;
    EXPECT_TRUE(contains(result.err, "--limit pickle_values=N")) << result.err;
  }
  EXPECT_EQ(run("scan model.pth --limit pickle_values=20").exit_code, 2);
  EXPECT_EQ(test::list_files(folder_.path()), (std::vector<std::string>{"model.pth"}));
  EXPECT_EQ(run("model.pth out.onnx --limit pickle_values=3000000 --limit archive_entries=300000")
                .exit_code,
            0);
  const CommandResult checked = run("check out.onnx --limit onnx_parts=5");
  EXPECT_EQ(checked.exit_code, 1);
  EXPECT_TRUE(contains(checked.err, "--limit onnx_parts=N")) << checked.err;
}

TEST_F(LimitsOption, WrongOnes) {
  for (const char* value :
       {"pickle_values", "pickle_values=", "pickle_values=-1", "pickle_values=1e6", "=5",
        "nothing=5", "pickle_values=0", "pickle_values=99999999999999999999"}) {
    for (const char* command : {"model.pth out.onnx", "scan model.pth", "inspect model.pth"}) {
      const CommandResult result = run(std::string(command) + " --limit " + quoted(value));
      EXPECT_EQ(result.exit_code, 2) << value << '\n' << result.err;
      EXPECT_TRUE(contains(result.err, "--limit")) << result.err;
    }
  }
  EXPECT_TRUE(contains(run("scan model.pth --limit x=1").err, "archive_entries, ")) << "no list";
}

}  // namespace
}  // namespace aether2onnx::limits_test
