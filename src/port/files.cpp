// Implements the functions of files.h that are the same on all systems: they find out which files
// are inputs, read files and save files.

#include "port/files.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "port/system.h"

namespace aether2onnx {

std::unique_ptr<Input> open_file(const std::filesystem::path& path) {
  return std::make_unique<io::FileInput>(path);
}

namespace io {

namespace fs = std::filesystem;
using system::Kind;
using system::Outcome;
using system::shown;

// --- paths ------------------------------------------------------------------------------------

bool exists(const fs::path& path) {
  const Kind kind = system::kind_of(path);
  return kind != Kind::missing && kind != Kind::unknown;
}

bool is_file(const fs::path& path) { return system::kind_of(path) == Kind::file; }

bool is_folder(const fs::path& path) { return system::kind_of(path) == Kind::folder; }

FilesRead::FilesRead(std::span<const fs::path> paths) {
  for (const fs::path& path : paths) add(path);
}

void FilesRead::add(const fs::path& path) { files_.emplace_back(identity_of(path), path); }

void FilesRead::check(const fs::path& target, const char* example) const {
  const FileIdentity identity = identity_of(target);
  const auto is_target = [&](const auto& file) {
    // Another program may have replaced the input file after add() put the path of this file into
    // the list. So this function compares the output `target` with both files: the file that was
    // at this path at the time of add(), and the file that is at this path now.
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

// --- reading ----------------------------------------------------------------------------------

FileInput::FileInput(const fs::path& path, const std::atomic<bool>* cancelled)
    : path_(path), file_(std::make_unique<system::OldFile>()), cancelled_(cancelled) {
  const Outcome opened = file_->open(path);
  if (opened.problem == Outcome::Problem::missing) {
    fail({ErrorKind::io, "file-missing", path.string()},
         "{}: there is no such file.\nCheck the path. Relative paths start in {}.", shown(path),
         shown(io::absolute(path.filename()).parent_path()));
  }
  if (opened.problem == Outcome::Problem::in_use) {
    fail({ErrorKind::io, "file-locked", path.string(), "", opened.text},
         "{}: another program has locked the file: {}.\n"
         "Close the file in that program.",
         shown(path), opened.text);
  }
  if (opened.failed()) {
    fail({ErrorKind::io, "file-unreadable", path.string(), "", opened.text},
         "{}: the file can't be opened for reading: {}.", shown(path), opened.text);
  }
  const auto facts = file_->facts();
  if (!facts || facts->kind != Kind::file) {
    const bool folder = facts && facts->kind == Kind::folder;
    fail({ErrorKind::io, "file-not-regular", path.string(), "a file", folder ? "a folder" : ""},
         "{}: the path {}.\nGive the path of a checkpoint file (.pth).", shown(path),
         folder ? "is a folder, not a file" : "isn't a regular file");
  }
  size_ = facts->size;
  modified_ = facts->modified;
}

FileInput::~FileInput() = default;

void FileInput::check_unchanged() const {
  const auto facts = file_->facts();
  if (facts && facts->size == size_ && facts->modified == modified_) return;
  fail({ErrorKind::io, "file-changed", path_.string()},
       "{}: the file changed while it was being read.\n"
       "Another program is writing to the file. Try again when that program is done.",
       shown(path_));
}

void FileInput::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const std::size_t before = out.size();
    const Outcome got = file_->read_some(offset, out, cancelled_);
    if (got.failed()) {
      fail({ErrorKind::io, "file-read", path_.string(), "", got.text},
           "{}: reading failed at byte {}: {}.", shown(path_), offset, got.text);
    }
    if (out.size() == before) {
      fail({ErrorKind::io, "file-cut", path_.string(), fmt::format("{} bytes", size_),
            fmt::format("{} bytes", offset)},
           "{}: the file ended at byte {} of {} while it was being read.\n"
           "Another program is writing to the file. Try again when that program is done.",
           shown(path_), offset, size_);
    }
    offset += before - out.size();
  }
}

std::unique_ptr<Input> FolderSiblings::open(const std::string& name) const {
  const fs::path path = folder_ / name;
  if (system::kind_of(path) == Kind::missing) return nullptr;
  auto input = std::make_unique<FileInput>(path, cancelled_);
  opened_.push_back(path);
  return input;
}

bool StreamBytes::append(std::string_view more, std::size_t most) {
  too_long = more.size() > most - bytes.size();
  bytes.append(more.substr(0, most - bytes.size()));
  return !too_long;
}

// --- writing ----------------------------------------------------------------------------------

namespace {

void check_is_no_special_file(const fs::path& target, const char* example) {
  const Kind kind = system::kind_of(target);
  if (kind == Kind::folder) {
    fail({ErrorKind::io, "file-exists-as-folder", target.string(), "a file name", "a folder"},
         "{}: the path is a folder, so no file can be saved under this name.\n"
         "Give a file name, for example {}.",
         shown(target), shown(target / example));
  }
  if (kind == Kind::other) {
    fail({ErrorKind::io, "file-not-regular", target.string(), "a file", ""},
         "{}: the path isn't a regular file, so no file can be saved under this name.\n"
         "Give another file name.",
         shown(target));
  }
}

void check_name(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string problem = name_problem(name);
  if (problem.empty()) return;
  fail({ErrorKind::io, "file-name", path.string(), "", name},
       "{}: the system does not allow a file with this name: {}.\nGive another name.", shown(path),
       problem);
}

[[noreturn]] void in_use(const fs::path& path) {
  fail({ErrorKind::io, "file-in-use", path.string()},
       "{}: another program has the file open, so it can't be replaced.\n"
       "Close the file in that program (a player, an editor, an engine build), or give another "
       "name.",
       shown(path));
}

void check_can_be_replaced(const fs::path& target) {
  const Outcome outcome = system::can_be_replaced(target);
  if (outcome.problem == Outcome::Problem::in_use) in_use(target);
  if (outcome.problem == Outcome::Problem::read_only) {
    fail({ErrorKind::io, "file-read-only", target.string()},
         "{}: the file is marked as read-only, so it isn't replaced.\n"
         "Remove the read-only mark, or give another name.",
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
  check_name(target);
  check_is_no_special_file(target, example);
  read.check(target, example);
  check_can_be_replaced(target);
}

namespace {

// Returns a file name that messages suggest instead of `target`.
std::string other_name(const fs::path& target) { return "other" + shown(target.extension()); }

}  // namespace

// One unfinished output file, with a buffer. The file is at `path` until put_in_place() renames the
// file to `target`. Error messages about writing name the path `shown_as`.
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
    file_.close();
    if (opened_) system::remove_file(path_);
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
    const Outcome closed = file_.close();
    if (closed.failed()) failed(closed);
  }

  // Throws Error(io) if `target_` is a folder, a special file or an input of the task, or if the
  // system does not allow to replace the file `target_`. Does nothing if no file was written.
  void check_place() const {
    if (!opened_) return;
    check_is_no_special_file(target_, other_name(target_).c_str());
    read_.check(target_, other_name(target_).c_str());
    check_can_be_replaced(target_);
  }

  void put_in_place() {
    if (!opened_) return;
    // The new file gets the rights of the old file, so that the same users can read the new file.
    const Outcome rights = system::take_rights(path_, target_);
    if (rights.failed()) cannot_be_placed(rights);
    const Outcome renamed = system::rename(path_, target_);
    if (renamed.failed()) cannot_be_placed(renamed);
    opened_ = false;
  }

 private:
  [[noreturn]] void cannot_be_placed(const Outcome& why) const {
    if (why.problem == Outcome::Problem::in_use) in_use(target_);
    fail({ErrorKind::io, "file-rename", target_.string(), "", why.text},
         "{}: the finished file can't be saved under this name: {}.", shown(target_), why.text);
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
      const Outcome created = file_.create(path_);
      if (created.failed()) failed(created);
    }
    while (!bytes.empty()) {
      const std::size_t before = bytes.size();
      const Outcome put = file_.write_some(bytes, cancelled_);
      if (put.failed()) failed(put);
      written_ += before - bytes.size();
    }
  }

  [[noreturn]] void failed(const Outcome& why) const {
    if (why.problem == Outcome::Problem::full) {
      fail({ErrorKind::io, "disk-full", shown_as_.string(), "", why.text},
           "{}: writing failed after {}: {}.\n"
           "Nothing was saved. Free some space, or give a path on another disk.",
           shown(shown_as_), human_bytes(written_), why.text);
    }
    fail({ErrorKind::io, "file-write", shown_as_.string(), "", why.text},
         "{}: writing failed after {}: {}.\nNothing was saved.", shown(shown_as_),
         human_bytes(written_), why.text);
  }

  fs::path path_;
  fs::path target_;
  fs::path shown_as_;
  const FilesRead& read_;
  const std::atomic<bool>* cancelled_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;
  system::NewFile file_;
  bool opened_ = false;
};

namespace {

[[noreturn]] void no_place(const fs::path& target, const char* what, const fs::path& path,
                           const std::string& why) {
  fail({ErrorKind::io, "file-place", path.string(), "", why},
       "{}: can't {} {}: {}.\nChoose a folder that you may write to.", shown(target), what,
       shown(path), why);
}

}  // namespace

CreatedFolders::CreatedFolders(const fs::path& folder, const fs::path& target) {
  std::vector<fs::path> missing;  // the outermost folder first
  for (fs::path at = folder; at.has_relative_path() && !io::exists(at); at = at.parent_path()) {
    if (at.has_filename()) missing.insert(missing.begin(), at);
  }
  for (const fs::path& path : missing) {
    if (const std::string problem = name_problem(path.filename().string()); !problem.empty()) {
      undo();
      no_place(target, "create the folder", path, problem);
    }
    const Outcome made = system::make_folder(path, false);
    if (!made.failed()) created_.insert(created_.begin(), path);
    if (!made.failed() || made.problem == Outcome::Problem::exists) continue;
    undo();
    no_place(target, "create the folder", path, made.text);
  }
}

CreatedFolders::~CreatedFolders() { undo(); }

void CreatedFolders::undo() {
  for (const fs::path& folder : created_) {
    if (!kept_) system::remove_folder(folder);
  }
  created_.clear();
}

namespace {

// Returns the path to which the symbolic link `target` leads, so that the link remains, and the
// file behind the link is replaced or created. Returns `target` itself if the path is no link.
fs::path behind_links(const fs::path& target) {
  if (auto file = system::behind_links(target)) return *file;
  fail({ErrorKind::io, "file-link", target.string()},
       "{}: the path is a symbolic link that leads to no file.\nGive another name.", shown(target));
}

}  // namespace

StagedFiles::StagedFiles(const fs::path& target, FilesRead read, const std::atomic<bool>* cancelled)
    : target_(behind_links(target)), read_(std::move(read)) {
  fs::path parent = target_.parent_path();
  if (parent.empty()) parent = ".";
  created_folders_ = std::make_unique<CreatedFolders>(parent, target);
  // check_target() must follow the creation of folders, because the system can look up a path such
  // as "new/../net.pth" only if the folder "new" exists.
  check_target(target_, read_, other_name(target_).c_str());

  // The name of the temporary folder contains the number of this process and a count, so that
  // another conversion never uses this folder.
  static std::atomic<unsigned> count = 0;
  for (;;) {
    const fs::path folder =
        parent / fmt::format(".aether2onnx-{}-{}", system::process_number(), count++);
    const Outcome made = system::make_folder(folder, true);
    if (!made.failed()) {
      folder_ = folder;
      break;
    }
    if (made.problem != Outcome::Problem::exists) no_place(target, "write into", parent, made.text);
  }
  const fs::path data = parent / external_data_name();
  model_ = std::make_unique<File>(folder_ / target_.filename(), target_, target, read_, cancelled);
  external_data_ =
      std::make_unique<File>(folder_ / external_data_name(), data, data, read_, cancelled);
}

StagedFiles::~StagedFiles() {
  model_.reset();
  external_data_.reset();
  if (!folder_.empty()) system::remove_folder(folder_);
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
  // Renames the weights first, so that no program sees the model file without the weights.
  external_data_->put_in_place();
  model_->put_in_place();
  created_folders_->keep();
}

}  // namespace io
}  // namespace aether2onnx
