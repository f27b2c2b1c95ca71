// The legacy stream, safetensors and its shards: good files and hostile files.

#include <gtest/gtest.h>

#include <map>

#include "sample_networks.h"
#include "state_dict/state_dict.h"
#include "support.h"
#include "two_tensors.h"

namespace aether2onnx::state_dict::containers_test {
namespace {

using namespace std::string_literals;
using test::catch_error;
using test::Caught;

void expect_two_tensors(const std::vector<std::byte>& bytes) {
  const MemoryInput input(bytes);
  const StateDict state_dict = StateDict::open(input, {}, {});
  EXPECT_EQ(values_of(state_dict, "weight"), (std::vector<double>{0.5, -1, 2, 1024}));
  EXPECT_EQ(values_of(state_dict, "bias"), (std::vector<double>{3, -0.25}));
}

Caught open_error(const std::vector<std::byte>& bytes) {
  return catch_error([&] {
    const MemoryInput input(bytes);
    StateDict::open(input, {}, {});
  });
}

// `fact`: a piece of the message with a name or number.
void expect_malformed(const std::vector<std::byte>& bytes, const std::string& code,
                      const std::string& fact = "") {
  const Caught caught = open_error(bytes);
  EXPECT_EQ(caught.kind, ErrorKind::malformed) << code << ": " << caught.message;
  EXPECT_EQ(caught.code, code) << caught.message;
  EXPECT_NE(caught.message.find(fact), std::string::npos) << caught.message;
}

constexpr tools::StorageType kTypes[] = {tools::StorageType::float32, tools::StorageType::float16,
                                         tools::StorageType::bfloat16, tools::StorageType::float64};

// --- the legacy stream ------------------------------------------------------------------------

TEST(LegacyStream, EveryTypeFromMachinesOfBothByteOrders) {
  for (const auto type : kTypes) {
    for (const bool big_endian : {false, true}) {
      tools::CheckpointLayout layout;
      layout.type = type;
      layout.big_endian =
          big_endian;  // of the machine; the elements are little-endian all the same
      layout.wrapper = "params";
      layout.optimizer_copies = 2;
      expect_two_tensors(tools::write_legacy_checkpoint(two_tensors(), layout));
    }
  }
}

TEST(LegacyStream, EveryTruncationIsRefused) {
  const auto bytes = tools::write_legacy_checkpoint(two_tensors());
  for (std::size_t length = 16; length < bytes.size(); ++length) {
    const Caught caught = open_error({bytes.begin(), bytes.begin() + static_cast<long>(length)});
    EXPECT_EQ(caught.kind, ErrorKind::malformed) << length << ' ' << caught.message;
  }
}

// With `change` made to the parts of a good file.
template <typename Change>
std::vector<std::byte> forged(Change change) {
  tools::LegacyParts parts = tools::legacy_parts(two_tensors());
  change(parts);
  return tools::join_legacy(parts);
}

using Parts = tools::LegacyParts;

std::string list_of(const std::vector<std::string>& keys) {
  std::string pickle = "\x80\x04](";
  for (const std::string& key : keys) {
    pickle += "\x8c" + std::string(1, static_cast<char>(key.size())) + key;
  }
  return pickle + "e.";
}

TEST(LegacyStream, BytesBehindTheLastStorageAreLeftAlone) {
  expect_two_tensors(forged([](Parts& p) { p.storages += "more"; }));
}

TEST(LegacyStream, HeadsThatAreNotWhatTheyShouldBe) {
  const Caught other = open_error(forged([](Parts& p) { p.protocol = "\x80\x02M\xe8\x03."; }));
  EXPECT_EQ(other.code, "torch-legacy-protocol");
  EXPECT_NE(other.message.find("protocol 1000"), std::string::npos) << other.message;
  expect_malformed(forged([](Parts& p) { p.protocol = "N."; }), "torch-legacy-head");
  expect_malformed(forged([](Parts& p) { p.system = "N."; }), "torch-legacy-head");
  const Caught nothing = open_error(forged([](Parts& p) {
    p.object = "N.";
    p.keys = "].";
  }));
  EXPECT_EQ(nothing.code, "state-dict-none");
  EXPECT_NE(nothing.message.find("the file holds None"), std::string::npos) << nothing.message;
  expect_malformed(forged([](Parts& p) { p.object = "\x80\x02\xff."; }), "pickle-opcode",
                   "opcode 0xff does not exist");
}

TEST(LegacyStream, ListsOfStoragesThatPyTorchTakes) {
  // PyTorch leaves an unlisted storage as it was in memory, and takes any iterable for the list.
  expect_malformed(forged([](Parts& p) { p.keys = list_of({"0"}); }), "torch-legacy-keys",
                   "its list of storages lacks '1'");
  expect_malformed(forged([](Parts& p) { p.keys = "]."; }), "torch-legacy-keys");
  expect_malformed(forged([](Parts& p) { p.keys = "}."; }), "torch-legacy-keys");
  expect_malformed(forged([](Parts& p) { p.keys = "]K\x00"s + "a."; }), "torch-legacy-keys",
                   "has the number 0 in it");
  expect_malformed(forged([](Parts& p) {
                     p.keys = list_of({"0", "1", "2"});
                   }),
                   "torch-legacy-keys", "'2', which no tensor refers to");
  expect_malformed(forged([](Parts& p) {
                     p.keys = list_of({"1", "0"});
                   }),
                   "torch-legacy-count", "'1' has 4 elements, but its tensors say 2");
  expect_malformed(forged([](Parts& p) {
                     p.keys = list_of({"0", "0", "1"});
                     p.storages = p.storages.substr(0, 24) + p.storages;
                   }),
                   "torch-legacy-keys", "'0' twice");
}

TEST(LegacyStream, CountsThatAreWrong) {
  expect_malformed(forged([](Parts& p) { p.storages[0] = 3; }), "torch-legacy-count",
                   "has 3 elements");
  expect_malformed(forged([](Parts& p) { p.storages[7] = '\x7f'; }), "torch-legacy-count");
  expect_malformed(forged([](Parts& p) { p.storages.resize(p.storages.size() - 1); }),
                   "torch-legacy-truncated", "ends within storage '1'");
  expect_malformed(forged([](Parts& p) { p.storages.resize(28); }), "torch-legacy-truncated",
                   "ends before storage '1'");
}

// A stream with one tensor of 4 elements on a view, and its storage of 6.
std::vector<std::byte> with_view(const std::string& view, const std::string& size = "K\x04\x85") {
  Parts parts = tools::legacy_parts({});
  parts.object =
      "\x80\x04}\x8c\x01wctorch._utils\n_rebuild_tensor\n((\x8c\x07storage"
      "ctorch\nFloatStorage\n\x8c\x01"
      "0\x8c\x03"
      "cpuK\x06"s +
      view + "tQK\x00"s + size + "K\x01\x85tRs."s;
  parts.keys = list_of({"0"});
  parts.storages = "\x06\0\0\0\0\0\0\0"s;
  for (const float value : {0.F, 1.F, 2.F, 3.F, 4.F, 5.F}) {
    parts.storages.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return tools::join_legacy(parts);
}

std::string problem_with_view(const std::string& view, const std::string& size = "K\x04\x85") {
  const auto bytes = with_view(view, size);
  const MemoryInput input(bytes);
  return StateDict::open(input, {}, {}).find("w")->problem;
}

TEST(LegacyStream, ViewsOfStorages) {
  const auto bytes = with_view("\x8c\x01vK\x02K\x04\x87");
  const MemoryInput input(bytes);
  EXPECT_EQ(values_of(StateDict::open(input, {}, {}), "w"), (std::vector<double>{2, 3, 4, 5}));
  EXPECT_EQ(problem_with_view("N"), "");
  expect_malformed(with_view("\x8c\x01vK\x02K\x03\x87"), "torch-tensor",
                   "beyond its storage of 3 elements");
  expect_malformed(with_view("\x8c\x01vK\x03K\x04\x87"), "torch-storage-reference");
  expect_malformed(with_view("\x8c\x01vK\x02\x86"), "torch-storage-reference");
  expect_malformed(with_view("\x8c\x01vJ\xff\xff\xff\xffK\x04\x87"), "torch-storage-reference");
}

TEST(LegacyStream, AStorageOfAnUnknownTypeHidesWhatIsBehindIt) {
  const Caught caught = open_error(forged(
      [](Parts& p) { p.object.replace(p.object.find("FloatStorage"), 12, "FleetStorage"); }));
  EXPECT_EQ(caught.code, "torch-storage-type");
  EXPECT_NE(caught.message.find("unknown type torch.FleetStorage"), std::string::npos);
}

// --- safetensors ------------------------------------------------------------------------------

TEST(Safetensors, EveryType) {
  for (const auto type : kTypes) {
    tools::CheckpointLayout layout;
    layout.type = type;
    expect_two_tensors(tools::write_safetensors(two_tensors(), layout));
  }
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const auto bytes = tools::write_safetensors(two_tensors());
  for (std::size_t length = 10; length < bytes.size(); ++length) {
    const Caught caught = open_error({bytes.begin(), bytes.begin() + static_cast<long>(length)});
    EXPECT_EQ(caught.kind, ErrorKind::malformed) << length << ' ' << caught.message;
  }
  auto longer = bytes;
  longer.push_back(std::byte{0});
  expect_malformed(longer, "safetensors-behind", "1 byte behind its last tensor");
}

std::vector<std::byte> file_of(const std::string& header, std::size_t data = 16) {
  return tools::join_safetensors(header, std::string(data, '\x01'));
}

// A header with one tensor "w" of these fields.
std::string one(const std::string& fields) { return R"({"w":{)" + fields + "}}"; }

TEST(Safetensors, WhatTheFormatAllows) {
  const auto opens = [](const std::string& header, std::size_t data) {
    const Caught caught = open_error(file_of(header, data));
    EXPECT_FALSE(caught.thrown) << header << ' ' << caught.message;
  };
  opens(one(R"("dtype":"F32","shape":[4],"data_offsets":[0,16])"), 16);
  opens(one(R"("data_offsets":[0,16],"shape":[2,2],"dtype":"F32")") + "    ", 16);
  opens(one(R"("dtype":"F32","shape":[],"data_offsets":[0,4])"), 4);
  opens(one(R"("dtype":"F32","shape":[0,9223372036854775807,9],"data_offsets":[0,0])"), 0);
  opens(one(R"("dtype":"F4","shape":[4],"data_offsets":[0,2])"), 2);
  opens(one(R"("dtype":"NEWER","shape":[4],"data_offsets":[0,2])"), 2);
  opens(R"({"__metadata__":{"a":"b","c":""}})", 0);
  opens(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},)"
        R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
        2);
}

TEST(Safetensors, HeadersThatAreDamagedOrForged) {
  const auto refused = [](const std::string& header, const std::string& code,
                          const std::string& fact = "") {
    expect_malformed(file_of(header), code, fact);
  };
  refused("{}", "safetensors-behind", "16 bytes behind its last tensor");
  refused("{", "safetensors-json");
  refused("{\"\xff\":{}}", "safetensors-json");
  refused("{}{}", "safetensors-json");
  refused("{}\0{}"s, "safetensors-json");
  refused(R"({"w":[]})", "safetensors-structure");
  refused(R"({"w":5})", "safetensors-structure");
  refused(R"({"w":"x"})", "safetensors-structure");
  refused(R"({"w":{"dtype":{}}})", "safetensors-structure");
  refused(R"({"w":{}})", "safetensors-field");
  refused(R"({"__metadata__":{"a":1}})", "safetensors-structure");
  refused(R"({"__metadata__":{"a":{}}})", "safetensors-structure");
  refused(R"({"__metadata__":"a"})", "safetensors-structure");
  refused(R"({"__metadata__":{"a":"1","a":"2"}})", "safetensors-twice", "'a' twice");
  refused(one(R"("dtype":"F32","shape":[4])"), "safetensors-field");
  refused(one(R"("dtype":"F32","shape":[4],"data_offsets":[0])"), "safetensors-field");
  refused(one(R"("dtype":"F32","shape":[4],"data_offsets":[0,16,16])"), "safetensors-field");
  refused(one(R"("dtype":"F32","shape":[4],"data_offsets":[0,16],"more":1)"), "safetensors-field");
  refused(one(R"("dtype":"F32","shape":[4],"data_offsets":[0,16],"dtype":"F16")"),
          "safetensors-twice", "'dtype' twice");
  refused(one(R"("dtype":"F32","shape":[-4],"data_offsets":[0,16])"), "safetensors-structure");
  refused(one(R"("dtype":"F32","shape":[4.0],"data_offsets":[0,16])"), "safetensors-structure",
          "no 64-bit integer");
  refused(one(R"("dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,16])"),
          "safetensors-structure", "no 64-bit integer");
  refused(one(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,16])"),
          "safetensors-shape");
  refused(one(R"("dtype":"F32","shape":[[4]],"data_offsets":[0,16])"), "safetensors-structure");
  refused(one(R"("dtype":null,"shape":[4],"data_offsets":[0,16])"), "safetensors-structure");
  const std::string w = R"("w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]})";
  refused("{" + w + "," + w + "}", "safetensors-twice", "its header has the key 'w' twice");
}

TEST(Safetensors, SizesThatDoNotFit) {
  const auto refused = [](const std::string& fields, const std::string& code,
                          const std::string& fact = "") {
    expect_malformed(file_of(one(fields)), code, fact);
  };
  refused(R"("dtype":"F32","shape":[5],"data_offsets":[0,16])", "safetensors-size",
          "'w' has 16 bytes, a wrong size for the shape (5) and the type F32");
  refused(R"("dtype":"F16","shape":[4],"data_offsets":[0,16])", "safetensors-size",
          "'w' has 16 bytes, a wrong size for the shape (4) and the type F16");
  refused(R"("dtype":"F4","shape":[3],"data_offsets":[0,2])", "safetensors-size",
          "'w' has 2 bytes, a wrong size for the shape (3) and the type F4");
  refused(R"("dtype":"F32","shape":[4],"data_offsets":[16,0])", "safetensors-size");
  refused(R"("dtype":"F32","shape":[3],"data_offsets":[4,16])", "safetensors-layout",
          "begins at byte 4");
  refused(R"("dtype":"F32","shape":[5],"data_offsets":[0,20])", "safetensors-truncated");
  refused(R"("dtype":"F32","shape":[3],"data_offsets":[0,12])", "safetensors-behind",
          "4 bytes behind its last tensor");
  refused(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16])",
          "safetensors-shape");
  refused(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])", "safetensors-size",
          "and the type F32");
  refused(R"("dtype":"F32","shape":[4],"data_offsets":[18446744073709551600,18446744073709551615])",
          "safetensors-size", "'w' has 15 bytes, a wrong size for the shape (4) and the type F32");
  std::string dimensions = "1";
  for (int i = 0; i < 64; ++i) dimensions += ",1";
  refused(R"("dtype":"F32","shape":[)" + dimensions + R"(],"data_offsets":[0,4])",
          "safetensors-shape");
}

TEST(Safetensors, HolesAndOverlaps) {
  const auto two = [](const std::string& first, const std::string& second) {
    return file_of(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":)" + first +
                   R"(},"b":{"dtype":"U8","shape":[8],"data_offsets":)" + second + "}}");
  };
  EXPECT_FALSE(open_error(two("[0,8]", "[8,16]")).thrown);
  EXPECT_FALSE(open_error(two("[8,16]", "[0,8]")).thrown);
  expect_malformed(two("[0,8]", "[0,8]"), "safetensors-layout", "'b' begins at byte 0");
  expect_malformed(two("[0,8]", "[4,12]"), "safetensors-layout", "'b' begins at byte 4");
  expect_malformed(two("[0,8]", "[9,17]"), "safetensors-layout", "'b' begins at byte 9");
}

TEST(Safetensors, LengthsOfTheHeader) {
  auto bytes = tools::write_safetensors(two_tensors());
  for (std::size_t i = 0; i < 5; ++i) bytes[i] = std::byte{0xff};
  expect_malformed(bytes, "safetensors-truncated",
                   "its header should have 1,099,511,627,775 bytes");
  bytes = tools::write_safetensors(two_tensors());
  bytes[0] = std::byte{0};
  bytes[1] = std::byte{0};
  expect_malformed(bytes, "safetensors-json", "doesn't begin with '{'");
}

// --- shards -----------------------------------------------------------------------------------

// Files in memory.
class MemorySiblings final : public io::Siblings {
 public:
  std::map<std::string, std::vector<std::byte>> files;
  std::unique_ptr<Input> open(const std::string& name) const override {
    const auto found = files.find(name);
    return found == files.end() ? nullptr : std::make_unique<MemoryInput>(found->second);
  }
};

class Shards : public testing::Test {
 protected:
  Shards() {
    siblings_.files["one"] = tools::write_safetensors({two_tensors()[0]});
    siblings_.files["two"] = tools::write_safetensors({two_tensors()[1]});
  }

  Caught open_error(const std::string& index) const {
    return catch_error([&] {
      const MemoryInput input(test::bytes_of(index));
      StateDict::open(input, {{}, &siblings_}, {});
    });
  }

  MemorySiblings siblings_;
  const std::string index_ = R"({"metadata":{"a":[1,{"weight_map":2}]},)"
                             R"("weight_map":{"weight":"one","bias":"two"}})";
};

TEST_F(Shards, AreReadTogether) {
  const MemoryInput input(test::bytes_of(index_));
  const StateDict state_dict = StateDict::open(input, {{}, &siblings_}, {});
  EXPECT_EQ(values_of(state_dict, "weight"), (std::vector<double>{0.5, -1, 2, 1024}));
  EXPECT_EQ(values_of(state_dict, "bias"), (std::vector<double>{3, -0.25}));
  EXPECT_EQ(state_dict.container(), "safetensors, 2 shards");
  EXPECT_EQ(state_dict.files().size(), 3U);
}

TEST_F(Shards, CanNotBeReachedFromMemory) {
  const Caught caught = catch_error([&] {
    const MemoryInput input(test::bytes_of(index_));
    StateDict::open(input, {}, {});
  });
  EXPECT_EQ(caught.code, "safetensors-shards-in-memory");
  EXPECT_NE(caught.message.find("2 files"), std::string::npos) << caught.message;
}

TEST_F(Shards, MissingOnesAreListedAtOnce) {
  siblings_.files.clear();
  const Caught caught = open_error(index_);
  EXPECT_EQ(caught.kind, ErrorKind::io);
  EXPECT_EQ(caught.code, "safetensors-shard-missing");
  EXPECT_EQ(caught.findings, (std::vector<std::string>{"one", "two"}));
  EXPECT_NE(caught.message.find("\n  one\n  two\n"), std::string::npos) << caught.message;
}

TEST_F(Shards, NamesThatLeadElsewhereAreRefused) {
  for (const char* name : {"../one", "/one", "a/one", "..", ".", "", "a\\\\one", "c:one",
                           "one\\u0000", "o\\u001bne", "o\\u202ene"}) {
    const Caught caught = open_error(R"({"weight_map":{"weight":")"s + name + R"("}})");
    EXPECT_EQ(caught.kind, ErrorKind::malformed) << name << ' ' << caught.message;
    EXPECT_EQ(caught.code, "safetensors-index-file") << name;
  }
}

TEST_F(Shards, MustAgreeWithTheIndex) {
  const auto says = [&](const std::string& map, const std::string& code, const std::string& fact) {
    const Caught caught = open_error(R"({"weight_map":{)" + map + "}}");
    EXPECT_EQ(caught.kind, ErrorKind::malformed) << caught.message;
    EXPECT_EQ(caught.code, code) << caught.message;
    EXPECT_NE(caught.message.find(fact), std::string::npos) << caught.message;
  };
  const std::string contradiction = "safetensors-index-contradiction";
  says(R"("weight":"two","bias":"one")", contradiction,
       "weight is in 'one', but the index names another file");
  says(R"("weight":"one","bias":"two","more":"two")", contradiction, "more isn't in 'two'");
  siblings_.files["two"] = tools::write_safetensors(two_tensors());
  says(R"("weight":"one","bias":"two")", contradiction,
       "weight is in 'two', but the index names another file");
  says(R"("bias":"two")", contradiction,
       "weight is in 'two', but the index does not list this tensor");
  siblings_.files["two"].pop_back();
  says(R"("bias":"two")", "safetensors-truncated", "'two': ");
  siblings_.files["two"] = tools::write_checkpoint(two_tensors());
  EXPECT_EQ(open_error(R"({"weight_map":{"bias":"two"}})").code, "safetensors-shard-kind");
}

TEST_F(Shards, OtherJson) {
  for (const char* text :
       {"{\"error\": \"not found\"}", "[{\"weight_map\": {}}]", "{\"weight_map\": 1}",
        "{\"weight_map\"", "{\"a\": {\"weight_map\": {\"w\": \"one\"}}}"}) {
    const Caught caught = open_error(text);
    EXPECT_EQ(caught.code, "file-json") << text << caught.message;
  }
  EXPECT_EQ(open_error(R"({"weight_map":{"w":"one","w":"two"}})").code, "safetensors-index-twice");
  EXPECT_EQ(open_error(R"({"weight_map":{"w":1}})").code, "safetensors-index-file");
  EXPECT_EQ(open_error(R"({"weight_map":{},"weight_map":{}})").code, "safetensors-index-twice");
  EXPECT_EQ(open_error("{\"a\":" + std::string(1000, '[')).code, "json-depth");
}

// --- what is made of it -----------------------------------------------------------------------

// The ONNX file of a checkpoint, the hash of the source replaced.
std::string onnx_of(const std::vector<std::byte>& file) {
  const MemoryInput input(file);
  test::MemoryOutput output;
  ConvertOptions options;
  options.source_name = "name";
  const ConvertReport report = convert(input, {&output, nullptr, {}}, options);
  std::string bytes(reinterpret_cast<const char*>(output.bytes().data()), output.bytes().size());
  const std::size_t at = bytes.find(report.source.sha256);
  EXPECT_NE(at, std::string::npos);
  return bytes.replace(at, 64, 64, '0');
}

TEST(Containers, GiveTheSameModel) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 1);
  const std::string plain = onnx_of(tools::write_checkpoint(tensors));
  EXPECT_EQ(onnx_of(tools::write_legacy_checkpoint(tensors)), plain);
  EXPECT_EQ(onnx_of(tools::write_safetensors(tensors)), plain);
  tools::CheckpointLayout wrapped;
  wrapped.wrapper = "params_ema";
  wrapped.prefix = "module.";
  wrapped.optimizer_copies = 3;
  EXPECT_EQ(onnx_of(tools::write_checkpoint(tensors, wrapped)), plain);
  EXPECT_EQ(onnx_of(tools::write_legacy_checkpoint(tensors, wrapped)), plain);
}

}  // namespace
}  // namespace aether2onnx::state_dict::containers_test
