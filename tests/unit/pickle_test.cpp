#include "formats/pickle/pickle.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "support.h"

namespace aether2onnx::pickle::pickle_test {
namespace {

using namespace std::string_literals;
using test::catch_error;
using test::Caught;

Document parse(const std::string& text) {
  const auto bytes = test::bytes_of(text);
  return Document::parse({bytes.begin(), bytes.end()}, {});
}

// `fact`: a piece of the message with a name or number.
void expect_malformed(const std::string& pickle, const std::string& code,
                      const std::string& fact = "") {
  const Caught caught = catch_error([&] { parse(pickle); });
  EXPECT_TRUE(caught.thrown) << code;
  EXPECT_EQ(caught.kind, ErrorKind::malformed) << caught.message;
  EXPECT_EQ(caught.code, code) << caught.message;
  EXPECT_NE(caught.message.find(fact), std::string::npos) << caught.message;
}

std::int64_t integer(const std::string& pickle) {
  const Document document = parse(pickle);
  EXPECT_EQ(document.kind(document.root()), Kind::integer);
  return document.integer(document.root());
}

TEST(Pickle, Integers) {
  EXPECT_EQ(integer("K\xff."s), 255);
  EXPECT_EQ(integer("M\xff\xff."s), 65535);
  EXPECT_EQ(integer("J\xff\xff\xff\xff."s), -1);
  EXPECT_EQ(integer("J\x00\x00\x00\x80."s), -2147483648LL);
  EXPECT_EQ(integer("\x8a\x00."s), 0);
  EXPECT_EQ(integer("\x8a\x01\x80."s), -128);
  EXPECT_EQ(integer("\x8a\x02\xff\x00."s), 255);
  EXPECT_EQ(integer("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."s), INT64_MAX);
  EXPECT_EQ(integer("\x8b\x02\x00\x00\x00\x01\x01."s), 257);
  EXPECT_EQ(integer("I-42\n."s), -42);
  EXPECT_EQ(integer("L123L\n."s), 123);
  const Document big = parse("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."s);
  EXPECT_EQ(big.kind(big.root()), Kind::big_integer);
  const Document big_text = parse("L123456789012345678901234567890L\n."s);
  EXPECT_EQ(big_text.kind(big_text.root()), Kind::big_integer);
}

TEST(Pickle, OtherScalars) {
  const Document real = parse("G\x3f\xf8\x00\x00\x00\x00\x00\x00."s);
  EXPECT_EQ(real.real(real.root()), 1.5);
  const Document text_real = parse("F-2.5e3\n."s);
  EXPECT_EQ(text_real.real(text_real.root()), -2500.0);
  EXPECT_TRUE(parse("\x88."s).boolean(parse("\x88."s).root()));
  const Document old_true = parse("I01\n."s);
  EXPECT_EQ(old_true.kind(old_true.root()), Kind::boolean);
  EXPECT_TRUE(old_true.boolean(old_true.root()));
  EXPECT_EQ(parse("N."s).kind(parse("N."s).root()), Kind::none);
}

TEST(Pickle, Texts) {
  for (const std::string& pickle :
       {"X\x03\x00\x00\x00"s + "abc."s, "\x8c\x03"s + "abc."s,
        "\x8d\x03\x00\x00\x00\x00\x00\x00\x00"s + "abc."s, "U\x03"s + "abc."s,
        "T\x03\x00\x00\x00"s + "abc."s, "S'abc'\n."s, "S\"abc\"\n."s, "Vabc\n."s, "V\\u0061bc\n."s,
        "V\\U00000061bc\n."s}) {
    const Document document = parse(pickle);
    EXPECT_EQ(document.kind(document.root()), Kind::string);
    EXPECT_EQ(document.text(document.root()), "abc");
  }
  const Document accented = parse("V\\u00e9\n."s);
  EXPECT_EQ(accented.text(accented.root()), "é");
  for (const std::string& pickle : {"C\x02"s + "ab."s, "B\x02\x00\x00\x00"s + "ab."s,
                                    "\x8e\x02\x00\x00\x00\x00\x00\x00\x00"s + "ab."s,
                                    "\x96\x02\x00\x00\x00\x00\x00\x00\x00"s + "ab."s}) {
    const Document document = parse(pickle);
    EXPECT_EQ(document.kind(document.root()), Kind::bytes);
    EXPECT_EQ(document.text(document.root()), "ab");
  }
}

TEST(Pickle, Containers) {
  const Document tuple = parse("(K\x01K\x02t."s);
  ASSERT_EQ(tuple.elements(tuple.root()).size(), 2U);
  EXPECT_EQ(tuple.integer(tuple.elements(tuple.root())[1]), 2);
  const Document short_tuple = parse("K\x01K\x02K\x03\x87."s);
  EXPECT_EQ(short_tuple.elements(short_tuple.root()).size(), 3U);
  const Document list = parse("]K\x01"s + "a(K\x02K\x03"s + "e."s);
  EXPECT_EQ(list.elements(list.root()).size(), 3U);
  const Document old_list = parse("(K\x01l."s);
  EXPECT_EQ(old_list.kind(old_list.root()), Kind::list);
  const Document set = parse("\x8f(K\x01K\x02\x90."s);
  EXPECT_EQ(set.elements(set.root()).size(), 2U);
  const Document frozen = parse("(K\x01\x91."s);
  EXPECT_EQ(frozen.kind(frozen.root()), Kind::set);
  const Document dict = parse("}K\x01K\x02s(K\x03K\x04u."s);
  ASSERT_EQ(dict.pairs(dict.root()).size(), 2U);
  EXPECT_EQ(dict.integer(dict.pairs(dict.root())[1].second), 4);
  const Document old_dict = parse("(K\x01K\x02"s + "d."s);
  EXPECT_EQ(old_dict.pairs(old_dict.root()).size(), 1U);
}

TEST(Pickle, MemoByAllItsOpcodes) {
  for (const std::string& pickle :
       {"]q\x00"s + "h\x00\x86."s, "]r\x00\x00\x00\x00"s + "j\x00\x00\x00\x00\x86."s,
        "]p0\ng0\n\x86."s, "]\x94"s + "h\x00\x86."s}) {
    const Document document = parse(pickle);
    const auto elements = document.elements(document.root());
    EXPECT_EQ(document.kind(elements[0]), Kind::list);
    EXPECT_EQ(elements[0], elements[1]);
  }
}

TEST(Pickle, CallsBecomeRecords) {
  // os.system('x'), made in four ways.
  const std::string argument = "X\x01\x00\x00\x00x"s;
  for (const std::string& pickle :
       {"cos\nsystem\n("s + argument + "tR."s, "cos\nsystem\n("s + argument + "t\x81."s,
        "("s + argument + "ios\nsystem\n."s, "(cos\nsystem\n"s + argument + "o."s,
        "\x8c\x02os\x8c\x06system\x93"s + argument + "\x85R."s,
        "cos\nsystem\n"s + argument + "\x85}\x92."s}) {
    const Document document = parse(pickle);
    ASSERT_EQ(document.kind(document.root()), Kind::object);
    EXPECT_TRUE(document.is_global(document.callable(document.root()), "os", "system"));
    ASSERT_EQ(document.arguments(document.root()).size(), 1U);
    EXPECT_EQ(document.text(document.arguments(document.root())[0]), "x");
  }
}

TEST(Pickle, ObjectsKeepStateItemsAndElements) {
  const Document document = parse("cm\nC\n)R(K\x01K\x02u(K\x05"s + "e}b."s);
  const ValueId root = document.root();
  EXPECT_EQ(document.pairs(root).size(), 1U);
  EXPECT_EQ(document.elements(root).size(), 1U);
  ASSERT_TRUE(document.state(root).has_value());
  EXPECT_EQ(document.kind(*document.state(root)), Kind::dict);
}

TEST(Pickle, PersistentIds) {
  const Document binary = parse("(K\x01tQ."s);
  EXPECT_EQ(binary.kind(binary.root()), Kind::persistent_id);
  EXPECT_EQ(binary.kind(binary.persistent(binary.root())), Kind::tuple);
}

TEST(Pickle, FramesAndWhatFollowsStop) {
  const Document document = parse("\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00K\x07.rest"s);
  EXPECT_EQ(document.integer(document.root()), 7);
  EXPECT_EQ(document.consumed(), 14U);
  // Two frames, and a text between them as picklers write large ones.
  const Document two =
      parse("\x80\x04\x95\x01\0\0\0\0\0\0\0NX\x02\0\0\0hi\x95\x02\0\0\0\0\0\0\0\x86."s);
  EXPECT_EQ(two.elements(two.root()).size(), 2U);
}

TEST(Pickle, FramesThatReadersTakeDifferentlyAreRefused) {
  // Every length of a frame around a pickle with arguments, lines, and a frame within.
  const std::string inside = "X\x02\0\0\0hip12\nI345\n\x86"s;
  std::size_t ends = 0;
  for (std::size_t length = 0; length < inside.size(); ++length) {
    const std::string size(1, static_cast<char>(length));
    const Caught caught =
        catch_error([&] { parse("\x80\x04\x95" + size + "\0\0\0\0\0\0\0"s + inside + "."); });
    if (!caught.thrown) ++ends;
  }
  EXPECT_EQ(ends, 4U);  // before each opcode
  expect_malformed("\x95\x04\0\0\0\0\0\0\0N.NN"s, "pickle-frame");
  expect_malformed("\x95\x0b\0\0\0\0\0\0\0\x95\x01\0\0\0\0\0\0\0N."s, "pickle-frame");
}

TEST(Pickle, EveryTruncationIsRefused) {
  const std::string whole =
      "\x80\x02}q\x00(X\x06\x00\x00\x00weightq\x01"s
      "ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03"s
      "ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x00"s
      "0q\x05X\x03\x00\x00\x00"s
      "cpuq\x06K\x06tq\x07QK\x00K\x02K\x03\x86q\x08K\x03K\x01\x86q\x09\x89"s
      "ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0du."s;
  parse(whole);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const Caught caught = catch_error([&] { parse(whole.substr(0, length)); });
    EXPECT_TRUE(caught.thrown) << length;
    EXPECT_EQ(caught.kind, ErrorKind::malformed);
  }
}

TEST(Pickle, EveryByteAsFirstOpcodeIsReadOrRefused) {
  for (int opcode = 0; opcode < 256; ++opcode) {
    const std::string pickle = std::string(1, static_cast<char>(opcode)) + "\x01\x01\n\x01.";
    const Caught caught = catch_error([&] { parse(pickle); });
    if (caught.thrown) {
      EXPECT_EQ(caught.kind, ErrorKind::malformed) << opcode;
    }
  }
}

TEST(Pickle, MalformedPicklesAreRefusedWithTheReason) {
  expect_malformed(""s, "pickle-truncated");
  expect_malformed("."s, "pickle-stack");
  expect_malformed("a."s, "pickle-stack");
  expect_malformed("t."s, "pickle-mark");
  expect_malformed("(tt."s, "pickle-mark");
  expect_malformed("]K\x01(a."s, "pickle-stack");  // APPEND may not reach below a mark
  expect_malformed("}(K\x01u."s, "pickle-pairs");
  expect_malformed("]K\x01K\x02s."s, "pickle-container");
  expect_malformed("}K\x01"s + "a."s, "pickle-container");
  expect_malformed("K\x01}b."s, "pickle-state", "sets the state of the number 1");
  expect_malformed("h\x05."s, "pickle-memo", "memo entry 5, which was never set");
  expect_malformed("]r\xff\xff\xff\xff."s, "pickle-memo", "memo entry 4294967295, but");
  expect_malformed("X\xff\xff\xff\xff."s, "pickle-truncated",
                   "ends within a string (4,294,967,295 bytes wanted");
  expect_malformed("\x8d\xff\xff\xff\xff\xff\xff\xff\xff."s, "pickle-truncated");
  expect_malformed("\x8b\xff\xff\xff\xff."s, "pickle-length");
  expect_malformed("T\xff\xff\xff\xff."s, "pickle-length");
  expect_malformed("\x95\xff\x00\x00\x00\x00\x00\x00\x00."s, "pickle-frame");
  expect_malformed("\x80\x06."s, "pickle-protocol", "protocol is above 5");
  expect_malformed("K\x01K\x02\x93."s, "pickle-global");
  expect_malformed("(o."s, "pickle-global");
  expect_malformed("I1_000\n."s, "pickle-number");
  expect_malformed("I99999999999999999999\n."s, "pickle-number");
  expect_malformed("Fabc\n."s, "pickle-number");
  expect_malformed("Sabc\n."s, "pickle-text");
  expect_malformed("I1"s, "pickle-truncated");
  expect_malformed("\x82\x01."s, "pickle-extension");
  expect_malformed("\x97."s, "pickle-buffer");
  expect_malformed("\xfe."s, "pickle-opcode", "opcode 0xfe does not exist");
  expect_malformed("p-1\n."s, "pickle-memo");
}

// Forms that no pickler writes. Readers take some of them for different things.

void expect_irregular(const std::string& pickle, const std::string& code) {
  expect_malformed(pickle, code);
  // A scan reads on behind them.
  const auto bytes = test::bytes_of(pickle);
  const MemoryInput input(bytes);
  const Document document = Document::parse_as_far_as_possible(input, 0, {});
  ASSERT_FALSE(document.irregularities().empty()) << code;
  EXPECT_EQ(document.irregularities()[0].code, code);
  EXPECT_EQ(document.problem(), "");
}

TEST(Pickle, NumbersInOtherForms) {
  for (const char* number :
       {"I0100\n.", "I-0\n.", "I007\n.", "L0100L\n.", "]p00\n.", "]p0\ng00\n\x86."}) {
    expect_irregular(number, "pickle-number");
  }
  for (const char* number : {"I+1\n.", "I 1\n.", "I0x10\n.", "L1\n.", "F1e999\n.", "F1e-999\n.",
                             "F 1\n.", "Fnan(1)\n.", "Finfinity\n.", "F0x1p3\n."}) {
    expect_malformed(number, "pickle-number");
  }
  expect_malformed("L" + std::string(5000, '1') + "L\n.", "pickle-number");
}

TEST(Pickle, TextsInOtherForms) {
  expect_irregular("S'a\\'b'\n.", "pickle-escape");
  expect_irregular("S'\\x41'\n.", "pickle-escape");
  expect_malformed("Va\\\\u0041\n.", "pickle-escape");
  expect_malformed("V\\x41\n.", "pickle-escape");
  expect_malformed("V\\\n.", "pickle-escape");
  const Document bytes_of_python_2 = parse("U\x01\xff."s);
  EXPECT_EQ(bytes_of_python_2.kind(bytes_of_python_2.root()), Kind::bytes);
  EXPECT_EQ(parse("X\x03\0\0\0\xed\xa0\x80."s).value_count(), 5U);  // Python 3 writes surrogates so
  for (const char* bytes :
       {"\xc0\x80", "\xe0\x80\x80", "\xf4\x90\x80\x80", "\x80", "\xc3", "\xf8"}) {
    const std::string text = bytes;
    expect_irregular("\x8c" + std::string(1, static_cast<char>(text.size())) + text + ".",
                     "pickle-text");
  }
  const Document latin = parse("V\xe9\n.");
  EXPECT_EQ(latin.text(latin.root()), "é");
}

TEST(Pickle, WhatChangesAfterItWasRead) {
  // A list that a call takes, and that grows then.
  expect_irregular("]q\0cm\nC\nh\0\x85Rh\0K\x01"s + "a\x87.", "pickle-change");
  expect_irregular("cm\nC\n]q\0\x85Rq\1h\0K\x01"s + "a\x86.", "pickle-change");
  // A list in a list, a dict in a dict.
  expect_irregular("cm\nC\n]]q\0a\x85Rh\0K\x01"s + "a\x86.", "pickle-change");
  expect_irregular("cm\nC\n}K\1}q\0s\x85Rh\0K\1K\2s\x86."s, "pickle-change");
  // A state, and the items of an object with a state; a second state.
  expect_irregular("cm\nC\n)R}q\0bh\0K\1K\2s\x86."s, "pickle-change");
  expect_irregular("cm\nC\n)R}bK\1K\2s."s, "pickle-change");
  expect_irregular("cm\nC\n)R}b}b."s, "pickle-change");
  // A call may take an object whose state leads to it: a method of the object.
  parse("cm\nC\n)\x81q\0}\x8c\1acm\nf\nh\0\x85Rsb."s);
  // A value that the memo has by now: POP and GET.
  parse("]q\0h\0\x85q\1"s + "00h\1.");
  // A reference.
  expect_irregular("]q\0Qh\0K\1"s + "a\x86.", "pickle-change");
  // An object whose state leads back to it, as modules do.
  parse("cm\nC\n)\x81q\0}X\1\0\0\0ah\0sb."s);
}

TEST(Pickle, KeysThatPythonCannotUseOrThatRepeat) {
  for (const char* key : {"]", "}", "\x8f", "]\x85", "(]t"}) {
    expect_irregular("}" + std::string(key) + "Ns.", "pickle-key");
    expect_irregular("(" + std::string(key) + "\x91.", "pickle-key");
  }
  expect_irregular("}" + std::string("N") + std::string(101, '\x85') + "Ns.", "pickle-key");
  std::string many = "}(";
  for (int i = 0; i < 4'001; ++i)
    many += "M" + std::string{static_cast<char>(i), static_cast<char>(i >> 8)} + "\x85N";
  expect_irregular(many + "u.", "pickle-key");
  // Any number of integers that are not far larger than their number, few other ones, and
  // frozensets only of few scalars.
  const auto integers = [](std::uint32_t from, std::uint32_t count) {
    std::string out = "}(";
    for (std::uint32_t i = from; i < from + count; ++i) {
      out += "J";
      for (unsigned byte = 0; byte < 32; byte += 8) out += static_cast<char>(i >> byte & 0xffU);
      out += "N";
    }
    return out + "u.";
  };
  parse(integers(0, 20'000));
  parse(integers(1U << 30U, 20'000));
  // Multiples of 2^48 share long ways through the table of a set, but short ways in a dict.
  std::string elements;
  std::string items;
  for (int i = 1; i <= 2'000; ++i) {
    const std::string number = "\x8a\x08"s + std::string(6, '\0') + static_cast<char>(i & 0xff) +
                               static_cast<char>(i >> 8);
    elements += number;
    items += number + "N";
  }
  expect_irregular("\x8f(" + elements + "\x90.", "pickle-key");
  expect_irregular("(" + elements + "\x91.", "pickle-key");
  parse("}(" + items + "u.");
  parse("((N\x91\x91\x85."s);
  parse("}(" + std::string(16, 'N') + "\x91Ns.");
  expect_irregular("}(" + std::string(17, 'N') + "\x91Ns.", "pickle-key");
  expect_irregular("}(N\x85\x91Ns.", "pickle-key");
  expect_irregular("(((N\x91\x91\x91\x85.", "pickle-key");
  parse("}(K\1N\x88\x85NG\x40\0\0\0\0\0\0\0N(K\1\x91N\x8c\1aNcm\nC\nNu."s);
  expect_irregular("}(\x8c\1aN\x8c\1aNu."s, "pickle-key-twice");
  expect_irregular("}\x8c\1aq\0Nsh\0Ns."s, "pickle-key-twice");
  expect_irregular("}(K\1N\x88Nu."s, "pickle-key-twice");
  expect_irregular("}(K\1NG\x3f\xf0\0\0\0\0\0\0Nu."s, "pickle-key-twice");
  expect_irregular("cm\nC\n)R(\x8c\1aN\x8c\1aNu."s, "pickle-key-twice");
}

TEST(Pickle, OpcodesThatNoPicklerWrites) {
  expect_irregular("NN0.", "pickle-thrown-away");
  expect_irregular("N(N1.", "pickle-thrown-away");
  expect_irregular("N2\x86.", "pickle-duplicate");
  expect_irregular("NN.", "pickle-left-over");
  expect_irregular("N(N.", "pickle-left-over");
  expect_irregular("N\x80\2.", "pickle-protocol");
  expect_irregular("Pabc\n.", "pickle-reference");
  expect_irregular("cm\nC\n]R.", "pickle-arguments");
  expect_irregular("K\1q\0K\2q\0\x86."s, "pickle-memo-overwritten");
}

// Structures that cost a naive reader exponential time or its stack.

TEST(Pickle, SharedValuesAreNotCopied) {
  // Each step puts the value into a tuple of itself, twice: 2^100 leaves if it were copied.
  std::string pickle = "Nq\0"s;
  for (char i = 0; i < 100; ++i) pickle += "h"s + i + "\x86q" + static_cast<char>(i + 1);
  const Document document = parse(pickle + ".");
  EXPECT_LE(document.value_count(), 110U);
}

TEST(Pickle, DeepNestingNeedsNoStack) {
  for (const char* opcodes : {"\x85", "]", "}K\1"}) {
    const bool tuples = *opcodes == '\x85';
    const auto nested = [&](std::size_t depth) {
      std::string pickle = tuples ? "N" : "";
      for (std::size_t i = 0; i < depth; ++i) pickle += opcodes;
      if (!tuples) pickle += "N";
      for (std::size_t i = 0; i < depth && !tuples; ++i) pickle += *opcodes == ']' ? 'a' : 's';
      return pickle + ".";
    };
    parse(nested(limits::kPickleDepth));
    expect_irregular(nested(limits::kPickleDepth + 1), "pickle-depth");
    expect_irregular(nested(500'000), "pickle-depth");
  }
}

TEST(Pickle, CyclesEnd) {
  const Document document = parse("]q\x00h\x00"s + "a."s);
  EXPECT_EQ(document.elements(document.root())[0], document.root());
}

TEST(Pickle, TooManyValuesAreRefused) {
  const Caught values =
      catch_error([] { parse("(" + std::string(Limits{}.pickle_values, ']') + "t."); });
  EXPECT_EQ(values.code, "pickle-limit");
  const Caught stack =
      catch_error([] { parse("(" + std::string(Limits{}.pickle_values + 1, 'N') + "t."); });
  EXPECT_EQ(stack.code, "pickle-limit");
  const Caught marks =
      catch_error([] { parse(std::string(Limits{}.pickle_values + 1, '(') + "."); });
  EXPECT_EQ(marks.code, "pickle-limit");
}

TEST(Pickle, DescriptionsForMessages) {
  const Document document =
      parse("(NK\x07\x88X\x02\x00\x00\x00hi]}cos\nsystem\ncos\nsystem\n)Rt."s);
  std::string all;
  for (const ValueId value : document.elements(document.root())) {
    all += describe(document, value) + "; ";
  }
  EXPECT_EQ(all,
            "None; the number 7; True; the text 'hi'; a list; a dict; os.system; an object of "
            "os.system; ");
}

}  // namespace
}  // namespace aether2onnx::pickle::pickle_test
