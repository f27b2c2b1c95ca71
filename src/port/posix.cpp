// The one file with operating-system calls on POSIX systems.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "port/files.h"

namespace aether2onnx {

namespace fs = std::filesystem;

namespace {

std::string reason(int error) { return std::generic_category().message(error); }

std::string shown(const fs::path& path) { return printable(path.string(), 4096); }

std::int64_t modified(const struct stat& status) {
  constexpr std::int64_t second = 1'000'000'000;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(status.st_mtim.tv_sec) * second +
                                   static_cast<std::uint64_t>(status.st_mtim.tv_nsec));
}

}  // namespace

// --- reading ----------------------------------------------------------------------------------

FileInput::FileInput(const fs::path& path) : path_(path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer. It means nothing for regular files.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    const int error = errno;
    if (error == ENOENT) {
      fail(ErrorKind::io, "{}: there is no such file.\nCheck the path; it is relative to {}.",
           shown(path), shown(fs::current_path()));
    }
    fail(ErrorKind::io, "{}: can't be opened for reading: {}.", shown(path), reason(error));
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    const bool folder = S_ISDIR(status.st_mode);
    ::close(descriptor_);
    descriptor_ = -1;
    fail(ErrorKind::io, "{}: {}.\nGive the path of a checkpoint file (.pth).", shown(path),
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
  fail(ErrorKind::io,
       "{}: changed while it was being read.\n"
       "Something else is writing to it; try again when that is done.",
       shown(path_));
}

FileInput::~FileInput() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileInput::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      fail(ErrorKind::io, "{}: reading failed at byte {}: {}.", shown(path_), offset,
           reason(errno));
    }
    if (got == 0) {
      fail(ErrorKind::io,
           "{}: ended at byte {} of {} while it was being read.\n"
           "Something else is writing to it; try again when that is done.",
           shown(path_), offset, size_);
    }
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

std::unique_ptr<Input> io::FolderSiblings::open(const std::string& name) const {
  const fs::path path = folder_ / name;
  std::error_code error;
  if (fs::status(path, error).type() == fs::file_type::not_found) return nullptr;
  return std::make_unique<FileInput>(path);
}

// --- writing ----------------------------------------------------------------------------------

namespace io {

namespace {

void check_is_no_special_file(const fs::path& target, const char* example) {
  struct stat status {};
  if (::stat(target.c_str(), &status) != 0) return;
  if (S_ISDIR(status.st_mode)) {
    fail(ErrorKind::io,
         "{}: is a folder, so the model can't be saved under this name.\n"
         "Give a file name, for example {}.",
         shown(target), shown(target / example));
  }
  if (!S_ISREG(status.st_mode)) {
    fail(ErrorKind::io,
         "{}: isn't a regular file, so it can't be replaced by the model.\n"
         "Give the name of an ordinary file.",
         shown(target));
  }
}

}  // namespace

void check_target(const fs::path& target, const fs::path& source, const char* example) {
  if (!target.has_filename()) {
    fail(ErrorKind::io, "{}: names a folder.\nGive a file name, for example {}.", shown(target),
         shown(target / example));
  }
  check_is_no_special_file(target, example);
  std::error_code ignored;
  if (fs::equivalent(target, source, ignored)) {
    fail(ErrorKind::io,
         "{}: is the input itself, which is never overwritten.\n"
         "Give another name for the output, for example {}.",
         shown(target), example);
  }
}

// One file under way, buffered.
class StagedFiles::File final : public Output {
 public:
  File(fs::path path, fs::path shown_as) : path_(std::move(path)), shown_as_(std::move(shown_as)) {
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

  void rename_to(const fs::path& target) {
    if (!opened_) return;
    if (::rename(path_.c_str(), target.c_str()) != 0) {
      fail(ErrorKind::io, "{}: the finished file can't be put in place: {}.", shown(target),
           reason(errno));
    }
    opened_ = false;
  }

  bool exists() const { return opened_; }

 private:
  void flush() {
    write_through(buffer_);
    buffer_.clear();
  }

  void write_through(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    if (!opened_) {
      opened_ = true;
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ < 0) failed(errno);
    }
    while (!bytes.empty()) {
      const ssize_t put = ::write(descriptor_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) failed(errno);
      if (put == 0) failed(ENOSPC);
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      written_ += static_cast<std::uint64_t>(put);
    }
  }

  [[noreturn]] void failed(int error) const {
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    fail(ErrorKind::io, "{}: writing failed after {}: {}.\n{}", shown(shown_as_),
         human_bytes(written_), reason(error),
         full ? "Nothing was saved. Free some space, or give a path on another disk."
              : "Nothing was saved.");
  }

  fs::path path_;
  fs::path shown_as_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;
  int descriptor_ = -1;
  bool opened_ = false;
};

namespace {

[[noreturn]] void no_place(const fs::path& target, const char* what, const fs::path& path,
                           int error) {
  fail(ErrorKind::io, "{}: {} {}: {}.\nChoose a place that you may write to.", shown(target), what,
       shown(path), reason(error));
}

}  // namespace

CreatedFolders::CreatedFolders(const fs::path& folder, const fs::path& target) {
  std::error_code ignored;
  std::vector<fs::path> missing;  // outermost first
  for (fs::path at = folder; !at.empty() && !fs::exists(at, ignored); at = at.parent_path()) {
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
    no_place(target, "can't create the folder", path, error);
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

// Through a symbolic link the file that it points to is replaced or made, not the link.
fs::path behind_links(const fs::path& target) {
  constexpr int most = 40;  // as Linux follows
  std::error_code ignored;
  fs::path at = target;
  for (int links = 0; fs::is_symlink(at, ignored); ++links) {
    const fs::path to = fs::read_symlink(at, ignored);
    if (links == most || to.empty()) {
      fail(ErrorKind::io, "{}: is a symbolic link that leads to no file.\nGive another name.",
           shown(target));
    }
    at = to.is_absolute() ? to : at.parent_path() / to;
  }
  return at;
}

}  // namespace

StagedFiles::StagedFiles(const fs::path& target) {
  target_ = behind_links(target);
  fs::path parent = target_.parent_path();
  if (parent.empty()) parent = ".";
  created_folders_ = std::make_unique<CreatedFolders>(parent, target);

  // A name that no other conversion has: this process's number and a count.
  static std::atomic<unsigned> count = 0;
  for (;;) {
    const fs::path folder = parent / fmt::format(".aether2onnx-{}-{}", ::getpid(), count++);
    if (::mkdir(folder.c_str(), 0700) == 0) {
      folder_ = folder;
      break;
    }
    const int error = errno;
    if (error != EEXIST) no_place(target, "can't write into", parent, error);
  }
  model_ = std::make_unique<File>(folder_ / target_.filename(), target);
  external_data_ =
      std::make_unique<File>(folder_ / external_data_name(), parent / external_data_name());
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
  // The weights first: a model must not be seen without them.
  external_data_->rename_to(target_.parent_path() / external_data_name());
  model_->rename_to(target_);
  created_folders_->keep();
}

}  // namespace io
}  // namespace aether2onnx
