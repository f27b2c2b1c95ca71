// Every file of the hostile corpus, converted, inspected and scanned: it is refused with its own
// message or read as stated; nothing crashes, hangs or leaves a file.

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <set>

#include "corpus.h"
#include "support.h"

namespace aether2onnx::corpus::corpus_test {
namespace {

using test::catch_error;
using test::Caught;

const Cases& the_cases() {
  static const Cases cases = all_cases();
  return cases;
}

// Seconds of processor time. 2 are promised; a test may run with sanitizers, or count lines.
#ifdef AETHER2ONNX_SANITIZED
constexpr double kHang = 30;
#else
constexpr double kHang = 10;
#endif

template <typename Work>
Caught timed(const std::string& what, Work work) {
  const std::clock_t start = std::clock();
  const Caught caught = catch_error(work);
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, kHang) << what;
  EXPECT_FALSE(caught.thrown && caught.kind == ErrorKind::internal) << what << caught.message;
  return caught;
}

class CorpusFile : public testing::TestWithParam<std::size_t> {
 protected:
  const Case& file() const { return the_cases().at(GetParam()); }
};

bool has_control_characters(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f;
  });
}

TEST_P(CorpusFile, IsReadOrRefusedAsStated) {
  const test::TemporaryFolder folder;
  const std::filesystem::path path = folder / (file().name + ".pth");
  test::write_file(path, file().bytes);
  ConvertReport report;
  const Caught converted =
      timed("convert", [&] { report = convert_file(path, folder / "model.onnx", {}); });
  if (!file().anything) {
    EXPECT_EQ(converted.thrown, file().error.has_value()) << converted.message;
    if (converted.thrown && file().error) {
      EXPECT_EQ(to_string(converted.kind), to_string(*file().error)) << converted.message;
      if (!file().code.empty()) {
        EXPECT_EQ(converted.code, file().code) << converted.message;
      }
      const bool told =
          converted.code == file().text || converted.message.find(file().text) != std::string::npos;
      EXPECT_TRUE(told) << converted.code << ": " << converted.message;
      const bool named = converted.kind == ErrorKind::io ||
                         converted.message.find(file().name) != std::string::npos;
      EXPECT_TRUE(named) << converted.message;
    }
  }
  EXPECT_FALSE(has_control_characters(converted.message)) << converted.message;
  std::vector<std::string> expected = {file().name + ".pth"};
  if (!converted.thrown) expected.insert(expected.begin(), "model.onnx");
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(test::list_files(folder.path()), expected);
  EXPECT_EQ(test::read_file(path), file().bytes);
}

TEST_P(CorpusFile, IsInspected) {
  const MemoryInput input(file().bytes);
  InspectOptions options;
  options.tensors = true;
  timed("inspect", [&] { inspect(input, options); });
}

TEST_P(CorpusFile, IsScannedAsStated) {
  const MemoryInput input(file().bytes);
  ScanReport report;
  const Caught caught = timed("scan", [&] { report = scan(input); });
  EXPECT_FALSE(caught.thrown) << caught.message;
  std::string told;
  for (const auto& global : report.globals) told += global.name + "\n";
  for (const auto& call : report.calls) told += call.text + "\n";
  for (const auto& finding : report.findings) told += finding.code + ": " + finding.what + "\n";
  if (file().anything) {
    EXPECT_NE(report.result, ScanResult::clean) << told;
  } else {
    EXPECT_EQ(to_string(report.result), to_string(file().scan)) << told;
  }
  EXPECT_FALSE(has_control_characters(told)) << told;
}

INSTANTIATE_TEST_SUITE_P(Corpus, CorpusFile, testing::Range(std::size_t{0}, the_cases().size()),
                         [](const auto& file) { return the_cases().at(file.param).name; });

TEST(Corpus, IsLargeEnoughAndHasEachNameOnce) {
  std::set<std::string> names;
  std::size_t stated = 0;
  for (const Case& file : the_cases()) {
    EXPECT_TRUE(names.insert(file.name).second) << file.name;
    stated += file.anything ? 0 : 1;
  }
  EXPECT_GE(stated, 250U);
}

}  // namespace
}  // namespace aether2onnx::corpus::corpus_test
