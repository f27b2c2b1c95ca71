// The program on the checkpoints that users have: wrappers, containers, shards.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::checkpoints_test {
namespace {

using test::CommandResult;
using test::quoted;

const std::string kProgram = AETHER2ONNX_PROGRAM;

class Checkpoints : public testing::Test {
 protected:
  static std::vector<tools::NamedTensor> tensors(const tools::NetworkShape& shape = {}) {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
    tools::fill_random(tensors, 5);
    return tensors;
  }

  void save(const std::string& name, const std::vector<std::byte>& bytes) const {
    test::write_file(folder_ / name, bytes);
  }

  CommandResult run(const std::string& arguments, const std::string& before = "") const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " + before +
                           quoted(kProgram) + " " + arguments);
  }

  // Two shards and their index; gives the names of all three in the order in which they are hashed.
  std::vector<std::string> save_shards() const {
    const auto all = tensors();
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    const std::vector<std::string> names = {"net.safetensors.index.json", "net-1.safetensors",
                                            "net-2.safetensors"};
    save(names[1], tools::write_safetensors({all.begin(), middle}));
    save(names[2], tools::write_safetensors({middle, all.end()}));
    nlohmann::json index;
    for (auto at = all.begin(); at != all.end(); ++at) {
      index["weight_map"][at->name] = at < middle ? names[1] : names[2];
    }
    test::write_text(folder_ / names[0], index.dump());
    return names;
  }

  test::TemporaryFolder folder_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Checkpoints, TheWrapperIsToldAndCanBeChosen) {
  tools::CheckpointLayout layout;
  layout.wrapper = "params_ema";
  save("model.pth", tools::write_checkpoint(tensors(), layout));
  const CommandResult found = run("model.pth a.onnx");
  EXPECT_EQ(found.exit_code, 0) << found.err;
  EXPECT_TRUE(contains(found.out, "PyTorch zip ('params_ema')")) << found.out;
  const CommandResult given = run("model.pth b.onnx --json --params_key params_ema");
  EXPECT_EQ(given.exit_code, 0) << given.err;
  const auto json = nlohmann::json::parse(given.out, nullptr, false);
  EXPECT_EQ(json["source"]["wrapper"], "params_ema");
  EXPECT_EQ(json["source"]["other_wrappers"], nlohmann::json::array());
  EXPECT_EQ(test::read_file(folder_ / "a.onnx"), test::read_file(folder_ / "b.onnx"));

  const CommandResult unknown = run("model.pth c.onnx --params_key params");
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_TRUE(contains(unknown.err, "--params_key params")) << unknown.err;
  EXPECT_TRUE(contains(unknown.err, "Available: 'params_ema'")) << unknown.err;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "c.onnx"));
}

TEST_F(Checkpoints, OptimizerStateTakesNoMemory) {
#ifdef AETHER2ONNX_SANITIZED
  GTEST_SKIP() << "AddressSanitizer takes terabytes of address space";
#endif
  // Three times the weights in the optimizer's state, converted within the address space that the
  // weights alone need, which is less than the file has.
  tools::CheckpointLayout layout;
  layout.wrapper = "params";
  layout.optimizer_copies = 3;
  const auto medium = tensors(tools::aether_medium(2, false));
  for (const bool legacy : {false, true}) {
    save("model.pth", legacy ? tools::write_legacy_checkpoint(medium, layout)
                             : tools::write_checkpoint(medium, layout));
    ASSERT_GT(std::filesystem::file_size(folder_ / "model.pth"), 60'000U * 1024);
    const CommandResult result = run("model.pth out.onnx", "ulimit -v 60000 && ");
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
}

TEST_F(Checkpoints, ShardsAreFoundBesideTheirIndex) {
  const std::vector<std::string> names = save_shards();
  const CommandResult result = run("net.safetensors.index.json --json");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "2x_net_fp32_1x3x64x64_op17.onnx"));
  const auto json = nlohmann::json::parse(result.out, nullptr, false);
  EXPECT_EQ(json["source"]["container"], "safetensors, 2 shards");
  std::uintmax_t bytes = 0;
  for (const std::string& name : names) bytes += std::filesystem::file_size(folder_ / name);
  EXPECT_EQ(json["source"]["bytes"], bytes);
  // The hash is that of the files one after the other, so that anyone can check it.
  const CommandResult sum =
      test::run_shell("cd " + quoted(folder_.path().string()) + " && cat " + names[0] + " " +
                      names[1] + " " + names[2] + " | sha256sum");
  EXPECT_EQ(json["source"]["sha256"].get<std::string>(), sum.out.substr(0, 64));
  // From another folder as well.
  const CommandResult absolute =
      test::run_shell("cd / && " + quoted(kProgram) + " " +
                      quoted((folder_ / "net.safetensors.index.json").string()) + " " +
                      quoted((folder_ / "out.onnx").string()));
  EXPECT_EQ(absolute.exit_code, 0) << absolute.err;
}

TEST_F(Checkpoints, MissingShardsAreNamed) {
  const std::vector<std::string> names = save_shards();
  std::filesystem::remove(folder_ / names[1]);
  std::filesystem::remove(folder_ / names[2]);
  const CommandResult result = run(names[0] + " out.onnx");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "these 2 are missing")) << result.err;
  EXPECT_TRUE(contains(result.err, names[1]) && contains(result.err, names[2])) << result.err;
  EXPECT_EQ(test::list_files(folder_.path()), std::vector<std::string>{names[0]});
}

TEST_F(Checkpoints, CompressedAgainIsExplained) {
  save("net.pth", tools::write_checkpoint(tensors()));
  ASSERT_EQ(
      test::run_shell("cd " + quoted(folder_.path().string()) + " && gzip -k net.pth").exit_code,
      0);
  const CommandResult gzip = run("net.pth.gz out.onnx");
  EXPECT_EQ(gzip.exit_code, 1);
  EXPECT_TRUE(contains(gzip.err, "gzip; inside is 'net.pth'")) << gzip.err;
  const std::string inside = test::read_text(folder_ / "net.pth");
  save("net.zip", tools::write_zip({{"models/net.pth", inside, true}}));
  const CommandResult zip = run("net.zip out.onnx");
  EXPECT_EQ(zip.exit_code, 1);
  EXPECT_TRUE(contains(zip.err, "zip archive with 'models/net.pth' in it")) << zip.err;
}

}  // namespace
}  // namespace aether2onnx::checkpoints_test
