// The checkpoints that are written, byte by byte and read back.

#include "state_dict/state_dict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/crc32.h"
#include "formats/zip/writer.h"
#include "formats/zip/zip.h"
#include "support.h"

namespace aether2onnx::state_dict::checkpoint_test {
namespace {

using test::bytes_of;
using test::catch_error;
using test::Caught;
using test::MemoryOutput;

const auto kNoProgress = [](std::uint64_t, std::uint64_t) {};

template <typename T>
NewTensor tensor(const std::string& name, std::vector<std::int64_t> shape, DType from, DType to,
                 const std::vector<T>& values) {
  TensorData data{from, shape, {}};
  const auto bytes = std::as_bytes(std::span(values));
  data.bytes.assign(bytes.begin(), bytes.end());
  return {name, std::move(shape), to, [data] { return data; }};
}

NewTensor floats(const std::string& name, std::vector<std::int64_t> shape,
                 const std::vector<float>& values, DType to = DType::float32) {
  return tensor(name, std::move(shape), DType::float32, to, values);
}

std::vector<std::byte> written(const Content& content, CheckpointFormat format) {
  MemoryOutput output;
  const Written result = write(content, format, output, kNoProgress);
  EXPECT_EQ(result.bytes, output.bytes().size());
  return output.bytes();
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t at, int size) {
  std::uint64_t number = 0;
  for (int i = size; i-- > 0;) {
    number = number << 8U | std::to_integer<std::uint64_t>(bytes[at + static_cast<std::size_t>(i)]);
  }
  return number;
}

// --- CRC-32 -----------------------------------------------------------------------------------

TEST(Crc32, KnownValues) {
  EXPECT_EQ(crc32({}), 0U);
  EXPECT_EQ(crc32(bytes_of("123456789")), 0xcbf43926U);
  EXPECT_EQ(crc32(bytes_of("The quick brown fox jumps over the lazy dog")), 0x414fa339U);
  EXPECT_EQ(crc32(std::vector<std::byte>(32, std::byte{0xff})), 0xff6cab0bU);
}

TEST(Crc32, InPiecesAsInOne) {
  const std::string text = "The quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32(bytes_of(text.substr(cut)), crc32(bytes_of(text.substr(0, cut)))), 0x414fa339U);
  }
}

// --- zip --------------------------------------------------------------------------------------

struct ZipContent {
  std::string name;
  std::string content;
};

std::vector<std::byte> zip_of(const std::vector<ZipContent>& entries, zip::Thresholds limits = {}) {
  MemoryOutput output;
  zip::Writer writer(output, limits);
  for (const ZipContent& entry : entries) writer.add(entry.name, bytes_of(entry.content));
  const std::uint64_t size = writer.finish();
  EXPECT_EQ(size, output.bytes().size());
  return output.bytes();
}

void expect_entries(const std::vector<std::byte>& zip, const std::vector<ZipContent>& expected) {
  const MemoryInput input(zip);
  const zip::Archive archive(input, {});  // with its checks of consistency
  ASSERT_EQ(archive.entries().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(archive.entries()[i].name, expected[i].name);
    EXPECT_TRUE(archive.entries()[i].stored);
    ASSERT_EQ(text_of(archive.read_all(i, 1 << 20)), expected[i].content);
  }
}

const std::vector<ZipContent> kEntries = {{"archive/data.pkl", std::string(1000, 'p')},
                                          {"archive/empty", ""},
                                          {"archive/data/0", std::string(63, 'x')},
                                          {"archive/data/1", std::string(1, 'y')},
                                          {"archive/\xc3\xa4", "name in UTF-8"}};

TEST(ZipWriter, IsReadBack) { expect_entries(zip_of(kEntries), kEntries); }

TEST(ZipWriter, AnArchiveWithoutEntriesIsItsEndRecord) {
  const auto zip = zip_of({});
  EXPECT_EQ(zip.size(), 22U);
  EXPECT_EQ(number_at(zip, 0, 4), 0x06054b50U);
}

TEST(ZipWriter, DataBeginsAtMultiplesOf64) {
  for (const zip::Thresholds limits : {zip::Thresholds{}, zip::Thresholds{50, 3}}) {
    const auto zip = zip_of(kEntries, limits);
    std::size_t at = 0;
    for (const ZipContent& entry : kEntries) {
      ASSERT_EQ(number_at(zip, at, 4), 0x04034b50U);
      const std::uint64_t name_size = number_at(zip, at + 26, 2);
      const std::uint64_t extra_size = number_at(zip, at + 28, 2);
      at += 30 + name_size + extra_size;
      EXPECT_EQ(at % 64, 0U) << entry.name;
      EXPECT_EQ(text_of(std::span(zip).subspan(at, entry.content.size())), entry.content);
      at += entry.content.size();
    }
    EXPECT_EQ(number_at(zip, at, 4), 0x02014b50U);
  }
}

TEST(ZipWriter, Zip64WhereANumberDoesNotFit) {
  // Limits so low that sizes, offsets, the directory's and the count of entries go to zip64, one by
  // one and together.
  for (const zip::Thresholds limits :
       {zip::Thresholds{1000, 0xffff}, zip::Thresholds{64, 0xffff}, zip::Thresholds{1, 1},
        zip::Thresholds{0xffffffff, 5}, zip::Thresholds{0xffffffff, 1}}) {
    const auto zip = zip_of(kEntries, limits);
    EXPECT_NE(text_of(zip).find("PK\x06\x06"), std::string::npos);
    expect_entries(zip, kEntries);
  }
  EXPECT_EQ(text_of(zip_of(kEntries)).find("PK\x06\x06"), std::string::npos);
}

TEST(ZipWriter, MoreEntriesThanSixteenBitsCount) {
  std::vector<ZipContent> entries;
  for (int i = 0; i < 65536; ++i) entries.push_back({"data/" + std::to_string(i), "1"});
  const auto zip = zip_of(entries);
  EXPECT_NE(text_of(zip).find("PK\x06\x06"), std::string::npos);
  expect_entries(zip, entries);
  entries.resize(65534);
  const auto fewer = zip_of(entries);
  EXPECT_EQ(text_of(fewer).find("PK\x06\x06"), std::string::npos);
  expect_entries(fewer, entries);
}

// --- PyTorch's zip container ------------------------------------------------------------------

TEST(TorchZip, IsReadBackBitForBit) {
  std::vector<NewTensor> tensors = {
      floats("a.weight", {2, 3}, {1, -2, 0.1F, 3.4e38F, -0.0F, 1e-45F}),
      tensor<double>("b", {2}, DType::float64, DType::float64, {0.1, -1e300}),
      tensor<std::uint16_t>("c", {1, 2, 1, 1, 1}, DType::float16, DType::float16, {0x3c01, 0x8001}),
      tensor<std::uint16_t>("d", {3}, DType::bfloat16, DType::bfloat16, {0x3f80, 1, 0x7f7f}),
      floats("scalar", {}, {7}),
      floats("empty", {0, 3}, {}),
  };
  // More than 255 texts, so that the pickle's memo needs its long opcodes; a size of three bytes.
  for (int i = 0; i < 300; ++i) tensors.push_back(floats("t" + std::to_string(i), {1}, {0.5F}));
  tensors.push_back(floats("many", {70000}, std::vector<float>(70000, 2)));
  const auto file = written({tensors, {}}, CheckpointFormat::pth);

  const MemoryInput input(file);
  const auto state_dict = StateDict::open(input, {}, {});
  EXPECT_EQ(state_dict.container(), "PyTorch zip");
  EXPECT_EQ(state_dict.wrapper(), "");
  EXPECT_TRUE(state_dict.metadata().empty());
  ASSERT_EQ(state_dict.entries().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Entry& entry = state_dict.entries()[i];
    EXPECT_EQ(entry.name, tensors[i].name);
    ASSERT_TRUE(entry.tensor) << entry.name << " " << entry.problem;
    const TensorData data = state_dict.read(entry);
    EXPECT_EQ(data.dtype, tensors[i].dtype) << entry.name;
    EXPECT_EQ(data.shape, tensors[i].shape) << entry.name;
    EXPECT_EQ(data.bytes, tensors[i].load().bytes) << entry.name;
  }
}

TEST(TorchZip, HasTheRecordsOfTorchSave) {
  const auto file =
      written({{floats("a", {1}, {1})}, {{"fused_from", "two kernels"}}}, CheckpointFormat::pth);
  const MemoryInput input(file);
  const zip::Archive zip(input, {});
  std::vector<std::string> names;
  for (const zip::Entry& entry : zip.entries()) names.push_back(entry.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"archive/data.pkl", "archive/byteorder", "archive/data/0",
                                      "archive/version", "archive/.data/fused_from"}));
  EXPECT_EQ(text_of(zip.read_all(1, 100)), "little");
  EXPECT_EQ(text_of(zip.read_all(2, 100)), std::string("\0\0\x80\x3f", 4));
  EXPECT_EQ(text_of(zip.read_all(3, 100)), "3\n");
  EXPECT_EQ(text_of(zip.read_all(4, 100)), "two kernels");
  EXPECT_EQ(text_of(zip.read_all(0, 1000)).substr(0, 2), "\x80\x02");
  const auto metadata = StateDict::open(input, {}, {}).metadata();
  ASSERT_EQ(metadata.size(), 1U);
  EXPECT_EQ(metadata[0], (std::pair<std::string, std::string>("fused_from", "two kernels")));
}

TEST(TorchZip, ALongNoteOfOthersIsIgnored) {
  const auto file = written({{floats("a", {1}, {1})}, {{"fused_from", std::string(201, 'x')}}},
                            CheckpointFormat::pth);
  const MemoryInput input(file);
  EXPECT_TRUE(StateDict::open(input, {}, {}).metadata().empty());
}

// --- safetensors ------------------------------------------------------------------------------

TEST(Safetensors, ByteByByte) {
  const Content content = {
      {floats("b", {2}, {1, -2}),
       tensor<std::uint16_t>("half", {1, 1}, DType::float16, DType::float16, {0x1234}),
       tensor<double>("z", {}, DType::float64, DType::float64, {1.5}),
       tensor<std::uint16_t>("brain", {1}, DType::bfloat16, DType::bfloat16, {0x5678}),
       floats("a\"\\\n\xc3\xa4", {0, 3}, {})},
      {{"fused_from", "5 + 3"}}};
  std::string header = R"({"__metadata__":{"format":"pt","fused_from":"5 + 3"},)"
                       R"("z":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
                       R"("a\"\\\u000a)"
                       "\xc3\xa4"
                       R"(":{"dtype":"F32","shape":[0,3],"data_offsets":[8,8]},)"
                       R"("b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
                       R"("brain":{"dtype":"BF16","shape":[1],"data_offsets":[16,18]},)"
                       R"("half":{"dtype":"F16","shape":[1,1],"data_offsets":[18,20]}})";
  while (header.size() % 8 != 0) header += ' ';
  std::string expected;
  for (unsigned i = 0; i < 8; ++i) {
    expected += static_cast<char>(header.size() >> (8 * i) & 0xffU);
  }
  expected += header;
  expected += std::string("\0\0\0\0\0\0\xf8\x3f", 8);                // 1.5
  expected += std::string("\0\0\x80\x3f\0\0\0\xc0", 8);              // 1, -2
  expected += std::string("\x78\x56", 2) + std::string("\x34\x12");  // brain, half
  EXPECT_EQ(text_of(written(content, CheckpointFormat::safetensors)), expected);
}

TEST(Safetensors, WithoutANoteThereIsNone) {
  const auto file = written({{floats("a", {1}, {1})}, {}}, CheckpointFormat::safetensors);
  const std::string header = R"({"__metadata__":{"format":"pt"},)"
                             R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  EXPECT_EQ(text_of(file).substr(8, header.size()), header);
}

// --- both -------------------------------------------------------------------------------------

class Either : public testing::TestWithParam<CheckpointFormat> {};
INSTANTIATE_TEST_SUITE_P(Formats, Either,
                         testing::Values(CheckpointFormat::pth, CheckpointFormat::safetensors),
                         [](const auto& format) { return std::string(to_string(format.param)); });

TEST_P(Either, TheSameContentGivesTheSameBytes) {
  const Content content = {{floats("a", {3}, {1, 2, 3}), floats("b", {1}, {4})},
                           {{"fused_from", "note"}}};
  EXPECT_EQ(written(content, GetParam()), written(content, GetParam()));
}

TEST_P(Either, OneTensorIsLoadedAtATime) {
  // When a tensor is asked for, the one before has been passed on, in full.
  constexpr std::size_t size = 100'000;
  MemoryOutput output;
  std::vector<std::size_t> seen;
  Content content;
  for (const char* name : {"a", "b", "c"}) {
    NewTensor each = floats(name, {size}, std::vector<float>(size, 1));
    each.load = [&, load = each.load] {
      seen.push_back(output.bytes().size());
      return load();
    };
    content.tensors.push_back(each);
  }
  std::vector<std::uint64_t> progress;
  write(content, GetParam(), output, [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(total, 3 * 4 * size);
    progress.push_back(done);
  });
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_LT(seen[0], 4 * size);
  EXPECT_GT(seen[1], 4 * size);
  EXPECT_GT(seen[2], 8 * size);
  EXPECT_EQ(progress, (std::vector<std::uint64_t>{4 * size, 8 * size, 12 * size}));
}

TEST_P(Either, ConvertsToTheTypeOfTheFile) {
  const std::vector<float> values = {1.0009765F, 1e-6F, 1e-9F, -3};
  MemoryOutput output;
  const Written result =
      write({{floats("a", {4}, values, DType::float16)}, {}}, GetParam(), output, kNoProgress);
  EXPECT_EQ(result.weights_subnormal, 1U);
  EXPECT_EQ(result.weights_flushed_to_zero, 1U);
  EXPECT_NE(text_of(output.bytes()).find(std::string("\x01\x3c\x11\x00\x00\x00\x00\xc2", 8)),
            std::string::npos);
}

TEST_P(Either, RefusesWhatTheTypeCannotHold) {
  MemoryOutput output;
  const auto message_of = [&](const NewTensor& tensor, const char* code = "weight-range") {
    const Caught caught = catch_error([&] {
      write({{tensor}, {}}, GetParam(), output, kNoProgress);
    });
    EXPECT_EQ(caught.kind, ErrorKind::precision);
    EXPECT_EQ(caught.code, code);
    return caught.message;
  };
  EXPECT_EQ(message_of(floats("x.bias", {2, 2}, {1, 2, 3, 70000}, DType::float16)),
            "the weight x.bias has 1 element beyond the range of fp16 (at most 65504), the "
            "first with the value 70000 at [1, 1].\nWrite the checkpoint with dtype float32.");
  EXPECT_EQ(message_of(floats("x", {1}, {3.4e38F}, DType::bfloat16)).substr(0, 60),
            "the weight x has 1 element beyond the range of bf16 (at most");
  EXPECT_EQ(
      message_of(tensor<double>("x", {1}, DType::float64, DType::float32, {-1e39})).substr(0, 52),
      "the weight x has 1 element beyond the range of fp32 ");
  for (const DType type : {DType::float32, DType::float16, DType::bfloat16, DType::float64}) {
    EXPECT_EQ(
        message_of(floats("x", {3}, {1, std::nanf(""), HUGE_VALF}, type), "weight-not-finite"),
        "the weight x has 2 elements that are NaN or infinite, the first at [1].\n"
        "The checkpoint is broken (the training diverged). Take an earlier checkpoint.");
  }
}

}  // namespace
}  // namespace aether2onnx::state_dict::checkpoint_test
