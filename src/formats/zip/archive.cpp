#include <zip.h>

#include <algorithm>
#include <exception>
#include <unordered_map>

#include "base/crc32.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/zip/buffered_input.h"
#include "formats/zip/zip.h"

namespace aether2onnx::archive {

namespace {

// libzip's view of an Input. Exceptions must not pass through C code: read() keeps the exception
// here and the caller throws it again once libzip has reported failure.
struct Source {
  const Input* input = nullptr;
  std::uint64_t position = 0;
  zip_error_t error{};
  std::exception_ptr exception;
};

zip_int64_t read_source(Source& source, void* data, zip_uint64_t length) {
  const std::uint64_t left = source.input->size() - source.position;
  const std::uint64_t count = std::min<std::uint64_t>(length, left);
  try {
    source.input->read(source.position, {static_cast<std::byte*>(data), to_size(count)});
  } catch (...) {
    source.exception = std::current_exception();
    zip_error_set(&source.error, ZIP_ER_READ, 0);
    return -1;
  }
  source.position += count;
  return static_cast<zip_int64_t>(count);
}

zip_int64_t stat_source(const Source& source, void* data, zip_uint64_t length) {
  if (length < sizeof(zip_stat_t)) return -1;
  auto* status = static_cast<zip_stat_t*>(data);
  zip_stat_init(status);
  status->size = source.input->size();
  status->valid = ZIP_STAT_SIZE;
  return sizeof(zip_stat_t);
}

zip_int64_t source_callback(void* user, void* data, zip_uint64_t length, zip_source_cmd_t command) {
  auto& source = *static_cast<Source*>(user);
  switch (command) {
    case ZIP_SOURCE_SUPPORTS:
      return ZIP_SOURCE_SUPPORTS_SEEKABLE;
    case ZIP_SOURCE_OPEN:
      source.position = 0;
      return 0;
    case ZIP_SOURCE_READ:
      return read_source(source, data, length);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
      return 0;
    case ZIP_SOURCE_STAT:
      return stat_source(source, data, length);
    case ZIP_SOURCE_ERROR:
      return zip_error_to_data(&source.error, data, length);
    case ZIP_SOURCE_SEEK: {
      const zip_int64_t to = zip_source_seek_compute_offset(source.position, source.input->size(),
                                                            data, length, &source.error);
      if (to < 0) return -1;
      source.position = static_cast<std::uint64_t>(to);
      return 0;
    }
    case ZIP_SOURCE_TELL:
      return static_cast<zip_int64_t>(source.position);
    default:
      zip_error_set(&source.error, ZIP_ER_OPNOTSUPP, 0);
      return -1;
  }
}

struct ArchiveCloser {
  void operator()(zip_t* archive) const noexcept { zip_discard(archive); }
};
struct FileCloser {
  void operator()(zip_file_t* file) const noexcept { zip_fclose(file); }
};

}  // namespace

struct ZipArchive::State {
  State(const Input& input, const Context& of_call) : context(of_call), buffered(input) {
    source.input = &buffered;
  }

  const Context context;
  BufferedInput buffered;
  Source source;
  std::unique_ptr<zip_t, ArchiveCloser> archive;
  std::vector<Entry> entries;
  std::unordered_map<std::string_view, std::size_t> by_name;
  std::vector<std::uint64_t> begins;  // where the entries' bytes lie
  std::vector<bool> crc_checked;

  [[noreturn]] void failed_to_open(zip_error_t& error);
  ZipAudit checked_audit() const;
  [[noreturn]] void damaged(const Entry& entry, const char* what) const;
  void check_sizes(const zip_stat_t& status) const;
  void list_entries();
  void place_entries();
  void read_stored(std::size_t entry, std::uint64_t offset, std::span<std::byte> out);
  std::uint32_t crc_of_stored(std::size_t entry) const;
  zip_file_t* open(std::size_t entry);
  void fill(zip_file_t* file, const Entry& entry, std::span<std::byte> out);
  void check_end(zip_file_t* file, std::size_t entry);
};

namespace {

constexpr const char* kWrongCrc = "its bytes don't match its checksum (CRC-32)";

[[noreturn]] void contradiction(const std::string& what) {
  fail(ErrorKind::malformed,
       "the zip archive is damaged or forged: {}.\n"
       "Download or copy it again, or save it anew with torch.save.",
       what);
}

}  // namespace

void ZipArchive::State::failed_to_open(zip_error_t& error) {
  const int code = zip_error_code_zip(&error);
  const std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (source.exception) std::rethrow_exception(source.exception);
  checked_audit();
  if (code == ZIP_ER_NOZIP) {
    fail(ErrorKind::malformed,
         "the file is cut off, or something was appended to it: it starts as a zip archive (as "
         "PyTorch checkpoints are), but the directory that belongs at its end isn't there.\n"
         "Download or copy it again; it has {}, compare that with the original's size.",
         human_bytes(source.input->size()));
  }
  if (code == ZIP_ER_EXISTS) {
    fail(ErrorKind::malformed,
         "the archive has two entries of one name, so it can't be told which one counts.\n"
         "Save the checkpoint anew with torch.save.");
  }
  contradiction(text);
}

// What libzip takes and other readers take differently.
ZipAudit ZipArchive::State::checked_audit() const {
  ZipAudit audit = audit_zip(*source.input, context);
  for (const ZipIrregularity& irregularity : audit.irregularities) {
    if (irregularity.contradicts) contradiction(irregularity.what);
  }
  return audit;
}

void ZipArchive::State::damaged(const Entry& entry, const char* what) const {
  if (source.exception) std::rethrow_exception(source.exception);
  fail(ErrorKind::malformed,
       "the archive's entry '{}' is damaged: {}.\nDownload or copy the file again.",
       printable(entry.name), what);
}

// Sizes that can't be true, before anything is allocated by them.
void ZipArchive::State::check_sizes(const zip_stat_t& status) const {
  const bool stored = status.comp_method == ZIP_CM_STORE;
  const bool fits = status.comp_size <= source.input->size() &&
                    (stored ? status.size == status.comp_size
                            : status.size / limits::kInflation <= status.comp_size);
  if (fits) return;
  fail(ErrorKind::malformed,
       "the archive's entry '{}' can't have the size that is stated ({} from {} in the file of "
       "{}).\nDownload or copy the file again.",
       printable(status.name), human_bytes(status.size), human_bytes(status.comp_size),
       human_bytes(source.input->size()));
}

void ZipArchive::State::list_entries() {
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  if (count < 0 || static_cast<std::uint64_t>(count) > context.limits.archive_entries) {
    fail(ErrorKind::limit, "the archive has {} entries; at most {} are read.\n{}",
         with_thousands(static_cast<std::uint64_t>(count)),
         with_thousands(context.limits.archive_entries), limits::how_to_raise("archive_entries"));
  }
  entries.reserve(static_cast<std::size_t>(count));
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    zip_stat_t status;
    zip_stat_init(&status);
    constexpr zip_uint64_t wanted =
        ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(archive.get(), i, ZIP_FL_ENC_RAW, &status) != 0 ||
        (status.valid & wanted) != wanted) {
      fail(ErrorKind::malformed, "entry {} of the archive can't be described: {}.", i,
           zip_strerror(archive.get()));
    }
    if ((status.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 &&
        status.encryption_method != ZIP_EM_NONE) {
      fail(ErrorKind::unsupported,
           "the archive is encrypted (entry '{}').\n"
           "Unpack it with its password first, then give the checkpoint that was inside.",
           printable(status.name));
    }
    if (status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE) {
      fail(ErrorKind::unsupported,
           "the archive's entry '{}' is compressed by method {}; only stored and deflated entries "
           "are read.\nSave the checkpoint anew with torch.save.",
           printable(status.name), status.comp_method);
    }
    check_sizes(status);
    entries.push_back({status.name, status.size, status.comp_method == ZIP_CM_STORE,
                       (status.valid & ZIP_STAT_CRC) != 0 ? status.crc : 0});
  }
  crc_checked.resize(entries.size());
  by_name.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!by_name.emplace(entries[i].name, i).second) {
      fail(ErrorKind::malformed,
           "the archive has two entries of one name ('{}'), so it can't be told which one counts.\n"
           "Save the checkpoint anew with torch.save.",
           printable(entries[i].name));
    }
  }
}

// libzip doesn't tell where an entry's bytes begin.
void ZipArchive::State::place_entries() {
  const ZipAudit audit = checked_audit();
  begins.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool known = i < audit.parts.size() && audit.parts[i].name == entries[i].name &&
                       audit.parts[i].stored == entries[i].stored &&
                       (!entries[i].stored || audit.parts[i].size == entries[i].size);
    if (!known) contradiction(fmt::format("its entry {} is read in two ways", i));
    begins.push_back(audit.parts[i].offset);
  }
}

std::uint32_t ZipArchive::State::crc_of_stored(std::size_t entry) const {
  std::vector<std::byte> chunk;
  std::uint32_t crc = 0;
  const std::uint64_t size = entries[entry].size;
  for (std::uint64_t at = 0; at < size; at += chunk.size()) {
    context.check_cancelled();
    chunk.resize(to_size(std::min<std::uint64_t>(size - at, limits::kChunkBytes)));
    buffered.read(begins[entry] + at, chunk);
    crc = crc32(chunk, crc);
  }
  return crc;
}

void ZipArchive::State::read_stored(std::size_t entry, std::uint64_t offset,
                                    std::span<std::byte> out) {
  buffered.read(begins[entry] + offset, out);
  const Entry& described = entries[entry];
  if (crc_checked[entry] || described.crc == 0) return;
  const bool whole = out.size() == described.size;
  if ((whole ? crc32(out) : crc_of_stored(entry)) != described.crc) {
    damaged(described, kWrongCrc);
  }
  crc_checked[entry] = true;
}

zip_file_t* ZipArchive::State::open(std::size_t entry) {
  zip_file_t* file = zip_fopen_index(archive.get(), entry, 0);
  if (file == nullptr) damaged(entries[entry], zip_strerror(archive.get()));
  return file;
}

void ZipArchive::State::fill(zip_file_t* file, const Entry& entry, std::span<std::byte> out) {
  while (!out.empty()) {
    const zip_int64_t got = zip_fread(file, out.data(), out.size());
    if (got < 0) damaged(entry, zip_file_strerror(file));
    if (got == 0) damaged(entry, "it is shorter than the archive's directory says");
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

// libzip compares the CRC when a read finds the end of the entry. A CRC field of 0 stands for "not
// computed", so that read is left out then.
void ZipArchive::State::check_end(zip_file_t* file, std::size_t entry) {
  if (entries[entry].crc == 0) return;
  std::byte beyond{};
  const zip_int64_t got = zip_fread(file, &beyond, 1);
  if (got < 0) {
    const bool crc = zip_error_code_zip(zip_file_get_error(file)) == ZIP_ER_CRC;
    damaged(entries[entry], crc ? kWrongCrc : zip_file_strerror(file));
  }
  if (got > 0) damaged(entries[entry], "it is longer than the archive's directory says");
}

ZipArchive::ZipArchive(const Input& input, const Context& context)
    : state_(std::make_unique<State>(input, context)) {
  State& state = *state_;
  zip_error_init(&state.source.error);
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_function_create(source_callback, &state.source, &error);
  if (source == nullptr) state.failed_to_open(error);
  state.archive.reset(zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error));
  if (!state.archive) {
    zip_source_free(source);
    state.failed_to_open(error);
  }
  zip_error_fini(&error);
  state.list_entries();
  state.place_entries();
}

ZipArchive::~ZipArchive() = default;

const std::vector<Entry>& ZipArchive::entries() const { return state_->entries; }

std::optional<std::size_t> ZipArchive::find(std::string_view name) const {
  const auto found = state_->by_name.find(name);
  if (found == state_->by_name.end()) return std::nullopt;
  return found->second;
}

std::vector<std::byte> ZipArchive::read_all(std::size_t entry, std::uint64_t limit) const {
  const Entry& described = state_->entries.at(entry);
  if (described.size > limit) {
    fail(ErrorKind::limit, "the archive's entry '{}' has {}; at most {} are read.",
         printable(described.name), human_bytes(described.size), human_bytes(limit));
  }
  // A compressed entry may promise more than it holds, but no more than `limit` is ever allocated.
  std::vector<std::byte> bytes(to_size(described.size));
  read(entry, 0, bytes);
  return bytes;
}

void ZipArchive::read(std::size_t entry, std::uint64_t offset, std::span<std::byte> out) const {
  State& state = *state_;
  const Entry& described = state.entries.at(entry);
  require(offset <= described.size && out.size() <= described.size - offset,
          "read beyond the end of an archive's entry");
  if (described.stored) {
    state.read_stored(entry, offset, out);
    return;
  }
  const std::unique_ptr<zip_file_t, FileCloser> file(state.open(entry));
  std::vector<std::byte> skipped;
  const auto skip = [&](std::uint64_t count) {
    while (count > 0) {
      state.context.check_cancelled();
      skipped.resize(to_size(std::min<std::uint64_t>(count, limits::kChunkBytes)));
      state.fill(file.get(), described, skipped);
      count -= skipped.size();
    }
  };
  skip(offset);
  state.fill(file.get(), described, out);
  if (state.crc_checked[entry]) return;
  skip(described.size - offset - out.size());
  state.check_end(file.get(), entry);
  state.crc_checked[entry] = true;
}

}  // namespace aether2onnx::archive
