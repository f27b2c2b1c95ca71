#include "base/text.h"

#include <gtest/gtest.h>

#include "base/checked.h"
#include "base/sha256.h"
#include "support.h"

namespace aether2onnx::text_test {
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

std::string utf8(char32_t code) {
  std::string text;
  const auto add = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | code >> 6U);
    add(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    add(0xe0 | code >> 12U);
    add(0x80 | (code >> 6U & 0x3f));
    add(0x80 | (code & 0x3f));
  } else {
    add(0xf0 | code >> 18U);
    add(0x80 | (code >> 12U & 0x3f));
    add(0x80 | (code >> 6U & 0x3f));
    add(0x80 | (code & 0x3f));
  }
  return text;
}

TEST(Printable, ReplacesWhatShowsNothing) {
  EXPECT_EQ(printable("a\u200bb"), "a\\xe2\\x80\\x8bb");
  EXPECT_EQ(printable("\U000e0041"), "\\xf3\\xa0\\x81\\x81");  // a tag, invisible "A"
  // Bidi_Control, Default_Ignorable_Code_Point and others, the first and last of each range.
  for (const char32_t code :
       {0x00U,    0x1bU,    0x1fU,    0x7fU,    0x80U,    0x9fU,    0xadU,    0x34fU,
        0x61cU,   0x115fU,  0x1160U,  0x17b4U,  0x17b5U,  0x180bU,  0x180eU,  0x180fU,
        0x200bU,  0x200cU,  0x200dU,  0x200eU,  0x200fU,  0x2028U,  0x2029U,  0x202aU,
        0x202eU,  0x2060U,  0x2066U,  0x2069U,  0x206fU,  0x3164U,  0xfe00U,  0xfe0fU,
        0xfeffU,  0xffa0U,  0xfff0U,  0xfff9U,  0xfffbU,  0x1bca0U, 0x1bca3U, 0x1d173U,
        0x1d17aU, 0xe0000U, 0xe0001U, 0xe0020U, 0xe007fU, 0xe0100U, 0xe01efU, 0xe0fffU}) {
    const std::string text = utf8(code);
    EXPECT_FALSE(is_visible(code)) << static_cast<unsigned>(code);
    EXPECT_TRUE(first_character(text).code == code);
    EXPECT_EQ(first_character(text).length, text.size());
    EXPECT_TRUE(printable("a" + text).starts_with("a\\x")) << static_cast<unsigned>(code);
    EXPECT_EQ(printable("a" + text).find(text), std::string::npos);
  }
  for (const char32_t code :
       {0x20U,   0x7eU,    0xa0U,    0xacU,    0xaeU,    0x34eU,   0x350U,  0x61bU,
        0x61dU,  0x115eU,  0x1161U,  0x200aU,  0x2010U,  0x2027U,  0x202fU, 0x205fU,
        0x2070U, 0x3163U,  0x3165U,  0xfdffU,  0xfe10U,  0xfefeU,  0xff00U, 0xff9fU,
        0xfffcU, 0x1bc9fU, 0x1f600U, 0xdffffU, 0xe1000U, 0x10ffffU}) {
    EXPECT_TRUE(is_visible(code)) << static_cast<unsigned>(code);
    EXPECT_EQ(printable("a" + utf8(code)), "a" + utf8(code));
  }
}

TEST(Printable, KeepsTheEndsOfLines) {
  EXPECT_EQ(printable_lines("a\n\nb\t\x1b\r\n"), "a\n\nb\\x09\\x1b\\x0d\n");
  EXPECT_EQ(printable_lines(std::string(1000, 'a')), std::string(1000, 'a'));
  EXPECT_EQ(printable_lines("\xff\u2028"), "\\xff\\xe2\\x80\\xa8");
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
}  // namespace aether2onnx::text_test
