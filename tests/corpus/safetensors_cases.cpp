// safetensors: a file for each rule of the format that it breaks, and other abuses.

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
  const auto add = [&](const std::string& name, std::string_view bytes, const std::string& code,
                       const std::string& text = "", ErrorKind kind = ErrorKind::malformed,
                       ScanResult scan = ScanResult::unclear) {
    refused(cases, "safetensors_" + name, bytes, {kind, code, text}, scan);
  };
  const std::string good = R"("dtype":"F32","shape":[4],"data_offsets":[0,16])";
  add("header_beyond", little(1'000'000, 8) + "{}", "safetensors-truncated");
  add("header_of_2_39", little(std::uint64_t{1} << 39U, 8) + "{}", "safetensors-truncated");
  add("not_utf8", file_of("{\"\xff\":{}}", 0), "safetensors-json");
  add("no_json", file_of("{\"a\":", 0), "safetensors-json");
  add("array", file_of(R"({"w":[]})", 0), "safetensors-structure");
  add("deep", file_of("{\"w\":" + std::string(5000, '[') + std::string(5000, ']') + "}", 0),
      "safetensors-structure");
  add("field_missing", file_of(R"({"w":{"dtype":"F32","shape":[4]}})", 16), "safetensors-field");
  add("name_twice", file_of("{\"w\":{" + good + "},\"w\":{" + good + "}}", 16),
      "safetensors-twice");
  add("metadata_not_text", file_of(R"({"__metadata__":{"a":1}})", 0), "safetensors-structure");
  add("hole", file_of(one(R"("dtype":"F32","shape":[4],"data_offsets":[4,20])"), 20),
      "safetensors-layout", "begins at byte 4");
  add("overlap",
      file_of(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
              R"("b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}})",
              24),
      "safetensors-layout", "begins at byte 8");
  add("end_before_begin", file_of(one(R"("dtype":"F32","shape":[4],"data_offsets":[16,0])"), 16),
      "safetensors-size");
  add("offset_beyond",
      file_of(one(R"("dtype":"F32","shape":[4],"data_offsets":[0,18446744073709551615])"), 16),
      "safetensors-size");
  add("offset_negative", file_of(one(R"("dtype":"F32","shape":[4],"data_offsets":[-1,15])"), 16),
      "safetensors-structure");
  add("sizes_overflow",
      file_of(one(R"("dtype":"F32","shape":[4294967296,4294967296,16],"data_offsets":[0,16])"), 16),
      "safetensors-shape");
  add("sizes_and_bytes_differ",
      file_of(one(R"("dtype":"F32","shape":[5],"data_offsets":[0,16])"), 16), "safetensors-size",
      "has 16 bytes, a wrong size for the shape (5) and the type F32");
  add("half_a_byte", file_of(one(R"("dtype":"F4","shape":[3],"data_offsets":[0,2])"), 2),
      "safetensors-size", "has 2 bytes, a wrong size for the shape (3) and the type F4");
  add("bytes_behind", file_of(one(good), 17), "safetensors-behind",
      "1 byte behind its last tensor");
  add("cut", file_of(one(good), 15), "safetensors-truncated");
  add("archive_behind", file_of(one(good), 16) + checkpoint(pickle(call("os", "system", ")"))),
      "safetensors-behind", "", ErrorKind::malformed, ScanResult::found);
  add("another_network", file_of(one(good), 16), "", "isn't AetherNet", ErrorKind::unsupported,
      ScanResult::clean);
  add("no_tensor", file_of("{}", 0), "", "isn't AetherNet", ErrorKind::unsupported,
      ScanResult::clean);
  add("unknown_type", file_of(one(R"("dtype":"NEWER","shape":[4],"data_offsets":[0,2])"), 2), "",
      "isn't AetherNet", ErrorKind::unsupported, ScanResult::clean);
  add("escapes_in_a_name", file_of("{\"\\u001b[2J\":{" + good + "}}", 16), "", "\\x1b[2J",
      ErrorKind::unsupported, ScanResult::clean);
  add("index_leads_out", R"({"weight_map":{"w":"../x.safetensors"}})", "safetensors-index-file",
      "'../x.safetensors'", ErrorKind::malformed);
  add("index_of_a_device", R"({"weight_map":{"w":"/dev/zero"}})", "safetensors-index-file",
      "'/dev/zero'", ErrorKind::malformed);
  add("index_of_missing_files", R"({"weight_map":{"w":"none.safetensors"}})",
      "safetensors-shard-missing", "none.safetensors", ErrorKind::io);
}

}  // namespace aether2onnx::corpus
