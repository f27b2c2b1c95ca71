// The ONNX files of the corpus: read, checked and inspected. (corpus_test.cpp scans them.)

#include <gtest/gtest.h>

#include <algorithm>

#include "formats/onnx/onnx.h"
#include "onnx_cases.h"
#include "support.h"

namespace aether2onnx::corpus::onnx_test {
namespace {

using test::catch_error;

const std::vector<OnnxCase>& the_files() {
  static const std::vector<OnnxCase> files = onnx_cases();
  return files;
}

class OnnxFile : public testing::TestWithParam<std::size_t> {
 protected:
  const OnnxCase& file() const { return the_files().at(GetParam()); }
};

TEST_P(OnnxFile, IsReadOrRefusedAsStated) {
  const MemoryInput input(test::bytes_of(file().bytes));
  const auto reading = catch_error([&] { onnx::read(input, {}); });
  EXPECT_EQ(reading.code, file().read) << file().reason << '\n' << reading.message;
  EXPECT_EQ(catch_error([&] { inspect(input, {}); }).code, file().read);
  CheckReport report;
  EXPECT_EQ(catch_error([&] { report = check(input, {}); }).code, file().read);
  if (file().check.empty()) return;
  const bool found =
      std::any_of(report.findings.begin(), report.findings.end(),
                  [this](const Finding& finding) { return finding.code == file().check; });
  std::string codes;
  for (const Finding& finding : report.findings) codes += finding.code + ": " + finding.what + "\n";
  EXPECT_TRUE(found) << file().reason << '\n' << codes;
}

// What scan finds, an inspection shows as well: the operator, or the file.
TEST_P(OnnxFile, IsShownByInspect) {
  if (file().scan != ScanResult::found || file().check.empty()) return;
  const MemoryInput input(test::bytes_of(file().bytes));
  const Inspection inspection = inspect(input, {});
  ASSERT_TRUE(inspection.onnx);
  const auto& operators = inspection.onnx->operators;
  const bool loads = std::any_of(operators.begin(), operators.end(), [](const auto& known) {
    return known.first == "com.microsoft.EPContext" || known.first == "com.microsoft.PythonOp" ||
           known.first == "any.domain.PyOp" || known.first == "org.pytorch.aten.ATen";
  });
  const auto& files = inspection.onnx->external_files;
  const bool outside = std::any_of(files.begin(), files.end(),
                                   [](const std::string& name) { return !onnx::is_beside(name); });
  EXPECT_TRUE(loads || outside) << file().reason;
}

INSTANTIATE_TEST_SUITE_P(Corpus, OnnxFile, testing::Range(std::size_t{0}, the_files().size()),
                         [](const auto& file) { return the_files().at(file.param).name; });

TEST(OnnxFiles, AreOfEveryClass) {
  EXPECT_GE(the_files().size(), 100U);
  const auto count = [](ScanResult result) {
    return std::count_if(the_files().begin(), the_files().end(),
                         [result](const OnnxCase& file) { return file.scan == result; });
  };
  EXPECT_GE(count(ScanResult::found), 30);
  EXPECT_GE(count(ScanResult::unclear), 40);
  EXPECT_GE(count(ScanResult::clean), 20);
}

}  // namespace
}  // namespace aether2onnx::corpus::onnx_test
