// Files on POSIX systems: writing.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "port/files.h"
#include "port/posix.h"

namespace aether2onnx::io {

namespace fs = std::filesystem;
using posix::check_interrupted;
using posix::reason;
using posix::shown;

namespace {

void check_is_no_special_file(const fs::path& target, const char* example) {
  struct stat status {};
  if (::stat(target.c_str(), &status) != 0) return;
  if (S_ISDIR(status.st_mode)) {
    fail({ErrorKind::io, "file-exists-as-folder", target.string(), "a file name", "a folder"},
         "{}: the path is a folder, so no file can be saved under this name.\n"
         "Give a file name, for example {}.",
         shown(target), shown(target / example));
  }
  if (!S_ISREG(status.st_mode)) {
    fail({ErrorKind::io, "file-not-regular", target.string(), "a file", ""},
         "{}: the path isn't a regular file, so no file can be saved under this name.\n"
         "Give another file name.",
         shown(target));
  }
}

}  // namespace

void check_target(const fs::path& target, const FilesRead& read, const char* example) {
  if (!target.has_filename()) {
    fail({ErrorKind::io, "file-no-name", target.string(), "a file name", "a folder"},
         "{}: the path names a folder.\nGive a file name, for example {}.", shown(target),
         shown(target / example));
  }
  check_is_no_special_file(target, example);
  read.check(target, example);
}

namespace {

// A name that messages suggest in place of `target`.
std::string other_name(const fs::path& target) { return "other" + shown(target.extension()); }

}  // namespace

// One unfinished file, buffered. It is at `path` and will be at `target`, which messages call
// `shown_as`.
class StagedFiles::File final : public Output {
 public:
  File(fs::path path, fs::path target, fs::path shown_as, const FilesRead& read,
       const std::atomic<bool>* cancelled)
      : path_(std::move(path)),
        target_(std::move(target)),
        shown_as_(std::move(shown_as)),
        read_(read),
        cancelled_(cancelled) {
    buffer_.reserve(limits::kChunkBytes);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() override {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (opened_) ::unlink(path_.c_str());
  }

  void write(std::span<const std::byte> bytes) override {
    if (buffer_.size() + bytes.size() > limits::kChunkBytes) flush();
    if (bytes.size() >= limits::kChunkBytes) {
      write_through(bytes);
    } else {
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    }
  }

  void written_by_another() { opened_ = true; }

  void close() {
    flush();
    if (descriptor_ < 0) return;
    const int result = ::close(descriptor_);
    const int error = errno;
    descriptor_ = -1;
    if (result != 0 && error != EINTR) failed(error);
  }

  // Throws Error(io) if the file may not take its place. A file that was not written needs no
  // place.
  void check_place() const {
    if (!opened_) return;
    check_is_no_special_file(target_, other_name(target_).c_str());
    read_.check(target_, other_name(target_).c_str());
  }

  void put_in_place() {
    if (!opened_) return;
    take_mode_and_owner();
    if (::rename(path_.c_str(), target_.c_str()) != 0) cannot_be_placed(errno);
    opened_ = false;
  }

 private:
  // The new file gets the mode of the file that it replaces, and its owner and group if permitted.
  void take_mode_and_owner() const {
    struct stat old {};
    struct stat made {};
    if (::stat(target_.c_str(), &old) != 0 || ::stat(path_.c_str(), &made) != 0) return;
    constexpr mode_t all = 0777;
    constexpr mode_t group = 0070;
    constexpr mode_t others = 0007;
    mode_t mode = old.st_mode & all;
    constexpr auto same_owner = static_cast<uid_t>(-1);
    if (made.st_uid != old.st_uid || made.st_gid != old.st_gid) {
      const bool both = ::chown(path_.c_str(), old.st_uid, old.st_gid) == 0;
      const bool same_group =
          both || made.st_gid == old.st_gid || ::chown(path_.c_str(), same_owner, old.st_gid) == 0;
      // Another group may do no more than everybody.
      if (!same_group) mode = (mode & ~group) | ((mode & others) << 3U);
    }
    if (mode == (made.st_mode & all)) return;
    if (::chmod(path_.c_str(), mode) != 0) cannot_be_placed(errno);
  }

  [[noreturn]] void cannot_be_placed(int error) const {
    fail({ErrorKind::io, "file-rename", target_.string(), "", reason(error)},
         "{}: the finished file can't be put in place: {}.", shown(target_), reason(error));
  }

  void flush() {
    write_through(buffer_);
    buffer_.clear();
  }

  void write_through(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    if (!opened_) {
      opened_ = true;
      check_place();
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ < 0) failed(errno);
    }
    while (!bytes.empty()) {
      const ssize_t put = ::write(descriptor_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) {
        check_interrupted(cancelled_);
        continue;
      }
      if (put < 0) failed(errno);
      if (put == 0) failed(ENOSPC);
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      written_ += static_cast<std::uint64_t>(put);
    }
  }

  [[noreturn]] void failed(int error) const {
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    if (full) {
      fail({ErrorKind::io, "disk-full", shown_as_.string(), "", reason(error)},
           "{}: writing failed after {}: {}.\n"
           "Nothing was saved. Free some space, or give a path on another disk.",
           shown(shown_as_), human_bytes(written_), reason(error));
    }
    fail({ErrorKind::io, "file-write", shown_as_.string(), "", reason(error)},
         "{}: writing failed after {}: {}.\nNothing was saved.", shown(shown_as_),
         human_bytes(written_), reason(error));
  }

  fs::path path_;
  fs::path target_;
  fs::path shown_as_;
  const FilesRead& read_;
  const std::atomic<bool>* cancelled_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;
  int descriptor_ = -1;
  bool opened_ = false;
};

namespace {

[[noreturn]] void no_place(const fs::path& target, const char* what, const fs::path& path,
                           int error) {
  fail({ErrorKind::io, "file-place", path.string(), "", reason(error)},
       "{}: can't {} {}: {}.\nChoose a place that you may write to.", shown(target), what,
       shown(path), reason(error));
}

}  // namespace

CreatedFolders::CreatedFolders(const fs::path& folder, const fs::path& target) {
  std::vector<fs::path> missing;  // outermost first
  for (fs::path at = folder; !at.empty() && !io::exists(at); at = at.parent_path()) {
    if (at.has_filename()) missing.insert(missing.begin(), at);
  }
  for (const fs::path& path : missing) {
    if (::mkdir(path.c_str(), 0777) == 0) {
      created_.insert(created_.begin(), path);
      continue;
    }
    const int error = errno;
    if (error == EEXIST) continue;
    undo();
    no_place(target, "create the folder", path, error);
  }
}

CreatedFolders::~CreatedFolders() { undo(); }

void CreatedFolders::undo() {
  for (const fs::path& folder : created_) {
    if (!kept_) ::rmdir(folder.c_str());
  }
  created_.clear();
}

namespace {

// Follows symbolic links: a link stays, and the file that it points to is replaced or created.
fs::path behind_links(const fs::path& target) {
  constexpr int most = 40;  // Linux follows as many
  std::error_code ignored;
  fs::path at = target;
  for (int links = 0; fs::is_symlink(at, ignored); ++links) {
    const fs::path to = fs::read_symlink(at, ignored);
    if (links == most || to.empty()) {
      fail({ErrorKind::io, "file-link", target.string()},
           "{}: the path is a symbolic link that leads to no file.\nGive another name.",
           shown(target));
    }
    at = to.is_absolute() ? to : at.parent_path() / to;
  }
  return at;
}

}  // namespace

StagedFiles::StagedFiles(const fs::path& target, FilesRead read, const std::atomic<bool>* cancelled)
    : target_(behind_links(target)), read_(std::move(read)) {
  fs::path parent = target_.parent_path();
  if (parent.empty()) parent = ".";
  created_folders_ = std::make_unique<CreatedFolders>(parent, target);
  // Only now "new/../net.pth" leads to net.pth.
  check_target(target_, read_, other_name(target_).c_str());

  // No other conversion has this name: it contains the process's number and a count.
  static std::atomic<unsigned> count = 0;
  for (;;) {
    const fs::path folder = parent / fmt::format(".aether2onnx-{}-{}", ::getpid(), count++);
    if (::mkdir(folder.c_str(), 0700) == 0) {
      folder_ = folder;
      break;
    }
    const int error = errno;
    if (error != EEXIST) no_place(target, "write into", parent, error);
  }
  const fs::path data = parent / external_data_name();
  model_ = std::make_unique<File>(folder_ / target_.filename(), target_, target, read_, cancelled);
  external_data_ =
      std::make_unique<File>(folder_ / external_data_name(), data, data, read_, cancelled);
}

StagedFiles::~StagedFiles() {
  model_.reset();
  external_data_.reset();
  if (!folder_.empty()) ::rmdir(folder_.c_str());
}

Output& StagedFiles::model() { return *model_; }
Output& StagedFiles::external_data() { return *external_data_; }

std::string StagedFiles::external_data_name() const {
  return target_.filename().string() + ".data";
}

void StagedFiles::leave_to_another_program() { model_->written_by_another(); }

void StagedFiles::close() {
  model_->close();
  external_data_->close();
}

fs::path StagedFiles::candidate() const { return folder_ / target_.filename(); }

void StagedFiles::commit() {
  external_data_->check_place();
  model_->check_place();
  // The weights come first: no program may see the model without its weights.
  external_data_->put_in_place();
  model_->put_in_place();
  created_folders_->keep();
}

}  // namespace aether2onnx::io
