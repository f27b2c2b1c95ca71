// What may go wrong around the program while it runs: the disk, the file that it reads, its end at
// any moment, names and kinds of files.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <random>
#include <thread>

#include "port/files.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::faults_test {
namespace {

using test::CommandResult;
using test::list_files;
using test::quoted;

namespace fs = std::filesystem;

#ifdef AETHER2ONNX_SANITIZED
constexpr int kKills = 40;
constexpr std::size_t kStep = 7;  // not every one of hundreds of reads and writes
#else
constexpr int kKills = 200;
constexpr std::size_t kStep = 1;
#endif

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Faults : public testing::Test {
 protected:
  void SetUp() override { save("model.pth", small()); }

  static tools::NetworkShape small() {
    tools::NetworkShape shape;
    shape.embed_dim = 64;  // weights that are larger than what is written at once
    shape.hidden_dim = 1024;
    return shape;
  }

  void save(const std::string& name, const tools::NetworkShape& shape, std::uint64_t seed = 5) {
    std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
    tools::fill_random(tensors, seed);
    test::write_file(folder_ / name, tools::write_checkpoint(tensors));
  }

  CommandResult run(const std::string& arguments, const std::string& before = "") const {
    return test::run_shell("cd " + quoted(folder_.path().string()) + " && " + before + " " +
                           quoted(AETHER2ONNX_PROGRAM) + " " + arguments);
  }

  // The program with the call made to fail; nothing where it doesn't come to that call.
  std::optional<CommandResult> with_fault(const std::string& arguments, const std::string& call,
                                          std::size_t at, int error) const {
    const test::TemporaryFolder marks;
    const std::string environment =
        "env LD_PRELOAD=" + quoted(AETHER2ONNX_FAULT_SHIM) +
        " ASAN_OPTIONS=verify_asan_link_order=0 FAULT_CALL=" + call +
        (at == 0 ? " FAULT_EVERY=1" : " FAULT_AT=" + std::to_string(at)) +
        " FAULT_ERRNO=" + std::to_string(error) +
        " FAULT_MARK=" + quoted((marks / "reached").string());
    CommandResult result = run(arguments, environment);
    if (!fs::exists(marks / "reached")) return std::nullopt;
    return result;
  }

  // At every such call the program fails as it should and nothing in the folder changes, old.onnx
  // in it neither.
  void expect_clean_failures(const std::string& arguments, const std::string& call, int error,
                             const std::string& text) {
    test::write_text(folder_ / "old.onnx", "old");
    const std::vector<std::string> before = list_files(folder_.path());
    std::size_t reached = 0;
    for (std::size_t at = 1;; at += kStep) {
      const auto result = with_fault(arguments, call, at, error);
      if (!result) break;
      ++reached;
      EXPECT_EQ(result->exit_code, 1) << call << ' ' << at << '\n' << result->err;
      EXPECT_TRUE(result->err.starts_with("error: ")) << result->err;
      EXPECT_TRUE(contains(result->err, text)) << call << ' ' << at << '\n' << result->err;
      EXPECT_EQ(list_files(folder_.path()), before) << call << ' ' << at;
      EXPECT_EQ(test::read_text(folder_ / "old.onnx").substr(0, 10), "old") << call << ' ' << at;
    }
    EXPECT_GT(reached, 0U) << call;
    fs::remove_all(folder_ / "new");
  }

  test::TemporaryFolder folder_;
};

// --- the disk ---------------------------------------------------------------------------------

TEST_F(Faults, ADiskThatIsFullAtAnyWrite) {
  expect_clean_failures("model.pth new/out.onnx", "write", ENOSPC, "Free some space");
  expect_clean_failures("model.pth old.onnx", "write", ENOSPC, "Free some space");
  expect_clean_failures("model.pth old.onnx", "write", EDQUOT, "Free some space");
  expect_clean_failures("fuse model.pth new/out.pth", "write", ENOSPC, "Free some space");
}

TEST_F(Faults, CallsThatFail) {
  const std::string arguments = "model.pth old.onnx";
  expect_clean_failures(arguments, "write", EIO, "writing failed after");
  expect_clean_failures(arguments, "close", ENOSPC, "writing failed after");
  expect_clean_failures(arguments, "rename", EACCES, "can't be saved under this name");
  expect_clean_failures(arguments, "create", EROFS, "writing failed after 0 bytes");
  expect_clean_failures(arguments, "mkdir", EROFS, "can't write into");
  expect_clean_failures("model.pth new/folder/out.onnx", "mkdir", EACCES, "can't ");
  test::write_text(folder_ / "old.onnx", "old");
  fs::permissions(folder_ / "old.onnx", fs::perms::owner_read | fs::perms::owner_write);
  expect_clean_failures(arguments, "chmod", EPERM, "can't be saved under this name");
}

TEST_F(Faults, AnOwnerThatMayNotBeKeptChanges) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  const fs::path old = folder_ / "old.onnx";
  struct stat status {};
  const auto replace = [&](bool always) {
    test::write_text(old, "old");
    EXPECT_EQ(::chmod(old.c_str(), 0674), 0);
    EXPECT_EQ(::chown(old.c_str(), 65534, 65533), 0);
    // The first call is for owner and group, the second one for the group alone.
    const auto result = with_fault("model.pth old.onnx", "chown", always ? 0 : 1, EPERM);
    EXPECT_TRUE(result && result->exit_code == 0);
    EXPECT_EQ(::stat(old.c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 0U);
    fs::remove(old);
  };
  replace(false);
  EXPECT_EQ(status.st_gid, 65533U);
  EXPECT_EQ(status.st_mode & 07777U, 0674U);
  replace(true);
  EXPECT_EQ(status.st_gid, 0U);
  EXPECT_EQ(status.st_mode & 07777U, 0644U);
}

TEST_F(Faults, WritesOfAByteAndInterruptedCallsChangeNothing) {
  ASSERT_EQ(run("model.pth whole.onnx").exit_code, 0);
  const auto whole = test::read_file(folder_ / "whole.onnx");
  for (std::size_t at = 1;; at += kStep) {
    const auto result = with_fault("model.pth out.onnx", "write", at, 0);
    if (!result) break;
    EXPECT_EQ(result->exit_code, 0) << result->err;
    EXPECT_EQ(test::read_file(folder_ / "out.onnx"), whole);
  }
  for (const char* call : {"write", "pread"}) {
    const auto result = with_fault("model.pth out.onnx", call, 1, EINTR);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->exit_code, 0) << result->err;
    EXPECT_EQ(test::read_file(folder_ / "out.onnx"), whole);
  }
}

// --- the file that is read --------------------------------------------------------------------

TEST_F(Faults, AReadThatFails) {
  expect_clean_failures("model.pth old.onnx", "pread", EIO, "model.pth: reading failed at byte");
  for (std::size_t at = 1;; at += kStep) {
    const auto result = with_fault("scan model.pth", "pread", at, EIO);
    if (!result) break;
    EXPECT_EQ(result->exit_code, 2) << result->out;
    EXPECT_TRUE(contains(result->err, "reading failed")) << result->err;
    EXPECT_TRUE(contains(result->out, "unknown")) << result->out;
  }
}

TEST_F(Faults, AFileThatIsCutWhileItIsRead) {
  expect_clean_failures("model.pth old.onnx", "pread", 0, "while it was being read");
  expect_clean_failures("inspect model.pth", "pread", 0, "while it was being read");
}

TEST_F(Faults, AFileThatChangesIsNoticed) {
  const fs::path path = folder_ / "model.pth";
  const io::FileInput input(path);
  input.check_unchanged();
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(5));
  const auto changed = test::catch_error([&] { input.check_unchanged(); });
  EXPECT_EQ(changed.kind, ErrorKind::io);
  EXPECT_EQ(changed.code, "file-changed") << changed.message;

  // Written to between the reading of its description and that of its weights.
  class Touch final : public Observer {
   public:
    explicit Touch(fs::path path) : path_(std::move(path)) {}
    void on_step(const Step& step) override {
      if (step.name == "recognised") {
        fs::last_write_time(path_, fs::last_write_time(path_) + std::chrono::seconds(5));
      }
    }

   private:
    fs::path path_;
  };
  Touch touch(path);
  const auto converted = test::catch_error([&] {
    convert_file(path, folder_ / "out.onnx", {}, {{}, &touch});
  });
  EXPECT_EQ(converted.code, "file-changed") << converted.message;
  const auto fused = test::catch_error([&] {
    fuse_file(path, folder_ / "out.pth", {}, {{}, &touch});
  });
  EXPECT_EQ(fused.code, "file-changed") << fused.message;
  EXPECT_EQ(list_files(folder_.path()), (std::vector<std::string>{"model.pth"}));
}

// Gives other bytes from some read on.
class ChangingInput final : public Input {
 public:
  ChangingInput(std::span<const std::byte> bytes, int reads) : memory_(bytes), left_(reads) {}
  std::uint64_t size() const override { return memory_.size(); }
  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    memory_.read(offset, out);
    if (left_-- > 0) return;
    for (std::byte& byte : out) {
      if (random_() % 5 == 0) byte = static_cast<std::byte>(random_());
    }
  }
  bool changed() const { return left_ < 0; }

 private:
  MemoryInput memory_;
  mutable int left_;
  mutable std::mt19937 random_{7};
};

TEST_F(Faults, BytesThatChangeWhileTheyAreReadAreRefusedOrRead) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 5);
  for (const auto& bytes :
       {tools::write_checkpoint(tensors), tools::write_legacy_checkpoint(tensors),
        tools::write_safetensors(tensors)}) {
    bool changed = true;
    for (int reads = 0; changed; ++reads) {
      const ChangingInput input(bytes, reads);
      test::MemoryOutput output;
      const auto caught = test::catch_error([&] { convert(input, {&output, nullptr, {}}, {}); });
      EXPECT_FALSE(caught.thrown && caught.kind == ErrorKind::internal) << caught.message;
      changed = input.changed();
      const ChangingInput again(bytes, reads);
      const auto scanned = test::catch_error([&] { scan(again); });
      EXPECT_FALSE(scanned.thrown) << scanned.message;
    }
  }
}

// --- the end at any moment --------------------------------------------------------------------

TEST_F(Faults, KilledAtAnyMomentTheOldFileOrTheNewOneIsThere) {
  save("large.pth", tools::aether_small(2, false));
  ASSERT_EQ(run("large.pth new.onnx").exit_code, 0);
  const auto whole = test::read_file(folder_ / "new.onnx");
  const std::string program = AETHER2ONNX_PROGRAM;
  const std::string input = (folder_ / "large.pth").string();
  const fs::path target = folder_ / "out.onnx";

  // How long a run takes, for the moments to be spread over it.
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(run("large.pth out.onnx").exit_code, 0);
  const std::chrono::duration<double> usual = std::chrono::steady_clock::now() - start;

  std::mt19937 random(11);
  int killed = 0;
  int replaced = 0;
  for (int i = 0; i < kKills; ++i) {
    test::write_text(target, "old");
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::execl(program.c_str(), program.c_str(), input.c_str(), target.c_str(), "--quiet", nullptr);
      ::_exit(127);
    }
    const double share = static_cast<double>(random() % 1000) / 1000;
    std::this_thread::sleep_for(std::chrono::duration<double>(share * 1.2 * usual.count()));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) ++killed;
    const auto left = test::read_file(target);
    const bool old = left.size() == 3;
    if (!old) {
      ++replaced;
      EXPECT_TRUE(left == whole) << "run " << i;
    } else {
      EXPECT_EQ(test::read_text(target), "old");
    }
  }
  EXPECT_GT(killed, kKills / 10);
  EXPECT_GT(replaced, 0);
  // What a kill leaves behind is out of the way of later runs.
  EXPECT_EQ(run("large.pth out.onnx").exit_code, 0);
  EXPECT_TRUE(test::read_file(target) == whole);
}

TEST_F(Faults, TwoRunsOntoOneOutput) {
  save("other.pth", small(), 6);
  ASSERT_EQ(run("model.pth one.onnx").exit_code, 0);
  ASSERT_EQ(run("other.pth two.onnx").exit_code, 0);
  const auto one = test::read_file(folder_ / "one.onnx");
  const auto two = test::read_file(folder_ / "two.onnx");
  const std::string program = quoted(AETHER2ONNX_PROGRAM);
  for (int i = 0; i < 10; ++i) {
    const CommandResult result =
        test::run_shell("cd " + quoted(folder_.path().string()) + " && " + program +
                        " model.pth new/out.onnx --quiet & first=$!; cd " +
                        quoted(folder_.path().string()) + " && " + program +
                        " other.pth new/out.onnx --quiet; second=$?; wait $first && exit $second");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto made = test::read_file(folder_ / "new/out.onnx");
    EXPECT_TRUE(made == one || made == two);
    EXPECT_EQ(list_files(folder_ / "new"), (std::vector<std::string>{"out.onnx"}));
    fs::remove_all(folder_ / "new");
  }
}

// --- kinds of files ---------------------------------------------------------------------------

TEST_F(Faults, FoldersThatMayNotBeWrittenTo) {
  fs::create_directory(folder_ / "locked");
  fs::permissions(folder_ / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  fs::permissions(folder_.path(), fs::perms::all);
  // Root may write everywhere, so the program runs as nobody.
  const bool root = ::geteuid() == 0;
  const std::string as = root ? "setpriv --reuid=65534 --regid=65534 --clear-groups" : "";
  if (root && test::run_shell(as + " true").exit_code != 0) GTEST_SKIP() << "there is no setpriv";
  if (test::run_shell(as + " test -x " + quoted(AETHER2ONNX_PROGRAM)).exit_code != 0) {
    GTEST_SKIP() << "the program lies where nobody else may run it";
  }
  if (root) {
    ASSERT_EQ(::chown((folder_ / "locked").c_str(), 65534, 65534), 0);
  }
  const std::vector<std::string> before = list_files(folder_.path());
  for (const char* arguments : {"model.pth locked/out.onnx", "model.pth locked/new/out.onnx",
                                "fuse model.pth locked/out.pth"}) {
    const CommandResult result = run(arguments, as);
    EXPECT_EQ(result.exit_code, 1) << result.err;
    EXPECT_TRUE(contains(result.err, "Choose a folder that you may write to")) << result.err;
  }
  fs::permissions(folder_ / "model.pth", fs::perms::none);
  const CommandResult unreadable = run("model.pth out.onnx", as);
  EXPECT_EQ(unreadable.exit_code, 1);
  EXPECT_TRUE(contains(unreadable.err, "can't be opened for reading")) << unreadable.err;
  fs::permissions(folder_ / "locked", fs::perms::owner_all);
  EXPECT_EQ(list_files(folder_.path()), before);
}

TEST_F(Faults, TheInputIsNeverTheOutput) {
  const auto before = test::read_file(folder_ / "model.pth");
  fs::create_symlink("model.pth", folder_ / "link.onnx");
  fs::create_symlink("link.onnx", folder_ / "link_of_link.onnx");
  fs::create_hard_link(folder_ / "model.pth", folder_ / "hard.onnx");
  fs::create_directory_symlink(".", folder_ / "here");
  for (const char* output : {"model.pth", "./model.pth", "link.onnx", "link_of_link.onnx",
                             "hard.onnx", "here/model.pth", "here/link.onnx"}) {
    for (const char* command : {"", "fuse "}) {
      const CommandResult result = run(std::string(command) + "model.pth " + output);
      EXPECT_NE(result.exit_code, 0) << output;
      EXPECT_TRUE(test::read_file(folder_ / "model.pth") == before) << output;
    }
  }
  const CommandResult through = run("link.onnx hard.onnx");
  EXPECT_NE(through.exit_code, 0);
  EXPECT_TRUE(test::read_file(folder_ / "model.pth") == before);
}

TEST_F(Faults, SymbolicLinksAsOutputs) {
  fs::create_directory(folder_ / "there");
  fs::create_symlink("there/new.onnx", folder_ / "dangling.onnx");
  EXPECT_EQ(run("model.pth dangling.onnx").exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(folder_ / "dangling.onnx"));
  EXPECT_TRUE(fs::is_regular_file(folder_ / "there/new.onnx"));
  fs::create_symlink("round.onnx", folder_ / "round.onnx");
  const CommandResult round = run("model.pth round.onnx");
  EXPECT_EQ(round.exit_code, 1) << round.out;
  EXPECT_TRUE(round.err.starts_with("error: ")) << round.err;
  EXPECT_FALSE(contains(round.err, "internal")) << round.err;
  EXPECT_EQ(run("round.onnx out.onnx").exit_code, 1);
}

TEST_F(Faults, PipesAndDevices) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0666), 0);
  const auto refused = [&](const std::string& line, int exit_code) {
    const CommandResult result =
        test::run_shell("cd " + quoted(folder_.path().string()) + " && timeout 20 " + line);
    EXPECT_EQ(result.exit_code, exit_code) << line << '\n' << result.err;
    EXPECT_TRUE(contains(result.err, "isn't a regular file")) << line << '\n' << result.err;
  };
  const std::string program = quoted(AETHER2ONNX_PROGRAM);
  refused(program + " pipe out.onnx", 1);
  refused(program + " model.pth --output_onnx_path pipe", 1);
  refused(program + " fuse model.pth pipe", 1);
  refused(program + " inspect pipe", 1);
  refused(program + " scan pipe", 2);
  refused(program + " /dev/zero out.onnx", 1);
  refused(program + " scan /dev/zero", 2);
  refused(program + " model.pth --output_onnx_path /dev/null", 1);
  refused("sh -c " + quoted("cat model.pth | " + program + " /dev/stdin out.onnx"), 1);
  refused(
      "bash -o pipefail -c " + quoted(program + " model.pth --output_onnx_path /dev/stdout | cat"),
      1);
  // A file on standard input is a file.
  const CommandResult redirected = run("/dev/stdin out.onnx <model.pth");
  EXPECT_EQ(redirected.exit_code, 0) << redirected.err;
  EXPECT_TRUE(fs::exists(folder_ / "out.onnx"));
}

// --- names ------------------------------------------------------------------------------------

TEST_F(Faults, LongAndForeignNames) {
  const std::string longest = std::string(250, 'n') + ".onnx";  // 255 bytes
  EXPECT_EQ(run("model.pth " + longest).exit_code, 0);
  EXPECT_TRUE(fs::exists(folder_ / longest));
  fs::remove(folder_ / longest);
  const CommandResult longer = run("model.pth x" + longest);
  EXPECT_EQ(longer.exit_code, 1);
  EXPECT_TRUE(contains(longer.err, "File name too long")) << longer.err;

  // The model's default name is longer than the checkpoint's.
  const std::string stem(245, 's');
  fs::copy_file(folder_ / "model.pth", folder_ / (stem + ".pth"));
  const CommandResult by_default = run(stem + ".pth");
  EXPECT_EQ(by_default.exit_code, 1);
  EXPECT_TRUE(contains(by_default.err, "File name too long")) << by_default.err;
  fs::remove(folder_ / (stem + ".pth"));

  std::string deep;
  for (int i = 0; i < 30; ++i) deep += std::string(200, 'd') + "/";
  const CommandResult too_deep = run("model.pth " + deep + "out.onnx");
  EXPECT_EQ(too_deep.exit_code, 1);
  EXPECT_TRUE(too_deep.err.starts_with("error: ")) << too_deep.err;

  for (const std::string name : {"ünï-コード-🙂", "with space", "quote'\"", "\xff\xfe",
                                 "-dash", "new\nline", "\x1b[2Jescape", "$(true)", "%s%n{}"}) {
    fs::copy_file(folder_ / "model.pth", folder_ / (name + ".pth"));
    const CommandResult result =
        run(quoted("./" + name + ".pth") + " " + quoted("./" + name + ".onnx"));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_TRUE(fs::exists(folder_ / (name + ".onnx"))) << name;
    EXPECT_FALSE(contains(result.out + result.err, "\x1b")) << result.out;
    const CommandResult scanned = run("scan " + quoted("./" + name + ".pth"));
    EXPECT_EQ(scanned.exit_code, 0) << scanned.out;
    EXPECT_FALSE(contains(scanned.out, "\x1b")) << scanned.out;
    fs::remove(folder_ / (name + ".pth"));
    fs::remove(folder_ / (name + ".onnx"));
  }
  EXPECT_EQ(list_files(folder_.path()), (std::vector<std::string>{"model.pth"}));
}

}  // namespace
}  // namespace aether2onnx::faults_test
