// Implements the functions of files.h and system.h on POSIX systems.

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
#include "port/system.h"

namespace aether2onnx {

namespace fs = std::filesystem;
using posix::check_interrupted;
using posix::reason;

// --- the functions of system.h ----------------------------------------------------------------

namespace system {

namespace {

Outcome outcome_of(int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  const auto problem = full              ? Outcome::Problem::full
                       : error == EEXIST ? Outcome::Problem::exists
                       : error == ENOENT ? Outcome::Problem::missing
                                         : Outcome::Problem::other;
  return {problem, reason(error)};
}

Outcome outcome_of_call(int result) { return result == 0 ? Outcome{} : outcome_of(errno); }

Kind kind_of(const struct stat& status) {
  if (S_ISREG(status.st_mode)) return Kind::file;
  return S_ISDIR(status.st_mode) ? Kind::folder : Kind::other;
}

std::int64_t modified(const struct stat& status) {
  constexpr std::int64_t second = 1'000'000'000;
#if defined(__APPLE__)
  const timespec& time = status.st_mtimespec;
#else
  const timespec& time = status.st_mtim;
#endif
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(time.tv_sec) * second +
                                   static_cast<std::uint64_t>(time.tv_nsec));
}

int number(std::intptr_t handle) { return static_cast<int>(handle); }

}  // namespace

Kind kind_of(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return kind_of(status);
  return errno == ENOENT || errno == ENOTDIR ? Kind::missing : Kind::unknown;
}

std::optional<fs::path> behind_links(const fs::path& path) {
  constexpr int most = 40;  // Linux also follows at most 40 links
  std::error_code ignored;
  fs::path at = path;
  for (int links = 0; fs::is_symlink(at, ignored); ++links) {
    const fs::path to = fs::read_symlink(at, ignored);
    if (links == most || to.empty()) return std::nullopt;
    at = to.is_absolute() ? to : at.parent_path() / to;
  }
  return at;
}

Outcome make_folder(const fs::path& path, bool only_mine) {
  return outcome_of_call(::mkdir(path.c_str(), only_mine ? 0700 : 0777));
}

void remove_folder(const fs::path& path) noexcept { ::rmdir(path.c_str()); }
void remove_file(const fs::path& path) noexcept { ::unlink(path.c_str()); }

OldFile::~OldFile() {
  if (handle_ >= 0) ::close(number(handle_));
}

Outcome OldFile::open(const fs::path& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer. The flag does not affect regular files.
  handle_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  return handle_ < 0 ? outcome_of(errno) : Outcome{};
}

std::optional<OldFile::Facts> OldFile::facts() const {
  struct stat status {};
  if (::fstat(number(handle_), &status) != 0) return std::nullopt;
  return Facts{kind_of(status), static_cast<std::uint64_t>(status.st_size), modified(status)};
}

Outcome OldFile::read_some(std::uint64_t offset, std::span<std::byte>& out,
                           const std::atomic<bool>* cancelled) const {
  for (;;) {
    const ssize_t got =
        ::pread(number(handle_), out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      check_interrupted(cancelled);
      continue;
    }
    if (got < 0) return outcome_of(errno);
    out = out.subspan(static_cast<std::size_t>(got));
    return {};
  }
}

NewFile::~NewFile() { close(); }

Outcome NewFile::create(const fs::path& path) {
  handle_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  return handle_ < 0 ? outcome_of(errno) : Outcome{};
}

Outcome NewFile::write_some(std::span<const std::byte>& bytes, const std::atomic<bool>* cancelled) {
  for (;;) {
    const ssize_t put = ::write(number(handle_), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) {
      check_interrupted(cancelled);
      continue;
    }
    if (put < 0) return outcome_of(errno);
    if (put == 0) return outcome_of(ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    return {};
  }
}

Outcome NewFile::close() {
  if (handle_ < 0) return {};
  return ::close(number(std::exchange(handle_, -1))) == 0 || errno == EINTR ? Outcome{}
                                                                            : outcome_of(errno);
}

Outcome take_rights(const fs::path& made, const fs::path& old) {
  struct stat before {};
  struct stat now {};
  if (::stat(old.c_str(), &before) != 0 || ::stat(made.c_str(), &now) != 0) return {};
  constexpr mode_t all = 0777;
  constexpr mode_t group = 0070;
  constexpr mode_t others = 0007;
  mode_t mode = before.st_mode & all;
  constexpr auto same_owner = static_cast<uid_t>(-1);
  if (now.st_uid != before.st_uid || now.st_gid != before.st_gid) {
    const bool both = ::chown(made.c_str(), before.st_uid, before.st_gid) == 0;
    const bool same_group = both || now.st_gid == before.st_gid ||
                            ::chown(made.c_str(), same_owner, before.st_gid) == 0;
    // If the system refuses the old file's group, the new file keeps its own group. The members of
    // this group then get only the rights that the old file gave to `others`, so that no user gets
    // new rights.
    if (!same_group) mode = (mode & ~group) | ((mode & others) << 3U);
  }
  if (mode == (now.st_mode & all)) return {};
  return outcome_of_call(::chmod(made.c_str(), mode));
}

Outcome can_be_replaced(const fs::path& /*path*/) { return {}; }

Outcome rename(const fs::path& from, const fs::path& to) {
  return outcome_of_call(::rename(from.c_str(), to.c_str()));
}

unsigned long process_number() { return static_cast<unsigned long>(::getpid()); }

}  // namespace system

namespace io {

// --- paths ------------------------------------------------------------------------------------

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
  const std::time_t written = status.st_mtime;
  std::tm today{};
  std::tm then{};
  if (::localtime_r(&now, &today) == nullptr || ::localtime_r(&written, &then) == nullptr) {
    return "";
  }
  std::string clock = fmt::format("{:02}:{:02}", then.tm_hour, then.tm_min);
  if (then.tm_year == today.tm_year && then.tm_yday == today.tm_yday) return clock;
  constexpr int first_year = 1900;
  return fmt::format("{}-{:02}-{:02} {}", then.tm_year + first_year, then.tm_mon + 1, then.tm_mday,
                     clock);
}

fs::path absolute(const fs::path& path) { return fs::absolute(path); }

std::string name_problem(const std::string& /*name*/) { return {}; }

namespace {

std::optional<FileIdentity> identity_of_existing(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return FileIdentity{
      static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino), {}};
}

}  // namespace

FileIdentity identity_of(const fs::path& path) {
  if (auto found = identity_of_existing(path)) return *found;
  // stat() fails if a folder in the path is missing. But "new/../net.pth" leads to net.pth as soon
  // as the folder "new" exists, and a task creates the missing folders of its output. So this
  // function resolves links and "..", and then calls stat() again.
  std::error_code error;
  const fs::path target = system::behind_links(path).value_or(path);
  fs::path full = fs::weakly_canonical(fs::absolute(target, error), error);
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

namespace {

// Waits until the stream has bytes or ends. Throws Error(cancelled) if `cancelled` becomes true.
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
  // Opening a pipe waits for a program that writes. A signal interrupts this wait (EINTR).
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
    if (!result.append({buffer.data(), static_cast<std::size_t>(got)}, most)) return result;
  }
}

}  // namespace io
}  // namespace aether2onnx
