// Implements the functions of files.h and system.h on Windows. Every system call is the version for
// UTF-16 and gets an absolute path, which may have any length.

#include <algorithm>
#include <array>
#include <cwctype>

#include "base/error.h"
#include "base/limits.h"
#include "port/files.h"
#include "port/port.h"
#include "port/system.h"
#include "port/windows.h"

// Microsoft documents NtReadFile() in the header ntifs.h, which the compiler does not have.
extern "C" NTSTATUS NTAPI NtReadFile(HANDLE file, HANDLE event, PIO_APC_ROUTINE routine,
                                     void* context, IO_STATUS_BLOCK* done, void* buffer,
                                     ULONG length, LARGE_INTEGER* offset, ULONG* key);

namespace aether2onnx {

namespace fs = std::filesystem;
using system::Kind;
using system::Outcome;
using windows::Handle;
using windows::native;
using windows::reason;

namespace windows {

Handle open_for_questions(const fs::path& path) {
  constexpr DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  return Handle(::CreateFileW(native(path).c_str(), FILE_READ_ATTRIBUTES, share, nullptr,
                              OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr));
}

}  // namespace windows

// --- the functions of system.h ----------------------------------------------------------------

namespace system {

namespace {

using windows::open_for_questions;

bool is_lock(DWORD error) {
  return error == ERROR_SHARING_VIOLATION || error == ERROR_LOCK_VIOLATION ||
         error == ERROR_USER_MAPPED_FILE;
}

bool is_missing(DWORD error) {
  return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND ||
         error == ERROR_INVALID_NAME || error == ERROR_BAD_NETPATH || error == ERROR_BAD_PATHNAME;
}

Outcome outcome_of(DWORD error) {
  using Problem = Outcome::Problem;
  const bool full = error == ERROR_DISK_FULL || error == ERROR_HANDLE_DISK_FULL ||
                    error == ERROR_DISK_QUOTA_EXCEEDED || error == ERROR_FILE_TOO_LARGE;
  const bool exists = error == ERROR_ALREADY_EXISTS || error == ERROR_FILE_EXISTS;
  const Problem problem = full                ? Problem::full
                          : exists            ? Problem::exists
                          : is_lock(error)    ? Problem::in_use
                          : is_missing(error) ? Problem::missing
                                              : Problem::other;
  return {problem, reason(error)};
}

Outcome outcome_of_call(BOOL result) {
  return result != FALSE ? Outcome{} : outcome_of(::GetLastError());
}

Kind kind_of_attributes(DWORD attributes) {
  if ((attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) return Kind::folder;
  return (attributes & FILE_ATTRIBUTE_DEVICE) != 0 ? Kind::other : Kind::file;
}

// Returns the attributes of an open file; nullopt for devices and pipes.
std::optional<BY_HANDLE_FILE_INFORMATION> information_of(HANDLE handle) {
  BY_HANDLE_FILE_INFORMATION information{};
  if (::GetFileType(handle) != FILE_TYPE_DISK) return std::nullopt;
  if (::GetFileInformationByHandle(handle, &information) == FALSE) return std::nullopt;
  return information;
}

// Repeats `call` for about a second while it fails because a file is in use: virus scanners and
// indexing programs open each new file for a short time.
template <typename Call>
Outcome patiently(Call call) {
  constexpr int attempts = 6;
  constexpr DWORD first_wait = 20;  // milliseconds; doubles each time
  for (int attempt = 0;; ++attempt) {
    if (call() != FALSE) return {};
    const DWORD error = ::GetLastError();
    if ((!is_lock(error) && error != ERROR_ACCESS_DENIED) || attempt == attempts) {
      return outcome_of(error);
    }
    ::Sleep(first_wait << static_cast<unsigned>(attempt));
  }
}

constexpr DWORD kNoAttributes = INVALID_FILE_ATTRIBUTES;

// Opens a file for reading. FILE_FLAG_BACKUP_SEMANTICS: a folder can be opened as well.
Handle open_for_reading(const fs::path& path) {
  return Handle(::CreateFileW(native(path).c_str(), GENERIC_READ,
                              FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                              OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr));
}

std::uint64_t joined(DWORD high, DWORD low) { return (std::uint64_t{high} << 32U) | low; }

HANDLE handle_of(std::intptr_t handle) { return reinterpret_cast<HANDLE>(handle); }
std::intptr_t number_of(Handle& handle) {
  return reinterpret_cast<std::intptr_t>(handle.release());
}

}  // namespace

Kind kind_of(const fs::path& path) {
  if (const Handle handle = open_for_questions(path)) {
    const auto information = information_of(handle.get());
    return information ? kind_of_attributes(information->dwFileAttributes) : Kind::other;
  }
  if (is_missing(::GetLastError())) return Kind::missing;
  const DWORD attributes = ::GetFileAttributesW(native(path).c_str());
  return attributes == kNoAttributes ? Kind::unknown : kind_of_attributes(attributes);
}

std::optional<fs::path> behind_links(const fs::path& path) {
  const DWORD attributes = ::GetFileAttributesW(native(path).c_str());
  if (attributes == kNoAttributes || (attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0) return path;
  // The path is a reparse point: a symbolic link or, for example, a file in a cloud folder. Windows
  // opens the file to which the path leads, and returns the path of the opened file.
  const Handle handle = open_for_questions(path);
  if (!handle) return std::nullopt;
  std::wstring name(limits::kChunkBytes / sizeof(wchar_t), L'\0');
  const DWORD length =
      ::GetFinalPathNameByHandleW(handle.get(), name.data(), static_cast<DWORD>(name.size()), 0);
  if (length == 0 || length >= name.size()) return path;
  name.resize(length);
  return fs::path(name);
}

Outcome make_folder(const fs::path& path, bool /*only_mine*/) {
  return outcome_of_call(::CreateDirectoryW(native(path).c_str(), nullptr));
}

void remove_folder(const fs::path& path) noexcept {
  patiently([&] { return ::RemoveDirectoryW(native(path).c_str()); });
}

void remove_file(const fs::path& path) noexcept {
  patiently([&] {
    ::SetFileAttributesW(native(path).c_str(), FILE_ATTRIBUTE_NORMAL);
    const BOOL removed = ::DeleteFileW(native(path).c_str());
    return removed != FALSE || ::GetLastError() == ERROR_FILE_NOT_FOUND ? TRUE : FALSE;
  });
}

OldFile::~OldFile() {
  if (handle_ != -1) ::CloseHandle(handle_of(handle_));
}

Outcome OldFile::open(const fs::path& path) {
  Handle handle = open_for_reading(path);
  if (!handle) return outcome_of(::GetLastError());
  handle_ = number_of(handle);
  return {};
}

std::optional<OldFile::Facts> OldFile::facts() const {
  const auto information = information_of(handle_of(handle_));
  if (!information) return Facts{};
  constexpr std::uint64_t unit = 100;  // nanoseconds; the unit of FILETIME
  const FILETIME& time = information->ftLastWriteTime;
  return Facts{kind_of_attributes(information->dwFileAttributes),
               joined(information->nFileSizeHigh, information->nFileSizeLow),
               static_cast<std::int64_t>(joined(time.dwHighDateTime, time.dwLowDateTime) * unit)};
}

Outcome OldFile::read_some(std::uint64_t offset, std::span<std::byte>& out,
                           const std::atomic<bool>* /*cancelled*/) const {
  constexpr std::size_t most = std::size_t{1} << 30U;
  LARGE_INTEGER at{};
  at.QuadPart = static_cast<LONGLONG>(offset);
  IO_STATUS_BLOCK done{};
  // Two threads may read one file at once, so each read must state its offset. ReadFile() takes an
  // offset only in an OVERLAPPED, and then the system reports the end of each read. Under wine,
  // another process handles these reports, and a conversion took 1.3 times as long as with
  // NtReadFile().
  const NTSTATUS status =
      ::NtReadFile(handle_of(handle_), nullptr, nullptr, nullptr, &done, out.data(),
                   static_cast<ULONG>(std::min(out.size(), most)), &at, nullptr);
  constexpr auto end_of_file = static_cast<NTSTATUS>(0xC0000011);
  if (status == end_of_file) return {};
  if (status < 0) return outcome_of(::RtlNtStatusToDosError(status));
  out = out.subspan(done.Information);
  return {};
}

NewFile::~NewFile() { close(); }

Outcome NewFile::create(const fs::path& path) {
  Handle handle(::CreateFileW(native(path).c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr,
                              CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr));
  if (!handle) return outcome_of(::GetLastError());
  handle_ = number_of(handle);
  return {};
}

Outcome NewFile::write_some(std::span<const std::byte>& bytes,
                            const std::atomic<bool>* /*cancelled*/) {
  constexpr std::size_t most = std::size_t{1} << 30U;
  DWORD put = 0;
  if (::WriteFile(handle_of(handle_), bytes.data(),
                  static_cast<DWORD>(std::min(bytes.size(), most)), &put, nullptr) == FALSE) {
    return outcome_of(::GetLastError());
  }
  if (put == 0) return outcome_of(ERROR_DISK_FULL);
  bytes = bytes.subspan(put);
  return {};
}

Outcome NewFile::close() {
  if (handle_ == -1) return {};
  return outcome_of_call(::CloseHandle(handle_of(std::exchange(handle_, -1))));
}

// Gives the new file `made` the access rights (DACL) of the old file. Before this call, the new
// file has the rights that the file inherited from its folder.
Outcome take_rights(const fs::path& made, const fs::path& old) {
  DWORD size = 0;
  ::GetFileSecurityW(native(old).c_str(), DACL_SECURITY_INFORMATION, nullptr, 0, &size);
  if (size == 0) return {};  // there is no old file, or the file system stores no rights
  std::vector<std::byte> rights(size);
  if (::GetFileSecurityW(native(old).c_str(), DACL_SECURITY_INFORMATION, rights.data(), size,
                         &size) == FALSE) {
    return {};
  }
  return outcome_of_call(
      ::SetFileSecurityW(native(made).c_str(), DACL_SECURITY_INFORMATION, rights.data()));
}

Outcome can_be_replaced(const fs::path& path) {
  const DWORD attributes = ::GetFileAttributesW(native(path).c_str());
  if (attributes != kNoAttributes && (attributes & FILE_ATTRIBUTE_READONLY) != 0) {
    return {Outcome::Problem::read_only, {}};
  }
  const auto open = [&] {
    const Handle handle(::CreateFileW(native(path).c_str(), DELETE,
                                      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                      nullptr, OPEN_EXISTING, 0, nullptr));
    return handle || !is_lock(::GetLastError()) ? TRUE : FALSE;
  };
  return patiently(open);
}

Outcome rename(const fs::path& from, const fs::path& to) {
  return patiently([&] {
    return ::MoveFileExW(native(from).c_str(), native(to).c_str(), MOVEFILE_REPLACE_EXISTING);
  });
}

unsigned long process_number() { return ::GetCurrentProcessId(); }

}  // namespace system

namespace io {

using windows::open_for_questions;

// --- paths ------------------------------------------------------------------------------------

std::optional<std::uint64_t> file_size(const fs::path& path) {
  const Handle handle = open_for_questions(path);
  if (!handle) return std::nullopt;
  const auto information = system::information_of(handle.get());
  if (!information || (information->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
    return std::nullopt;
  }
  return system::joined(information->nFileSizeHigh, information->nFileSizeLow);
}

std::string time_written(const fs::path& path) {
  const Handle handle = open_for_questions(path);
  const auto information = handle ? system::information_of(handle.get()) : std::nullopt;
  SYSTEMTIME written{};
  SYSTEMTIME then{};
  SYSTEMTIME today{};
  if (!information || ::FileTimeToSystemTime(&information->ftLastWriteTime, &written) == FALSE ||
      ::SystemTimeToTzSpecificLocalTime(nullptr, &written, &then) == FALSE) {
    return "";
  }
  ::GetLocalTime(&today);
  const std::string clock = fmt::format("{:02}:{:02}", then.wHour, then.wMinute);
  if (then.wYear == today.wYear && then.wMonth == today.wMonth && then.wDay == today.wDay) {
    return clock;
  }
  return fmt::format("{}-{:02}-{:02} {}", then.wYear, then.wMonth, then.wDay, clock);
}

// Returns why Windows forbids the file name `name`; "" if Windows allows `name`. Source: "Naming
// Files, Paths, and Namespaces" in Microsoft's documentation.
std::string name_problem(const std::string& name) {
  constexpr std::string_view forbidden = "<>:\"/\\|?*";
  if (name.empty() || name == "." || name == "..") return {};
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20) return "the name has a control character";
    if (forbidden.find(c) != std::string_view::npos) {
      return fmt::format("Windows allows no '{}' in names", c);
    }
  }
  if (name.back() == '.' || name.back() == ' ') {
    return "Windows drops a dot or space at the end of a name";
  }
  // Windows ignores the ending after the name of a device: "nul.onnx" also means the device NUL. A
  // superscript digit counts as a digit: "COM¹" is the name of a device, too.
  std::string stem = name.substr(0, name.find('.'));
  stem.erase(stem.find_last_not_of(' ') + 1);
  std::transform(stem.begin(), stem.end(), stem.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  constexpr std::array<std::string_view, 6> devices = {"CON", "PRN",    "AUX",
                                                       "NUL", "CONIN$", "CONOUT$"};
  constexpr std::array<std::string_view, 13> numbers = {
      "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "\xc2\xb9", "\xc2\xb2", "\xc2\xb3"};
  bool device = std::find(devices.begin(), devices.end(), stem) != devices.end();
  if (stem.starts_with("COM") || stem.starts_with("LPT")) {
    device = std::find(numbers.begin(), numbers.end(), stem.substr(3)) != numbers.end();
  }
  return device ? fmt::format("{} is the name of a Windows device", stem) : "";
}

namespace {

std::optional<FileIdentity> identity_of_existing(const fs::path& path) {
  const Handle handle = open_for_questions(path);
  if (!handle) return std::nullopt;
  FILE_ID_INFO id{};
  if (::GetFileInformationByHandleEx(handle.get(), FileIdInfo, &id, sizeof id) != FALSE) {
    std::array<std::uint64_t, 2> parts{};  // NTFS uses only the first part, ReFS uses both
    static_assert(sizeof parts == sizeof id.FileId);
    std::copy_n(reinterpret_cast<const std::byte*>(&id.FileId), sizeof parts,
                reinterpret_cast<std::byte*>(parts.data()));
    return FileIdentity{id.VolumeSerialNumber, parts[0],
                        parts[1] == 0 ? "" : fmt::format("#{}", parts[1])};
  }
  const auto information = system::information_of(handle.get());
  if (!information) return std::nullopt;
  return FileIdentity{information->dwVolumeSerialNumber,
                      system::joined(information->nFileIndexHigh, information->nFileIndexLow),
                      {}};
}

// Returns `name` in capital letters, because Windows ignores the case of letters in file names.
std::string folded(const std::wstring& name) {
  std::wstring upper(name.size(), L'\0');
  const int size = static_cast<int>(name.size());
  if (size == 0 || ::LCMapStringEx(LOCALE_NAME_INVARIANT, LCMAP_UPPERCASE, name.data(), size,
                                   upper.data(), size, nullptr, nullptr, 0) == 0) {
    return windows::narrow(name);
  }
  return windows::narrow(upper);
}

}  // namespace

FileIdentity identity_of(const fs::path& path) {
  if (auto found = identity_of_existing(path)) return *found;
  const fs::path full(native(system::behind_links(path).value_or(path)));
  if (auto folder = identity_of_existing(full.parent_path())) {
    folder->name += folded(full.filename().native());
    return *folder;
  }
  return {0, 0, folded(full.native())};
}

Listing list_folder(const fs::path& folder) {
  Listing listing;
  WIN32_FIND_DATAW entry{};
  const std::wstring pattern = native(folder.empty() ? fs::path(L".") : folder) + L"\\*";
  const HANDLE search = ::FindFirstFileExW(pattern.c_str(), FindExInfoBasic, &entry,
                                           FindExSearchNameMatch, nullptr, 0);
  if (search == INVALID_HANDLE_VALUE) {
    if (::GetLastError() != ERROR_FILE_NOT_FOUND) listing.problem = reason(::GetLastError());
    return listing;
  }
  do {
    const std::wstring_view name = entry.cFileName;
    if (name != L"." && name != L"..") listing.paths.push_back(folder / name);
  } while (::FindNextFileW(search, &entry) != FALSE);
  if (::GetLastError() != ERROR_NO_MORE_FILES) listing.problem = reason(::GetLastError());
  ::FindClose(search);
  std::sort(listing.paths.begin(), listing.paths.end());
  return listing;
}

// --- reading ----------------------------------------------------------------------------------

StreamBytes read_stream(const fs::path& path, std::size_t most,
                        const std::atomic<bool>* cancelled) {
  StreamBytes result;
  const Handle file = system::open_for_reading(path);
  if (!file) {
    result.problem = reason(::GetLastError());
    return result;
  }
  const bool pipe = ::GetFileType(file.get()) == FILE_TYPE_PIPE;
  for (;;) {
    constexpr DWORD step = 20;  // milliseconds
    DWORD ready = 1;
    while (pipe && ::PeekNamedPipe(file.get(), nullptr, 0, nullptr, &ready, nullptr) != FALSE &&
           ready == 0) {
      Context{{}, nullptr, cancelled}.check_cancelled();
      ::Sleep(step);
    }
    Context{{}, nullptr, cancelled}.check_cancelled();
    std::array<char, 4096> buffer{};
    DWORD got = 0;
    const BOOL read =
        ::ReadFile(file.get(), buffer.data(), static_cast<DWORD>(buffer.size()), &got, nullptr);
    const DWORD error = read == FALSE ? ::GetLastError() : ERROR_SUCCESS;
    if (error == ERROR_OPERATION_ABORTED) continue;  // Ctrl-C was pressed at a console
    const bool end = error == ERROR_BROKEN_PIPE || error == ERROR_HANDLE_EOF;
    if (error != ERROR_SUCCESS && !end) result.problem = reason(error);
    if (error != ERROR_SUCCESS || got == 0) return result;
    if (!result.append({buffer.data(), got}, most)) return result;
  }
}

}  // namespace io
}  // namespace aether2onnx
