#include "base/text.h"

#include <gtest/gtest.h>

#include "base/checked.h"
#include "base/sha256.h"
#include "support.h"

namespace aether2onnx {
namespace {

TEST(Printable, LeavesText) {
  EXPECT_EQ(printable("layers.0.0.conv.weight"), "layers.0.0.conv.weight");
  EXPECT_EQ(printable("größe 日本 😀"), "größe 日本 😀");
}

TEST(Printable, ReplacesWhatATerminalActsOn) {
  EXPECT_EQ(printable("a\x1b[31mb\n\t\x7f"), "a\\x1b[31mb\\x0a\\x09\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");  // CSI as one character
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b"),
            "a\\xe2\\x80\\xaeb");  // right-to-left override
}

TEST(Printable, ReplacesInvalidUtf8) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82");           // cut off
  EXPECT_EQ(printable("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80");
}

TEST(Printable, CutsLongNames) { EXPECT_EQ(printable("abcdef", 3), "abc…"); }

TEST(Text, Numbers) {
  EXPECT_EQ(human_bytes(1), "1 byte");
  EXPECT_EQ(human_bytes(999), "999 bytes");
  EXPECT_EQ(human_bytes(2811741), "2.8 MB");
  EXPECT_EQ(human_bytes(999999), "1.0 MB");
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1388963), "1,388,963");
  EXPECT_EQ(plural(1, "key"), "1 key");
  EXPECT_EQ(plural(1200, "key"), "1,200 keys");
  EXPECT_EQ(shape_text(std::vector<std::int64_t>{64, 3}), "(64, 3)");
  EXPECT_EQ(shape_text(std::vector<std::int64_t>{}), "()");
}

TEST(Checked, NoticesOverflow) {
  constexpr std::int64_t big = std::int64_t{1} << 62;
  EXPECT_EQ(checked_multiply<std::int64_t>(6, 7), 42);
  EXPECT_FALSE(checked_multiply<std::int64_t>(big, 2));
  EXPECT_FALSE(checked_add<std::int64_t>(big, big));
  EXPECT_EQ(checked_product(std::vector<std::int64_t>{}), 1);
  EXPECT_EQ(checked_product(std::vector<std::int64_t>{big, 8, 0}), 0);
  EXPECT_FALSE(checked_product(std::vector<std::int64_t>{big, 8}));
  EXPECT_FALSE(checked_product(std::vector<std::int64_t>{2, -1}));
}

// Vectors of FIPS 180-4's examples.
TEST(Sha256, KnownHashes) {
  Sha256 hash;
  EXPECT_EQ(hash.finish(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  hash.update(test::bytes_of("a"));
  hash.update(test::bytes_of("bc"));
  EXPECT_EQ(hash.finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace aether2onnx
