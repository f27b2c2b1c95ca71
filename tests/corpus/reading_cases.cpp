// Pickles that readers take for different things: what is a text or number to one reader is another
// to the next; what a call took changes later; a known name is called as no writer calls it. Each
// was called clean once, and loaded other weights in PyTorch, ran code, ended the process, or
// didn't load.

#include <fmt/format.h>

#include <bit>
#include <random>

#include "corpus.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

const std::string kOther = call("collections", "OrderedDict", ")");  // another value for an entry

std::string line_text(std::string_view value) { return "S'" + std::string(value) + "'\n"; }

// {key: state dict} with the opcodes of a key.
std::string wrapped(std::string_view key) {
  return checkpoint(pickle("}(" + std::string(key) + state_dict() + "u"));
}

// The first tensor's record, and opcodes behind it.
std::string first_with(const std::string& behind) {
  Record record = as_record(sample().front(), 0);
  record.behind = behind;
  return checkpoint(pickle(state_dict(opcodes(record))));
}

std::string first_as(const std::string& opcodes) { return checkpoint(pickle(state_dict(opcodes))); }

// A text or number that readers decode in different ways.
void add_spellings(Cases& cases) {
  const auto add = [&](const std::string& name, const std::string& file, const std::string& code) {
    refused(cases, "spelling_" + name, file, {ErrorKind::malformed, code}, ScanResult::unclear);
  };
  add("key_with_hex_escape", wrapped(line_text("\\x70arams")), "pickle-escape");
  add("key_with_octal_escape", wrapped(line_text("\\160arams")), "pickle-escape");
  add("key_with_a_name_escape", wrapped(line_text("\\N{LATIN SMALL LETTER P}arams")),
      "pickle-escape");
  add("key_with_a_line_end_escape", wrapped(line_text("params\\\\n")), "pickle-escape");
  add("key_with_doubled_backslash", wrapped("Vpar\\\\u0061ms\n"), "pickle-escape");
  add("key_with_three_backslashes", wrapped("Vpar\\\\\\u0061ms\n"), "pickle-escape");
  add("key_with_a_lone_backslash", wrapped("Vparams\\\n"), "pickle-escape");
  add("key_by_str", wrapped(call("__builtin__", "str", "(" + text("params") + "t")),
      "torch-misuse");
  add("key_by_unicode", wrapped(call("__builtin__", "unicode", "(" + text("params") + "t")),
      "torch-misuse");
  add("key_by_a_version",
      wrapped(global("torch.torch_version", "TorchVersion") + "(" + text("params") + "t\x81"),
      "torch-misuse");
  add("key_by_a_numpy_text",
      wrapped(call(
          "numpy.core.multiarray", "scalar",
          "(" + call("numpy", "dtype", "(" + text("U6") + "\x89\x88t") + text("params") + "t")),
      "torch-misuse");
  const auto number = [&](const std::string& name, const std::string& opcodes,
                          const std::string& code) {
    refused(cases, "spelling_" + name, checkpoint(with_extra(opcodes)),
            {ErrorKind::malformed, code}, ScanResult::unclear);
  };
  number("octal", "I0100\n", "pickle-number");
  number("hexadecimal", "I0x40\n", "pickle-number");
  number("binary", "I0b11\n", "pickle-number");
  number("with_plus", "I+64\n", "pickle-number");
  number("minus_zero", "I-0\n", "pickle-number");
  number("three_digits_of_a_boolean", "I001\n", "pickle-number");
  number("with_blank", "I 64\n", "pickle-number");
  number("with_carriage_return", "I64\r\n", "pickle-number");
  number("with_underscore", "L1_000L\n", "pickle-number");
  number("long_without_its_letter", "L64\n", "pickle-number");
  number("long_with_leading_zero", "L0100L\n", "pickle-number");
  number("long_of_100000_digits", "L" + std::string(100'000, '9') + "L\n", "pickle-number");
  number("real_beyond", "F1e999\n", "pickle-number");
  number("real_with_underscore", "F1_0.5\n", "pickle-number");
  number("real_in_hexadecimal", "F0x1p3\n", "pickle-number");
  number("memo_with_leading_zero", "]p0100\n", "pickle-number");
  number("text_with_overlong_utf8", text("\xc0\xaf"), "pickle-text");
  converts(cases, "spelling_python_2_bytes", checkpoint(with_extra("U\x02\xff\xfe"s)),
           ScanResult::clean);
  number("protocol_in_the_middle", "\x80\x04N"s, "pickle-protocol");
  refused(
      cases, "spelling_size_in_octal",
      [] {
        Record record = as_record(sample().front(), 0);
        std::string file = opcodes(record);
        const std::string size = integer(record.shape[0]);
        file.replace(file.rfind(size + integer(record.shape[1])), size.size(), "I01000\n");
        return first_as(file);
      }(),
      {ErrorKind::malformed, "pickle-number"}, ScanResult::unclear);
}

// A value that changes after a call or BUILD took it, and an entry that is given twice.
void add_changes(Cases& cases) {
  const auto add = [&](const std::string& name, const std::string& file,
                       const std::string& code = "pickle-change") {
    refused(cases, "change_" + name, file, {ErrorKind::malformed, code}, ScanResult::unclear);
  };
  const std::string old_dict =  // an OrderedDict as Python 2 writes it, from the list in memo 9
      global("collections", "OrderedDict");
  add("items_after_the_call",
      checkpoint(pickle("}(" + text("l") + "]q\x09" + text("params") + old_dict + "h\x09\x85R" +
                        text("x") + "h\x09](" + text("w") + "Ne" + "au")));
  add("pair_after_the_call",
      checkpoint(pickle("}(" + text("l") + "](" + text("w") + "eq\x09" + text("params") + old_dict +
                        "]h\x09" + "a\x85R" + text("x") + "h\x09N" + "au")));
  const std::string object = global("my", "Net") + ")\x81";
  add("state_after_build",
      checkpoint(pickle("}(" + text("params") + state_dict() + text("net") + object + "}q\x09" +
                        "b" + text("x") + "h\x09" + text("a") + "Nsu")));
  cases.back().scan = ScanResult::found;
  add("second_state",
      checkpoint(pickle("}(" + text("params") + state_dict() + text("net") + object + "}b}bu")));
  cases.back().scan = ScanResult::found;
  add("items_after_a_state", checkpoint(pickle("}(" + text("params") + state_dict() + "}b(" +
                                               text(sample().front().name) + "Nu" + "u")));
  add("size_after_the_tensor",
      checkpoint(pickle("}(" + text("l") + "]q\x09" + text("set") +
                        call("__builtin__", "set", "(h\x09t") + text("x") + "h\x09N" + "au")));
  add("hooks_after_the_tensor", [] {
    Record record = as_record(sample().front(), 0);
    std::string made = opcodes(record);
    made.replace(made.size() - 3, 3, ")Rq\x09tR");
    return checkpoint(
        pickle("}(" + text("params") + state_dict(made) + text("x") + "h\x09" + text("a") + "Nsu"));
  }());
  add("reference_after_its_use", checkpoint(pickle("}(" + text("l") + "]q\x09" + text("r") +
                                                   "h\x09Q" + text("x") + "h\x09N" + "au")));
  cases.back().scan = ScanResult::found;
  add("params_twice",
      checkpoint(pickle("}(" + text("params") + state_dict() + text("params") + "K\x05u")),
      "pickle-key-twice");
  add("params_twice_by_the_memo",
      checkpoint(pickle("}(" + text("params") + "q\x09" + state_dict() + "h\x09K\x05u")),
      "pickle-key-twice");
  add("params_twice_in_two_steps",
      checkpoint(pickle("}" + text("params") + state_dict() + "s" + text("params") + "K\x05s")),
      "pickle-key-twice");
  add("params_old_and_new_text",
      checkpoint(pickle("}(" + text("params") + state_dict() + "U\x06params" + "K\x05u")),
      "pickle-key-twice");
  add("one_and_true", checkpoint(with_extra("}(K\x01N\x88Nu")), "pickle-key-twice");
  add("one_and_one_point_zero", checkpoint(with_extra("}(K\x01NG\x3f\xf0\0\0\0\0\0\0Nu"s)),
      "pickle-key-twice");
}

// Known names, called or filled as no writer does.
void add_misuses(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view opcodes,
                       ScanResult scan = ScanResult::unclear) {
    refused(cases, "misuse_" + name, checkpoint(with_extra(opcodes)),
            {ErrorKind::malformed, "torch-misuse"}, scan);
  };
  // What numpy writes of texts, dates and objects: nobody can tell, and no weight depends on it.
  const auto unjudged = [&](const std::string& name, std::string_view opcodes) {
    converts(cases, "misuse_" + name, checkpoint(with_extra(opcodes)), ScanResult::unclear);
  };
  const auto of_weight = [&](const std::string& name, const std::string& file,
                             ScanResult scan = ScanResult::unclear) {
    refused(cases, "misuse_" + name, file, {ErrorKind::malformed, "torch-misuse"}, scan);
  };
  // The weights would be others than those that are read.
  of_weight("build_on_a_tensor", first_with("(NNNNt"
                                            "b"));
  of_weight("build_on_a_tensor_with_a_dict", first_with("}" + text("data") + kOther + "sb"));
  const std::string tensor = record_of(sample().front(), 0);
  const std::string hooks = call("collections", "OrderedDict", ")");
  of_weight("build_on_a_parameter", first_as(call("torch._utils", "_rebuild_parameter",
                                                  "(" + tensor + "\x88" + hooks + "t") +
                                             "}" + text("data") + kOther + "sb"));
  of_weight("parameter_with_other_data",
            first_as(call("torch._utils", "_rebuild_parameter_with_state",
                          "(" + tensor + "\x88" + hooks + "}" + text("data") + kOther + "st")));
  of_weight("parameter_with_a_method",
            first_as(call("torch._utils", "_rebuild_parameter_with_state",
                          "(" + tensor + "\x88" + hooks + "}" + text("x") +
                              global("collections", "OrderedDict") + ")R" + "st")));
  of_weight(
      "tensor_of_a_type_with_other_data",
      first_as(call("torch._tensor", "_rebuild_from_type_v2",
                    "(" + global("torch._utils", "_rebuild_tensor_v2") + global("torch", "Tensor") +
                        ")" + "}" + text("data") + kOther + "st")),
      ScanResult::found);
  of_weight(
      "ordered_dict_of_a_dict",
      checkpoint(pickle(call("collections", "OrderedDict", "(}" + text("w") + tensor + "st"))));
  of_weight("ordered_dict_by_newobj", checkpoint(pickle(global("collections", "OrderedDict") +
                                                        ")\x81" + text("w") + tensor + "s")));
  of_weight("ordered_dict_of_items_and_more",
            checkpoint(pickle(global("collections", "OrderedDict") + "](" + text("a") + tensor +
                              "la\x85R" + text("w") + tensor + "s")));
  of_weight("ordered_dict_with_a_method",
            checkpoint(pickle(state_dict() + "}" + text("items") +
                              global("collections", "OrderedDict") + "sb")));
  of_weight(
      "default_dict_of_items",
      checkpoint(pickle(call("collections", "defaultdict", "(N}" + text("w") + tensor + "st"))));
  of_weight("dict_of_items",
            checkpoint(pickle(call("__builtin__", "dict", "(}" + text("w") + tensor + "st"))));
  of_weight("reconstructor_of_a_dict",
            checkpoint(
                pickle(call("copy_reg", "_reconstructor",
                            "(" + global("collections", "OrderedDict") +
                                global("__builtin__", "dict") + "}" + text("w") + tensor + "st"))));
  of_weight("class_in_place_of_hooks", first_as([&] {
              std::string made = tensor;
              made.replace(made.rfind(hooks), hooks.size(), global("collections", "OrderedDict"));
              return made;
            }()));

  // Keywords, flags and values that write memory or files.
  const auto newobj_ex = [&](const std::string& module, const std::string& name,
                             const std::string& keyword) {
    return global(module, name) + ")}" + text(keyword) + "K\x00s\x92"s;
  };
  add("tensor_by_keywords", newobj_ex("torch", "Tensor", "_cdata"));
  add("storage_by_keywords", newobj_ex("torch", "UntypedStorage", "allocator"));
  add("size_by_keywords", newobj_ex("torch", "Size", "x"));
  add("layer_by_keywords", newobj_ex("torch.nn.modules.linear", "Linear", "in_features"));
  add("layer_without_a_state", global("torch.nn.modules.upsampling", "Upsample") + ")\x81");
  const auto dtype = [&](const std::string& type, const std::string& state) {
    return call("numpy", "dtype", "(" + text(type) + "\x89\x88t") + "(" + state + "tb";
  };
  const std::string last = "J\xff\xff\xff\xffJ\xff\xff\xff\xff";
  unjudged("dtype_of_objects", dtype("O8", "K\x03" + text("|") + "NNN" + last + "K\x3f"));
  add("dtype_with_flags", dtype("f4", "K\x03" + text("<") + "NNN" + last + "K\x3f"));
  add("dtype_with_fields",
      dtype("f4", "K\x03" + text("<") + "N(" + text("a") + "t}" + last + "K\x00"s));
  add("dtype_with_a_size", dtype("f4", "K\x03" + text("<") + "NNNK\x40K\x01K\x00"s));
  unjudged("dtype_of_a_structure", dtype("V8", "K\x03" + text("|") + "NNN" + last + "K\x00"s));
  const std::string objects = call("numpy", "dtype", "(" + text("O8") + "\x89\x88t");
  const std::string floats = call("numpy", "dtype", "(" + text("f4") + "\x89\x88t");
  const std::string scalar = "numpy.core.multiarray";
  add("scalar_that_returns_its_value",
      call(scalar, "scalar", "(" + objects + global("collections", "OrderedDict") + "t"));
  add("scalar_of_objects_without_value", call(scalar, "scalar", "(" + objects + "t"));
  add("scalar_too_short", call(scalar, "scalar", "(" + floats + "C\x03" + "abct"));
  const std::string array = call(scalar, "_reconstruct",
                                 "(" + global("numpy", "ndarray") + "K\x00\x85"s + "C\x01" + "bt");
  add("array_larger_than_its_bytes",
      array + "(K\x01(K\x10K\x10t" + floats + "\x89" + "C\x04" + "abcdtb");
  add("array_of_2_40",
      array + "(K\x01" + tuple({1 << 20, 1 << 20}) + floats + "\x89" + "C\x04" + "abcdtb");
  unjudged("array_of_objects", array + "(K\x01(K\x01t" + objects +
                                   "\x89]K\x01"
                                   "atb");
  add("array_of_another_class",
      call(scalar, "_reconstruct",
           "(" + global("collections", "OrderedDict") + "K\x00\x85"s + "C\x01" + "bt"));
  add("array_reconstructed_large",
      call(scalar, "_reconstruct",
           "(" + global("numpy", "ndarray") + tuple({1 << 30}) + "C\x01" + "bt"));
  add("dump_patches_on_a_class",
      "(" + text("module") + call(scalar, "scalar", "(" + objects + global("my", "Net") + "t") +
          text("net.py") + text("class Net: ...") + "tQ",
      ScanResult::found);

  // Work without end, or memory without bounds.
  add("list_of_a_range",
      call("__builtin__", "list",
           "(" +
               call("__builtin__", "xrange",
                    "(" + integer(0) + integer(10'000'000'000) + integer(1) + "t") +
               "t"));
  add("bytearray_of_a_number",
      call("__builtin__", "bytearray", "(" + integer(10'000'000'000) + "t"));
  add("bytes_of_a_number", call("__builtin__", "bytes", "(" + integer(10'000'000'000) + "t"));
  add("tensor_of_sizes", call("torch", "Tensor", "(" + integer(100'000) + integer(100'000) + "t"));
  add("float_tensor_of_sizes",
      call("torch", "FloatTensor", "(" + integer(100'000) + integer(100'000) + "t"));
  add("storage_of_a_size", call("torch", "FloatStorage", "(" + integer(10'000'000'000) + "t"));
  add("text_of_nested_lists", call("__builtin__", "str", "(]t"));
  add("number_of_a_text", call("__builtin__", "int", "(" + text(std::string(4000, '9')) + "t"));
  add("set_of_a_range",
      call("__builtin__", "set",
           "(" +
               call("__builtin__", "xrange",
                    "(" + integer(0) + integer(10'000'000'000) + integer(1) + "t") +
               "t"));
  add("counter_of_a_text", call("collections", "Counter", "(" + text("aab") + "t"));
  add("deque_of_a_range",
      call("collections", "deque",
           "(" +
               call("__builtin__", "xrange",
                    "(" + integer(0) + integer(10'000'000'000) + integer(1) + "t") +
               "t"));
  add("fraction_of_a_long_text", call("fractions", "Fraction", "(" + text("1e400000000") + "t"));
  add("decimal_with_a_large_exponent",
      call("decimal", "Decimal", "(" + text("1E+400000000") + "t"));
  add("fraction_as_a_key", "}" + call("fractions", "Fraction", "(K\x01K\x03t") + "Ns");
  add("bytearray_with_an_encoding",
      call("__builtin__", "bytearray", "(" + text("abc") + text("evil_module") + "t"));
  add("bytes_of_another_encoding",
      call("_codecs", "encode", "(" + text("abc") + text("evil_module") + "t"));
  add("bytes_of_large_characters",
      call("_codecs", "encode", "(" + text("\xc4\x80") + text("latin1") + "t"));
  add("date_of_a_text", call("datetime", "date", "(" + text("abc") + "t"));
  add("called_by_another_opcode", "(" + text("a") + global("torch", "Size") + "o");
  add("called_by_inst", "(itorch\nSize\n");
  add("parameter_called", call("torch.nn.parameter", "Parameter", "(" + tensor + "t"));
  add("factory_that_runs", call("collections", "defaultdict", "(" + global("torch", "load") + "t"),
      ScanResult::found);
  add("result_called", call("collections", "OrderedDict", ")") + ")R", ScanResult::found);
  add("reference_of_another_kind", "(" + text("tensor") + text("0") + "tQ", ScanResult::found);
}

std::string real(double value) {
  std::string bytes = little(std::bit_cast<std::uint64_t>(value), 8);
  return "G" + std::string(bytes.rbegin(), bytes.rend());
}

// Integers below `first`, and then integers for which Python searches long in a dict of 2^15 slots
// with the first ones. The search goes from slot i to 5 i + 1 + (hash >> 5 k), until the shift
// leaves 0. The hash of an integer is the integer. Here, each of these slots has one of the first
// integers, and the last slot is near one start of the same path. Source: Objects/dictobject.c.
std::vector<std::int64_t> integers_on_one_path() {
  constexpr std::int64_t first = 13'000;
  constexpr int bits = 15;
  constexpr std::uint64_t mask = (1U << bits) - 1;
  std::vector<bool> near(mask + 1);
  std::uint64_t slot = first + 1;
  for (int i = 0; i < 4'000; ++i, slot = (5 * slot + 1) & mask) near[slot] = true;
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < first; ++i) numbers.push_back(i);
  std::mt19937_64 random(1);  // NOLINT(cert-msc51-cpp): the same file each time
  while (numbers.size() < 21'000) {
    std::uint64_t number = random() % first;
    std::uint64_t at = number;
    int k = 0;
    for (int bit = bits; bit < 60 && at < first; bit += 5) {
      ++k;
      for (int attempt = 0; attempt < 8; ++attempt) {
        const std::uint64_t longer = number | (random() & 31U) << bit;
        const std::uint64_t next = (5 * at + 1 + (longer >> (5 * k))) & mask;
        if (next >= first && attempt < 7) continue;
        number = longer;
        at = next;
        break;
      }
    }
    while (at < first && number >> (5 * k) != 0) {
      ++k;
      at = (5 * at + 1 + (number >> (5 * k))) & mask;
    }
    if (number >> (5 * k) == 0 && near[at]) numbers.push_back(static_cast<std::int64_t>(number));
  }
  return numbers;
}

// Frozensets in frozensets, twice. To compare the two outermost frozensets, Python compares the
// inner ones twice at each of 40 levels. `made` writes a frozenset with these elements.
template <typename Made>
std::string nested_sets(const std::string& set, const Made& made) {
  int memo = 1000;
  const auto keep = [&](const std::string& value) {
    ++memo;
    return text(std::to_string(memo)) + value + fmt::format("p{}\n", memo);
  };
  const auto get = [&] { return fmt::format("g{}\n", memo); };
  std::string out = "}(";
  std::string outermost;
  for (int side = 0; side < 2; ++side) {
    out += keep(made("K\1"));
    for (int level = 0; level < 40; ++level) {
      const std::string inner = get();
      out += keep(made(inner));
      out += keep(made(inner + get()));
    }
    outermost += get();
  }
  return out + text("set") + set + outermost;
}

// Keys that take Python longer than the file is long.
void add_keys(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view opcodes, const std::string& code) {
    refused(cases, "key_" + name, checkpoint(with_extra(opcodes)), {ErrorKind::malformed, code},
            ScanResult::unclear);
  };
  const auto doubled = [](const std::string& last) {
    std::string made = "N";
    for (int i = 0; i < 40; ++i) made += fmt::format("p{}\ng{}\n\x86", 100 + i, 100 + i);
    return made + last;
  };
  add("doubled_forty_times", "}" + doubled("Ns"), "pickle-key");
  add("doubled_in_a_set", "\x8f(" + doubled("\x90"), "pickle-key");
  add("doubled_in_a_frozen_set", "(" + doubled("\x91"), "pickle-key");
  add(
      "doubled_by_dup",
      "}N" +
          [] {
            std::string made;
            for (int i = 0; i < 40; ++i) made += "2\x86";
            return made;
          }() +
          "Ns",
      "pickle-duplicate");
  std::string same_hash = "}(";
  for (std::uint64_t i = 1; i <= 40'000; ++i) {
    // Multiples of 2^61 - 1, whose hashes are 0 in CPython: i * 2^61 - i, in 80 bits.
    const std::uint64_t low = (i & 7U) << 61U;
    const std::uint64_t high = (i >> 3U) - (low < i ? 1 : 0);
    same_hash += "\x8a\x0a" + little(low - i, 8) + little(high, 2) + "N";
  }
  add("numbers_of_one_hash", same_hash + "u", "pickle-key");
  std::string tuples = "}(";
  for (int i = 0; i < 4'001; ++i) tuples += integer(i) + "\x85N";
  add("many_tuples", tuples + "u", "pickle-key");
  std::string path = "}(";
  for (const std::int64_t number : integers_on_one_path()) path += integer(number) + "N";
  add("integers_on_one_path", path + "u", "pickle-key");
  std::string complex_numbers;
  for (int i = 1; i <= 4'001; ++i) {
    // Python adds 1000003 times the hash of the imaginary part to the hash of the real part.
    complex_numbers += call("__builtin__", "complex",
                            "(" + real(1e12 - 1000003.0 * i) + real(static_cast<double>(i)) + "t");
  }
  add("complex_numbers_of_one_hash", call("__builtin__", "set", "](" + complex_numbers + "e\x85"),
      "torch-misuse");
  add("nested_frozen_sets",
      nested_sets("\x8f(", [](const std::string& of) { return "(" + of + "\x91"; }) + "\x90u",
      "pickle-key");
  add("nested_frozen_sets_by_calls",
      nested_sets(global("__builtin__", "set") + "](",
                  [](const std::string& of) {
                    return call("__builtin__", "frozenset", "](" + of + "e\x85");
                  }) +
          "e\x85Ru",
      "torch-misuse");
  add("a_dict", "}}Ns", "pickle-key");
  add("a_set", "}\x8fNs", "pickle-key");
  add("a_tuple_with_a_list", "}]\x85Ns", "pickle-key");
  add("a_reference",
      "}(" + text("storage") + global("torch", "FloatStorage") + text("0") + text("cpu") +
          integer(as_record(sample().front(), 0).elements) + "tQNs",
      "pickle-key");
}

}  // namespace

void add_reading_cases(Cases& cases) {
  add_spellings(cases);
  add_changes(cases);
  add_misuses(cases);
  add_keys(cases);
}

}  // namespace aether2onnx::corpus
