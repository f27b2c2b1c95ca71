// Files that would cost a scan much more than their size: a scan counts its work and ends.

#include "base/crc32.h"
#include "corpus.h"
#include "deflated.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

// Entries of a checkpoint whose scan would take long.
std::string with_entries(const std::vector<RawEntry>& more) {
  std::vector<RawEntry> list = entries(pickle(state_dict()));
  list.insert(list.end(), more.begin(), more.end());
  return raw_zip(list);
}

RawEntry inflating(char byte, std::size_t count) {
  RawEntry entry = {"", deflated(byte, count)};
  const std::string content(count, byte);
  entry.method = 8;
  entry.size = static_cast<std::uint32_t>(count);
  entry.packed = static_cast<std::uint32_t>(entry.content.size());
  entry.crc = crc32(std::as_bytes(std::span(content)));
  return entry;
}

std::string many_times(std::string_view text, std::size_t count) {
  std::string out;
  out.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

}  // namespace

void add_budget_cases(Cases& cases) {
  const auto add = [&](const std::string& name, const std::string& bytes, ScanResult scan,
                       const std::string& reason) {
    cases.push_back({"budget_" + name, bytes_of(bytes), std::nullopt, "", scan, true});
    cases.back().reason = reason;
  };
  constexpr std::size_t large = 30'000'000;
  std::vector<RawEntry> more;
  more.assign(20, inflating(']', large));
  for (std::size_t i = 0; i < more.size(); ++i) {
    more[i].name = "archive/" + std::to_string(i) + ".pkl";
  }
  add("inflating_pickles", with_entries(more), ScanResult::unclear,
      "600 MB of pickles from 600 kB, each opcode a list");
  more.assign(60, inflating('\0', large));
  for (std::size_t i = 0; i < more.size(); ++i) {
    more[i].name = "archive/data/x" + std::to_string(i);
  }
  add("inflating_storages", with_entries(more), ScanResult::unclear,
      "1.8 GB of storages from 1.8 MB");
  // The storage of a tensor, so that PyTorch reads all of the entry.
  Record zeros;
  zeros.key = "zeros";
  zeros.elements = std::int64_t{300} << 18;
  zeros.shape = {zeros.elements};
  zeros.strides = {1};
  std::vector<RawEntry> list = entries(with_extra(opcodes(zeros)));
  list.push_back(inflating('\0', std::size_t{300} << 20));
  list.back().name = "archive/data/zeros";
  add("inflating_storage", raw_zip(list), ScanResult::unclear, "300 MB of zeros from 300 kB");

  // Entries of the directory that all lead to the first local header.
  more.assign(1, {"archive/0.pkl", many_times("]0", 500'000) + "N."});
  const auto length = static_cast<std::uint32_t>(more[0].content.size());
  for (int i = 1; i < 200; ++i) {
    RawEntry entry = {"archive/" + std::to_string(i) + ".pkl", ""};
    entry.offset = 0;
    entry.size = length;
    more.push_back(std::move(entry));
  }
  add("overlapping_pickles", raw_zip(more), ScanResult::found, "200 times the same megabyte");

  add("names", checkpoint(pickle(many_times("cm\nn\n0", 700'000) + "}")), ScanResult::unclear,
      "700,000 imports of a name");
  add("calls", checkpoint(pickle("cm\nn\nq\x01" + many_times("0h\x01)R", 400'000) + "0}")),
      ScanResult::found, "400,000 calls, each to be printed");
  add("nested",
      checkpoint(pickle(
          "](" + many_times(text("\x80\x02" + many_times("]0", 30'000) + "cm\nn\n."), 200) + "e")),
      ScanResult::unclear, "200 pickles within the pickle, 12 MB");
  add("long_name",
      checkpoint(pickle("\x8d"s + little(2'000'000, 8) + std::string(2'000'000, 'm') +
                        "q\x01"
                        "0" +
                        many_times("h\x01h\x01\x93"
                                   "0",
                                   200'000) +
                        "}")),
      ScanResult::found, "200,000 imports of a name of 2 MB");
  add("many_pickles", pickle("}") + many_times("N.", 500'000), ScanResult::found,
      "half a million pickles, one behind the other");
  add("fields", "\x08\x07"s + many_times("\x28\x01", 2'500'000), ScanResult::unclear,
      "an ONNX file of 2.5 million fields");
}

}  // namespace aether2onnx::corpus
