// The grammar of pickles: opcodes, marks, the memo, lengths, depth.

#include <fmt/format.h>

#include "corpus.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

std::string repeated(std::string_view part, std::size_t count) {
  std::string out;
  out.reserve(part.size() * count);
  for (std::size_t i = 0; i < count; ++i) out += part;
  return out;
}

// As with_extra(), but the extra value comes first, so that readers meet the damage first.
std::string broken(std::string_view opcodes) {
  return checkpoint(
      pickle("}(" + text("extra") + std::string(opcodes) + text("params") + state_dict() + "u"));
}

void add_broken_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view opcodes, const std::string& code,
                       ScanResult scan = ScanResult::unclear) {
    refused(cases, "pickle_" + name, broken(opcodes), {ErrorKind::malformed, code}, scan);
  };
  add("pop_of_nothing", "(a", "pickle-stack");
  add("tuple_without_mark", "tttt", "pickle-mark");
  add("list_without_mark", "llll", "pickle-mark");
  add("dict_without_mark", "Ndddd", "pickle-mark");
  add("appends_without_mark", "]e]e]e", "pickle-container");
  add("setitems_without_mark", "}u}u}u", "pickle-mark");
  add("pop_mark_without_mark", "11", "pickle-mark");
  add("append_below_a_mark", "]K\x01(a", "pickle-stack");
  add("odd_items", "}(K\x01u", "pickle-pairs");
  add("odd_dict",
      "(K\x01"
      "d",
      "pickle-pairs");
  add("items_into_a_list", "]K\x01K\x02s", "pickle-container");
  add("elements_into_a_dict",
      "}K\x01"
      "a",
      "pickle-container");
  add("state_of_a_number", "K\x01}b", "pickle-state");
  add("state_of_a_class", "cm\nC\n}b", "pickle-state", ScanResult::found);
  add("memo_never_set", "hz", "pickle-memo");
  add("memo_huge", "]r\xff\xff\xff\xff"s, "pickle-memo");
  add("memo_put_of_nothing", "(q\x01"s, "pickle-stack");
  add("memo_negative", "]p-1\n", "pickle-memo");
  add("text_of_4_gb", "X\xff\xff\xff\xff"s, "pickle-truncated");
  add("text_of_2_63", "\x8d\0\0\0\0\0\0\0\x80"s, "pickle-truncated");
  add("bytes_of_2_63", "\x8e\0\0\0\0\0\0\0\x80"s, "pickle-truncated");
  add("text_of_negative_length", "T\xff\xff\xff\xff"s, "pickle-length");
  add("number_of_2_gb", "\x8b\xff\xff\xff\x7f"s, "pickle-truncated");
  add("number_of_negative_length", "\x8b\xff\xff\xff\xff"s, "pickle-length");
  add("frame_too_long", "\x95\xff\xff\xff\xff\0\0\0\0N"s, "pickle-frame");
  add("frame_of_2_63", "\x95\0\0\0\0\0\0\0\x80N"s, "pickle-frame");
  // If a frame ends within an argument, CPython drops the rest of the frame and reads on behind it.
  // Of the argument "01234", the frame's end, "56789" and a text, CPython runs the text's content.
  const auto framed = [](std::string_view inside, std::string_view behind) {
    return "\x95" + little(inside.size(), 8) + std::string(inside) + std::string(behind);
  };
  const std::string hidden = call("os", "system", "(" + text("true") + "t");
  add("frame_ends_in_a_text",
      framed("X\x0a\0\0\0"
             "01234"s,
             "56789" + text(hidden) + "\x86"),
      "pickle-frame");
  add("frame_ends_in_a_line", framed("]p1", "2\nN0g12\n"), "pickle-frame");
  add("frame_ends_in_a_length", framed("X\x01\0"s, "\0\0a"s), "pickle-frame");
  add("frame_ends_behind_an_opcode", framed("K", "\x01"), "pickle-frame");
  add("frame_ends_in_a_global", framed("cos\nsys", "tem\n"), "pickle-frame", ScanResult::found);
  add("frame_in_a_frame", framed(framed("NN", "") + "\x86", ""), "pickle-frame");
  add("frame_ends_in_a_frame", framed("\x95\x02\0\0"s, "\0\0\0\0\0NN\x86"s), "pickle-frame");
  add("protocol_6", "\x80\x06N"s, "pickle-protocol");
  add("extension_1", "\x82\x01"s, "pickle-extension");
  add("extension_2", "\x83\x01\x01"s, "pickle-extension");
  add("extension_4", "\x84\x01\x01\x01\x01"s, "pickle-extension");
  add("next_buffer", "\x97"s, "pickle-buffer");
  add("read_only_buffer", "N\x98"s, "pickle-buffer");
  add("no_such_opcode", "\xff"s, "pickle-opcode");
  add("int_that_is_none", "I1_000\n", "pickle-number");
  add("int_too_large", "I99999999999999999999\n", "pickle-number");
  add("float_that_is_none", "Fabc\n", "pickle-number");
  add("string_without_quotes", "Sabc\n", "pickle-text");
  add("unicode_beyond", "V\\U00110000\n", "pickle-escape");
  add("global_of_numbers", "K\x01K\x02\x93", "pickle-global");
  add("object_without_class", "(o", "pickle-global");
  add("call_that_breaks_off", call("os", "system", "(" + text("true") + "t") + "\xff",
      "pickle-opcode", ScanResult::found);
  add("extension_after_a_call", call("os", "system", "(" + text("true") + "t") + "\x82\x01",
      "pickle-extension", ScanResult::found);
}

void add_sound_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view opcodes,
                       ScanResult scan = ScanResult::clean) {
    converts(cases, "pickle_" + name, broken(opcodes), scan);
  };
  const auto irregular = [&](const std::string& name, std::string_view opcodes,
                             const std::string& code, ScanResult scan = ScanResult::unclear) {
    refused(cases, "pickle_" + name, broken(opcodes), {ErrorKind::malformed, code}, scan);
  };
  add("long_1_of_255", "\x8a\xff" + std::string(255, '\x7f'));
  add("set", "\x8f(K\x01\x90");
  add("frozen_set", "(K\x01\x91");
  irregular("duplicate_keys", "}(K\x01K\x02K\x01K\x03u", "pickle-key-twice");
  irregular("a_list_as_a_key", "}(]K\x02u", "pickle-key");
  add("nan_as_a_key", "}(G\x7f\xf8\0\0\0\0\0\0K\x02u"s);
  add("contains_itself",
      "]q\x05h\x05"
      "a"s);
  add("dict_contains_itself", "}q\x05K\x01h\x05s"s);
  irregular("deep_tuples", "N" + repeated("\x85", 200'000), "pickle-depth");
  irregular("deep_lists", repeated("]", 200'000) + repeated("a", 199'999), "pickle-depth");
  irregular("deep_dicts", repeated("}K\x01", 200'000) + "N" + repeated("s", 200'000),
            "pickle-depth");
  irregular("doubling", "N" + repeated("2\x86", 100'000), "pickle-duplicate");
  irregular("doubling_by_the_memo", "]q\x05" + repeated("(h\x05h\x05tq\x05", 60),
            "pickle-memo-overwritten", ScanResult::found);
  irregular("memo_overwritten", "K\x01q\x05K\x02q\x05\x86", "pickle-memo-overwritten",
            ScanResult::found);
  irregular("ten_million_opcodes", repeated("N0", 5'000'000) + "N", "pickle-thrown-away");
  add("text_with_nul", text("a\0b"s));
  add("text_with_a_surrogate", text("\xed\xa0\x80"));
  irregular("text_that_is_not_utf8", text("\xff\xfe"), "pickle-text");
  add("oldest_numbers", "(I01\nL5L\nF1.5\nFnan\nS'ab'\nV\\u00e9\nt");
  irregular("a_call_that_is_dropped", call("os", "system", "(" + text("true") + "t") + "0N",
            "pickle-thrown-away", ScanResult::found);
  irregular("object_that_is_dropped", "(" + global("os", "system") + text("true") + "o0N",
            "pickle-thrown-away", ScanResult::found);
  add("inst", "(" + text("true") + "ios\nsystem\n", ScanResult::found);
  add("newobj", global("os", "system") + "(" + text("true") + "t\x81", ScanResult::found);
  add("newobj_ex", global("os", "system") + ")}\x92", ScanResult::found);
  add("stack_global", text("os") + text("system") + "\x93)R", ScanResult::found);
  add("stack_global_by_the_memo",
      "](" + text("os") + "q\x05" + text("system") + "q\x06" + "h\x05h\x06\x93)Re",
      ScanResult::found);
  const std::string inner = pickle(call("os", "system", ")"));
  add("nested", "B" + little(inner.size(), 4) + inner, ScanResult::found);
  add("archive_within", "B" + little(8, 4) + "PK\x03\x04" + "abcd", ScanResult::unclear);
  const std::string good = pickle(state_dict());
  refused(cases, "pickle_bytes_behind_stop", checkpoint(good + "bytes"),
          {ErrorKind::malformed, "torch-pickle-end"}, ScanResult::found);
  refused(cases, "pickle_second_behind_stop", checkpoint(good + pickle(call("os", "system", ")"))),
          {ErrorKind::malformed, "torch-pickle-end"}, ScanResult::found);
  const auto whole_in_frame = [&](std::uint64_t beyond, const std::string& behind) {
    const std::string body = state_dict() + ".";
    return "\x80\x04\x95" + little(body.size() + beyond, 8) + body + behind;
  };
  converts(cases, "pickle_in_a_frame", checkpoint(whole_in_frame(0, "")), ScanResult::clean);
  refused(
      cases, "pickle_frame_beyond_stop",
      checkpoint(whole_in_frame(9000, pickle(call("os", "system", ")")) + std::string(9000, 'N'))),
      {ErrorKind::malformed, "pickle-frame"}, ScanResult::unclear);
  refused(cases, "pickle_other_first", checkpoint(pickle("}") + good),
          {ErrorKind::malformed, "torch-pickle-end"}, ScanResult::found);
  refused(cases, "pickle_no_stop", checkpoint(good.substr(0, good.size() - 1)),
          {ErrorKind::malformed, "pickle-truncated"}, ScanResult::unclear);
  refused(cases, "pickle_empty", checkpoint(""), {ErrorKind::malformed, "pickle-truncated"},
          ScanResult::unclear);
  refused(cases, "pickle_stop_alone", checkpoint("."), {ErrorKind::malformed, "pickle-stack"},
          ScanResult::unclear);
  for (const int protocol : {3, 4, 5}) {
    converts(cases, fmt::format("pickle_protocol_{}", protocol),
             checkpoint("\x80" + std::string(1, static_cast<char>(protocol)) + state_dict() + "."),
             ScanResult::clean);
  }
  converts(cases, "pickle_without_protocol", checkpoint(state_dict() + "."), ScanResult::clean);
  refused(cases, "pickle_too_many_values", broken("(" + repeated("]", 2'100'000) + "t"),
          {ErrorKind::limit, "pickle-limit", "limit pickle_values=N"}, ScanResult::unclear);
  // Nine tuples of a million values each.
  refused(cases, "pickle_too_many_items",
          broken("(" + repeated("(" + repeated("N", 1'000'000) + "t", 9) + "t"),
          {ErrorKind::limit, "pickle-limit", "limit pickle_items=N"}, ScanResult::unclear);
}

}  // namespace

void add_pickle_cases(Cases& cases) {
  add_broken_cases(cases);
  add_sound_cases(cases);
  const std::string good = pickle(state_dict());
  const auto any = [&](const std::string& name, const std::string& file, ScanResult scan) {
    cases.push_back({name, bytes_of(file), std::nullopt, "", scan, true});
  };
  for (int opcode = 0; opcode < 256; ++opcode) {
    any(fmt::format("pickle_first_{:02x}", opcode),
        checkpoint(std::string(1, static_cast<char>(opcode)) + "\x01\x01\n\x01." + good),
        ScanResult::unclear);
  }
  // Every byte of the first tensor, and some of the rest.
  for (std::size_t length = 1; length < good.size(); length += length < 300 ? 1 : 97) {
    any(fmt::format("pickle_cut_{:05}", length), checkpoint(good.substr(0, length)),
        ScanResult::unclear);
  }
}

}  // namespace aether2onnx::corpus
