// Every loader on every file, and the budget of a scan's work. The hostile corpus has the files
// that are more than one thing; here are the rules themselves, and honest files that come close.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/limits.h"
#include "checkpoint_writer.h"
#include "formats/file_kind.h"
#include "formats/pickle/skim.h"
#include "formats/zip/zip.h"
#include "judge/scan/scan.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::readings_test {
namespace {

using namespace std::string_literals;
using formats::FileKind;

bool has_finding(const ScanReport& report, const std::string& code) {
  return std::any_of(report.findings.begin(), report.findings.end(),
                     [&](const auto& finding) { return finding.code == code; });
}

std::string little(std::uint64_t number, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(number >> (8 * i) & 0xffU);
  return bytes;
}

Context with_work(std::uint64_t units) {
  Context context;
  set_limit(context.limits, "scan_work", units);
  return context;
}

// --- tar ---

// A header with that text as its checksum; `others` is the sum of the other bytes.
std::string tar_header(const std::string& checksum, std::size_t ones) {
  std::string block(512, '\0');
  std::fill_n(block.begin() + 200, ones, '\x01');
  return block.replace(148, checksum.size(), checksum);
}

bool opens(const std::string& file) {
  return formats::opens_as_tar(MemoryInput(test::bytes_of(file)));
}

// What tarfile of CPython 3.6 to 3.13 opens and refuses.
TEST(Tar, OpensByTheChecksumAsPythonDoes) {
  constexpr std::size_t ones = 100;  // the sum is 256 + 100, in octal 544
  for (const auto& checksum : {"0000544\0"s, "544"s, " 544   "s, "0o544"s, "0O_544"s, "5_4_4"s,
                               "+544"s, "\t544\n"s, "544\0junk"s, "\x80\0\0\0\0\0\x01\x64"s,
                               "\x1c"
                               "544\x1f"s}) {
    EXPECT_TRUE(opens(tar_header(checksum, ones))) << checksum;
  }
  for (const auto& checksum :
       {"0000545\0"s, "-544"s, "0x164"s, "5__44"s, "_544"s, "544_"s, "544L"s, "5 44"s, "+ 544"s,
        "0o"s, "\xff\0\0\0\0\0\x01\x64"s, "\x80\0\0\0\0\0\x01\x65"s, "548"s, ""s}) {
    EXPECT_FALSE(opens(tar_header(checksum, ones))) << checksum;
  }
  EXPECT_FALSE(opens(std::string(512, '\0')));  // the end of an archive, not a header
  EXPECT_FALSE(opens(tar_header("544", ones).substr(0, 511)));
  std::string no_number = tar_header("", ones);
  no_number.replace(108, 1, "x");  // 'x' is 120
  no_number.replace(148, 4, "734\0"s);
  EXPECT_FALSE(opens(no_number));
}

TEST(Tar, AFileThatIsATarToPyTorchIsATar) {
  std::string legacy = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s;
  legacy.resize(512, '\0');
  const MemoryInput without(test::bytes_of(legacy));
  EXPECT_EQ(formats::sniff(without), FileKind::torch_legacy);
  std::int64_t sum = 256;
  for (const char c : legacy) sum += static_cast<unsigned char>(c);
  const std::string checksum = fmt::format("{:07o}", sum);
  legacy.replace(148, checksum.size(), checksum);
  const MemoryInput with(test::bytes_of(legacy));
  EXPECT_EQ(formats::sniff(with), FileKind::tar);
  EXPECT_EQ(formats::sniff_without_tar(with), FileKind::torch_legacy);
}

// --- pickle ---

pickle::Skim skimmed(const std::string& file) {
  return pickle::skim(MemoryInput(test::bytes_of(file)), {});
}

TEST(Skim, FollowsWhatPythonFollows) {
  EXPECT_TRUE(skimmed("cos\nsystem\n").imports);
  EXPECT_TRUE(skimmed("\x80\x04\x8c\x02os\x8c\x06system\x93"s).imports);
  EXPECT_TRUE(skimmed("(ios\nsystem\n").imports);
  EXPECT_FALSE(skimmed("ios\nsystem\n").is_pickle());      // no mark
  EXPECT_FALSE(skimmed("K\x01K\x02\x93"s).is_pickle());    // names that are no texts
  EXPECT_FALSE(skimmed("c\x01os\nsystem\n").is_pickle());  // no module's name
  EXPECT_FALSE(skimmed("c\nsystem\n").is_pickle());
  EXPECT_FALSE(skimmed("cos\nsystem").is_pickle());  // the line has no end
  EXPECT_FALSE(skimmed("].").is_pickle());           // three bytes are chance
  EXPECT_FALSE(skimmed("(t.").is_pickle());
  EXPECT_TRUE(skimmed("](K\x01"
                      "e.")
                  .loads);
  EXPECT_TRUE(skimmed("L119547037146038801333356L\n.").loads);
  EXPECT_FALSE(skimmed("I5\n.").is_pickle());
  EXPECT_FALSE(skimmed("X\x02\0\0\0ab."s).is_pickle());
  EXPECT_FALSE(skimmed(".").is_pickle());
  EXPECT_FALSE(skimmed("").is_pickle());
  EXPECT_FALSE(skimmed("](K\x01.").is_pickle());        // nothing above the mark but a number
  EXPECT_FALSE(skimmed("N(.").is_pickle());             // STOP above a mark
  EXPECT_TRUE(skimmed("p0\n].").is_pickle() == false);  // nothing to put
  EXPECT_TRUE(skimmed("]p0\n0g0\n.").loads);
  EXPECT_FALSE(skimmed("]p0\n0g1\n.").is_pickle());
  EXPECT_FALSE(skimmed("]Vx\n)R.").is_pickle());  // a text is called
  EXPECT_TRUE(skimmed("N0)Nb.").loads);           // BUILD with None does nothing
  EXPECT_TRUE(skimmed(std::string(1'100'000, 'N')).undecided);
  EXPECT_TRUE(skimmed(std::string(2000, ']')).undecided);
  EXPECT_TRUE(skimmed("\x95\x02\0\0\0\0\0\0\0N."s).undecided);
  EXPECT_FALSE(skimmed("\x95\xff\0\0\0\0\0\0\0N."s).is_pickle());
}

// A header's length is an opcode in one file of four, and the header goes on as a pickle by chance.
TEST(Skim, HonestSafetensorsAreNoPickles) {
  std::mt19937 random(7);  // the same sequence everywhere
  std::string data(4096, '\0');
  for (char& byte : data) byte = static_cast<char>(random());
  const std::vector<std::string> words = {"layers", "conv", "weight", "bias", "0", "norm",
                                          "mlp",    "cos",  "in",     "body", "c", "V"};
  for (std::size_t round = 0; round < 3000; ++round) {
    std::string header = round % 3 == 0 ? R"({"__metadata__":{"format":"pt"},)" : "{";
    const std::size_t tensors = 1 + random() % 60;
    for (std::size_t i = 0; i < tensors; ++i) {
      std::string name;
      for (std::size_t word = 1 + random() % 5; word-- > 0;) {
        name += words[random() % words.size()] + (word > 0 ? "." : "");
      }
      header +=
          fmt::format(R"({}"{}":{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}})",
                      i > 0 ? "," : "", name, random() % 99, random() % 9999, random() % 9999);
    }
    header += "}";
    if (round % 2 == 0) header.resize((header.size() + 7) / 8 * 8, ' ');
    EXPECT_FALSE(skimmed(little(header.size(), 8) + header + data).is_pickle()) << header;
  }
}

// Every length of a header, and small numbers behind the header, as counters have them.
TEST(Skim, NoLengthOfAHeaderMakesAPickle) {
  std::string data;
  for (std::uint64_t number = 0; number < 64; ++number) data += little(number, 8);
  const std::string head = R"({"cos.weight":{"dtype":"I64","shape":[64],"data_offsets":[0,512]}})";
  for (std::size_t length = head.size(); length < 3000; ++length) {
    std::string header = head;
    header.resize(length, ' ');
    EXPECT_FALSE(skimmed(little(length, 8) + header + data).is_pickle()) << length;
  }
}

// The lengths of three bytes that are all opcodes, before the zeros of the length and the header.
TEST(Skim, NoThreeOpcodesMakeAPickle) {
  const std::string opcodes =
      "(.012FIJKLMNPQRSTUVXabcdegh]ijlopqrst}u)GBC"
      "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96"
      "\x97\x98";
  std::string file = "abc\0\0\0\0\0{\"layers.0.conv.weight\":{\"dtype\":\"F32\",\"shape\":[1]}}\n"s;
  for (const char first : opcodes) {
    for (const char second : opcodes) {
      for (const char third : opcodes) {
        file.replace(0, 3, {first, second, third});
        EXPECT_FALSE(skimmed(file).is_pickle()) << file;
      }
    }
  }
}

TEST(Skim, OtherHonestFilesAreNoPickles) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 3);
  for (const auto& bytes : {tools::write_checkpoint(tensors), tools::write_safetensors(tensors)}) {
    EXPECT_FALSE(pickle::skim(MemoryInput(bytes), {}).is_pickle());
  }
  const auto bytes = tools::write_checkpoint(tensors);
  test::MemoryOutput model;
  convert(MemoryInput(bytes), {&model, nullptr, {}}, {});
  EXPECT_FALSE(pickle::skim(MemoryInput(model.bytes()), {}).is_pickle());
}

// --- zip ---

TEST(Zip, ADirectoryIsFoundWhereAnyReaderLooks) {
  const auto bytes = tools::write_checkpoint({{"w", {2}, {1, 2}}});
  const std::string zip(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto has = [](const std::string& file) {
    return zip::has_directory(MemoryInput(test::bytes_of(file)));
  };
  EXPECT_TRUE(has(zip));
  EXPECT_TRUE(has("something before" + zip));
  EXPECT_TRUE(has(zip + std::string(65'535, 'x')));
  EXPECT_TRUE(has(zip + std::string(69'000, 'x')));  // PyTorch's reader searches in blocks
  EXPECT_FALSE(has(zip + std::string(80'000, 'x')));
  EXPECT_FALSE(has(zip.substr(0, zip.size() - 1)));
  EXPECT_FALSE(has(""));
  EXPECT_FALSE(has("PK\x05\x06" + std::string(18, '\0')));  // an archive of nothing
  EXPECT_FALSE(has(std::string(1000, 'P') + "PK\x05\x06" + std::string(18, '\x7f')));
}

// --- shards ---

TEST(ScanShards, EveryShardIsAskedOfEveryLoader) {
  const test::TemporaryFolder folder;
  std::string header = R"({"w":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}})";
  header.resize(256 + 'V', ' ');
  const std::string honest = little(header.size(), 8) + header + std::string(16, '\x01');
  const std::string evil = little(header.size(), 8) + header + "\n0cos\nsystem\n)R.";
  ASSERT_EQ(evil.size(), honest.size());
  test::write_text(folder / "i.json", R"({"weight_map":{"w":"one.safetensors"}})");
  test::write_text(folder / "one.safetensors", honest);
  EXPECT_EQ(scan_file(folder / "i.json").result, ScanResult::clean);
  test::write_text(folder / "one.safetensors", evil);
  EXPECT_NE(scan_file(folder / "i.json").result, ScanResult::clean);
}

// --- the budget ---

TEST(ScanBudget, IsCountedAndNeverTimed) {
  const auto bytes = tools::write_checkpoint(tools::make_tensors(tools::NetworkShape{}));
  const MemoryInput input(bytes);
  EXPECT_EQ(scan(input).result, ScanResult::clean);
  // The same verdict at the same number of units each time: find the number.
  std::uint64_t enough = Limits{}.scan_work;
  std::uint64_t too_little = 1;
  while (enough - too_little > 1) {
    const std::uint64_t middle = too_little + (enough - too_little) / 2;
    const bool clean = scan(input, with_work(middle)).result == ScanResult::clean;
    (clean ? enough : too_little) = middle;
  }
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(scan(input, with_work(enough)).result, ScanResult::clean);
    const ScanReport beyond = scan(input, with_work(too_little));
    EXPECT_EQ(beyond.result, ScanResult::unclear);
    EXPECT_TRUE(has_finding(beyond, "scan-budget"));
  }
}

// A pickle of one text, longer than half of the budget pays for, is not called broken.
TEST(ScanBudget, CutsAPickleShort) {
  const std::string pickle = "\x80\x02X" + little(1'000'000, 4) + std::string(1'000'000, '1') + ".";
  const auto bytes = test::bytes_of(pickle);
  const std::vector<std::byte> file(bytes.begin(), bytes.end());
  const ScanReport report = scan(MemoryInput(file), with_work(10'000'000));
  EXPECT_EQ(report.result, ScanResult::unclear);
  EXPECT_TRUE(has_finding(report, "scan-budget"));
  EXPECT_FALSE(has_finding(report, "broken-pickle"));
}

TEST(ScanBudget, BoundsEveryKindOfWork) {
  tools::CheckpointLayout deflated;
  deflated.deflate = true;
  const auto tensors = tools::make_tensors(tools::NetworkShape{});  // zeros, which deflate well
  std::string header = R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  const std::string safetensors = little(header.size(), 8) + header + "x";
  const auto of = [](const std::string& text) {
    const auto bytes = test::bytes_of(text);
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  for (const auto& bytes :
       {tools::write_checkpoint(tensors), tools::write_checkpoint(tensors, deflated),
        tools::write_legacy_checkpoint(tensors), of("\x80\x02" + std::string(5000, ']') + "."),
        of(safetensors)}) {
    const ScanReport report = scan(MemoryInput(bytes), with_work(3));
    EXPECT_EQ(report.result, ScanResult::unclear);
    EXPECT_TRUE(has_finding(report, "scan-budget"));
  }
}

TEST(ScanBudget, TheReportStaysBounded) {
  std::string many = "\x80\x02(";
  for (std::size_t i = 0; i < 3 * limits::kListed; ++i) {
    many += "cm\nn" + std::to_string(i) + "\n)R";
  }
  const ScanReport report = scan(MemoryInput(test::bytes_of(many + "t.")));
  EXPECT_EQ(report.result, ScanResult::found);
  EXPECT_EQ(report.calls.size(), limits::kListed);
  EXPECT_LE(report.findings.size(), 3 * limits::kListed);
}

}  // namespace
}  // namespace aether2onnx::readings_test
