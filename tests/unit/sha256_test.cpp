#include "base/sha256.h"

#include <gtest/gtest.h>

#include "support.h"

namespace aether2onnx::sha256_test {
namespace {

using test::bytes_of;

// Both ways of hashing; without SHA instructions the same way twice.
class Hash : public testing::TestWithParam<bool> {
 protected:
  static std::string of(const std::string& text) {
    Sha256 hash(GetParam());
    hash.update(bytes_of(text));
    return hash.finish();
  }
};

// Source: NIST's examples for FIPS 180-4.
TEST_P(Hash, FitsThePublishedExamples) {
  EXPECT_EQ(of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(of(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Source: sha256sum of coreutils.
TEST_P(Hash, PadsEveryLengthAroundABlock) {
  EXPECT_EQ(of(std::string(1, 'x')),
            "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
  EXPECT_EQ(of(std::string(55, 'x')),
            "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(of(std::string(56, 'x')),
            "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(of(std::string(63, 'x')),
            "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
  EXPECT_EQ(of(std::string(64, 'x')),
            "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
  EXPECT_EQ(of(std::string(65, 'x')),
            "9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9");
  EXPECT_EQ(of(std::string(119, 'x')),
            "000b48d4edf0fa7bee3c6236ecd2785baa5db4eeb8bb54341b029e0d9fa5fb0c");
  EXPECT_EQ(of(std::string(120, 'x')),
            "13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98");
  EXPECT_EQ(of(std::string(128, 'x')),
            "24da1b81d0b16df6428eee73c69fcb2a93c76bc6df706f0c6670fe6bfe800464");
}

TEST_P(Hash, PiecesOfAnySizeGiveTheSame) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += static_cast<char>(i * 7 % 251);
  const std::string whole = of(text);
  for (const unsigned piece : {1U, 3U, 55U, 63U, 64U, 65U, 127U, 128U, 1000U, 9999U}) {
    Sha256 hash(GetParam());
    // Not aligned: the pieces begin anywhere.
    for (std::size_t at = 0; at < text.size(); at += piece) {
      hash.update(bytes_of(std::string_view(text).substr(at, piece)));
      hash.update({});
    }
    EXPECT_EQ(hash.finish(), whole) << piece;
  }
}

TEST_P(Hash, StartsAfresh) {
  Sha256 hash(GetParam());
  hash.update(bytes_of("something else, longer than one block of the algorithm, by a few letters"));
  hash.finish();
  hash.update(bytes_of("abc"));
  EXPECT_EQ(hash.finish(), of("abc"));
}

INSTANTIATE_TEST_SUITE_P(Sha256, Hash, testing::Bool(), [](const auto& portable) {
  return portable.param ? "portable" : "by_the_processor";
});

}  // namespace
}  // namespace aether2onnx::sha256_test
