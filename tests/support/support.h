/// @file
/// What several tests need: temporary folders, files, running the program, an in-memory output.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::test {

/// The step of tests that go through every tensor of a network. With the sanitizers, which take
/// twenty times as long, the tests take every fifth.
#ifdef AETHER2ONNX_SANITIZED
inline constexpr std::size_t kTensorStep = 5;
#else
inline constexpr std::size_t kTensorStep = 1;
#endif

/// A folder that is removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Names of everything below a folder, hidden files included, sorted.
std::vector<std::string> list_files(const std::filesystem::path& folder);

std::vector<std::byte> read_file(const std::filesystem::path& path);
std::string read_text(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_text(const std::filesystem::path& path, std::string_view text);

std::span<const std::byte> bytes_of(std::string_view text);

/// What a program printed and how it ended.
struct CommandResult {
  int exit_code = -1;  ///< 128 + the signal where one ended it.
  std::string out;
  std::string err;
};

/// Runs a command line of /bin/sh.
CommandResult run_shell(const std::string& command);

/// `text` as one word of a shell's command line.
std::string quoted(const std::string& text);

/// An Output in memory.
class MemoryOutput final : public Output {
 public:
  void write(std::span<const std::byte> bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// Runs `work`, expects an aether2onnx::Error and gives its kind and text; fails the test without.
struct Caught {
  bool thrown = false;
  ErrorKind kind = ErrorKind::internal;
  std::string code;
  std::string message;
  std::vector<std::string> findings;
};
template <typename Work>
Caught catch_error(Work work) {
  try {
    work();
  } catch (const Error& error) {
    Caught caught{true, error.kind, error.diagnostic.code, error.what(), {}};
    for (const Diagnostic& finding : error.findings) caught.findings.push_back(finding.text);
    return caught;
  }
  return {};
}

}  // namespace aether2onnx::test
