// PyTorch's stream from before 1.6.

#include "corpus.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

using Parts = tools::LegacyParts;

template <typename Change>
std::string forged(Change change) {
  Parts parts = tools::legacy_parts(sample());
  change(parts);
  const auto bytes = tools::join_legacy(parts);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> keys() {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < sample().size(); ++i) result.push_back(std::to_string(i));
  return result;
}

std::string list_of(const std::vector<std::string>& keys) {
  std::string out = "](";
  for (const std::string& key : keys) out += text(key);
  return pickle(out + "e");
}

}  // namespace

void add_legacy_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view bytes, const std::string& code,
                       const std::string& text = "", ScanResult scan = ScanResult::unclear,
                       ErrorKind kind = ErrorKind::malformed) {
    refused(cases, "legacy_" + name, bytes, {kind, code, text}, scan);
  };
  const std::string whole = forged([](Parts&) {});
  converts(cases, "legacy_good", whole, ScanResult::clean);
  converts(cases, "legacy_bytes_behind", whole + "more", ScanResult::found);
  converts(cases, "legacy_pickle_behind", whole + pickle(call("os", "system", ")")),
           ScanResult::found);
  converts(cases, "legacy_archive_behind", whole + checkpoint(pickle(call("os", "system", ")"))),
           ScanResult::found);
  add("call_in_the_head", forged([](Parts& p) {
        p.system = pickle("}" + text("x") + call("os", "system", "(" + text("true") + "t") + "s");
      }),
      "torch-legacy-head", "its header or list of storages has", ScanResult::found);
  add("dropped_call_in_the_head", forged([](Parts& p) {
        p.system = pickle("}" + call("os", "system", "(" + text("true") + "t") + "0");
      }),
      "pickle-thrown-away", "", ScanResult::found);
  std::string also_tar = whole;
  also_tar.replace(257, 5, "ustar");
  cases.push_back(
      {"legacy_tar_as_well", bytes_of(also_tar), std::nullopt, "", ScanResult::found, true});
  add("protocol_1000", forged([](Parts& p) { p.protocol = pickle("M\xe8\x03"); }),
      "torch-legacy-protocol", "protocol 1000", ScanResult::unclear, ErrorKind::unsupported);
  add("protocol_none", forged([](Parts& p) { p.protocol = "N."; }), "torch-legacy-head");
  add("system_none", forged([](Parts& p) { p.system = "N."; }), "torch-legacy-head");
  add("frame_beyond_stop", forged([](Parts& p) {
        p.system = "\x80\x04\x95" + little(9000, 8) + "}.";
        p.storages += std::string(10'000, '\0');
      }),
      "pickle-frame");
  add("magic_off_by_one", forged([](Parts& p) { p.magic[4] += 1; }), "file-pickle", "",
      ScanResult::found, ErrorKind::unsupported);
  add("key_missing", forged([](Parts& p) {
        auto list = keys();
        list.pop_back();
        p.keys = list_of(list);
      }),
      "torch-legacy-keys");
  add("key_too_many", forged([](Parts& p) {
        auto list = keys();
        list.emplace_back("777");
        p.keys = list_of(list);
      }),
      "torch-legacy-keys", "'777', which no tensor refers to");
  add("key_twice", forged([](Parts& p) {
        auto list = keys();
        list.insert(list.begin(), "0");
        p.keys = list_of(list);
        p.storages = p.storages.substr(0, 8 + 4 * sample().front().values.size()) + p.storages;
      }),
      "torch-legacy-keys", "'0' twice");
  add("keys_swapped", forged([](Parts& p) {
        auto list = keys();
        std::swap(list[0], list[1]);
        p.keys = list_of(list);
      }),
      "torch-legacy-count");
  add("keys_not_texts", forged([](Parts& p) {
        p.keys = pickle(
            "](K\x00K\x01"
            "e"s);
      }),
      "torch-legacy-keys", "has the number 0 in it");
  add("keys_a_dict", forged([](Parts& p) { p.keys = pickle("}"); }), "torch-legacy-keys");
  add("count_wrong", forged([](Parts& p) { p.storages[0] = static_cast<char>(p.storages[0] + 1); }),
      "torch-legacy-count");
  add("count_2_63", forged([](Parts& p) { p.storages[7] = '\x7f'; }), "torch-legacy-count");
  add("cut_in_the_data", whole.substr(0, whole.size() - 1), "torch-legacy-truncated");
  add("cut_in_the_object", whole.substr(0, 200), "pickle-truncated", "is damaged at byte 192");
  add("cut_after_the_magic", whole.substr(0, 15), "pickle-truncated");
  converts(
      cases, "legacy_big_endian_machine",
      [] {
        tools::CheckpointLayout layout;
        layout.big_endian = true;
        const auto bytes = tools::write_legacy_checkpoint(sample(), layout);
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      }(),
      ScanResult::clean);
  add("unknown_storage",
      forged([](Parts& p) { p.object.replace(p.object.find("FloatStorage"), 12, "FleetStorage"); }),
      "torch-storage-type", "unknown type torch.FleetStorage", ScanResult::found,
      ErrorKind::unsupported);
  // A view is the sixth part of a reference: (key, offset, elements).
  const auto with_view = [&](const std::string& view) {
    return forged([&](Parts& p) {
      const std::size_t at = p.object.find("NtQ");
      p.object.replace(at, 1, view);
    });
  };
  const auto count = static_cast<std::int64_t>(sample().front().values.size());
  converts(cases, "legacy_view", with_view("(" + text("v") + integer(0) + integer(count) + "t"),
           ScanResult::clean);
  add("view_beyond", with_view("(" + text("v") + integer(1) + integer(count) + "t"),
      "torch-storage-reference", "", ScanResult::found);
  add("view_negative", with_view("(" + text("v") + integer(-1) + integer(count) + "t"),
      "torch-storage-reference", "", ScanResult::found);
  add("view_of_a_view", with_view("(" + text("v") + tuple({0, 1}) + integer(count) + "t"),
      "torch-storage-reference", "", ScanResult::found);
  add("view_too_short", with_view("(" + text("v") + integer(0) + integer(1) + "t"), "torch-tensor",
      "beyond its storage", ScanResult::found);
  // PyTorch keeps views and storages in one table: this view would be storage "1".
  add("view_with_the_key_of_a_storage",
      with_view("(" + text("1") + integer(0) + integer(count) + "t"), "torch-tensor",
      "a storage and a part of a storage", ScanResult::found);
  add("reference_as_in_a_zip", forged([](Parts& p) { p.object.erase(p.object.find("NtQ"), 1); }),
      "torch-tensor", "PyTorch does not use in this file format", ScanResult::found);
}

}  // namespace aether2onnx::corpus
