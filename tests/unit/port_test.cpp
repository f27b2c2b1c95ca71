#include "port/port.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "support.h"

namespace aether2onnx::port_test {
namespace {

namespace fs = std::filesystem;
using test::catch_error;
using test::list_files;

class Port : public testing::Test {
 protected:
  void SetUp() override {
    test::write_text(folder_ / "input", "input");
    fs::create_directory_symlink(".", folder_ / "here");
  }
  io::FilesRead reading(const std::string& name) const {
    io::FilesRead files;
    files.add(folder_ / name);
    return files;
  }
  std::string code_of(const io::FilesRead& files, const std::string& target) const {
    return catch_error([&] { files.check(folder_ / target, "example"); }).code;
  }
  test::TemporaryFolder folder_;
};

// --- which file a path leads to ---------------------------------------------------------------

TEST_F(Port, IdentitiesOfFiles) {
  const auto identity = [&](const std::string& path) { return io::identity_of(folder_ / path); };
  fs::create_symlink("input", folder_ / "link");
  fs::create_hard_link(folder_ / "input", folder_ / "hard");
  fs::create_symlink("new/../input", folder_ / "late");
  fs::create_symlink("missing", folder_ / "dangling");
  fs::create_symlink("round", folder_ / "round");
  for (const char* same : {"./input", "here/input", "here/here/link", "link", "hard", "late",
                           "new/../input", "new/deeper/.././../input", "input/../input"}) {
    EXPECT_EQ(identity(same), identity("input")) << same;
  }
  for (const char* same :
       {"./missing", "here/missing", "dangling", "here/dangling", "new/../missing"}) {
    EXPECT_EQ(identity(same), identity("missing")) << same;
  }
  for (const char* other : {"inpu", "Input", "missing", "new/input", "round", "."}) {
    EXPECT_NE(identity(other), identity("input")) << other;
  }
  EXPECT_NE(identity("missing"), identity("missing2"));
  EXPECT_NE(identity("missing"), identity("new/missing"));
  EXPECT_EQ(identity("new/folder/missing"), identity("here/new/./folder/missing"));
}

TEST_F(Port, FilesReadAreNoTargets) {
  const io::FilesRead files = reading("input");
  EXPECT_EQ(code_of(files, "input"), "file-is-input");
  EXPECT_EQ(code_of(files, "new/../here/input"), "file-is-input");
  EXPECT_EQ(code_of(files, "output"), "");
  EXPECT_EQ(code_of({}, "input"), "");
  // Another program replaces the input: the new file has the input's name, the old file a new one.
  fs::rename(folder_ / "input", folder_ / "moved");
  test::write_text(folder_ / "input", "another");
  EXPECT_EQ(code_of(files, "input"), "file-is-input");
  EXPECT_EQ(code_of(files, "moved"), "file-is-input");
}

TEST_F(Port, AFileThatBecomesTheInputIsNotReplaced) {
  const std::vector<std::string> before = list_files(folder_.path());
  for (const bool data : {false, true}) {
    const std::string name = data ? "out.data" : "out";
    io::StagedFiles staged(folder_ / "out", reading("input"));
    staged.model().write(test::bytes_of("model"));
    staged.external_data().write(test::bytes_of("data"));
    staged.close();
    fs::create_hard_link(folder_ / "input", folder_ / name);
    EXPECT_EQ(catch_error([&] { staged.commit(); }).code, "file-is-input");
    EXPECT_EQ(fs::hard_link_count(folder_ / "input"), 2U);
    EXPECT_FALSE(fs::exists(folder_ / (data ? "out" : "out.data")));
    fs::remove(folder_ / name);
  }
  EXPECT_EQ(list_files(folder_.path()), before);
}

TEST_F(Port, AFolderThatWasCreatedInVainIsRemoved) {
  const std::vector<std::string> before = list_files(folder_.path());
  const auto caught = catch_error(
      [&] { const io::StagedFiles staged(folder_ / "new/deeper/../../input", reading("input")); });
  EXPECT_EQ(caught.code, "file-is-input");
  EXPECT_EQ(list_files(folder_.path()), before);
}

TEST_F(Port, ExternalDataReplaceNoPipe) {
  ASSERT_EQ(::mkfifo((folder_ / "out.data").c_str(), 0666), 0);
  io::StagedFiles staged(folder_ / "out", {});
  staged.model().write(test::bytes_of("model"));
  staged.external_data().write(test::bytes_of("data"));
  EXPECT_EQ(catch_error([&] { staged.close(); }).code, "file-not-regular");
}

// --- streams ----------------------------------------------------------------------------------

TEST_F(Port, StreamsAreReadToALimit) {
  const fs::path input = folder_ / "input";
  EXPECT_EQ(io::read_stream(input, 5, nullptr).bytes, "input");
  EXPECT_FALSE(io::read_stream(input, 5, nullptr).too_long);
  EXPECT_TRUE(io::read_stream(input, 4, nullptr).too_long);
  EXPECT_EQ(io::read_stream(input, 4, nullptr).bytes, "inpu");
  EXPECT_TRUE(io::read_stream("/dev/zero", 100'000, nullptr).too_long);
  EXPECT_EQ(io::read_stream("/dev/null", 0, nullptr).bytes, "");
  EXPECT_NE(io::read_stream(folder_ / "missing", 10, nullptr).problem, "");
  EXPECT_NE(io::read_stream(folder_.path(), 10, nullptr).problem, "");
}

TEST_F(Port, AStreamWithoutBytesIsLeftWhenTheCallIsCancelled) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe(ends), 0);
  std::atomic<bool> cancelled = false;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    cancelled = true;
  });
  const auto caught =
      catch_error([&] { io::read_stream("/dev/fd/" + std::to_string(ends[0]), 10, &cancelled); });
  later.join();
  EXPECT_EQ(caught.kind, ErrorKind::cancelled);
  ASSERT_EQ(::write(ends[1], "ab", 2), 2);
  ::close(ends[1]);
  const auto read = io::read_stream("/dev/fd/" + std::to_string(ends[0]), 10, nullptr);
  EXPECT_EQ(read.bytes, "ab");
  ::close(ends[0]);
}

TEST_F(Port, TextIsWrittenWhole) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += static_cast<char>('a' + i % 26);
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe(ends), 0);
  std::string read;
  std::thread reader([&] {
    read = io::read_stream("/dev/fd/" + std::to_string(ends[0]), 200'000, nullptr).bytes;
  });
  std::FILE* stream = ::fdopen(ends[1], "w");
  ASSERT_NE(stream, nullptr);
  EXPECT_TRUE(port::write_text(stream, "first "));
  EXPECT_TRUE(port::write_text(stream, text));
  EXPECT_TRUE(port::write_text(stream, ""));
  std::fclose(stream);
  reader.join();
  ::close(ends[0]);
  EXPECT_EQ(read, "first " + text);
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  EXPECT_FALSE(port::write_text(full, "text"));
  std::fclose(full);
}

// --- watches ----------------------------------------------------------------------------------

TEST(Watch, ActsOnceWhenTheFlagIsSet) {
  std::atomic<bool> flag = false;
  std::atomic<int> acts = 0;
  {
    const port::Watch watch(&flag, [&] { ++acts; });
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    EXPECT_EQ(acts, 0);
    flag = true;
    for (int i = 0; acts == 0 && i < 1000; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    EXPECT_EQ(acts, 1);
  }
  flag = false;
  {
    const port::Watch watch(&flag, [&] { ++acts; });
  }
  flag = true;
  {
    const port::Watch watch(nullptr, [&] { ++acts; });
  }
  EXPECT_EQ(acts, 1);
}

}  // namespace
}  // namespace aether2onnx::port_test
