// aether2onnx upscale: the pictures that it saves, and what it refuses.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "modules.h"
#include "plain_operations.h"
#include "port/files.h"
#include "port/port.h"
#include "quantized_networks.h"
#include "raster_of.h"
#include "reference.h"
#include "sample_networks.h"
#include "stage_networks.h"
#include "support.h"
#include "tiles.h"
#include "upscale_model.h"
#include "upscaler.h"

namespace aether2onnx::upscale_test {
namespace {

using test::CommandResult;
using test::quoted;
using verify::Raster;
using verify::raster_of;

const std::string kProgram = AETHER2ONNX_PROGRAM;

void save(const Raster& picture, const std::filesystem::path& path) {
  std::string bytes;
  const auto sink = [&](std::string_view more) { bytes += more; };
  if (path.extension() == ".png") {
    verify::load_pictures().write_png(picture, sink);
  } else {
    verify::load_pictures().write_jpeg(picture, 95, sink);
  }
  test::write_text(path, bytes);
}

Raster load(const std::filesystem::path& path) {
  return verify::load_pictures().read(test::read_text(path));
}

unsigned largest_difference(const Raster& a, const Raster& b) {
  EXPECT_EQ(a.samples(), b.samples());
  unsigned largest = 0;
  for (std::size_t i = 0; i < std::min(a.samples(), b.samples()); ++i) {
    const unsigned one = a.sample(i);
    const unsigned other = b.sample(i);
    largest = std::max(largest, one > other ? one - other : other - one);
  }
  return largest;
}

class Upscale : public testing::Test {
 protected:
  void SetUp() override {
    // Small weights around a bilinear picture would hide mistakes: random ones do not.
    save_network(folder_ / "model.pth", "G1", 3);
    save(raster_of(40, 24, 3), folder_ / "photo.png");
  }

  static void save_network(const std::filesystem::path& path, const std::string& generation,
                           std::int64_t channels, bool attention = false) {
    std::vector<tools::NamedTensor> tensors;
    if (generation == "G1") {
      tools::NetworkShape shape;
      shape.channels = channels;
      tensors = tools::make_tensors(shape);
    } else {
      tools::StageShape shape;
      shape.generation = generation;
      shape.channels = channels;
      shape.channel_attention = attention;
      shape.spatial_attention = attention;
      tensors = tools::make_tensors(shape);
    }
    tools::fill_random(tensors, 7);
    test::write_file(path, tools::write_checkpoint(tensors));
  }

  CommandResult run(const std::string& arguments, const std::string& before = "") const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " + before + " " +
                           quoted(kProgram) + " " + arguments);
  }

  // Runs and expects an error; every file of the folder must be as before.
  void refuses(const std::string& arguments, int exit_code, const std::string& text,
               const std::string& before = "") const {
    const auto files = test::list_files(folder_.path());
    const CommandResult result = run(arguments, before);
    EXPECT_EQ(result.exit_code, exit_code) << arguments << '\n' << result.out << result.err;
    EXPECT_NE(result.err.find(text), std::string::npos) << arguments << '\n' << result.err;
    EXPECT_EQ(test::list_files(folder_.path()), files) << arguments;
  }

  nlohmann::json json(const std::string& arguments) const {
    const CommandResult result = run(arguments + " --json");
    EXPECT_EQ(result.exit_code, 0) << arguments << '\n' << result.err;
    return nlohmann::json::parse(result.out);
  }

  test::TemporaryFolder folder_;
};

TEST_F(Upscale, SavesBesideThePictureUnderANameThatTells) {
  const CommandResult first = run("upscale model.pth photo.png");
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_NE(first.out.find("saved       photo_2x_model.png, 80 x 48 from 40 x 24"),
            std::string::npos)
      << first.out;
  const Raster result = load(folder_ / "photo_2x_model.png");
  EXPECT_EQ(result.width, 80U);
  EXPECT_EQ(result.height, 48U);
  EXPECT_EQ(result.channels, 3);
  const CommandResult again = run("upscale photo.png model.pth");
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_NE(again.out.find("replacing the file written at"), std::string::npos) << again.out;
  EXPECT_EQ(run("upscale model.pth photo.png --quiet").out, "");
}

// The reference is written by the definition, apart from conversion, ONNX Runtime and tiles.
TEST_F(Upscale, ComputesWhatTheReferenceComputes) {
  save(raster_of(40, 24, 3, 16), folder_ / "deep.png");
  ASSERT_EQ(run("upscale model.pth deep.png --tile 16").exit_code, 0);
  const Raster picture = load(folder_ / "deep.png");
  const Raster result = load(folder_ / "deep_2x_model.png");
  EXPECT_EQ(result.bits, 16);

  const io::FileInput file(folder_ / "model.pth");
  const auto state_dict = state_dict::StateDict::open(file, {}, {});
  const verify::Reference reference(state_dict, network::recognise(state_dict),
                                    verify::plain_operations(verify::Arithmetic::float64));
  verify::FloatTensor input{{1, 3, 24, 40}, std::vector<float>(3 * 24 * 40)};
  for (std::size_t i = 0; i < picture.samples(); ++i) {
    input.values[i % 3 * 24 * 40 + i / 3] = static_cast<float>(picture.sample(i)) / 65535.0F;
  }
  const verify::DoubleTensor expected = reference.run(input);
  ASSERT_EQ(expected.values.size(), result.samples());
  std::size_t inside = 0;
  for (std::size_t i = 0; i < result.samples(); ++i) {
    const double value = expected.values[i % 3 * 48 * 80 + i / 3];
    ASSERT_NEAR(std::clamp(value, 0.0, 1.0) * 65535, result.sample(i), 1.5) << i;
    inside += static_cast<std::size_t>(value > 0 && value < 1);
  }
  EXPECT_GT(inside, result.samples() / 4);  // the comparison means something
}

struct Generation {
  std::string name;
  bool attention;
};

class Generations : public Upscale, public testing::WithParamInterface<Generation> {};

TEST_P(Generations, TilesGiveTheWholePictureOrSayThatTheyDoNot) {
  const auto& [name, attention] = GetParam();
  save_network(folder_ / "net.pth", name, 3, attention);
  save(raster_of(75, 61, 3, 16), folder_ / "deep.png");
  const auto whole = json("upscale net.pth deep.png --output whole.png");
  EXPECT_TRUE(whole["results"][0]["tiles"]["exact"]);
  const auto tiled = json("upscale net.pth deep.png --output tiled.png --tile 16");
  const auto& tiles = tiled["results"][0]["tiles"];
  EXPECT_GT(tiles["count"], 4) << tiles;
  const unsigned difference =
      largest_difference(load(folder_ / "whole.png"), load(folder_ / "tiled.png"));
  if (tiles["exact"]) {
    EXPECT_LE(difference, 1U);
    EXPECT_FALSE(attention && tiles["why_not"] != "");
    // The reach is no wild overestimate: a smaller overlap shows.
    const auto small = json("upscale net.pth deep.png --output small.png --tile 16 --overlap 1");
    EXPECT_FALSE(small["results"][0]["tiles"]["exact"]);
    EXPECT_GT(largest_difference(load(folder_ / "whole.png"), load(folder_ / "small.png")), 1U);
  } else {
    EXPECT_NE(tiles["why_not"].get<std::string>().find("whole picture"), std::string::npos);
    EXPECT_GT(difference, 1U) << "these tiles were exact";
  }
}

std::vector<Generation> all_generations() {
  std::vector<Generation> all = {{"G1", false}};
  for (const std::string& name : tools::stage_generations()) {
    if (name == "G2") continue;  // cannot run
    all.push_back({name, false});
    all.push_back({name, true});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, Generations, testing::ValuesIn(all_generations()),
                         [](const testing::TestParamInfo<Generation>& each) {
                           std::string name = each.param.name;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name + (each.param.attention ? "_attention" : "");
                         });

TEST_F(Upscale, AnOnnxFileGivesThePictureOfItsCheckpoint) {
  ASSERT_EQ(run("model.pth any.onnx --dynamic_shapes --quiet").exit_code, 0);
  ASSERT_EQ(run("upscale model.pth photo.png --output a.png").exit_code, 0);
  ASSERT_EQ(run("upscale any.onnx photo.png --output b.png").exit_code, 0);
  EXPECT_LE(largest_difference(load(folder_ / "a.png"), load(folder_ / "b.png")), 1U);
  // A fixed size that the picture is no multiple of, and one that is larger than the picture.
  for (const auto& [shape, count] : {std::pair("1x3x16x24", 3), std::pair("1x3x64x64", 1),
                                     std::pair("2x3x24x16", 4), std::pair("1x3x20xW", 3)}) {
    ASSERT_EQ(run(fmt::format("model.pth fixed.onnx --shape {} --quiet", shape)).exit_code, 0);
    const auto fixed = json("upscale fixed.onnx photo.png --output c.png");
    EXPECT_GE(fixed["results"][0]["tiles"]["count"], 1) << shape << count;
    EXPECT_FALSE(fixed["results"][0]["tiles"]["exact"]) << shape;
    const Raster result = load(folder_ / "c.png");
    EXPECT_EQ(result.width, 80U);
    EXPECT_EQ(result.height, 48U);
  }
  // 16-bit types, of which ONNX Runtime's CPU provider lacks bfloat16.
  for (const char* mode : {"fp16", "bf16", "mixed_fp16"}) {
    ASSERT_EQ(run(fmt::format("model.pth half.onnx --dynamic_shapes --fp_mode {} --quiet", mode))
                  .exit_code,
              0);
    const CommandResult half = run("upscale half.onnx photo.png --output d.png");
    EXPECT_EQ(half.exit_code, 0) << mode << half.err;
    EXPECT_LE(largest_difference(load(folder_ / "a.png"), load(folder_ / "d.png")), 24U) << mode;
  }
}

TEST_F(Upscale, AlphaIsInterpolatedAndColoursStay) {
  Raster picture = raster_of(20, 10, 4);
  for (std::size_t i = 3; i < picture.samples(); i += 4) {
    picture.set_sample(i, i / 4 % 20 < 10 ? 0 : 255);
  }
  save(picture, folder_ / "alpha.png");
  Raster colours = raster_of(20, 10, 3);
  for (std::size_t pixel = 0; pixel < 200; ++pixel) {
    for (std::size_t c = 0; c < 3; ++c) {
      colours.set_sample(3 * pixel + c, picture.sample(4 * pixel + c));
    }
  }
  save(colours, folder_ / "colours.png");
  ASSERT_EQ(run("upscale model.pth alpha.png colours.png").exit_code, 0);
  const Raster with = load(folder_ / "alpha_2x_model.png");
  const Raster without = load(folder_ / "colours_2x_model.png");
  ASSERT_EQ(with.channels, 4);
  for (std::size_t pixel = 0; pixel < 800; ++pixel) {
    for (std::size_t c = 0; c < 3; ++c) {
      ASSERT_EQ(with.sample(4 * pixel + c), without.sample(3 * pixel + c));
    }
    const std::size_t x = pixel % 40;
    if (x < 16) {
      ASSERT_EQ(with.sample(4 * pixel + 3), 0U) << x;
    }
    if (x >= 24) {
      ASSERT_EQ(with.sample(4 * pixel + 3), 255U) << x;
    }
  }
  // JPEG has no place for alpha, and it is said.
  const CommandResult jpeg = run("upscale model.pth alpha.png --output alpha.jpg");
  EXPECT_EQ(jpeg.exit_code, 0) << jpeg.err;
  EXPECT_NE(jpeg.out.find("JPEG has no transparency"), std::string::npos) << jpeg.out;
  EXPECT_EQ(load(folder_ / "alpha.jpg").channels, 3);
}

TEST_F(Upscale, GreyStaysGrey) {
  save(raster_of(12, 9, 1), folder_ / "grey.png");
  save(raster_of(12, 9, 2, 16), folder_ / "grey_alpha.png");
  save(raster_of(12, 9, 1), folder_ / "grey.jpg");
  ASSERT_EQ(run("upscale model.pth grey.png grey_alpha.png grey.jpg").exit_code, 0);
  EXPECT_EQ(load(folder_ / "grey_png_2x_model.png").channels, 1);
  EXPECT_EQ(load(folder_ / "grey_jpg_2x_model.png").channels, 1);
  const Raster deep = load(folder_ / "grey_alpha_2x_model.png");
  EXPECT_EQ(deep.channels, 2);
  EXPECT_EQ(deep.bits, 16);
  // A network for grey pictures: grey ones, and RGB ones without colours.
  save_network(folder_ / "mono.pth", "G1", 1);
  Raster colourless = raster_of(12, 9, 3);
  for (std::size_t i = 0; i < colourless.samples(); ++i) {
    colourless.set_sample(i, static_cast<unsigned>(i / 3 * 37 % 256));
  }
  save(colourless, folder_ / "colourless.png");
  ASSERT_EQ(run("upscale mono.pth grey.png colourless.png").exit_code, 0);
  EXPECT_EQ(load(folder_ / "grey_2x_mono.png").channels, 1);
  const Raster same = load(folder_ / "colourless_2x_mono.png");
  EXPECT_EQ(same.channels, 3);
  EXPECT_EQ(same.sample(0), same.sample(1));
  refuses("upscale mono.pth photo.png", 1,
          "photo.png: the picture has colours, but the model takes grey pictures");
}

TEST_F(Upscale, AColourProfileStays) {
  Raster picture = raster_of(8, 8, 3);
  picture.colour.icc_profile = std::string(300, 'p');
  save(picture, folder_ / "profile.jpg");
  ASSERT_EQ(run("upscale model.pth profile.jpg --format jpeg").exit_code, 0);
  EXPECT_EQ(load(folder_ / "profile_2x_model.jpg").colour.icc_profile, picture.colour.icc_profile);
}

TEST_F(Upscale, FoldersGiveTheirPicturesAndNotTheResults) {
  std::filesystem::create_directory(folder_ / "in");
  save(raster_of(8, 8, 3), folder_ / "in/a.png");
  save(raster_of(8, 8, 3), folder_ / "in/B.JPG.jpg");
  test::write_text(folder_ / "in/notes.txt", "text");
  test::write_text(folder_ / "in/c.webp", "RIFF");
  const auto first = json("upscale model.pth in");
  EXPECT_EQ(first["saved"], 2);
  EXPECT_EQ(first["results"][1]["output"], "in/a_2x_model.png");
  const CommandResult again = run("upscale model.pth in --output new/deep");
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_NE(again.out.find("upscale left out 2 results of earlier calls"), std::string::npos)
      << again.out;
  EXPECT_NE(again.out.find("not PNG or JPEG: c.webp"), std::string::npos) << again.out;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "new/deep/a_2x_model.png"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "new/deep/B.JPG_2x_model.png"));
}

TEST_F(Upscale, AFailedPictureLeavesTheOthers) {
  test::write_text(folder_ / "text.png", "this is text");
  const CommandResult result = run("upscale model.pth text.png photo.png --json");
  EXPECT_EQ(result.exit_code, 1);
  const auto parsed = nlohmann::json::parse(result.out);
  EXPECT_EQ(parsed["saved"], 1);
  EXPECT_EQ(parsed["failed"], 1);
  EXPECT_EQ(parsed["results"][0]["error"]["code"], "picture-format");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "photo_2x_model.png"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "text_2x_model.png"));
}

TEST_F(Upscale, EveryMistakeIsAnswered) {
  std::filesystem::create_directory(folder_ / "empty");
  test::write_text(folder_ / "text.png", "this is text");
  refuses("upscale", 2, "no model was given");
  refuses("upscale model.pth", 2, "no picture was given");
  refuses("upscale photo.png", 2, "must be the model");
  refuses("upscale model.pth photo.png out.png", 2, "write --output out.png");
  refuses("upscale model.pth missing.png", 1, "missing.png: there is no such picture");
  refuses("upscale missing.pth photo.png", 1, "missing.pth: there is no such file");
  refuses("upscale model.pth empty", 1, "empty: the folder contains no PNG or JPEG file");
  refuses("upscale model.pth text.png", 1, "text.png: the picture cannot be read: it is neither");
  refuses("upscale text.png.pth photo.png", 1, "there is no such file");
  refuses("upscale model.pth photo.png --output a.webp", 2, "results are PNG or JPEG");
  refuses("upscale model.pth photo.png --output a.jpg --format png", 2, "contradicts the ending");
  refuses("upscale model.pth photo.png empty --output a.jpg", 1, "contains no PNG");
  refuses("upscale model.pth photo.png text.png --output a.jpg", 2, "Give a folder");
  refuses("upscale model.pth photo.png --quality 90", 2, "--quality is for JPEG");
  refuses("upscale model.pth photo.png --tile 3", 2, "--tile 3: must be 16 to 65536");
  refuses("upscale model.pth photo.png --overlap=-1", 2, "--overlap -1");
  refuses("upscale model.pth photo.png --device tpu", 2, "must be cpu, cuda or cuda:N");
  refuses("upscale model.pth photo.png --scale 4", 2, "the model decides the scale");
  refuses("upscale model.pth photo.png --compare page.png", 2, "must be the name of an HTML page");
  // An input is never replaced, however it is called.
  refuses("upscale model.pth photo.png --output photo.png", 1, "photo.png");
  std::filesystem::create_symlink("photo.png", folder_ / "link.png");
  refuses("upscale model.pth photo.png --output link.png", 1, "link.png");
  refuses("upscale model.pth photo.png --compare model.pth", 1, "model.pth");
  const std::string before = test::read_text(folder_ / "photo.png");
  EXPECT_EQ(load(folder_ / "photo.png").width, 40U);
  EXPECT_EQ(test::read_text(folder_ / "photo.png"), before);
  // Models that do not enlarge pictures.
  save_network(folder_ / "four.pth", "G1", 4);
  refuses("upscale four.pth photo.png", 1, "its input has 4 channels");
  ASSERT_EQ(run("model.pth fixed.onnx --quiet").exit_code, 0);
  refuses("upscale fixed.onnx photo.png --overlap 40", 2, "less than half");
  if (!std::filesystem::exists("/dev/nvidia0")) {
    refuses("upscale model.pth photo.png --device cuda", 1, "Use --device cpu");
  }
}

// ONNX Runtime 1.20 would turn any file of the user into a picture.
TEST_F(Upscale, AModelFromAStrangerReadsNoOtherFolder) {
  ConvertOptions options;
  options.external_data_threshold = 1000;
  convert_file(folder_ / "model.pth", folder_ / "large.onnx", options);
  std::string model = test::read_text(folder_ / "large.onnx");
  const std::string name = "large.onnx.data";
  ASSERT_NE(model.find(name), std::string::npos);
  for (auto at = model.find(name); at != std::string::npos; at = model.find(name)) {
    model.replace(at, name.size(), "../ge.onnx.data");
  }
  test::write_text(folder_ / "stranger.onnx", model);
  refuses("upscale stranger.onnx photo.png", 1, "'../ge.onnx.data', in another folder");
}

TEST_F(Upscale, TooLittleMemoryMeansTilesOrAnErrorBeforeDecoding) {
  if (port::processors() > 4) GTEST_SKIP() << "each thread takes address space of its own";
  // Wide layers take much memory and little time.
  tools::NetworkShape shape;
  shape.embed_dim = 192;
  shape.hidden_dim = 384;
  shape.depths = {1};
  shape.large_kernel = 3;
  shape.small_kernel = 1;
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 3);
  test::write_file(folder_ / "wide.pth", tools::write_checkpoint(tensors));
  save(raster_of(400, 300, 3), folder_ / "large.png");
  const CommandResult tiled =
      run("upscale wide.pth large.png --json", "ulimit -v 800000 && OMP_NUM_THREADS=1");
  EXPECT_EQ(tiled.exit_code, 0) << tiled.err;
  const auto json = nlohmann::json::parse(tiled.out, nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << tiled.out << tiled.err;
  EXPECT_GT(json["results"][0]["tiles"]["count"], 1) << json;
  EXPECT_TRUE(json["results"][0]["tiles"]["exact"]);
  // A file of 100 bytes that claims to be huge.
  const std::string png = test::read_text(folder_ / "photo.png");
  std::string bomb = png;
  bomb.replace(16, 8, std::string("\0\0\x40\0\0\0\x3f\xff", 8));  // without a valid checksum
  test::write_text(folder_ / "bomb.png", bomb);
  refuses("upscale model.pth bomb.png", 1, "bomb.png: the picture cannot be read");
}

TEST_F(Upscale, ThePageAllowsItsOwnScriptOnly) {
  test::write_text(folder_ / "a&b<c>.png", test::read_text(folder_ / "photo.png"));
  ASSERT_EQ(run("upscale model.pth 'a&b<c>.png' photo.png --compare page.html").exit_code, 0);
  const std::string page = test::read_text(folder_ / "page.html");
  EXPECT_NE(page.find("<h2>a&amp;b&lt;c&gt;.png</h2>"), std::string::npos);
  EXPECT_EQ(page.find("http:"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(run("upscale model.pth photo.png --compare page.html --quiet").exit_code, 0);
}

TEST_F(Upscale, NothingIsLeftWhenTheDiskIsFull) {
  refuses("upscale model.pth photo.png --output /dev/full/x.png", 1, "/dev/full");
  const auto files = test::list_files(folder_.path());
  const CommandResult result = run("upscale model.pth photo.png", "ulimit -f 1 &&");
  EXPECT_EQ(result.exit_code, 1) << result.out;
  EXPECT_EQ(test::list_files(folder_.path()), files) << result.err;
}

}  // namespace
}  // namespace aether2onnx::upscale_test
