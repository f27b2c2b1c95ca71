// The parts of verification that need no libtorch: comparison, blocks, inputs, pictures, report.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "blocks.h"
#include "comparison.h"
#include "examination.h"
#include "html_report.h"
#include "inputs.h"
#include "memory.h"
#include "picture.h"
#include "port/port.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::parts_test {
namespace {

// --- the comparison itself --------------------------------------------------------------------

using verify::DoubleTensor;
using verify::FloatTensor;

TEST(Compare, CountsWhatIsOutside) {
  const DoubleTensor reference{{1, 1, 2, 2}, {0, 1, 2, 100}};
  const FloatTensor same{{1, 1, 2, 2}, {0, 1, 2, 100}};
  EXPECT_TRUE(verify::compare(same, reference, 0, 0).passed);
  const FloatTensor near{{1, 1, 2, 2}, {0.5, 1, 2, 101}};
  EXPECT_TRUE(verify::compare(near, reference, 0.5, 0.01).passed);
  const verify::Comparison failed = verify::compare(near, reference, 0.4, 0.01);
  EXPECT_FALSE(failed.passed);
  EXPECT_EQ(failed.outside, 1U);
  EXPECT_EQ(failed.worst, (std::vector<std::int64_t>{0, 0, 0, 0}));
  EXPECT_EQ(failed.max_absolute, 1);
  EXPECT_DOUBLE_EQ(failed.mean_absolute, 1.5 / 4);
  EXPECT_NEAR(failed.psnr, 10 * std::log10(4 / 1.25), 1e-12);
}

TEST(Compare, NanAndInfinityAlwaysFail) {
  const DoubleTensor reference{{1, 1, 1, 2}, {1, 2}};
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const FloatTensor candidate{{1, 1, 1, 2}, {1, bad}};
    const FloatTensor good{{1, 1, 1, 2}, {1, 2}};
    const DoubleTensor bad_reference{{1, 1, 1, 2}, {1, bad}};
    EXPECT_FALSE(verify::compare(candidate, reference, 1e30, 1e30).passed);
    EXPECT_FALSE(verify::compare(good, bad_reference, 1e30, 1e30).passed);
    EXPECT_FALSE(verify::compare(candidate, bad_reference, 1e30, 1e30).passed);
  }
}

TEST(Compare, AnotherShapeFails) {
  const DoubleTensor reference{{1, 1, 1, 2}, {1, 2}};
  const FloatTensor candidate{{1, 1, 2, 1}, {1, 2}};
  EXPECT_FALSE(verify::compare(candidate, reference, 1, 1).passed);
}

TEST(Compare, CountsDifferencesByTheirPowerOfTen) {
  const DoubleTensor reference{{1, 1, 1, 5}, {0, 0, 0, 0, 0}};
  const FloatTensor candidate{{1, 1, 1, 5}, {0, 2e-10F, 5e-5F, 0.5F, 7}};
  const verify::Comparison comparison = verify::compare(candidate, reference, 1, 0);
  const std::array<std::uint64_t, verify::kHistogramBins> expected = {2, 0, 0, 0, 0, 1,
                                                                      0, 0, 0, 1, 1};
  EXPECT_EQ(comparison.histogram, expected);
}

// --- blocks -----------------------------------------------------------------------------------

TEST(ModulePath, OfTheConvertersNamesAndOfTheExporters) {
  EXPECT_EQ(verify::module_path("layers.0.1/Add"), "layers.0.1");
  EXPECT_EQ(verify::module_path("layers.0.1.ffn/Mul_1"), "layers.0.1.ffn");
  EXPECT_EQ(verify::module_path("/layers.0/layers.0.1/Add"), "layers.0.1");
  EXPECT_EQ(verify::module_path("/layers.0/layers.0.1/ffn/fc2/MatMul"), "layers.0.1.ffn.fc2");
  EXPECT_EQ(verify::module_path("/conv_first/Conv"), "conv_first");
  EXPECT_EQ(verify::module_path("/upsample/upsample.1/DepthToSpace"), "upsample.1");
  EXPECT_EQ(verify::module_path("/Sub"), "");
  EXPECT_EQ(verify::module_path("Conv_12"), "");
  EXPECT_EQ(verify::module_path(""), "");
}

TEST(CompareBlock, TellsChannelsLastByItsShape) {
  const DoubleTensor reference{{1, 2, 1, 3}, {1, 2, 3, 4, 5, 6}};
  const FloatTensor same{{1, 2, 1, 3}, {1, 2, 3, 4, 5, 6}};
  const FloatTensor channels_last{{1, 1, 3, 2}, {1, 4, 2, 5, 3, 6}};
  const FloatTensor other{{6}, {1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(verify::compare_block("b", same, reference).max_absolute, 0);
  EXPECT_EQ(verify::compare_block("b", channels_last, reference).max_absolute, 0);
  EXPECT_TRUE(std::isinf(verify::compare_block("b", other, reference).max_absolute));
  const FloatTensor off{{1, 2, 1, 3}, {1, 2, 3, 4, 5, 9}};
  EXPECT_EQ(verify::compare_block("b", off, reference).max_absolute, 3);
  EXPECT_EQ(verify::compare_block("b", off, reference).relative, 0.5);
}

TEST(FirstDifference, IsTheFirstJumpAndNotTheLargestError) {
  const double floor = 1e-6;
  const auto first = verify::find_first_difference(
      {{"a", 0, 1e-7}, {"b", 0, 4e-7}, {"c", 0, 2e-3}, {"d", 0, 5e-3}, {"e", 0, 0.9}}, floor);
  EXPECT_EQ(first.path, "c");
  EXPECT_NE(first.text.find("first block that differs is c"), std::string::npos);
  const auto none = verify::find_first_difference(
      {{"a", 0, 1e-7}, {"b", 0, 3e-6}, {"c", 0, 2e-5}, {"d", 0, 9e-5}}, floor);
  EXPECT_EQ(none.path, "");
  EXPECT_NE(none.text.find("No single block"), std::string::npos);
  EXPECT_NE(verify::find_first_difference({}, floor).text.find("is unknown"), std::string::npos);
}

// --- inputs -----------------------------------------------------------------------------------

onnx::Model model_of(std::vector<std::string> dims) {
  onnx::Model model;
  model.inputs.push_back({"input", 1, std::move(dims)});
  return model;
}

TEST(Shapes, OfAStaticModelAreItsOwn) {
  EXPECT_EQ(verify::shapes_of(model_of({"1", "3", "48", "64"}), 3),
            (std::vector<verify::Sizes>{{1, 3, 48, 64}}));
}

TEST(Shapes, TheQuickOneIsOddAndNotSquareAndNotTheOptimum) {
  const auto quick = [](const std::string& min, const std::string& opt, const std::string& max) {
    onnx::Model model = model_of({"batch_size", "3", "height", "width"});
    model.metadata = {{"min_shape", "input:" + min},
                      {"opt_shape", "input:" + opt},
                      {"max_shape", "input:" + max}};
    return verify::quick_shape_of(model, 3);
  };
  using verify::Sizes;
  EXPECT_EQ(quick("1x3x32x32", "1x3x64x64", "4x3x256x256"), (Sizes{2, 3, 33, 37}));
  EXPECT_EQ(quick("1x3x32x32", "2x3x33x37", "4x3x256x256"), (Sizes{2, 3, 35, 37}));
  EXPECT_EQ(quick("1x3x8x8", "1x3x9x9", "1x3x12x12"), (Sizes{1, 3, 9, 11}));
  EXPECT_EQ(quick("3x3x720x1280", "3x3x1080x1920", "4x3x1080x1920"), (Sizes{3, 3, 721, 1281}));
  EXPECT_EQ(quick("1x3x16x16", "1x3x16x16", "1x3x16x16"), (Sizes{1, 3, 16, 16}));
  EXPECT_EQ(verify::quick_shape_of(model_of({"1", "3", "48", "64"}), 3), (Sizes{1, 3, 48, 64}));
}

TEST(Shapes, OfADynamicModelComeFromItsMetadata) {
  onnx::Model model = model_of({"batch_size", "3", "height", "200"});
  model.metadata = {{"min_shape", "input:1x3x16x200"},
                    {"opt_shape", "input:2x3x64x200"},
                    {"max_shape", "input:4x3x128x200"}};
  EXPECT_EQ(verify::shapes_of(model, 3),
            (std::vector<verify::Sizes>{
                {1, 3, 16, 200}, {3, 3, 23, 200}, {2, 3, 64, 200}, {4, 3, 128, 200}}));
}

TEST(Shapes, OfOthersDynamicModelsAreTheDefaults) {
  onnx::Model model = model_of({"", "3", "h", "w"});
  const std::vector<verify::Sizes> defaults = {
      {1, 3, 32, 32}, {3, 3, 39, 49}, {1, 3, 64, 64}, {4, 3, 256, 256}};
  EXPECT_EQ(verify::shapes_of(model, 3), defaults);
  for (const char* nonsense : {"", "input", "1x2x3", "1x3x0x0", "1x3x99999999999999999999x4",
                               "axbxcxd", "-1x3x4x4", "1x3x4x4x5"}) {
    model.metadata = {{"max_shape", nonsense}};
    EXPECT_EQ(verify::shapes_of(model, 3), defaults) << nonsense;
  }
}

TEST(Shapes, OtherInputsAreRefused) {
  const auto refused = [](const onnx::Model& model) {
    return test::catch_error([&] { verify::shapes_of(model, 3); });
  };
  EXPECT_EQ(refused(model_of({"1", "4", "48", "64"})).kind, ErrorKind::mismatch);
  EXPECT_EQ(refused(model_of({"1", "3"})).kind, ErrorKind::unsupported);
  onnx::Model two = model_of({"1", "3", "8", "8"});
  two.inputs.push_back({"second", 1, {"1"}});
  EXPECT_EQ(refused(two).kind, ErrorKind::unsupported);
  two.initializers.emplace_back();  // as old exporters list them
  two.initializers.back().name = "second";
  EXPECT_FALSE(refused(two).thrown);
}

TEST(Pictures, AreFittedToWhatTheModelTakes) {
  test::TemporaryFolder folder;
  FloatTensor picture{{1, 3, 2, 3}, {}};
  for (int i = 0; i < 18; ++i) picture.values.push_back(static_cast<float>(i) / 255.0F);
  test::write_text(folder / "b.png", verify::encode_png(picture));
  const auto pixels = [](const FloatTensor& tensor) {
    std::vector<long> values;
    for (const float value : tensor.values) values.push_back(std::lround(value * 255));
    return values;
  };
  // As it is.
  onnx::Model model = model_of({"n", "3", "h", "w"});
  model.metadata = {{"min_shape", "1x3x1x1"}, {"max_shape", "1x3x8x8"}};
  EXPECT_EQ(verify::picture_for(folder / "b.png", model, 3).values, picture.values);
  // Cut from the middle, and mirrored at the edge.
  const FloatTensor fitted =
      verify::picture_for(folder / "b.png", model_of({"1", "3", "3", "1"}), 3);
  EXPECT_EQ(fitted.shape, (std::vector<std::int64_t>{1, 3, 3, 1}));
  EXPECT_EQ(pixels(fitted), (std::vector<long>{1, 4, 4, 7, 10, 10, 13, 16, 16}));
  // A batch repeats it; one channel takes the brightness; others are refused.
  EXPECT_EQ(verify::picture_for(folder / "b.png", model_of({"2", "3", "2", "3"}), 3).values.size(),
            36U);
  EXPECT_EQ(verify::picture_for(folder / "b.png", model_of({"1", "1", "2", "3"}), 1).shape[1], 1);
  EXPECT_TRUE(test::catch_error([&] {
                verify::picture_for(folder / "b.png", model_of({"1", "4", "2", "3"}), 4);
              }).thrown);
  test::write_text(folder / "a.PNG", "no picture");
  test::write_text(folder / "c.txt", "no picture either");
  EXPECT_EQ(verify::list_pictures(folder.path()),
            (std::vector<std::filesystem::path>{folder / "a.PNG", folder / "b.png"}));
  EXPECT_TRUE(test::catch_error([&] { verify::load_picture(folder / "a.PNG"); }).thrown);
  EXPECT_TRUE(test::catch_error([&] { verify::load_picture(folder / "none.png"); }).thrown);
}

TEST(Noise, IsTheSameForTheSameSeedAlone) {
  const std::vector<std::int64_t> shape = {1, 3, 5, 7};
  EXPECT_EQ(verify::make_noise(shape, 1).values, verify::make_noise(shape, 1).values);
  EXPECT_NE(verify::make_noise(shape, 1).values, verify::make_noise(shape, 2).values);
}

// --- memory and the report --------------------------------------------------------------------

TEST(Memory, GrowsWithTheShapeAndTheScale) {
  const auto network_of = [](std::int64_t scale) {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::aether_small(scale, true));
    tools::fill_random(tensors, 1);
    const auto bytes = tools::write_checkpoint(tensors);
    const MemoryInput input(bytes);
    return network::recognise(state_dict::StateDict::open(input, {}, {}));
  };
  const network::Network small = network_of(2);
  const auto at = [&](const network::Network& network, std::int64_t side) {
    return verify::estimate_memory(network, {1, 3, side, side}, 4);
  };
  // 256 channels at 2048 x 2048 pixels, the largest value, take 4 GiB alone.
  EXPECT_GT(at(small, 2048).frugal, std::uint64_t{4} << 30U);
  EXPECT_GT(at(small, 2048).roomy, at(small, 2048).frugal);
  EXPECT_LT(at(small, 64).frugal, std::uint64_t{1} << 30U);
  EXPECT_GT(at(network_of(4), 2048).frugal, 3 * at(small, 2048).frugal);
  EXPECT_GT(at(small, 65536).frugal, at(small, 2048).frugal * 900);
  // Twice the pixels, twice the work; x2 has one more convolution than x1, at the same size.
  EXPECT_DOUBLE_EQ(verify::estimate_work(small, {2, 3, 64, 64}),
                   2 * verify::estimate_work(small, {1, 3, 64, 64}));
  EXPECT_GT(port::available_memory().value_or(0), std::uint64_t{1} << 20U);
}

nlohmann::ordered_json details_of(const std::string& model) {
  nlohmann::ordered_json histogram = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < verify::kHistogramBins; ++i) histogram.push_back(i);
  return {{"verdict", "equal-as-assumed"},
          {"passed", true},
          {"model", model},
          {"assumptions", {{{"what", "generation"}, {"value", "G7d"}, {"text", model}}}},
          {"noise",
           {{"examined", true},
            {"why_not", ""},
            {"arithmetic", "float32"},
            {"shape", {1, 3, 2, 2}},
            {"place", ""},
            {"text", ""},
            {"parts",
             {{{"path", model},
               {"error", 1e-7},
               {"noise", 1e-7},
               {"largest_error", 1e-7},
               {"largest_noise", 1e-7},
               {"times", nullptr},
               {"suspicious", false}}}},
            {"unrounded_parts", nlohmann::ordered_json::array()}}},
          {"rewriting",
           {{"compared", true},
            {"why_not", ""},
            {"count", 1},
            {"text", model},
            {"differences", {{{"place", model}, {"text", model}}}}}},
          {"reference", "PyTorch"},
          {"candidate", "ONNX Runtime"},
          {"atol", 1e-3},
          {"rtol", 1e-5},
          {"ranges",
           {{{"path", model}, {"max_absolute", 7e4}, {"fp16_headroom", 0.9}, {"fp16_tight", true}},
            {{"path", "zero"},
             {"max_absolute", 0},
             {"fp16_headroom", nullptr},
             {"fp16_tight", false}}}},
          {"first_difference", {{"path", ""}, {"text", ""}, {"blocks", {}}}},
          {"results",
           {{{"shape", {1, 3, 2, 2}},
             {"input", model},
             {"passed", true},
             {"max_absolute", 1e-6},
             {"mean_absolute", 1e-7},
             {"max_relative", nullptr},
             {"worst", {0, 0, 0, 0}},
             {"outside_tolerance", 0},
             {"psnr", nullptr},
             {"histogram", histogram}}}}};
}

TEST(CoarsestBlocks, NamesOnlyPartsThatCanBeFloat32) {
  // The error grows most behind the last module, in which no option can change the type.
  const std::vector<verify::BlockDifference> differences = {
      {"blocks.0", 1e-4, 1e-4}, {"blocks.1", 3e-4, 3e-4}, {verify::kOutputPart, 0.1, 0.1}};
  EXPECT_EQ(verify::coarsest_blocks(differences, {}), std::vector<std::string>{"blocks.1"});
  EXPECT_EQ(verify::coarsest_blocks({differences.back()}, {}), std::vector<std::string>{});
}

TEST(HtmlReport, NamesFromFilesCannotBreakIt) {
  const std::string nasty = "</table><script>alert(1)</script>\"'&\x1b[2J";
  const std::string html = verify::html_report(details_of(nasty), {{nasty, nasty}}, {}, nasty);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find('\x1b'), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"), std::string::npos);
}

TEST(HtmlReport, AmplifiesTheDifferenceToBeSeen) {
  const FloatTensor input{{1, 3, 1, 1}, {0.5F, 0.5F, 0.5F}};
  const DoubleTensor reference{{1, 3, 2, 2}, std::vector<double>(12, 0.5)};
  FloatTensor candidate{{1, 3, 2, 2}, std::vector<float>(12, 0.5F)};
  EXPECT_EQ(verify::make_pictures("t", input, reference, candidate).amplification, 1);
  candidate.values[3] += 0.004F;
  const verify::PictureSet set = verify::make_pictures("t", input, reference, candidate);
  EXPECT_EQ(set.amplification, 200);
  EXPECT_TRUE(set.difference.starts_with("\x89PNG"));
}

// An error where rounding explains none is no small error.
TEST(Parts, TimesTheNoise) {
  const auto times = [](double error, double noise) {
    return verify::PartError{"norm", error, noise, error, noise}.times();
  };
  EXPECT_EQ(times(3e-7, 1e-7), 3e-7 / 1e-7);
  EXPECT_EQ(times(0, 0), 0);
  EXPECT_TRUE(std::isinf(times(1e-7, 0)));
}

}  // namespace
}  // namespace aether2onnx::parts_test
