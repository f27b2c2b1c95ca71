// Zip archives: contradictions between their parts, and what readers take differently.

#include <algorithm>

#include "base/crc32.h"
#include "corpus.h"
#include "deflated.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

// The entries of a good checkpoint with one of them changed: 0 is data.pkl, 2 the first storage.
template <typename Change>
std::string changed(std::size_t index, Change change) {
  std::vector<RawEntry> list = entries(pickle(state_dict()));
  change(list.at(index));
  return raw_zip(list);
}

std::string ending(const RawEnd& end) { return raw_zip(entries(pickle(state_dict())), end); }

template <typename Change>
std::string with_list(Change change) {
  std::vector<RawEntry> list = entries(pickle(state_dict()));
  change(list);
  return raw_zip(list);
}

// A pickle that a loader would run.
std::string evil() { return pickle(call("os", "system", "(" + text("true") + "t")); }

std::string wide(std::uint64_t size, std::uint64_t packed) {
  return little(1, 2) + little(16, 2) + little(size, 8) + little(packed, 8);
}

void add_end_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view bytes, const std::string& text,
                       ScanResult scan = ScanResult::found) {
    refused(cases, "zip_" + name, bytes, ErrorKind::malformed, text, scan);
  };
  const std::string whole = checkpoint(pickle(state_dict()));
  const std::string other = checkpoint(evil());
  add("cut_in_the_middle", whole.substr(0, whole.size() / 2), "zip-cut-off", ScanResult::unclear);
  add("cut_by_a_byte", whole.substr(0, whole.size() - 1), "zip-cut-off", ScanResult::unclear);
  add("ten_bytes_behind", whole + std::string(10, 'x'), "zip-behind-end");
  add("much_behind", whole + std::string(100'000, 'x'), "zip-cut-off", ScanResult::unclear);
  add("count_too_large", ending({.count = 200}), "zip-count");
  add("count_too_small", ending({.count = 3}), "zip-count");
  add("directory_too_long", ending({.directory_size = 99'999}), "zip-directory");
  add("directory_too_short", ending({.directory_size = 60}), "zip-before");
  add("directory_elsewhere", ending({.directory_offset = 0xfffffff0}), "zip-directory");
  add("directory_at_the_start", ending({.directory_offset = 0}), "zip-before");
  add("gap_before_the_end", ending({.before_end = "some bytes"}), "zip-before");
  add("comment_too_long", ending({.comment_length = 500}), "zip-comment");
  add("comment_too_short", ending({.comment_length = 1, .comment = "abcdef"}), "zip-behind-end");
  add("several_disks", ending({.disk = 1}), "zip-disks");
  add("comment_is_an_archive", ending({.comment = other}), "zip-before");
  add("two_archives", whole + other, "zip-before");
  add("something_before", "PK\x03\x04garbage before the archive" + whole, "zip-before");
  add("zip64_count", ending({.zip64 = true, .zip64_count = 7}), "zip-zip64");
  add("zip64_huge_count", ending({.zip64 = true, .zip64_count = UINT64_MAX}), "zip-zip64");
  add("zip64_elsewhere", ending({.zip64 = true, .zip64_offset = UINT64_MAX - 5}), "zip-zip64");
  add("zip64_locator", ending({.zip64 = true, .locator_offset = 3}), "zip-zip64");
  add("zip64_locator_outside", ending({.zip64 = true, .locator_offset = UINT64_MAX - 9}),
      "zip-zip64");
  converts(cases, "zip_zip64_as_pytorch_writes_it", ending({.zip64 = true}), ScanResult::clean);
  converts(cases, "zip_comment", ending({.comment = "made by hand"}), ScanResult::unclear);
}

void add_entry_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view bytes, const std::string& text,
                       ScanResult scan = ScanResult::found, ErrorKind kind = ErrorKind::malformed) {
    refused(cases, "zip_" + name, bytes, kind, text, scan);
  };
  for (const unsigned bit : {0U, 5U, 6U, 13U}) {
    const auto both = changed(0, [&](RawEntry& e) { e.flags = 1U << bit; });
    add("flag_" + std::to_string(bit), both, bit == 0 ? "zip-encrypted" : "zip-flags",
        ScanResult::found, bit == 0 ? ErrorKind::unsupported : ErrorKind::malformed);
    add("local_flag_" + std::to_string(bit),
        changed(0, [&](RawEntry& e) { e.local_flags = 1U << bit; }), "zip-local-flags");
  }
  add("local_name", changed(0, [](RawEntry& e) { e.local_name = "archive/Data.pkl"; }),
      "zip-local-name");
  add("local_name_longer", changed(2, [](RawEntry& e) { e.local_name = "archive/data/00"; }),
      "zip-local-name");
  add("local_size", changed(2, [](RawEntry& e) { e.local_size = 1; }), "zip-local-size");
  add("local_crc", changed(2, [](RawEntry& e) { e.local_crc = 1; }), "zip-local-crc");
  add("local_method", changed(0, [](RawEntry& e) { e.local_method = 8; }), "zip-local-method");
  add("descriptor",
      changed(2,
              [](RawEntry& e) {
                e.descriptor = true;
                e.descriptor_crc = 77;
              }),
      "zip-descriptor");
  converts(cases, "zip_descriptors", with_list([](auto& list) {
             for (RawEntry& e : list) e.descriptor = true;
           }),
           ScanResult::clean);
  add("crc_of_the_pickle", changed(0, [](RawEntry& e) { e.crc = 0x12345678; }), "zip-crc",
      ScanResult::unclear);
  add("crc_of_a_storage", changed(2, [](RawEntry& e) { e.crc = 0x12345678; }), "zip-crc",
      ScanResult::unclear);
  converts(cases, "zip_crc_not_computed", with_list([](auto& list) {
             for (RawEntry& e : list) e.crc = 0;
           }),
           ScanResult::clean);
  add("stored_sizes_differ",
      changed(2,
              [](RawEntry& e) {
                e.size = 400;
                e.packed = 4;
              }),
      "zip-stored-size");
  add("reaches_beyond", changed(2, [](RawEntry& e) { e.size = 0x10000000; }), "zip-size");
  add("offset_beyond", changed(2, [](RawEntry& e) { e.offset = 0x7fffffff; }), "zip-local-header");
  add("offset_off_by_one", changed(2, [](RawEntry& e) { e.offset = 201; }), "zip-local-header");
  add("method_bzip2", changed(2, [](RawEntry& e) { e.method = 12; }), "zip-method",
      ScanResult::found, ErrorKind::unsupported);
  add("method_aes", changed(2, [](RawEntry& e) { e.method = 99; }), "zip-method",
      ScanResult::found);
  add("another_disk", changed(2, [](RawEntry& e) { e.disk = 3; }), "zip-disks");
  converts(cases, "zip_symbolic_link", with_list([](auto& list) {
             list.push_back({"archive/version2", "../../etc/passwd"});
             list.back().made_by = 3;
             list.back().attributes = 0120777U << 16U;
           }),
           ScanResult::found);
  cases.back().error = ErrorKind::malformed;
  cases.back().text = "zip-link";
  add("marked_as_a_folder", changed(2, [](RawEntry& e) { e.attributes = 0x10; }), "zip-folder");
  add("named_as_a_folder", with_list([](auto& list) {
        list.push_back({"archive/more/", "x"});
      }),
      "zip-folder");
  converts(cases, "zip_folder", with_list([](auto& list) {
             list.push_back({"archive/more/", ""});
             list.back().attributes = 0x10;
           }),
           ScanResult::clean);
  add("extra_too_long", changed(2, [](RawEntry& e) { e.central_extra = "\x99\x99\xff\x7f"s; }),
      "zip-extra");
  add("extra_left_over", changed(2, [](RawEntry& e) { e.central_extra = "\x01"s; }), "zip-extra");
  add("local_extra_too_long", changed(2, [](RawEntry& e) { e.local_extra = "\x99\x99\xff\x7f"s; }),
      "zip-extra");
  add("second_name",
      changed(2,
              [](RawEntry& e) {
                e.central_extra = "up"s + little(6, 2) + "\x01" + little(0, 4) + "x";
              }),
      "zip-extra");
  add("zip64_beside_sizes", changed(2, [](RawEntry& e) { e.central_extra = wide(9, 9); }),
      "zip-extra");
  add("zip64_near_2_64",
      changed(2,
              [](RawEntry& e) {
                e.size = 0xffffffff;
                e.central_extra = wide(UINT64_MAX - 1, UINT64_MAX - 1);
              }),
      "zip-extra");
  add("zip64_too_short",
      changed(2,
              [](RawEntry& e) {
                e.size = 0xffffffff;
                e.central_extra = little(1, 2) + little(8, 2) + little(9, 8);
              }),
      "zip-extra");
  add("zip64_twice",
      changed(2,
              [](RawEntry& e) {
                const auto length = static_cast<std::uint32_t>(e.content.size());
                e.size = 0xffffffff;
                e.central_extra = wide(length, length) + wide(length, length);
              }),
      "zip-extra");
  converts(cases, "zip_alignment_as_pytorch_pads", with_list([](auto& list) {
             for (RawEntry& e : list) e.local_extra = "FB" + little(20, 2) + std::string(20, 'Z');
           }),
           ScanResult::clean);
}

void add_list_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view bytes, const std::string& text,
                       ScanResult scan = ScanResult::found, ErrorKind kind = ErrorKind::malformed) {
    refused(cases, "zip_" + name, bytes, kind, text, scan);
  };
  const auto insert = [](RawEntry entry, std::size_t at) {
    return with_list([&](auto& list) {
      list.insert(list.begin() + static_cast<std::ptrdiff_t>(at), std::move(entry));
    });
  };
  add("two_pickles", insert({"archive/data.pkl", evil()}, 0), "zip-two-of-one-name");
  add("two_pickles_apart", insert({"archive/data.pkl", evil()}, 5), "zip-two-of-one-name");
  add("two_storages", insert({"archive/data/0", "abcd"}, 4), "zip-two-of-one-name");
  add("two_cases", insert({"archive/DATA.PKL", evil()}, 1), "zip-case");
  add("upper_case_alone", changed(0, [](RawEntry& e) { e.name = "archive/DATA.PKL"; }),
      "there is no data.pkl in it", ScanResult::found, ErrorKind::unsupported);
  add("unlisted_entry", with_list([](auto& list) {
        list.insert(list.begin(), {"archive/data.pkl", evil()});
        list.front().listed = false;
      }),
      "zip-unlisted");
  converts(cases, "zip_gap", changed(2, [](RawEntry& e) { e.behind = "bytes of nobody"; }),
           ScanResult::unclear);
  add("overlap", with_list([](auto& list) {
        // The second storage's header lies within the first one's data.
        RawEntry inner = {"archive/data/99", "wxyz"};
        const std::string packed = raw_zip({inner});
        const std::size_t end = packed.find("PK\x01\x02");
        list.insert(list.begin(), {"archive/data/98", packed.substr(0, end)});
        list.insert(list.begin() + 1, inner);
        list[1].offset = static_cast<std::uint32_t>(30 + list[0].name.size());
        list[1].local_name = "archive/data/97";
      }),
      "zip-overlap");
  add("two_names_of_one_place", with_list([](auto& list) {
        const auto length = list[3].content.size();
        list[3].content = std::string(length, 'x');
        list[3].offset = 0;
      }),
      "zip-local-name");
  add("backslashes", with_list([](auto& list) {
        for (RawEntry& e : list) std::replace(e.name.begin(), e.name.end(), '/', '\\');
      }),
      "zip-name", ScanResult::found);
  add("nul_in_a_name", insert({"archive/da\0ta"s, "x"}, 3), "zip-name");
  add("name_without_letters", insert({"", "x"}, 3), "zip-name");
  converts(cases, "zip_name_that_leads_out", insert({"archive/../../x", "x"}, 3),
           ScanResult::unclear);
  converts(cases, "zip_name_with_escapes", insert({"archive/\x1b[2Jx", "x"}, 3),
           ScanResult::unclear);
  converts(cases, "zip_name_that_is_not_utf8", insert({"archive/\xff\xfe", "x"}, 3),
           ScanResult::unclear);
  add("two_roots", with_list([](auto& list) {
        list.push_back({"other/data.pkl", pickle("}")});
        list.push_back({"other/version", "3\n"});
      }),
      "two checkpoints in it", ScanResult::unclear);
  add("nested_root", with_list([](auto& list) {
        for (RawEntry& e : list) e.name = "a/" + e.name;
      }),
      "expected FOLDER/data.pkl", ScanResult::unclear, ErrorKind::unsupported);
  add("no_root", with_list([](auto& list) {
        for (RawEntry& e : list) e.name = e.name.substr(8);
      }),
      "expected FOLDER/data.pkl", ScanResult::unclear, ErrorKind::unsupported);
  converts(cases, "zip_another_root", with_list([](auto& list) {
             for (RawEntry& e : list) e.name = "net_g_1000" + e.name.substr(7);
           }),
           ScanResult::clean);
  add("no_version", with_list([](auto& list) { list.pop_back(); }), "'version' record is missing",
      ScanResult::unclear);
  add("version_99", with_list([](auto& list) { list.back().content = "99\n"; }), "version 99",
      ScanResult::unclear, ErrorKind::unsupported);
  add("version_of_letters", with_list([](auto& list) { list.back().content = "three"; }),
      "which is no number", ScanResult::unclear);
  add("byte_order_unknown", changed(1, [](RawEntry& e) { e.content = "middle"; }),
      "not 'little' or 'big'", ScanResult::unclear);
  converts(cases, "zip_no_byte_order", with_list([](auto& list) { list.erase(list.begin() + 1); }),
           ScanResult::clean);
  add("storage_missing", with_list([](auto& list) { list.erase(list.begin() + 2); }),
      "is missing from the file", ScanResult::found);
  converts(cases, "zip_pickle_elsewhere", insert({"archive/data/99", evil()}, 3),
           ScanResult::found);
  converts(cases, "zip_pickle_of_another_name", insert({"archive/other.pkl", evil()}, 3),
           ScanResult::found);
  converts(cases, "zip_archive_within", insert({"archive/more.zip", raw_zip({{"x", "y"}})}, 3),
           ScanResult::unclear);
  converts(cases, "zip_storage_of_nobody", insert({"archive/data/99", "abcd"}, 3),
           ScanResult::clean);

  // 16 MB of zeros from 16 kB, as a storage that nobody wants, and as the pickle.
  constexpr std::size_t million = 16'000'000;
  RawEntry bomb = {"archive/data/99", deflated('\0', million)};
  const std::string zeros(million, '\0');
  bomb.method = 8;
  bomb.size = million;
  bomb.packed = static_cast<std::uint32_t>(bomb.content.size());
  bomb.crc = crc32(std::as_bytes(std::span(zeros)));
  converts(cases, "zip_bomb_that_nobody_reads", insert(bomb, 3), ScanResult::clean);
  bomb.name = "archive/data.pkl";
  add("bomb_as_the_pickle", with_list([&](auto& list) { list[0] = bomb; }),
      "opcode 0x00 does not exist", ScanResult::unclear);
  bomb.size = 0x7fffffff;
  add("bomb_beyond_deflate", with_list([&](auto& list) { list[0] = bomb; }), "zip-inflation",
      ScanResult::unclear);
  bomb.size = million + 1;
  add("inflates_to_less", with_list([&](auto& list) { list[0] = bomb; }), "zip-deflate",
      ScanResult::unclear);
}

}  // namespace

void add_zip_cases(Cases& cases) {
  add_end_cases(cases);
  add_entry_cases(cases);
  add_list_cases(cases);
  // More entries than 16 bits can count, without anything in them.
  std::vector<RawEntry> many = entries(pickle(state_dict()));
  for (int i = 0; i < 70'000; ++i) many.push_back({"archive/data/x" + std::to_string(i), ""});
  std::string file = raw_zip(many, {.zip64 = true});
  // The small end can't hold the count.
  const std::size_t end = file.rfind("PK\x05\x06");
  file.replace(end + 8, 4, "\xff\xff\xff\xff");
  converts(cases, "zip_seventy_thousand_entries", file, ScanResult::clean);
}

}  // namespace aether2onnx::corpus
