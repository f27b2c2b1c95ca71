// Whatever a command reads, no output replaces it: by its own name, through folders that the output
// creates, through links of both kinds.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::inputs_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::CommandResult;
using test::list_files;
using test::quoted;

class Inputs : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
    tools::fill_random(tensors, 5);
    test::write_file(folder_ / "net.pth", tools::write_checkpoint(tensors));
    save_shards(tensors);
    const MemoryInput checkpoint(bytes_ = test::read_file(folder_ / "net.pth"));
    test::MemoryOutput model;
    convert(checkpoint, {&model, nullptr, {}}, {});
    test::write_file(folder_ / "net.onnx", model.bytes());
    save_with_external_data(checkpoint);
    test::write_text(folder_ / "run.toml", "fp_mode = \"fp32\"\n");
    test::write_text(folder_ / "engine.toml", "precision = \"as_model\"\n");
    fs::copy_file(AETHER2ONNX_FAKE_TRTEXEC, folder_ / "trtexec");
    fs::create_directory_symlink(".", folder_ / "here");
  }

  // net.safetensors.index.json with part-1.safetensors and part-2.safetensors.
  void save_shards(const std::vector<tools::NamedTensor>& tensors) {
    const auto middle = tensors.begin() + static_cast<std::ptrdiff_t>(tensors.size() / 2);
    json index;
    for (auto at = tensors.begin(); at != tensors.end(); ++at) {
      index["weight_map"][at->name] = at < middle ? "part-1.safetensors" : "part-2.safetensors";
    }
    test::write_text(folder_ / "net.safetensors.index.json", index.dump());
    test::write_file(folder_ / "part-1.safetensors",
                     tools::write_safetensors({tensors.begin(), middle}));
    test::write_file(folder_ / "part-2.safetensors",
                     tools::write_safetensors({middle, tensors.end()}));
  }

  // large.onnx and large.onnx.data.
  void save_with_external_data(const Input& checkpoint) {
    test::MemoryOutput model;
    test::MemoryOutput data;
    ConvertOptions options;
    options.external_data_threshold = 1000;
    convert(checkpoint, {&model, &data, "large.onnx.data"}, options);
    test::write_file(folder_ / "large.onnx", model.bytes());
    test::write_file(folder_ / "large.onnx.data", data.bytes());
  }

  CommandResult run(const std::string& arguments) const {
    return test::run_shell("cd " + quoted(folder_.path().string()) +
                           " && unset TENSORRT_HOME TENSORRT_ROOT; " + quoted(AETHER2ONNX_PROGRAM) +
                           " " + arguments);
  }

  // Paths that lead to the file `name`.
  std::vector<std::string> aliases(const std::string& name) const {
    const fs::path suffix = fs::path(name).extension();
    const std::string link = "link" + suffix.string();
    const std::string chain = "chain" + suffix.string();
    const std::string hard = "hard" + suffix.string();
    const std::string late = "late" + suffix.string();
    for (const std::string& old : {link, chain, hard, late}) fs::remove(folder_ / old);
    fs::create_symlink(name, folder_ / link);
    fs::create_symlink(link, folder_ / chain);
    fs::create_hard_link(folder_ / name, folder_ / hard);
    fs::create_symlink("new/../" + name, folder_ / late);
    return {name,
            "./" + name,
            (folder_ / name).string(),
            "here/here/" + name,
            link,
            chain,
            "here/" + chain,
            hard,
            "new/../" + name,
            "./new/folder/../../" + name,
            "new/../" + chain,
            "new/../here/" + hard,
            late};
  }

  // Runs the line with each alias of the file in place of "@". Every run fails with the code and
  // leaves the folder as it was.
  void expect_untouched(const std::string& line, const std::string& file,
                        const std::string& code = "file-is-input") const {
    for (const std::string& alias : aliases(file)) {
      std::string words = line;
      words.replace(words.find('@'), 1, quoted(alias));
      const std::vector<std::string> before = list_files(folder_.path());
      const auto bytes = test::read_file(folder_ / file);
      struct stat status {};
      ASSERT_EQ(::stat((folder_ / file).c_str(), &status), 0);
      const CommandResult result = run(words + " --json");
      EXPECT_EQ(result.exit_code,
                code == "option-conflict" || code == "command-output-is-input" ? 2 : 1)
          << words << '\n'
          << result.err;
      const json object = json::parse(result.out, nullptr, false);
      ASSERT_TRUE(object.is_object()) << words << '\n' << result.out << result.err;
      EXPECT_EQ(object["error"]["code"], code) << words << '\n' << result.err;
      EXPECT_EQ(list_files(folder_.path()), before) << words;
      EXPECT_TRUE(test::read_file(folder_ / file) == bytes) << words;
      struct stat after {};
      ASSERT_EQ(::stat((folder_ / file).c_str(), &after), 0);
      EXPECT_EQ(after.st_ino, status.st_ino) << words;
    }
  }

  test::TemporaryFolder folder_;

 private:
  std::vector<std::byte> bytes_;
};

TEST_F(Inputs, OfAConversion) {
  expect_untouched("--input_model_path net.pth --output_onnx_path @", "net.pth");
  expect_untouched("net.pth --output_onnx_path @ --dry_run", "net.pth");
  expect_untouched("net.pth --output_onnx_path @ --config run.toml", "run.toml");
  expect_untouched("net.safetensors.index.json --output_onnx_path @", "net.safetensors.index.json");
  expect_untouched("--input_model_path net.safetensors.index.json --output_onnx_path @",
                   "part-2.safetensors");
  expect_untouched("--input_model_path net.safetensors.index.json --dry_run --output_onnx_path @",
                   "part-1.safetensors");
}

TEST_F(Inputs, OfAFusion) {
  expect_untouched("fuse net.pth @", "net.pth");
  expect_untouched("fuse net.safetensors.index.json @", "part-1.safetensors");
  fs::rename(folder_ / "run.toml", folder_ / "run.pth");
  test::write_text(folder_ / "run.pth", "dtype = \"same\"\n");
  expect_untouched("fuse net.pth @ --config run.pth", "run.pth");
}

// The name of a model's external data is the model's name with ".data" behind it.
TEST_F(Inputs, UnderTheNameOfExternalData) {
  fs::copy_file(folder_ / "net.pth", folder_ / "out.onnx.data");
  ConvertOptions options;
  options.external_data_threshold = 1000;
  const auto bytes = test::read_file(folder_ / "out.onnx.data");
  for (const char* output : {"out.onnx", "new/../out.onnx", "here/out.onnx"}) {
    const std::vector<std::string> before = list_files(folder_.path());
    const auto caught = test::catch_error(
        [&] { convert_file(folder_ / "out.onnx.data", folder_ / output, options); });
    EXPECT_EQ(caught.code, "file-is-input") << caught.message;
    EXPECT_EQ(list_files(folder_.path()), before);
    EXPECT_TRUE(test::read_file(folder_ / "out.onnx.data") == bytes);
  }
  // Without external data nothing stands in the way.
  EXPECT_EQ(run("out.onnx.data out.onnx").exit_code, 0);
  EXPECT_TRUE(test::read_file(folder_ / "out.onnx.data") == bytes);
}

TEST_F(Inputs, OfABatch) {
  fs::create_directory(folder_ / "in");
  fs::copy_file(folder_ / "net.pth", folder_ / "in/a.pth");
  fs::copy_file(folder_ / "net.pth", folder_ / "in/b.onnx.pth");
  fs::create_directory_symlink("in", folder_ / "also_in");
  fs::create_symlink("a.pth", folder_ / "in/2x_b.onnx");
  const auto bytes = test::read_file(folder_ / "in/a.pth");
  for (const char* line :
       {"in/a.pth in/b.onnx.pth --name_template {scale}x_b.onnx",
        "in/a.pth in/b.onnx.pth --output_dir new/../in --name_template {scale}x_b.onnx",
        "in/a.pth --output_dir also_in --name_template 2x_b.onnx"}) {
    const std::vector<std::string> before = list_files(folder_.path());
    const CommandResult result = run(line);
    EXPECT_NE(result.exit_code, 0) << line << '\n' << result.err;
    EXPECT_EQ(list_files(folder_.path()), before) << line;
    EXPECT_TRUE(test::read_file(folder_ / "in/a.pth") == bytes) << line;
  }
  // A shard of one checkpoint has the name of another one's model.
  const json index = json::parse(test::read_text(folder_ / "net.safetensors.index.json"));
  json renamed = index;
  for (auto& [tensor, file] : renamed["weight_map"].items()) {
    if (file == "part-2.safetensors") file = "part-2.onnx";
  }
  test::write_text(folder_ / "net.safetensors.index.json", renamed.dump());
  fs::rename(folder_ / "part-2.safetensors", folder_ / "part-2.onnx");
  fs::copy_file(folder_ / "net.pth", folder_ / "part-2.pth");
  const auto shard = test::read_file(folder_ / "part-2.onnx");
  const std::vector<std::string> before = list_files(folder_.path());
  const CommandResult result =
      run("part-2.pth net.pth net.safetensors.index.json --name_template {stem}.onnx --json");
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_EQ(json::parse(result.out)["error"]["code"], "command-output-is-input") << result.out;
  EXPECT_EQ(list_files(folder_.path()), before);
  EXPECT_TRUE(test::read_file(folder_ / "part-2.onnx") == shard);
}

TEST_F(Inputs, OfAnEngine) {
  const std::string build = "engine net.onnx --run --trtexec ./trtexec ";
  for (const std::string& line : {std::string("engine net.onnx "), build}) {
    expect_untouched(line + "--save_engine @", "net.onnx");
    expect_untouched(line + "--timing_cache @", "net.onnx");
    expect_untouched(line + "--save_engine @ --config engine.toml", "engine.toml");
    expect_untouched(line + "--timing_cache @ --config engine.toml", "engine.toml");
  }
  expect_untouched(build + "--log @", "net.onnx");
  expect_untouched(build + "--log @ --config engine.toml", "engine.toml");
  expect_untouched(build + "--save_engine @", "trtexec");
  expect_untouched(build + "--timing_cache @", "trtexec");
  expect_untouched(build + "--log @", "trtexec");
  const std::string large = "engine large.onnx --run --trtexec ./trtexec ";
  expect_untouched(large + "--save_engine @", "large.onnx.data");
  expect_untouched(large + "--timing_cache @", "large.onnx.data");
  expect_untouched(large + "--log @", "large.onnx.data");
}

TEST_F(Inputs, ThatOnlyTheEnginesFolderLeadsTo) {
  // The folder "new" is created for the engine, so that the log and the timing cache find the
  // model.
  for (const char* option : {"--log new/../net.onnx", "--timing_cache new/../net.onnx"}) {
    const auto before = test::read_file(folder_ / "net.onnx");
    const std::vector<std::string> files = list_files(folder_.path());
    const CommandResult result =
        run("engine net.onnx --run --trtexec ./trtexec --save_engine new/e.engine " +
            std::string(option));
    EXPECT_EQ(result.exit_code, 1) << result.err;
    EXPECT_TRUE(test::read_file(folder_ / "net.onnx") == before) << option;
    EXPECT_EQ(list_files(folder_.path()), files) << option;
  }
}

TEST_F(Inputs, AnEngineItsLogAndItsTimingCacheAreThreeFiles) {
  const std::string build = "engine net.onnx --run --trtexec ./trtexec --save_engine ";
  test::write_text(folder_ / "old.engine", "old");
  expect_untouched(build + "old.engine --log @", "old.engine", "option-conflict");
  expect_untouched(build + "old.engine --timing_cache @", "old.engine", "option-conflict");
  test::write_text(folder_ / "old.cache", "old");
  expect_untouched(build + "e.engine --timing_cache old.cache --log @", "old.cache",
                   "option-conflict");
  for (const char* line : {"e.engine --log new/../e.engine", "new/e.engine --log new/./e.engine",
                           "e.engine --timing_cache here/e.engine"}) {
    const std::vector<std::string> before = list_files(folder_.path());
    EXPECT_EQ(run(build + line).exit_code, 2) << line;
    EXPECT_EQ(list_files(folder_.path()), before) << line;
  }
}

// --- what a replaced file keeps ---------------------------------------------------------------

class Modes : public Inputs {
 protected:
  static mode_t mode_of(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777U;
  }
  void make_old(const std::string& name, mode_t mode) const {
    fs::remove(folder_ / name);
    test::write_text(folder_ / name, "old");
    ASSERT_EQ(::chmod((folder_ / name).c_str(), mode), 0);
  }
};

TEST_F(Modes, AreKept) {
  for (const mode_t mode : {0600U, 0640U, 0644U, 0664U, 0666U, 0400U, 0755U}) {
    for (const std::string line :
         {"net.pth old.onnx", "net.pth new/../old.onnx", "fuse net.pth old.pth",
          "engine net.onnx --run --trtexec ./trtexec --save_engine old.engine"}) {
      const std::string name = "old" + fs::path(line).extension().string();
      make_old(name, mode);
      const CommandResult result = run(line);
      EXPECT_EQ(result.exit_code, 0) << line << '\n' << result.err;
      EXPECT_NE(test::read_text(folder_ / name).substr(0, 3), "old") << line;
      EXPECT_EQ(mode_of(folder_ / name), mode) << line;
      fs::remove(folder_ / name);
      fs::remove(folder_ / "new");
    }
  }
  // A link stays, and the file behind it keeps its mode.
  make_old("behind.onnx", 0600);
  fs::create_symlink("behind.onnx", folder_ / "link.onnx");
  EXPECT_EQ(run("net.pth link.onnx").exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(folder_ / "link.onnx"));
  EXPECT_EQ(mode_of(folder_ / "behind.onnx"), 0600U);
}

TEST_F(Modes, OfExternalDataAreKept) {
  make_old("out.onnx", 0600);
  make_old("out.onnx.data", 0640);
  ConvertOptions options;
  options.external_data_threshold = 1000;
  convert_file(folder_ / "net.pth", folder_ / "out.onnx", options);
  EXPECT_EQ(mode_of(folder_ / "out.onnx"), 0600U);
  EXPECT_EQ(mode_of(folder_ / "out.onnx.data"), 0640U);
  EXPECT_GT(fs::file_size(folder_ / "out.onnx.data"), 1000U);
}

TEST_F(Modes, NewFilesFollowTheUmask) {
  EXPECT_EQ(test::run_shell("cd " + quoted(folder_.path().string()) + " && umask 027 && " +
                            quoted(AETHER2ONNX_PROGRAM) + " net.pth made.onnx")
                .exit_code,
            0);
  EXPECT_EQ(mode_of(folder_ / "made.onnx"), 0640U);
}

TEST_F(Modes, PrivilegesOfProgramsAreNotKept) {
  make_old("old.onnx", 06755);
  EXPECT_EQ(run("net.pth old.onnx").exit_code, 0);
  EXPECT_EQ(mode_of(folder_ / "old.onnx"), 0755U);
}

TEST_F(Modes, OwnersAreKeptWherePermitted) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  make_old("old.onnx", 0640);
  ASSERT_EQ(::chown((folder_ / "old.onnx").c_str(), 65534, 65533), 0);
  EXPECT_EQ(run("net.pth old.onnx").exit_code, 0);
  struct stat status {};
  ASSERT_EQ(::stat((folder_ / "old.onnx").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 65534U);
  EXPECT_EQ(status.st_gid, 65533U);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);

  // Another user may write to the folder but not give files away. The owner changes; the group of
  // that user may do no more than everybody.
  const std::string as = "setpriv --reuid=65534 --regid=65534 --clear-groups ";
  if (test::run_shell(as + "test -x " + quoted(AETHER2ONNX_PROGRAM)).exit_code != 0) {
    GTEST_SKIP() << "the program lies where nobody else may run it";
  }
  fs::permissions(folder_.path(), fs::perms::all);
  ASSERT_EQ(::chown((folder_ / "old.onnx").c_str(), 0, 0), 0);
  const CommandResult result =
      test::run_shell("cd " + quoted(folder_.path().string()) + " && " + as +
                      quoted(AETHER2ONNX_PROGRAM) + " net.pth old.onnx");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  ASSERT_EQ(::stat((folder_ / "old.onnx").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 65534U);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

}  // namespace
}  // namespace aether2onnx::inputs_test
