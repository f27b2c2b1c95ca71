// fuse() and fuse_file(): the fused checkpoint against sums made independently, and its conversion
// against that of the unfused one.

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/dtype.h"
#include "sample_networks.h"
#include "state_dict/state_dict.h"
#include "support.h"

namespace aether2onnx::fuse_test {
namespace {

using test::catch_error;
using test::Caught;
using test::list_files;
using test::MemoryOutput;
using tools::NamedTensor;
using tools::NetworkShape;
using tools::StorageType;

constexpr StorageType kStorageTypes[] = {StorageType::float32, StorageType::float16,
                                         StorageType::bfloat16, StorageType::float64};
constexpr WeightType kWeightTypes[] = {WeightType::same, WeightType::float32, WeightType::float16,
                                       WeightType::bfloat16, WeightType::float64};

WeightType weight_type(StorageType type) {
  switch (type) {
    case StorageType::float16:
      return WeightType::float16;
    case StorageType::bfloat16:
      return WeightType::bfloat16;
    case StorageType::float64:
      return WeightType::float64;
    default:
      return WeightType::float32;
  }
}

double rounded(double value, WeightType type) {
  switch (type) {
    case WeightType::float16:
      return from_half_bits(to_half_bits(value));
    case WeightType::bfloat16:
      return from_bfloat16_bits(to_bfloat16_bits(value));
    case WeightType::float32:
      return static_cast<float>(value);
    default:
      return value;
  }
}

// The tensors with values that the type holds.
std::vector<NamedTensor> rounded(std::vector<NamedTensor> tensors, WeightType type) {
  for (NamedTensor& tensor : tensors) {
    for (double& value : tensor.values) value = rounded(value, type);
  }
  return tensors;
}

std::vector<NamedTensor> random_tensors(const NetworkShape& shape = {}, std::uint64_t seed = 5) {
  std::vector<NamedTensor> tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, seed);
  return tensors;
}

std::vector<std::byte> checkpoint_of(const std::vector<NamedTensor>& tensors,
                                     StorageType type = StorageType::float32) {
  tools::CheckpointLayout layout;
  layout.type = type;
  return tools::write_checkpoint(tensors, layout);
}

struct Fused {
  std::vector<std::byte> bytes;
  FuseReport report;
};

Fused fuse_bytes(const std::vector<std::byte>& checkpoint, const FuseOptions& options = {}) {
  const MemoryInput input(checkpoint);
  MemoryOutput output;
  FuseReport report = fuse(input, output, options);
  return {output.bytes(), std::move(report)};
}

Fused fuse_as(const std::vector<std::byte>& checkpoint, WeightType dtype) {
  FuseOptions options;
  options.dtype = dtype;
  return fuse_bytes(checkpoint, options);
}

void expect_tensors(const std::vector<std::byte>& checkpoint,
                    const std::vector<NamedTensor>& expected, WeightType type) {
  const MemoryInput input(checkpoint);
  const auto state_dict = state_dict::StateDict::open(input, {}, {});
  ASSERT_EQ(state_dict.entries().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const state_dict::Entry& entry = state_dict.entries()[i];
    EXPECT_EQ(entry.name, expected[i].name);
    const TensorData data = state_dict.read(entry);
    EXPECT_EQ(to_string(data.dtype), to_string(type)) << entry.name;
    EXPECT_EQ(data.shape, expected[i].shape) << entry.name;
    ASSERT_EQ(to_doubles(data.bytes, data.dtype), expected[i].values) << entry.name;
  }
}

// --- the numbers ------------------------------------------------------------------------------

TEST(Fuse, EveryTypeToEveryType) {
  for (const StorageType stored : kStorageTypes) {
    const WeightType source = weight_type(stored);
    const std::vector<NamedTensor> tensors = rounded(random_tensors(), source);
    const auto checkpoint = checkpoint_of(tensors, stored);
    // What PyTorch's fused network has: sums rounded once, to float32 or float64.
    const WeightType computed =
        source == WeightType::float64 ? WeightType::float64 : WeightType::float32;
    const std::vector<NamedTensor> fused = rounded(tools::fuse(tensors), computed);
    for (const WeightType dtype : kWeightTypes) {
      SCOPED_TRACE(std::string(to_string(source)) + " to " + std::string(to_string(dtype)));
      const WeightType target = dtype == WeightType::same ? source : dtype;
      const Fused result = fuse_as(checkpoint, dtype);
      expect_tensors(result.bytes, rounded(fused, target), target);
      EXPECT_EQ(result.report.output.dtype, to_string(target));
    }
  }
}

TEST(Fuse, MixedTypesStayAsTheyAre) {
  // Two entries of float16 in a file of float32; a sum takes the wider type.
  std::vector<NamedTensor> tensors = rounded(random_tensors(), WeightType::float16);
  tools::CheckpointLayout layout;
  std::string pickle = tools::pickle_state_dict(tensors, layout);
  std::vector<tools::ZipEntry> entries = {{"archive/data.pkl", "", false},
                                          {"archive/version", "3\n", false}};
  // Storage classes in the order of the tensors: every second one becomes HalfStorage.
  std::size_t at = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    at = pickle.find("FloatStorage", at + 1);
    ASSERT_NE(at, std::string::npos);
    std::string data;
    for (const double value : tensors[i].values) {
      if (i % 2 == 1) {
        const std::uint16_t bits = to_half_bits(value);
        data.append(reinterpret_cast<const char*>(&bits), sizeof bits);
      } else {
        const auto element = static_cast<float>(value);
        data.append(reinterpret_cast<const char*>(&element), sizeof element);
      }
    }
    if (i % 2 == 1) pickle.replace(at, 12, "HalfStorage");
    entries.push_back({"archive/data/" + std::to_string(i), data, false});
  }
  entries[0].content = pickle;
  const Fused result = fuse_bytes(tools::write_zip(entries));

  const MemoryInput input(result.bytes);
  const auto state_dict = state_dict::StateDict::open(input, {}, {});
  EXPECT_EQ(state_dict.find("conv_first.weight")->tensor->dtype, DType::float32);
  EXPECT_EQ(state_dict.find("conv_first.bias")->tensor->dtype, DType::float16);
  // lk_bias is the third tensor (float32), sk_bias the fourth (float16).
  EXPECT_EQ(state_dict.find("layers.0.0.conv.fused_conv.bias")->tensor->dtype, DType::float32);
  EXPECT_EQ(state_dict.find("layers.0.0.norm.weight")->tensor->dtype, DType::float32);
  EXPECT_EQ(result.report.output.dtype, "float32 + float16");
}

TEST(Fuse, WrappedAndPrefixedGiveTheSameAsBare) {
  const std::vector<NamedTensor> tensors = random_tensors();
  tools::CheckpointLayout layout;
  layout.wrapper = "params_ema";
  layout.prefix = "module.";
  layout.root = "net_g_1000";
  const Fused wrapped = fuse_bytes(tools::write_checkpoint(tensors, layout));
  EXPECT_EQ(wrapped.bytes, fuse_bytes(checkpoint_of(tensors)).bytes);
  EXPECT_EQ(wrapped.report.source.wrapper, "params_ema");
}

TEST(Fuse, AFusedOneIsWrittenAnewAndThatIsSaid) {
  NetworkShape shape;
  shape.fused = true;
  const std::vector<NamedTensor> tensors = rounded(random_tensors(shape), WeightType::float32);
  const auto checkpoint = checkpoint_of(tensors);
  const Fused same = fuse_bytes(checkpoint);
  expect_tensors(same.bytes, tensors, WeightType::float32);
  EXPECT_EQ(same.report.convolutions, 0U);
  EXPECT_TRUE(same.report.network.fused);
  EXPECT_EQ(same.report.steps.at(2).summary, "the checkpoint is fused already");
  EXPECT_TRUE(same.report.warnings.empty());

  expect_tensors(fuse_as(checkpoint, WeightType::bfloat16).bytes,
                 rounded(tensors, WeightType::bfloat16), WeightType::bfloat16);
  // Once more changes nothing.
  EXPECT_EQ(fuse_bytes(same.bytes).bytes, same.bytes);
}

TEST(Fuse, FusingTwiceIsFusingOnce) {
  const Fused once = fuse_bytes(checkpoint_of(random_tensors()));
  EXPECT_EQ(fuse_bytes(once.bytes).bytes, once.bytes);
}

// --- conversion of the fused one --------------------------------------------------------------

// The ONNX file without what may differ: the source has one name, its hash is blotted out.
std::string onnx_of(const std::vector<std::byte>& checkpoint, Precision precision) {
  const MemoryInput input(checkpoint);
  MemoryOutput output;
  ConvertOptions options;
  options.precision = precision;
  options.source_name = "model.pth";
  const ConvertReport report = convert(input, {&output, nullptr, {}}, options);
  std::string file(reinterpret_cast<const char*>(output.bytes().data()), output.bytes().size());
  const std::size_t hash = file.find(report.source.sha256);
  EXPECT_NE(hash, std::string::npos);
  return file.replace(hash, report.source.sha256.size(), std::string(64, '#'));
}

constexpr Precision kPrecisions[] = {Precision::fp32, Precision::fp16};

void expect_same_onnx(const std::vector<std::byte>& unfused, const std::vector<std::byte>& fused,
                      Precision precision) {
  EXPECT_NE(unfused, fused);
  EXPECT_TRUE(onnx_of(unfused, precision) == onnx_of(fused, precision));
}

TEST(FusedConversion, GivesTheBytesOfTheUnfusedOne) {
  for (const StorageType stored : kStorageTypes) {
    const auto unfused = checkpoint_of(random_tensors(), stored);
    for (const WeightType dtype : {WeightType::same, WeightType::float32, WeightType::float64}) {
      for (const Precision precision : kPrecisions) {
        SCOPED_TRACE(std::string(to_string(weight_type(stored))) + " as " +
                     std::string(to_string(dtype)) + ", " + std::string(to_string(precision)));
        // A type that has fewer digits than the weights can't give their bytes: sums of 16-bit
        // weights in fp32 and of bfloat16 at all, float64 in float32 where fp16 rounds it again.
        const bool sixteen = size_of(stored == StorageType::float16    ? DType::float16
                                     : stored == StorageType::bfloat16 ? DType::bfloat16
                                                                       : DType::float32) == 2;
        if (dtype == WeightType::same && sixteen &&
            !(stored == StorageType::float16 && precision == Precision::fp16)) {
          continue;
        }
        if (stored == StorageType::float64 && dtype == WeightType::float32 &&
            precision == Precision::fp16) {
          continue;
        }
        expect_same_onnx(unfused, fuse_as(unfused, dtype).bytes, precision);
      }
    }
  }
}

TEST(FusedConversion, InFloat16ForFp16) {
  const auto unfused = checkpoint_of(random_tensors());
  expect_same_onnx(unfused, fuse_as(unfused, WeightType::float16).bytes, Precision::fp16);
}

TEST(FusedConversion, IsTheSameWhereRoundingTwiceMatters) {
  // 1 + 2^-11 lies in the middle of two float16 numbers. The sum is just above it in float64, so
  // that rounding at once would give the upper one, and exactly on it in float32.
  std::vector<NamedTensor> tensors = random_tensors();
  for (NamedTensor& tensor : tensors) {
    if (tensor.name.ends_with("lk_bias"))
      std::fill(tensor.values.begin(), tensor.values.end(), 1 + 0x1p-11);
    if (tensor.name.ends_with("sk_bias"))
      std::fill(tensor.values.begin(), tensor.values.end(), 0x1p-30);
  }
  const auto unfused = checkpoint_of(tensors);
  for (const WeightType dtype : {WeightType::same, WeightType::float64, WeightType::float16}) {
    expect_same_onnx(unfused, fuse_as(unfused, dtype).bytes, Precision::fp16);
  }
}

TEST(FusedConversion, TellsTheSmallKernelAndWithItTheVariant) {
  // With another small kernel it is no aether_small; the fused tensors alone don't show that.
  NetworkShape shape = tools::aether_small(2, false);
  shape.small_kernel = 5;
  const auto unfused = checkpoint_of(random_tensors(shape));
  const Fused fused = fuse_bytes(unfused);
  EXPECT_EQ(fused.report.network.model_type, "custom");
  expect_same_onnx(unfused, fused.bytes, Precision::fp32);

  shape.small_kernel = 3;
  const auto named = checkpoint_of(random_tensors(shape));
  EXPECT_EQ(fuse_bytes(named).report.network.model_type, "aether_small");
  expect_same_onnx(named, fuse_bytes(named).bytes, Precision::fp32);
}

TEST(FusedConversion, ANoteThatCannotBeTrueIsIgnored) {
  NetworkShape shape;
  shape.fused = true;
  const std::vector<NamedTensor> tensors = random_tensors(shape);
  const std::string pickle = tools::pickle_state_dict(tensors, {});
  const auto with_note = [&](const std::string& note) {
    std::vector<tools::ZipEntry> entries = {{"archive/data.pkl", pickle, false},
                                            {"archive/version", "3\n", false},
                                            {"archive/.data/fused_from", note, false}};
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      std::string data(tensors[i].values.size() * 4, '\0');
      entries.push_back({"archive/data/" + std::to_string(i), data, false});
    }
    return fuse_bytes(tools::write_zip(entries)).report.network.small_kernel;
  };
  EXPECT_EQ(with_note("depthwise 5x5 + 3x3, summed in float64"), 3);
  EXPECT_EQ(with_note("depthwise 5x5 + 5x5, summed in float64"), 5);
  for (const char* note :
       {"", "depthwise 5x5 + 4x4, summed in float64", "depthwise 5x5 + 7x7, summed in float64",
        "depthwise 7x7 + 3x3, summed in float64", "depthwise 5x5 + 3x3, summed in float64 or so",
        "depthwise 5x5 + 03x3, summed in float64", "\x1b[31mred"}) {
    EXPECT_EQ(with_note(note), 0) << note;
  }
}

// --- warnings and refusals --------------------------------------------------------------------

TEST(Fuse, WarnsWhereSumsLoseDigitsUnasked) {
  const auto halves = checkpoint_of(random_tensors(), StorageType::float16);
  const Fused same = fuse_bytes(halves);
  ASSERT_GE(same.report.warnings.size(), 1U);
  EXPECT_EQ(same.report.warnings[0].code, "fuse-rounded-sums");
  EXPECT_EQ(same.report.warnings[0].subject, "float16");
  EXPECT_TRUE(fuse_as(halves, WeightType::float32).report.warnings.empty());
  EXPECT_TRUE(fuse_bytes(checkpoint_of(random_tensors())).report.warnings.empty());
}

TEST(Fuse, CountsWhatBecomesSubnormalOrZero) {
  std::vector<NamedTensor> tensors = random_tensors();
  tensors[0].values = std::vector<double>(tensors[0].values.size(), 1);
  tensors[0].values[0] = 1e-6;
  tensors[0].values[1] = -1e-9;
  const Fused half = fuse_as(checkpoint_of(tensors), WeightType::float16);
  EXPECT_GE(half.report.weights_subnormal, 1U);
  EXPECT_EQ(half.report.weights_flushed_to_zero, 1U);
  ASSERT_EQ(half.report.warnings.size(), 1U);
  EXPECT_EQ(half.report.warnings[0].code, "precision-small-weights");
  const Fused full = fuse_as(checkpoint_of(tensors), WeightType::float32);
  EXPECT_EQ(full.report.weights_subnormal + full.report.weights_flushed_to_zero, 0U);
}

TEST(Fuse, NamesTheSumBeyondTheRange) {
  std::vector<NamedTensor> tensors = random_tensors();
  for (NamedTensor& tensor : tensors) {
    if (tensor.name == "layers.0.1.conv.lk_bias") tensor.values[2] = 60000;
    if (tensor.name == "layers.0.1.conv.sk_bias") tensor.values[2] = 6000;
  }
  const auto checkpoint = checkpoint_of(tensors, StorageType::float16);
  FuseOptions options;
  options.source_name = "net_g.pth";
  const Caught caught = catch_error([&] { fuse_bytes(checkpoint, options); });
  EXPECT_EQ(caught.kind, ErrorKind::precision);
  EXPECT_EQ(caught.code, "weight-range");
  EXPECT_EQ(
      caught.message.substr(0, 88),
      "net_g.pth: the weight layers.0.1.conv.fused_conv.bias has 1 element beyond the range of ");
  EXPECT_NE(caught.message.find("at [2].\nWrite the checkpoint with dtype float32."),
            std::string::npos);
  EXPECT_NO_THROW(fuse_as(checkpoint, WeightType::float32));
}

TEST(Fuse, ChecksTheOptionsAgainstTheNetwork) {
  const auto checkpoint = checkpoint_of(random_tensors());
  FuseOptions options;
  options.expect.model_type = "aether_small";
  EXPECT_EQ(catch_error([&] { fuse_bytes(checkpoint, options); }).kind, ErrorKind::mismatch);
  options.expect.model_type = "aether_giant";
  EXPECT_EQ(catch_error([&] { fuse_bytes(checkpoint, options); }).kind, ErrorKind::usage);
  options.expect.model_type.reset();
  options.expect.scale = 4;
  EXPECT_EQ(catch_error([&] { fuse_bytes(checkpoint, options); }).kind, ErrorKind::mismatch);
  options.expect.scale = 2;
  options.expect.input_channels = 3;
  EXPECT_NO_THROW(fuse_bytes(checkpoint, options));
  options.expect.input_channels = 0;
  EXPECT_EQ(catch_error([&] { fuse_bytes(checkpoint, options); }).kind, ErrorKind::usage);
}

// --- files ------------------------------------------------------------------------------------

class FuseFile : public testing::Test {
 protected:
  void SetUp() override {
    test::write_file(folder_ / "model.pth", checkpoint_of(random_tensors()));
  }
  test::TemporaryFolder folder_;
};

TEST_F(FuseFile, GivesTheSameBytesAsInMemory) {
  const FuseReport report = fuse_file(folder_ / "model.pth", folder_ / "sub/out.pth", {});
  const Fused in_memory = fuse_bytes(checkpoint_of(random_tensors()));
  EXPECT_EQ(test::read_file(folder_ / "sub/out.pth"), in_memory.bytes);
  EXPECT_EQ(report.output.path, folder_ / "sub/out.pth");
  EXPECT_EQ(report.output.bytes, in_memory.bytes.size());
  EXPECT_EQ(report.source.name, "model.pth");
  EXPECT_EQ(report.source.sha256, in_memory.report.source.sha256);
  EXPECT_EQ(report.convolutions, 3U);
  EXPECT_EQ(report.output.tensors, 2U * 5 * 3 + 12);
  EXPECT_EQ(report.output.dtype, "float32");
  std::uint64_t parameters = 0;
  for (const NamedTensor& tensor : tools::fuse(random_tensors()))
    parameters += tensor.values.size();
  EXPECT_EQ(report.output.parameters, parameters);
  EXPECT_EQ(list_files(folder_.path()),
            (std::vector<std::string>{"model.pth", "sub", "sub/out.pth"}));
}

TEST_F(FuseFile, TheNameTellsTheFormat) {
  const auto format_of = [&](const std::string& output, std::optional<CheckpointFormat> format) {
    FuseOptions options;
    options.format = format;
    const auto path = output.empty() ? std::filesystem::path() : folder_ / output;
    const FuseReport report = fuse_file(folder_ / "model.pth", path, options);
    const std::string text = test::read_text(report.output.path);
    EXPECT_EQ(text.starts_with("PK"), report.output.format == CheckpointFormat::pth);
    return report.output.path.filename().string() + " " +
           std::string(to_string(report.output.format));
  };
  EXPECT_EQ(format_of("", {}), "model_fused.pth pth");
  EXPECT_EQ(format_of("", CheckpointFormat::safetensors), "model_fused.safetensors safetensors");
  EXPECT_EQ(format_of("a.safetensors", {}), "a.safetensors safetensors");
  EXPECT_EQ(format_of("a.SafeTensors", {}), "a.SafeTensors safetensors");
  EXPECT_EQ(format_of("a.bin", {}), "a.bin pth");
  EXPECT_EQ(format_of("a.bin", CheckpointFormat::safetensors), "a.bin safetensors");
  EXPECT_EQ(format_of("a.ckpt", CheckpointFormat::pth), "a.ckpt pth");
}

TEST_F(FuseFile, ANameThatContradictsTheFormatIsRefused) {
  const auto before = list_files(folder_.path());
  FuseOptions options;
  options.format = CheckpointFormat::pth;
  const Caught caught =
      catch_error([&] { fuse_file(folder_ / "model.pth", folder_ / "a.safetensors", options); });
  EXPECT_EQ(caught.kind, ErrorKind::usage);
  EXPECT_EQ(caught.code, "option-format");
  options.format = CheckpointFormat::safetensors;
  EXPECT_EQ(catch_error([&] { fuse_file(folder_ / "model.pth", folder_ / "a.pt", options); }).kind,
            ErrorKind::usage);
  EXPECT_EQ(list_files(folder_.path()), before);
}

TEST_F(FuseFile, NeverOverwritesTheInput) {
  const auto before = test::read_file(folder_ / "model.pth");
  const Caught caught =
      catch_error([&] { fuse_file(folder_ / "model.pth", folder_ / "./model.pth", {}); });
  EXPECT_EQ(caught.kind, ErrorKind::io);
  EXPECT_EQ(caught.code, "file-is-input") << caught.message;
  EXPECT_EQ(test::read_file(folder_ / "model.pth"), before);
  EXPECT_EQ(list_files(folder_.path()), std::vector<std::string>{"model.pth"});
}

class StoppingObserver final : public Observer {
 public:
  void on_step(const Step& step) override { steps.push_back(step.name); }
  void on_progress(std::string_view step, std::uint64_t done, std::uint64_t total) override {
    EXPECT_LE(done, total);
    if (step == "written" && stop) throw std::runtime_error("stopped");
  }
  bool stop = false;
  std::vector<std::string> steps;
};

TEST_F(FuseFile, TellsTheObserverAndLeavesNothingWhenItStops) {
  StoppingObserver observer;
  fuse_file(folder_ / "model.pth", folder_ / "out.pth", {}, {{}, &observer});
  EXPECT_EQ(observer.steps, (std::vector<std::string>{"read", "recognised", "fused", "written"}));
  const auto before = list_files(folder_.path());
  const auto old = test::read_file(folder_ / "out.pth");
  observer.stop = true;
  FuseOptions options;
  options.dtype = WeightType::float16;
  EXPECT_THROW(fuse_file(folder_ / "model.pth", folder_ / "out.pth", options, {{}, &observer}),
               std::runtime_error);
  EXPECT_EQ(list_files(folder_.path()), before);
  EXPECT_EQ(test::read_file(folder_ / "out.pth"), old);
}

TEST_F(FuseFile, AWeightThatCannotBeWrittenLeavesNothing) {
  std::vector<NamedTensor> tensors = random_tensors();
  tensors.back().values.back() = 1e6;
  test::write_file(folder_ / "large.pth", checkpoint_of(tensors));
  const auto before = list_files(folder_.path());
  FuseOptions options;
  options.dtype = WeightType::float16;
  EXPECT_EQ(
      catch_error([&] { fuse_file(folder_ / "large.pth", folder_ / "new/out.pth", options); }).kind,
      ErrorKind::precision);
  EXPECT_EQ(list_files(folder_.path()), before);
}

}  // namespace
}  // namespace aether2onnx::fuse_test
