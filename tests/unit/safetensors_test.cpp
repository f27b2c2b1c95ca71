// The cost of a safetensors header: read part by part, with texts that are not needed left out.

#include "formats/safetensors/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/limits.h"
#include "support.h"

namespace aether2onnx::safetensors_test {
namespace {

using test::catch_error;
using test::Caught;

// Tells how many bytes are read, and how many at a time.
class CountingInput final : public Input {
 public:
  explicit CountingInput(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const override { return bytes_.size(); }
  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    read_ += out.size();
    largest_ = std::max(largest_, out.size());
  }
  std::size_t bytes_read() const { return read_; }
  std::size_t largest_read() const { return largest_; }

 private:
  std::string bytes_;
  mutable std::size_t read_ = 0;
  mutable std::size_t largest_ = 0;
};

std::string file_of(const std::string& header) {
  std::string file;
  for (unsigned i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xffU);
  return file + header;
}

// A header with `count` entries of metadata.
std::string with_entries(std::size_t count, const std::string& text = "v") {
  std::string header = R"({"__metadata__":{)";
  for (std::size_t i = 0; i < count; ++i) {
    header += fmt::format("{}\"k{:07d}\":\"{}\"", i == 0 ? "" : ",", i, text);
  }
  return header + "}}";
}

Caught opened(const std::string& header, const Context& context = {}) {
  const CountingInput input(file_of(header));
  return catch_error([&] { safetensors::open(input, context); });
}

TEST(SafetensorsHeader, IsReadInParts) {
  const CountingInput input(file_of(with_entries(100'000)));
  const safetensors::File file = safetensors::open(input, {});
  EXPECT_EQ(file.metadata.size(), 100'000U);
  EXPECT_EQ(file.metadata.back(), (std::pair<std::string, std::string>("k0099999", "v")));
  EXPECT_LE(input.largest_read(), limits::kChunkBytes);
  // Its first bytes are read once more, since they may be a pickle as well.
  EXPECT_LE(input.bytes_read(), input.size() + 8192);
}

TEST(SafetensorsHeader, TooManyEntriesAreRefusedEarly) {
  const CountingInput input(file_of(with_entries(2'000'000)));
  const Caught caught = catch_error([&] { safetensors::open(input, {}); });
  EXPECT_EQ(caught.kind, ErrorKind::limit);
  EXPECT_EQ(caught.code, "safetensors-limit") << caught.message;
  EXPECT_LT(input.bytes_read(), 4'000'000U);
  Context context;
  context.limits.state_dict_entries = 10;
  EXPECT_EQ(opened(with_entries(10), context).code, "");
  EXPECT_EQ(opened(with_entries(11), context).code, "safetensors-limit");
  // Long texts count as well, though they are not kept.
  EXPECT_EQ(opened(with_entries(11, std::string(5000, 'x')), context).code, "safetensors-limit");
}

TEST(SafetensorsHeader, LongTextsAreNotKept) {
  for (const std::size_t length : {std::size_t{4096}, std::size_t{4097}, std::size_t{1'000'000}}) {
    const CountingInput input(file_of(fmt::format(
        R"({{"__metadata__":{{"a":"1","log":"{}","b":"2"}}}})", std::string(length, 'x'))));
    const safetensors::File file = safetensors::open(input, {});
    ASSERT_EQ(file.metadata.size(), length > 4096 ? 2U : 3U) << length;
    EXPECT_EQ(file.metadata.front().first, "a");
    EXPECT_EQ(file.metadata.front().second, "1");
    EXPECT_EQ(file.metadata.back().first, "b");
    EXPECT_EQ(file.metadata.back().second, "2");
  }
}

TEST(SafetensorsHeader, NamesOccurOnceHoweverLongTheTexts) {
  const std::string text(5000, 'x');
  for (const auto& [first, second] :
       {std::pair<std::string, std::string>{"1", "2"}, {text, "2"}, {"1", text}, {text, text}}) {
    const auto caught =
        opened(fmt::format(R"({{"__metadata__":{{"a":"{}","c":"3","a":"{}"}}}})", first, second));
    EXPECT_EQ(caught.code, "safetensors-twice") << caught.message;
  }
  EXPECT_EQ(opened(R"({"__metadata__":{},"__metadata__":{}})").code, "safetensors-twice");
  EXPECT_EQ(opened(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"F32",)"
                   R"("shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],)"
                   R"("data_offsets":[0,0]}})")
                .code,
            "safetensors-twice");
  EXPECT_EQ(opened(fmt::format(R"({{"__metadata__":{{"{}":"1"}}}})", std::string(1000, 'n'))).code,
            "");
  EXPECT_EQ(opened(fmt::format(R"({{"__metadata__":{{"{}":"1"}}}})", std::string(1001, 'n'))).code,
            "safetensors-name");
}

// A zero byte and damage behind the first part are found at their place.
TEST(SafetensorsHeader, DamageIsFoundInEveryPart) {
  const std::string header = with_entries(60'000);
  for (const std::size_t at : {std::size_t{20}, limits::kChunkBytes - 1, limits::kChunkBytes,
                               limits::kChunkBytes + 1, header.size() - 1}) {
    for (const char byte : {'\0', '\x01', '\xff'}) {
      std::string damaged = header;
      damaged[at] = byte;
      const auto caught = opened(damaged);
      EXPECT_EQ(caught.code, "safetensors-json") << at << ' ' << caught.message;
    }
  }
  using namespace std::string_literals;
  EXPECT_EQ(opened(header + "\0"s).code, "safetensors-json");
  EXPECT_EQ(opened(header + "   ").code, "");
  EXPECT_EQ(opened(header.substr(0, header.size() - 1)).code, "safetensors-json");
}

}  // namespace
}  // namespace aether2onnx::safetensors_test
