// Files on POSIX systems.

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

bool are_same(const fs::path& one, const fs::path& other) {
  std::error_code ignored;
  return fs::equivalent(one, other, ignored);
}

std::optional<std::uint64_t> file_size(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return std::nullopt;
  return size;
}

fs::path absolute(const fs::path& path) { return fs::absolute(path); }

fs::path without_links(const fs::path& path) {
  std::error_code ignored;
  return fs::weakly_canonical(fs::absolute(path), ignored);
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

FileInput::FileInput(const fs::path& path) : path_(path) {
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
    if (got < 0 && errno == EINTR) continue;
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
  return std::make_unique<FileInput>(path);
}

// --- writing ----------------------------------------------------------------------------------

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

void check_target(const fs::path& target, const fs::path& source, const char* example) {
  if (!target.has_filename()) {
    fail({ErrorKind::io, "file-no-name", target.string(), "a file name", "a folder"},
         "{}: the path names a folder.\nGive a file name, for example {}.", shown(target),
         shown(target / example));
  }
  check_is_no_special_file(target, example);
  if (are_same(target, source)) {
    fail({ErrorKind::io, "file-is-input", target.string()},
         "{}: the output is the input itself, which is never overwritten.\n"
         "Give another name for the output, for example {}.",
         shown(target), example);
  }
}

// One unfinished file, buffered.
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
      const int error = errno;
      fail({ErrorKind::io, "file-rename", target.string(), "", reason(error)},
           "{}: the finished file can't be put in place: {}.", shown(target), reason(error));
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
  fs::path shown_as_;
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

StagedFiles::StagedFiles(const fs::path& target) {
  target_ = behind_links(target);
  fs::path parent = target_.parent_path();
  if (parent.empty()) parent = ".";
  created_folders_ = std::make_unique<CreatedFolders>(parent, target);

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
  // The weights come first: no program may see the model without its weights.
  external_data_->rename_to(target_.parent_path() / external_data_name());
  model_->rename_to(target_);
  created_folders_->keep();
}

}  // namespace io
}  // namespace aether2onnx
