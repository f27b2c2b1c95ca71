// Checkpoints that are made part by part: the calls that rebuild a tensor, the keys, the container.

#include <gtest/gtest.h>

#include <sstream>

#include "checkpoint_writer.h"
#include "formats/torch/torch.h"
#include "state_dict/state_dict.h"
#include "support.h"
#include "two_tensors.h"

namespace aether2onnx::state_dict::tensor_records_test {
namespace {

using namespace std::string_literals;
using test::catch_error;
using test::Caught;
using tools::write_zip;

// A checkpoint of one tensor "w" with every part of its record given.
struct Record {
  std::string storage_class = "ctorch\nFloatStorage\n";
  std::string key = "0";
  std::string numel = "K\x04";
  std::string offset = "K\x00"s;
  std::string size = "K\x04\x85"s;
  std::string stride = "K\x01\x85"s;
  std::string storage = std::string(16, '\x01');
  std::string function = "ctorch._utils\n_rebuild_tensor_v2\n";
  std::string after_call;
};

std::string text_opcode(const std::string& text) {
  return "\x8c" + std::string(1, static_cast<char>(text.size())) + text;
}

std::string tensor_opcodes(const Record& record) {
  return record.function + "((" + text_opcode("storage") + record.storage_class +
         text_opcode(record.key) + text_opcode("cpu") + record.numel + "tQ" + record.offset +
         record.size + record.stride +
         "\x89"
         "ccollections\nOrderedDict\n)RtR" +
         record.after_call;
}

std::vector<std::byte> checkpoint_of(const std::string& items, const std::string& storage,
                                     const std::string& byteorder = "little",
                                     const std::string& version = "3\n") {
  std::vector<tools::ZipEntry> entries = {{"a/data.pkl", "\x80\x04}(" + items + "u."},
                                          {"a/data/0", storage}};
  if (!byteorder.empty()) entries.push_back({"a/byteorder", byteorder});
  if (!version.empty()) entries.push_back({"a/version", version});
  return write_zip(entries);
}

Caught open_error(const std::vector<std::byte>& bytes) {
  return catch_error([&] {
    const MemoryInput input(bytes);
    StateDict::open(input, {}, {});
  });
}

// The value "w" of the file's dict, as it is described.
Entry entry_of(const std::vector<std::byte>& bytes) {
  const MemoryInput input(bytes);
  const auto file = torch::open_zip(input, {});
  for (const auto& [key, value] : file->document.pairs(file->document.root())) {
    if (file->document.text(key) != "w") continue;
    // With the tensors before it, which its storage must agree with.
    std::vector<torch::NamedValue> values;
    for (const auto& [name, each] : file->document.pairs(file->document.root())) {
      values.emplace_back(file->document.text(name), each);
    }
    const auto entries = torch::describe_tensors(file->document, *file->storages, values);
    for (const Entry& entry : entries) {
      if (entry.name == "w") return entry;
    }
  }
  return {"w", std::nullopt, "is not there", {}};
}

// The code of the tensor's problem and the problem; "" if there is none. A file with a tensor that
// contradicts itself isn't opened.
std::string problem_of(const Record& record) {
  const auto bytes = checkpoint_of(text_opcode("w") + tensor_opcodes(record), record.storage);
  const Entry entry = entry_of(bytes);
  const bool sound = entry.tensor || entry.problem_code == "torch-tensor-expanded" ||
                     entry.problem_code == "torch-tensor-kind";
  const Caught opened = open_error(bytes);
  EXPECT_EQ(opened.thrown, !sound) << opened.message;
  if (!sound) {
    EXPECT_EQ(opened.kind, ErrorKind::malformed) << opened.message;
  }
  if (entry.tensor) {
    const MemoryInput input(bytes);
    const StateDict state_dict = StateDict::open(input, {}, {});
    state_dict.read(*state_dict.find("w"));  // must never fail once it is described
  }
  return entry.tensor ? "" : entry.problem_code + ": " + entry.problem;
}

template <typename Change>
std::string problem_with(Change change) {
  Record record;
  change(record);
  return problem_of(record);
}

// `fact`: a piece of the message with a name or number.
void expect_problem(const std::string& problem, const std::string& code,
                    const std::string& fact = "") {
  EXPECT_TRUE(problem.starts_with(code + ": ")) << code << " expected, found " << problem;
  EXPECT_NE(problem.find(fact), std::string::npos) << problem;
}

#define EXPECT_PROBLEM(change, ...) \
  expect_problem(problem_with([](Record& r) { change; }), __VA_ARGS__)

TEST(TensorRecord, AGoodOne) { EXPECT_EQ(problem_of(Record{}), ""); }

TEST(TensorRecord, LayoutsBeyondTheStorage) {
  EXPECT_PROBLEM(r.offset = "K\x01", "torch-tensor-extent");
  EXPECT_PROBLEM(r.size = "K\x05\x85", "torch-tensor-extent");
  EXPECT_PROBLEM(r.stride = "K\x02\x85", "torch-tensor-extent");
  EXPECT_PROBLEM(r.offset = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", "torch-tensor-extent");
  EXPECT_PROBLEM(r.stride = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85", "torch-tensor-extent");
  EXPECT_PROBLEM(r.size = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85", "torch-tensor-extent");
  EXPECT_PROBLEM(
      (r.size = "\x8a\x06\xff\xff\xff\xff\xff\x7fK\x7f\x86"
                "K\x02\x86"s,
       r.size = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x7f\x86"s, r.stride = "K\x00K\x00\x86"s),
      "torch-tensor-elements");
}

TEST(TensorRecord, NegativeAndOddNumbers) {
  EXPECT_PROBLEM(r.offset = "J\xff\xff\xff\xff", "torch-tensor-layout", "offset is the number -1");
  EXPECT_PROBLEM(r.size = "J\xff\xff\xff\xff\x85", "torch-tensor-layout",
                 "size has the number -1 in it");
  EXPECT_PROBLEM(r.stride = "J\xff\xff\xff\xff\x85", "torch-tensor-layout",
                 "stride has the number -1 in it");
  EXPECT_PROBLEM(r.stride = "K\x01K\x01\x86", "torch-tensor-layout", "1 sizes and 2 strides");
  EXPECT_PROBLEM(r.size = "N", "torch-tensor-layout", "size is None");
  EXPECT_PROBLEM(r.offset = "N", "torch-tensor-layout", "offset is None");
  EXPECT_PROBLEM(r.size = "N\x85", "torch-tensor-layout", "size has None in it");
}

TEST(TensorRecord, Expansion) {
  // PyTorch reads these as views; as weights they would grow without bounds.
  EXPECT_PROBLEM((r.size = "J\x00\x00\x00\x02\x85"s, r.stride = "K\x00\x85"s),
                 "torch-tensor-expanded");
  EXPECT_EQ(problem_with([](Record& r) {
              r.size = "M\xff\xff\x85";
              r.stride = "K\x00\x85"s;
            }),
            "");
  EXPECT_EQ(problem_with([](Record& r) {
              r.size = "K\x02K\x02\x86";
              r.stride = "K\x00K\x01\x86"s;  // overlapping
            }),
            "");
}

TEST(TensorRecord, Storages) {
  EXPECT_PROBLEM(r.storage.resize(15), "torch-tensor-storage-short",
                 "should have 4 elements of 4 bytes and has 15 bytes");
  EXPECT_PROBLEM(r.storage.clear(), "torch-tensor-storage-short",
                 "should have 4 elements of 4 bytes and has 0 bytes");
  EXPECT_EQ(problem_with([](Record& r) { r.storage += "more"; }), "");
  EXPECT_PROBLEM(r.key = "1", "torch-tensor-storage-missing", "storage '1' is missing");
  EXPECT_PROBLEM(r.key = "../data.pkl", "torch-tensor-storage-missing",
                 "storage '../data.pkl' is missing");
  EXPECT_PROBLEM(r.numel = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
                 "torch-tensor-storage-short");
  EXPECT_PROBLEM(r.numel = "J\xff\xff\xff\xff", "torch-tensor-reference");
  EXPECT_PROBLEM(r.numel = "G\x40\x10\x00\x00\x00\x00\x00\x00"s, "torch-tensor-reference");
  EXPECT_PROBLEM(r.numel = "", "torch-tensor-reference");
  EXPECT_PROBLEM(r.numel = "K\x04NN", "torch-tensor-reference");
  EXPECT_PROBLEM(r.storage_class = "ctorch\nNoStorage\n", "torch-tensor-reference",
                 "the unknown type torch.NoStorage");
  EXPECT_PROBLEM(r.storage_class = "N", "torch-tensor-reference");
  EXPECT_EQ(problem_with([](Record& r) { r.storage_class = "ctorch.cuda\nFloatStorage\n"; }), "");
}

TEST(TensorRecord, KindsThatAreNotRead) {
  const auto problem = [&](const std::string& opcodes) {
    const Entry entry = entry_of(
        checkpoint_of(text_opcode("good") + tensor_opcodes(Record{}) + text_opcode("w") + opcodes,
                      std::string(16, '\x01')));
    return entry.problem_code + ": " + entry.problem;
  };
  expect_problem(problem("N"), "torch-no-tensor", "is None");
  expect_problem(problem("cos\nsystem\n(X\x01\x00\x00\x00xtR"s), "torch-no-tensor",
                 "is an object of os.system");
  expect_problem(problem("ctorch._utils\n_rebuild_sparse_tensor\n)R"), "torch-tensor-arguments",
                 "sparse");
  expect_problem(problem("ctorch._utils\n_rebuild_meta_tensor_no_storage\n)R"), "torch-tensor-kind",
                 "meta");
  expect_problem(problem("ctorch._utils\n_rebuild_tensor_v2\n)R"), "torch-tensor-arguments");
  expect_problem(problem("ctorch._utils\n_rebuild_parameter\n)R"), "torch-tensor-arguments");
  // A parameter around a parameter around …
  std::string nested = tensor_opcodes(Record{});
  for (int i = 0; i < 10; ++i) nested = "ctorch._utils\n_rebuild_parameter\n(" + nested + "\x89NtR";
  expect_problem(problem(nested), "torch-tensor-arguments", "another Parameter");
  // Its elements stand in the storage with the other sign.
  Record negated;
  negated.function = "ctorch._utils\n_rebuild_tensor_v2\n";
  std::string opcodes = tensor_opcodes(negated);
  opcodes.replace(opcodes.size() - 2, 2, "}X\x03\0\0\0neg\x88stR"s);
  expect_problem(problem(opcodes), "torch-tensor-kind", "negated");
}

TEST(TensorRecord, UntypedStorages) {
  const std::string storage(16, '\x01');
  Record record;
  record.storage_class = "ctorch.storage\nUntypedStorage\n";
  record.numel = "K\x10";  // bytes
  record.key = "0";
  std::string v3 = tensor_opcodes(record);
  v3.replace(v3.find("_rebuild_tensor_v2"), 18, "_rebuild_tensor_v3");
  v3.replace(v3.size() - 2, 2, "ctorch\nfloat32\ntR");
  std::vector<std::byte> bytes = checkpoint_of(text_opcode("w") + v3, storage);
  const MemoryInput input(bytes);
  const StateDict state_dict = StateDict::open(input, {}, {});
  ASSERT_TRUE(state_dict.find("w")->tensor) << state_dict.find("w")->problem;
  EXPECT_EQ(state_dict.find("w")->tensor->dtype, DType::float32);
  EXPECT_EQ(values_of(state_dict, "w").size(), 4U);
}

TEST(TensorRecord, OneStorageDescribedInTwoWays) {
  Record other;
  other.numel = "K\x02";
  other.size = "K\x02\x85";
  const Entry entry = entry_of(checkpoint_of(
      text_opcode("good") + tensor_opcodes(Record{}) + text_opcode("w") + tensor_opcodes(other),
      std::string(16, 'a')));
  EXPECT_EQ(entry.problem_code, "torch-tensor-conflict") << entry.problem;
}

TEST(StateDict, AKeyThatStandsTwiceIsRefused) {
  Record first;
  first.size = "K\x01\x85";
  const Caught caught = open_error(checkpoint_of(
      text_opcode("w") + tensor_opcodes(first) + text_opcode("w") + tensor_opcodes(Record{}),
      std::string(16, '\x01')));
  EXPECT_EQ(caught.code, "pickle-key-twice") << caught.message;
}

TEST(StateDict, RecordsOfTheContainer) {
  const std::string items = text_opcode("w") + tensor_opcodes(Record{});
  const std::string storage(16, '\x01');
  EXPECT_FALSE(open_error(checkpoint_of(items, storage, "")).thrown);
  EXPECT_FALSE(open_error(checkpoint_of(items, storage, "little", "10\n")).thrown);
  EXPECT_EQ(open_error(checkpoint_of(items, storage, "middle")).code, "torch-byteorder");
  EXPECT_EQ(open_error(checkpoint_of(items, storage, "little", "")).code, "torch-version-missing");
  EXPECT_EQ(open_error(checkpoint_of(items, storage, "little", "x")).code, "torch-version");
  EXPECT_EQ(open_error(checkpoint_of(items, storage, "little", "99")).code,
            "torch-container-version");
}

TEST(StateDict, OtherZipFiles) {
  const auto says = [](const std::vector<tools::ZipEntry>& entries, const std::string& code,
                       const std::string& name) {
    const Caught caught = open_error(write_zip(entries));
    EXPECT_EQ(caught.code, code) << caught.message;
    EXPECT_NE(caught.message.find("'" + name + "'"), std::string::npos) << caught.message;
  };
  says({{"readme.txt", "hello"}}, "zip-no-checkpoint", "readme.txt");
  says({{"models/net.pth", "x"}}, "zip-of-checkpoint", "models/net.pth");
  says({{"a/data.pkl", "N."}, {"b/data.pkl", "N."}}, "torch-two-checkpoints", "b/");
  says({{"a/notdata.pkl", "N."}}, "zip-no-checkpoint", "a/notdata.pkl");
  says({{"a/b/data.pkl", "N."}}, "zip-repacked", "a/b/data.pkl");
  says({{"data.pkl", "N."}}, "zip-repacked", "data.pkl");
  says({{"x/model.safetensors", "x"}}, "zip-of-checkpoint", "x/model.safetensors");
}

TEST(StateDict, WrappersInACircleEnd) {
  // {"model": itself}
  const auto bytes = checkpoint_of("", "");
  const auto circle = write_zip(
      {{"a/data.pkl", "\x80\x02}q\x00"s + text_opcode("model") + "h\x00s."s}, {"a/version", "3"}});
  const Caught caught = open_error(circle);
  EXPECT_EQ(caught.code, "state-dict-none") << caught.message;
}

TEST(StateDict, AKeyWithAndWithoutItsPrefix) {
  const auto bytes = checkpoint_of(text_opcode("w") + tensor_opcodes(Record{}) +
                                       text_opcode("module.w") + tensor_opcodes(Record{}),
                                   std::string(16, '\x01'));
  const Caught caught = open_error(bytes);
  EXPECT_EQ(caught.code, "state-dict-key-twice");
  EXPECT_NE(caught.message.find("'w'"), std::string::npos) << caught.message;
}

}  // namespace
}  // namespace aether2onnx::state_dict::tensor_records_test
