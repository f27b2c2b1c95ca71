#include "state_dict/state_dict.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "checkpoint_writer.h"
#include "formats/torch/torch.h"
#include "support.h"
#include "two_tensors.h"

namespace aether2onnx::state_dict::state_dict_test {
namespace {

using namespace std::string_literals;
using test::catch_error;
using test::Caught;
using tools::write_zip;

const std::filesystem::path kData = AETHER2ONNX_TEST_DATA "/torch";

// --- files that PyTorch wrote, compared bit by bit --------------------------------------------

struct Expected {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};

std::vector<Expected> read_expected(const std::filesystem::path& path) {
  std::vector<Expected> tensors;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Expected tensor;
    std::string shape;
    words >> tensor.name >> tensor.dtype >> shape;
    std::istringstream sizes(shape.substr(1, shape.size() - 2));
    for (std::string size; std::getline(sizes, size, ',');)
      tensor.shape.push_back(std::stoll(size));
    for (std::string value; words >> value;)
      tensor.values.push_back(std::strtod(value.c_str(), nullptr));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

class TorchFile : public testing::TestWithParam<std::string> {};

// The file of that name, whatever its ending.
std::filesystem::path path_of(const std::string& name) {
  for (const char* ending : {".pth", ".safetensors", ".safetensors.index.json"}) {
    if (std::filesystem::exists(kData / (name + ending))) return kData / (name + ending);
  }
  return kData / (name + ".pth");
}

TEST_P(TorchFile, ReadsAsPyTorchDoes) {
  const std::unique_ptr<Input> input = open_file(path_of(GetParam()));
  const io::FolderSiblings siblings(path_of(GetParam()));
  const StateDict state_dict = StateDict::open(*input, {{}, &siblings}, {});
  const std::vector<Expected> expected = read_expected(kData / (GetParam() + ".expected"));
  ASSERT_FALSE(expected.empty());
  for (const Expected& want : expected) {
    const Entry* entry = state_dict.find(want.name);
    ASSERT_NE(entry, nullptr) << want.name;
    ASSERT_TRUE(entry->tensor) << want.name << ' ' << entry->problem;
    const TensorData data = state_dict.read(*entry);
    EXPECT_EQ(to_string(data.dtype), want.dtype);
    EXPECT_EQ(data.shape, want.shape);
    EXPECT_EQ(to_doubles(data.bytes, data.dtype), want.values) << want.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TorchFile,
                         testing::Values("dtype_float32", "dtype_float16", "dtype_bfloat16",
                                         "dtype_float64", "dtype_mixed", "strides", "channels_last",
                                         "offsets_and_sharing", "module_state_dict", "parameters",
                                         "nested_params", "nested_params_ema", "nested_twice",
                                         "module_prefix", "compiled_prefix", "training_checkpoint",
                                         "protocol_3", "protocol_4", "protocol_5", "quantized"),
                         [](const auto& given) { return given.param; });

INSTANTIATE_TEST_SUITE_P(Wrappers, TorchFile,
                         testing::Values("wrapper_params_ema", "wrapper_net_g",
                                         "wrapper_model_state_dict", "wrapper_model",
                                         "wrapper_generator", "wrapper_ema",
                                         "wrapper_state_dict_ema", "wrapper_of_any_name",
                                         "wrapper_gan", "wrapper_attribute", "prefix_twice",
                                         "prefix_within", "averaged_model", "trained"),
                         [](const auto& given) { return given.param; });

INSTANTIATE_TEST_SUITE_P(Containers, TorchFile,
                         testing::Values("legacy_protocol_1", "legacy_protocol_2",
                                         "legacy_protocol_3", "legacy_protocol_4",
                                         "legacy_protocol_5", "legacy_sharing", "legacy_dtypes",
                                         "trained_legacy", "module_zip", "module_legacy",
                                         "module_parallel", "module_wrapped", "safetensors_types",
                                         "shards", "quantized_legacy"),
                         [](const auto& given) { return given.param; });

// PyTorch converts these scales or zero points while the storages of a legacy stream are empty, and
// computes with memory that nothing was written to.
TEST(StateDict, ScalesThatPyTorchWouldCopyBeforeTheyAreReadAreRefused) {
  for (const char* name : {"quantized_int32_zero_points", "quantized_strided_scales"}) {
    const std::filesystem::path path =
        std::filesystem::path(AETHER2ONNX_TEST_DATA "/hostile") / (std::string(name) + ".pth");
    const std::unique_ptr<Input> input = open_file(path);
    const Caught caught = catch_error([&] { StateDict::open(*input, {}, {}); });
    EXPECT_EQ(caught.kind, ErrorKind::malformed) << name;
    EXPECT_NE(caught.message.find("is a quantized tensor w"), std::string::npos) << caught.message;
    EXPECT_NE(scan_file(path).result, ScanResult::clean) << name;
  }
}

StateDict open_sample(const std::string& name, std::optional<std::string> params_key = {}) {
  static std::vector<std::unique_ptr<Input>> inputs;  // they outlive what was opened
  inputs.push_back(open_file(kData / name));
  const io::FolderSiblings siblings(kData / name);
  return StateDict::open(*inputs.back(), {std::move(params_key), &siblings}, {});
}

TEST(StateDict, TellsWhereItWasFound) {
  EXPECT_EQ(open_sample("dtype_float32.pth").wrapper(), "");
  EXPECT_EQ(open_sample("nested_params.pth").wrapper(), "params");
  EXPECT_EQ(open_sample("nested_params_ema.pth").wrapper(), "params_ema");
  EXPECT_EQ(open_sample("nested_twice.pth").wrapper(), "model/state_dict");
  EXPECT_EQ(open_sample("compiled_prefix.pth").prefix(), "_orig_mod.module.");
  EXPECT_EQ(open_sample("training_checkpoint.pth").wrapper(), "state_dict");
  EXPECT_EQ(open_sample("wrapper_of_any_name.pth").wrapper(), "my_network");
  EXPECT_EQ(open_sample("wrapper_attribute.pth").wrapper(), "model");
  EXPECT_EQ(open_sample("prefix_twice.pth").prefix(), "model.net_g.");
}

TEST(StateDict, TellsTheContainer) {
  EXPECT_EQ(open_sample("dtype_float32.pth").container(), "PyTorch zip");
  EXPECT_EQ(open_sample("module_wrapped.pth").container(), "PyTorch zip, whole module");
  EXPECT_EQ(open_sample("legacy_protocol_2.pth").container(), "PyTorch legacy stream");
  EXPECT_EQ(open_sample("module_legacy.pth").container(), "PyTorch legacy stream, whole module");
  EXPECT_EQ(open_sample("safetensors_types.safetensors").container(), "safetensors");
  EXPECT_EQ(open_sample("shards.safetensors.index.json").container(), "safetensors, 2 shards");
  EXPECT_EQ(open_sample("shards.safetensors.index.json").files().size(), 3U);
}

TEST(StateDict, TellsWhatTheFileSaysBesideTheTensors) {
  using Facts = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(open_sample("nested_params_ema.pth").metadata(), (Facts{{"iter", "5000"}}));
  EXPECT_EQ(open_sample("safetensors_types.safetensors").metadata(),
            (Facts{{"format", "pt"}, {"iter", "5000"}}));
}

TEST(StateDict, ABufferThatIsNotPersistentIsNoPartOfIt) {
  const StateDict state_dict = open_sample("module_zip.pth");
  EXPECT_NE(state_dict.find("kept"), nullptr);
  EXPECT_NE(state_dict.find("1.num_batches_tracked"), nullptr);
  EXPECT_EQ(state_dict.find("omitted"), nullptr);
}

// --- choosing where there are several ---------------------------------------------------------

using Paths = std::vector<std::string>;

TEST(Wrappers, TheOthersOnOfferAreTold) {
  const StateDict gan = open_sample("wrapper_gan.pth");
  EXPECT_EQ(gan.wrapper(), "net_g_ema");
  EXPECT_EQ(gan.other_wrappers(), (Paths{"net_d", "net_g"}));
  EXPECT_EQ(open_sample("nested_params_ema.pth").other_wrappers(), (Paths{"params"}));
  // Neither the optimizer's state nor the states of random generators nor single numbers.
  EXPECT_EQ(open_sample("trained.pth").wrapper(), "state_dict");
  EXPECT_EQ(open_sample("trained.pth").other_wrappers(), (Paths{"averaged"}));
  EXPECT_EQ(open_sample("trained_legacy.pth").other_wrappers(), (Paths{"averaged"}));
  EXPECT_TRUE(open_sample("dtype_float32.pth").other_wrappers().empty());
}

TEST(Wrappers, AKeyThatIsGivenCounts) {
  const StateDict raw = open_sample("wrapper_gan.pth", "net_d");
  EXPECT_EQ(raw.wrapper(), "net_d");
  EXPECT_EQ(raw.other_wrappers(), (Paths{"net_g", "net_g_ema"}));
  EXPECT_EQ(raw.find("weight")->tensor->shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(open_sample("nested_twice.pth", "model/state_dict").wrapper(), "model/state_dict");
  EXPECT_EQ(open_sample("nested_twice.pth", "model").wrapper(), "model/state_dict");
  EXPECT_EQ(open_sample("dtype_float32.pth", "").entries().size(), 2U);
  EXPECT_EQ(open_sample("dtype_float32.pth", "/").entries().size(), 2U);
  EXPECT_EQ(open_sample("trained.pth", "averaged").prefix(), "module.");
}

TEST(Wrappers, AKeyMayBeTheStartOfNames) {
  const StateDict flat = open_sample("flat_gan.pth", "state_dict/net_g");
  EXPECT_EQ(flat.wrapper(), "state_dict/net_g");
  EXPECT_EQ(flat.prefix(), "module.");
  EXPECT_EQ(flat.entries().size(), 2U);
  EXPECT_NE(flat.find("weight"), nullptr);
}

TEST(Wrappers, AnUnknownKeyIsAnErrorThatNamesWhatThereIs) {
  for (const char* key : {"params", "net_g/params", "net_g_em", "net_g_ema2"}) {
    const Caught caught = catch_error([&] { open_sample("wrapper_gan.pth", key); });
    EXPECT_EQ(caught.kind, ErrorKind::mismatch) << key;
    EXPECT_EQ(caught.code, "state-dict-params-key") << key;
    EXPECT_NE(caught.message.find("Available: 'net_d', 'net_g', 'net_g_ema'"), std::string::npos)
        << caught.message;
    EXPECT_EQ(caught.findings, (Paths{"net_d", "net_g", "net_g_ema"}));
  }
  EXPECT_EQ(catch_error([] { open_sample("safetensors_types.safetensors", "params"); }).code,
            "state-dict-params-key");
  const Caught root = catch_error([] { open_sample("wrapper_gan.pth", "/"); });
  EXPECT_FALSE(root.thrown) << "the root leads to the usual keys";
}

TEST(Wrappers, SeveralOfUnusualNamesAreNotGuessedAmong) {
  const Caught caught = catch_error([] { open_sample("not_one_state_dict.pth"); });
  EXPECT_EQ(caught.kind, ErrorKind::mismatch);
  EXPECT_EQ(caught.code, "state-dict-several");
  EXPECT_NE(caught.message.find("'first', 'second'"), std::string::npos) << caught.message;
  EXPECT_EQ(open_sample("not_one_state_dict.pth", "second").entries().size(), 2U);
}

struct NoCheckpoint {
  std::string file;
  std::string code;
};

class NotACheckpoint : public testing::TestWithParam<NoCheckpoint> {};

TEST_P(NotACheckpoint, IsNamedForWhatItIs) {
  const Caught caught = catch_error([] { open_sample(GetParam().file + ".pth"); });
  ASSERT_TRUE(caught.thrown);
  EXPECT_EQ(caught.kind, ErrorKind::unsupported) << caught.message;
  EXPECT_EQ(caught.code, GetParam().code) << caught.message;
}

INSTANTIATE_TEST_SUITE_P(Files, NotACheckpoint,
                         testing::Values(NoCheckpoint{"not_optimizer", "state-dict-optimizer"},
                                         NoCheckpoint{"not_training_state", "state-dict-training"},
                                         NoCheckpoint{"not_single_tensor",
                                                      "state-dict-single-tensor"},
                                         NoCheckpoint{"not_empty", "state-dict-empty"},
                                         NoCheckpoint{"not_settings", "state-dict-none"},
                                         NoCheckpoint{"not_torchscript", "torch-script"}),
                         [](const auto& given) { return given.param.file; });

// --- made files -------------------------------------------------------------------------------

TEST(StateDict, EveryTypeInBothByteOrdersStoredAndDeflated) {
  for (const auto type : {tools::StorageType::float32, tools::StorageType::float16,
                          tools::StorageType::bfloat16, tools::StorageType::float64}) {
    for (const bool big_endian : {false, true}) {
      for (const bool deflate : {false, true}) {
        tools::CheckpointLayout layout;
        layout.type = type;
        layout.big_endian = big_endian;
        layout.deflate = deflate;
        layout.root = "some name";
        const auto bytes = tools::write_checkpoint(two_tensors(), layout);
        const MemoryInput input(bytes);
        const StateDict state_dict = StateDict::open(input, {}, {});
        EXPECT_EQ(values_of(state_dict, "weight"), (std::vector<double>{0.5, -1, 2, 1024}));
        EXPECT_EQ(values_of(state_dict, "bias"), (std::vector<double>{3, -0.25}));
      }
    }
  }
}

// A small file can have very many tensors that share the bytes of one storage.
TEST(StateDict, FarMoreTensorsThanBytesAreRefused) {
  constexpr std::int64_t elements = 1 << 22;
  const auto bytes = tools::write_checkpoint(
      {{"weight", {elements}, std::vector<double>(std::size_t{elements}, 0.5)}}, {});
  const MemoryInput input(bytes);
  const StateDict state_dict = StateDict::open(input, {}, {});
  const Entry& weight = state_dict.entries().at(0);
  for (int i = 0; i < 16; ++i) state_dict.read(weight);
  const test::Caught caught = test::catch_error([&] {
    for (int i = 0; i < 150; ++i) state_dict.read(weight);
  });
  EXPECT_EQ(caught.code, "state-dict-tensor-bytes");
}

}  // namespace
}  // namespace aether2onnx::state_dict::state_dict_test
