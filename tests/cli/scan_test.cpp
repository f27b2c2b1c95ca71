// The command scan as a user meets it.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program_fixture.h"

namespace aether2onnx::scan_test {
namespace {

using namespace std::string_literals;
using nlohmann::json;
using test::CommandResult;
using test::contains;

class ScanCommand : public test::ProgramTest {
 protected:
  void SetUp() override {
    save("good.pth");
    const std::string call = "\x80\x02(cos\nsystem\n(X\x0e\0\0\0rm -r \x1b[2J\r\n~*tRt."s;
    test::write_file(folder_ / "evil.pth",
                     tools::write_zip({{"a/data.pkl", call}, {"a/version", "3\n"}}));
    test::write_text(folder_ / "page.pth", "<html>not found</html>");
  }
};

TEST_F(ScanCommand, ExitCodes) {
  EXPECT_EQ(run("scan good.pth").exit_code, 0);
  EXPECT_EQ(run("scan evil.pth").exit_code, 1);
  EXPECT_EQ(run("scan page.pth").exit_code, 2);
  EXPECT_EQ(run("scan missing.pth").exit_code, 2);
  EXPECT_EQ(run("scan .").exit_code, 2);
  EXPECT_EQ(run("scan good.pth page.pth").exit_code, 2);
  EXPECT_EQ(run("scan evil.pth page.pth good.pth missing.pth").exit_code, 1);
  EXPECT_EQ(test::list_files(folder_.path()),
            (std::vector<std::string>{"evil.pth", "good.pth", "page.pth"}));
}

TEST_F(ScanCommand, TellsAPerson) {
  const CommandResult good = run("scan good.pth");
  EXPECT_TRUE(contains(good.out, "container   PyTorch zip")) << good.out;
  EXPECT_TRUE(contains(good.out, "harmless    collections.OrderedDict")) << good.out;
  EXPECT_TRUE(contains(good.out, "result      clean")) << good.out;
  EXPECT_EQ(good.err, "");
  const CommandResult evil = run("scan evil.pth");
  EXPECT_TRUE(contains(evil.out, "dangerous   os.system  (a/data.pkl, 1 time)")) << evil.out;
  EXPECT_TRUE(contains(evil.out, "would call os.system('rm -r \\x1b[2J\\x0d\\x0a~*')")) << evil.out;
  EXPECT_FALSE(contains(evil.out, "\x1b"));
  EXPECT_FALSE(contains(evil.out, "\r"));
  EXPECT_TRUE(contains(evil.out, "result      DANGEROUS")) << evil.out;
  const CommandResult page = run("scan page.pth");
  EXPECT_TRUE(contains(page.out, "a web page")) << page.out;
  EXPECT_TRUE(contains(page.out, "result      unknown")) << page.out;
  const CommandResult several = run("scan good.pth evil.pth missing.pth");
  EXPECT_TRUE(contains(several.out, "1 clean, 1 dangerous, 1 unknown")) << several.out;
  EXPECT_TRUE(contains(several.err, "missing.pth: there is no such file")) << several.err;
}

TEST_F(ScanCommand, QuietPrintsNothing) {
  const CommandResult evil = run("scan evil.pth --quiet");
  EXPECT_EQ(evil.exit_code, 1);
  EXPECT_EQ(evil.out + evil.err, "");
}

TEST_F(ScanCommand, Json) {
  const CommandResult result = run("scan evil.pth good.pth page.pth missing.pth --json --quiet");
  EXPECT_EQ(result.exit_code, 1);
  const json object = json::parse(result.out);
  EXPECT_EQ(object["status"], "ok");
  EXPECT_EQ(object["exit_code"], 1);
  EXPECT_EQ(object["clean"], 1);
  EXPECT_EQ(object["found"], 1);
  EXPECT_EQ(object["unclear"], 2);
  ASSERT_EQ(object["results"].size(), 4U);
  const json& evil = object["results"][0];
  EXPECT_EQ(evil["file"], "evil.pth");
  EXPECT_EQ(evil["result"], "found");
  EXPECT_EQ(evil["globals"][0]["name"], "os.system");
  EXPECT_EQ(evil["globals"][0]["verdict"], "dangerous");
  EXPECT_EQ(evil["calls"][0]["where"], "a/data.pkl");
  EXPECT_EQ(object["results"][1]["result"], "clean");
  EXPECT_EQ(object["results"][2]["findings"][0]["weight"], "unclear");
  EXPECT_EQ(object["results"][3]["result"], "unclear");
  EXPECT_EQ(object["results"][3]["error"]["kind"], "io");
}

TEST_F(ScanCommand, WrongUsage) {
  const CommandResult none = run("scan");
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_TRUE(contains(none.err, "no file was given")) << none.err;
  EXPECT_EQ(run("scan good.pth --nonsense").exit_code, 2);
  const CommandResult json_of = run("scan --json");
  EXPECT_EQ(json::parse(json_of.out)["error"]["kind"], "usage");
}

TEST_F(ScanCommand, AResultThatCannotBePrintedIsNotClean) {
  EXPECT_EQ(run("scan good.pth --json --quiet >/dev/full").exit_code, 2);
  EXPECT_EQ(run("scan evil.pth --json --quiet >/dev/full").exit_code, 1);
}

}  // namespace
}  // namespace aether2onnx::scan_test
