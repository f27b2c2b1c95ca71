// Files on POSIX systems: questions and reading.

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "port/files.h"
#include "port/posix.h"

namespace aether2onnx {

namespace fs = std::filesystem;
using posix::check_interrupted;
using posix::reason;
using posix::shown;

namespace {

std::int64_t modified(const struct stat& status) {
  constexpr std::int64_t second = 1'000'000'000;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(status.st_mtim.tv_sec) * second +
                                   static_cast<std::uint64_t>(status.st_mtim.tv_nsec));
}

}  // namespace

std::unique_ptr<Input> open_file(const fs::path& path) {
  return std::make_unique<io::FileInput>(path);
}

namespace io {

// --- questions --------------------------------------------------------------------------------

bool exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::optional<std::uint64_t> file_size(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return std::nullopt;
  return size;
}

std::string time_written(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return "";
  const std::time_t now = std::time(nullptr);
  std::tm today{};
  std::tm then{};
  if (::localtime_r(&now, &today) == nullptr ||
      ::localtime_r(&status.st_mtim.tv_sec, &then) == nullptr) {
    return "";
  }
  const std::string clock = fmt::format("{:02}:{:02}", then.tm_hour, then.tm_min);
  if (then.tm_year == today.tm_year && then.tm_yday == today.tm_yday) return clock;
  constexpr int first_year = 1900;
  return fmt::format("{}-{:02}-{:02} {}", then.tm_year + first_year, then.tm_mon + 1, then.tm_mday,
                     clock);
}

fs::path absolute(const fs::path& path) { return fs::absolute(path); }

namespace {

std::optional<FileIdentity> identity_of_existing(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return FileIdentity{std::uint64_t{status.st_dev}, std::uint64_t{status.st_ino}, {}};
}

// Where a symbolic link leads; any other path unchanged.
fs::path behind_dangling_links(fs::path path) {
  constexpr int most = 40;  // Linux follows as many
  std::error_code error;
  for (int links = 0; links < most && fs::is_symlink(path, error); ++links) {
    const fs::path to = fs::read_symlink(path, error);
    if (error || to.empty()) break;
    path = to.is_absolute() ? to : path.parent_path() / to;
  }
  return path;
}

}  // namespace

FileIdentity identity_of(const fs::path& path) {
  if (auto found = identity_of_existing(path)) return *found;
  // Folders in the path may be missing. "new/../net.pth" leads to net.pth as soon as the folder
  // "new" exists.
  std::error_code error;
  fs::path full = fs::weakly_canonical(fs::absolute(behind_dangling_links(path), error), error);
  if (error) full = fs::absolute(path, error).lexically_normal();
  if (auto found = identity_of_existing(full)) return *found;
  if (auto folder = identity_of_existing(full.parent_path())) {
    folder->name = full.filename().string();
    return *folder;
  }
  return {0, 0, full.string()};
}

Listing list_folder(const fs::path& folder) {
  Listing listing;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    listing.paths.push_back(at->path());
  }
  if (error) listing.problem = error.message();
  std::sort(listing.paths.begin(), listing.paths.end());
  return listing;
}

// --- reading ----------------------------------------------------------------------------------

FilesRead::FilesRead(std::span<const fs::path> paths) {
  for (const fs::path& path : paths) add(path);
}

void FilesRead::add(const fs::path& path) { files_.emplace_back(identity_of(path), path); }

void FilesRead::check(const fs::path& target, const char* example) const {
  const FileIdentity identity = identity_of(target);
  const auto is_target = [&](const auto& file) {
    // Another program may have replaced the file since.
    return file.first == identity || identity_of(file.second) == identity;
  };
  const auto found = std::find_if(files_.begin(), files_.end(), is_target);
  if (found == files_.end()) return;
  const fs::path& input = found->second;
  fail({ErrorKind::io, "file-is-input", target.string(), "", input.string()},
       "{}: the output is the input itself{}, which is never overwritten.\n"
       "Give another name for the output, for example {}.",
       shown(target), input == target ? "" : fmt::format(" ({})", shown(input)), example);
}

FileInput::FileInput(const fs::path& path, const std::atomic<bool>* cancelled)
    : path_(path), cancelled_(cancelled) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer. The flag does not affect regular files.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    const int error = errno;
    if (error == ENOENT) {
      fail({ErrorKind::io, "file-missing", path.string()},
           "{}: there is no such file.\nCheck the path. It is relative to {}.", shown(path),
           shown(fs::current_path()));
    }
    fail({ErrorKind::io, "file-unreadable", path.string(), "", reason(error)},
         "{}: the file can't be opened for reading: {}.", shown(path), reason(error));
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    const bool folder = S_ISDIR(status.st_mode);
    ::close(descriptor_);
    descriptor_ = -1;
    fail({ErrorKind::io, "file-not-regular", path.string(), "a file", folder ? "a folder" : ""},
         "{}: the path {}.\nGive the path of a checkpoint file (.pth).", shown(path),
         folder ? "is a folder, not a file" : "isn't a regular file");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  modified_ = modified(status);
}

void FileInput::check_unchanged() const {
  struct stat status {};
  const bool same = ::fstat(descriptor_, &status) == 0 &&
                    static_cast<std::uint64_t>(status.st_size) == size_ &&
                    modified(status) == modified_;
  if (same) return;
  fail({ErrorKind::io, "file-changed", path_.string()},
       "{}: the file changed while it was being read.\n"
       "Another program is writing to the file. Try again when that program is done.",
       shown(path_));
}

FileInput::~FileInput() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileInput::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      check_interrupted(cancelled_);
      continue;
    }
    if (got < 0) {
      const int error = errno;
      fail({ErrorKind::io, "file-read", path_.string(), "", reason(error)},
           "{}: reading failed at byte {}: {}.", shown(path_), offset, reason(error));
    }
    if (got == 0) {
      fail({ErrorKind::io, "file-cut", path_.string(), fmt::format("{} bytes", size_),
            fmt::format("{} bytes", offset)},
           "{}: the file ended at byte {} of {} while it was being read.\n"
           "Another program is writing to the file. Try again when that program is done.",
           shown(path_), offset, size_);
    }
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

std::unique_ptr<Input> FolderSiblings::open(const std::string& name) const {
  const fs::path path = folder_ / name;
  std::error_code error;
  if (fs::status(path, error).type() == fs::file_type::not_found) return nullptr;
  auto input = std::make_unique<FileInput>(path, cancelled_);
  opened_.push_back(path);
  return input;
}

namespace {

// Waits until bytes or the end of the stream can be read.
void wait_for_bytes(int descriptor, const std::atomic<bool>* cancelled) {
  constexpr int step = 50;  // milliseconds
  pollfd wanted{descriptor, POLLIN, 0};
  while (::poll(&wanted, 1, step) <= 0) check_interrupted(cancelled);
}

}  // namespace

StreamBytes read_stream(const fs::path& path, std::size_t most,
                        const std::atomic<bool>* cancelled) {
  StreamBytes result;
  int number = -1;
  // Opening a pipe waits for a writer.
  while ((number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC)) < 0 && errno == EINTR) {
    check_interrupted(cancelled);
  }
  if (number < 0) {
    result.problem = reason(errno);
    return result;
  }
  const posix::Descriptor file(number);
  for (;;) {
    wait_for_bytes(number, cancelled);
    std::array<char, 4096> buffer{};
    const ssize_t got = ::read(number, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) result.problem = reason(errno);
    if (got <= 0) return result;
    result.bytes.append(buffer.data(), static_cast<std::size_t>(got));
    if (result.bytes.size() > most) {
      result.bytes.resize(most);
      result.too_long = true;
      return result;
    }
  }
}

}  // namespace io
}  // namespace aether2onnx
