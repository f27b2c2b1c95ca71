// safetensors: one file for each rule of the format, and the ways in which it is abused.

#include "corpus.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

std::string file_of(const std::string& header, std::size_t data) {
  return little(header.size(), 8) + header + std::string(data, '\x01');
}

std::string one(const std::string& fields) { return R"({"w":{)" + fields + "}}"; }

}  // namespace

void add_safetensors_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view bytes, const std::string& text,
                       ErrorKind kind = ErrorKind::malformed,
                       ScanResult scan = ScanResult::unclear) {
    refused(cases, "safetensors_" + name, bytes, kind, text, scan);
  };
  const std::string good = R"("dtype":"F32","shape":[4],"data_offsets":[0,16])";
  add("header_beyond", little(1'000'000, 8) + "{}", "its header should have");
  add("header_of_2_39", little(std::uint64_t{1} << 39U, 8) + "{}", "its header should have");
  add("not_utf8", file_of("{\"\xff\":{}}", 0), "no JSON");
  add("no_json", file_of("{\"a\":", 0), "no JSON");
  add("array", file_of(R"({"w":[]})", 0), "an array where none belongs");
  add("deep", file_of("{\"w\":" + std::string(5000, '[') + std::string(5000, ']') + "}", 0),
      "an array where none belongs");
  add("field_missing", file_of(R"({"w":{"dtype":"F32","shape":[4]}})", 16), "lacks its dtype");
  add("name_twice", file_of("{\"w\":{" + good + "},\"w\":{" + good + "}}", 16), "twice");
  add("metadata_not_text", file_of(R"({"__metadata__":{"a":1}})", 0), "where none belongs");
  add("hole", file_of(one(R"("dtype":"F32","shape":[4],"data_offsets":[4,20])"), 20),
      "begins at byte 4");
  add("overlap",
      file_of(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
              R"("b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}})",
              24),
      "begins at byte 8");
  add("end_before_begin", file_of(one(R"("dtype":"F32","shape":[4],"data_offsets":[16,0])"), 16),
      "ends before it begins");
  add("offset_beyond",
      file_of(one(R"("dtype":"F32","shape":[4],"data_offsets":[0,18446744073709551615])"), 16),
      "bytes");
  add("offset_negative", file_of(one(R"("dtype":"F32","shape":[4],"data_offsets":[-1,15])"), 16),
      "a negative number");
  add("sizes_overflow",
      file_of(one(R"("dtype":"F32","shape":[4294967296,4294967296,16],"data_offsets":[0,16])"), 16),
      "more elements than can be counted");
  add("sizes_and_bytes_differ",
      file_of(one(R"("dtype":"F32","shape":[5],"data_offsets":[0,16])"), 16),
      "(5) of F32 has 16 bytes");
  add("half_a_byte", file_of(one(R"("dtype":"F4","shape":[3],"data_offsets":[0,2])"), 2),
      "(3) of F4 has 2 bytes");
  add("bytes_behind", file_of(one(good), 17), "1 byte behind its last tensor");
  add("cut", file_of(one(good), 15), "beyond the end of the file");
  add("archive_behind", file_of(one(good), 16) + checkpoint(pickle(call("os", "system", ")"))),
      "behind its last tensor", ErrorKind::malformed, ScanResult::found);
  add("another_network", file_of(one(good), 16), "isn't AetherNet", ErrorKind::unsupported,
      ScanResult::clean);
  add("no_tensor", file_of("{}", 0), "isn't AetherNet", ErrorKind::unsupported, ScanResult::clean);
  add("unknown_type", file_of(one(R"("dtype":"NEWER","shape":[4],"data_offsets":[0,2])"), 2),
      "isn't AetherNet", ErrorKind::unsupported, ScanResult::clean);
  add("escapes_in_a_name", file_of("{\"\\u001b[2J\":{" + good + "}}", 16), "\\x1b[2J",
      ErrorKind::unsupported, ScanResult::clean);
  add("index_leads_out", R"({"weight_map":{"w":"../x.safetensors"}})", "'../x.safetensors'",
      ErrorKind::malformed);
  add("index_of_a_device", R"({"weight_map":{"w":"/dev/zero"}})", "'/dev/zero'",
      ErrorKind::malformed);
  add("index_of_missing_files", R"({"weight_map":{"w":"none.safetensors"}})", "none.safetensors",
      ErrorKind::io);
}

}  // namespace aether2onnx::corpus
