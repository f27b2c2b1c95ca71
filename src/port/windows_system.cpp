// Implements port.h on Windows, except threads and child programs: the start and end of this
// program, libraries, the console, memory and the environment.

#include "base/text.h"
#include "port/port.h"
#include "port/windows.h"

// <io.h>, a header of the C runtime, must follow <windows.h>, which port/windows.h includes.
#include <io.h>

#include <algorithm>
#include <cstdlib>

namespace aether2onnx::port {

namespace fs = std::filesystem;
using windows::Handle;
using windows::narrow;
using windows::native;
using windows::reason;
using windows::wide;

// --- start and end of the program -------------------------------------------------------------

namespace {

bool has_wildcards(const std::string& name) {
  return name.find_first_of("*?") != std::string::npos;
}

// Returns the sorted paths that match `pattern`, a path with wildcards in its last part.
std::vector<std::string> matches(const fs::path& pattern) {
  std::vector<std::string> found;
  WIN32_FIND_DATAW entry{};
  const std::wstring folder = native(pattern.has_parent_path() ? pattern.parent_path() : L".");
  const std::wstring search = folder + L'\\' + pattern.filename().native();
  const HANDLE handle = ::FindFirstFileExW(search.c_str(), FindExInfoBasic, &entry,
                                           FindExSearchNameMatch, nullptr, 0);
  if (handle == INVALID_HANDLE_VALUE) return found;
  do {
    const std::wstring_view name = entry.cFileName;
    if (name == L"." || name == L"..") continue;
    found.push_back((pattern.parent_path() / name).string());
  } while (::FindNextFileW(handle, &entry) != FALSE);
  ::FindClose(handle);
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::vector<std::string> arguments(int count, char** values) {
  // If a drive is missing, Windows must show no dialog box that waits for a click.
  ::SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX);
  ::SetDllDirectoryW(L"");
  ::SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_APPLICATION_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
  std::vector<std::string> words;
  for (int i = 0; i < count; ++i) {
    const std::string word = values[i];
    const fs::path path = word;
    std::vector<std::string> found;
    if (i > 0 && has_wildcards(path.filename().string()) && !word.starts_with('-') &&
        !has_wildcards(path.parent_path().string())) {
      found = matches(path);
    }
    if (found.empty()) found.push_back(word);
    words.insert(words.end(), found.begin(), found.end());
  }
  return words;
}

void keep_window_open() {
  const HANDLE input = ::GetStdHandle(STD_INPUT_HANDLE);
  DWORD mode = 0;
  DWORD processes[2] = {};
  // Waits for a key only if no other process uses the console: then no shell started this program,
  // and the window closes when this program ends.
  if (::GetConsoleMode(input, &mode) == FALSE || !is_terminal(stdout) ||
      ::GetConsoleProcessList(processes, 2) != 1) {
    return;
  }
  write_text(stdout, "\nPress a key to close this window.");
  ::FlushConsoleInputBuffer(input);
  INPUT_RECORD event{};
  DWORD got = 0;
  while (::ReadConsoleInputW(input, &event, 1, &got) != FALSE && got == 1) {
    if (event.EventType == KEY_EVENT && event.Event.KeyEvent.bKeyDown != FALSE) return;
  }
}

namespace {

constexpr DWORD kControlC = 0xC000013A;   // STATUS_CONTROL_C_EXIT
constexpr ULONGLONG kSameRequest = 1000;  // milliseconds; signals within this time are one request

std::atomic<bool> cancelled = false;
std::atomic<ULONGLONG> first_time = 0;

// The thread in which write_text() writes, or null, and the number of calls of WriteFile() so far.
// If this number does not grow, end_stuck_writes() cancels the current write.
std::atomic<HANDLE> writing = nullptr;
std::atomic<unsigned> writes = 0;

// Runs on a separate thread after the task was cancelled. Cancels each write that takes long, for
// example into a pipe that no program reads.
DWORD WINAPI end_stuck_writes(void* /*unused*/) {
  constexpr DWORD step = 50;  // milliseconds
  unsigned before = 0;
  for (;;) {
    const unsigned now = writes;
    const HANDLE thread = writing;
    if (thread != nullptr && now == before) ::CancelSynchronousIo(thread);
    before = now;
    ::Sleep(step);
  }
}

// Handles Ctrl-C and other console events. Windows calls this function on a separate thread.
BOOL WINAPI cancel_on_event(DWORD event) {
  const bool final = event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT;
  const ULONGLONG now = ::GetTickCount64();
  ULONGLONG first = 0;
  if (first_time.compare_exchange_strong(first, now)) {
    cancelled = true;
    Handle(::CreateThread(nullptr, 0, end_stuck_writes, nullptr, 0, nullptr));
  } else if (!final && now - first >= kSameRequest) {
    windows::end_running_job();
    ::TerminateProcess(::GetCurrentProcess(), kControlC);
  }
  // If the window closes or the session ends, Windows ends this program when the handler returns.
  // So the handler does not return. The other threads see `cancelled`, clean up, and end the
  // program.
  if (final) ::Sleep(INFINITE);
  return TRUE;
}

}  // namespace

const std::atomic<bool>& cancel_on_signals() {
  ::SetConsoleCtrlHandler(cancel_on_event, TRUE);
  return cancelled;
}

void cancel_when_input_ends() {
  const auto watch = [](void* /*unused*/) -> DWORD {
    const HANDLE input = ::GetStdHandle(STD_INPUT_HANDLE);
    char buffer[256];
    DWORD got = 0;
    while (::ReadFile(input, buffer, sizeof buffer, &got, nullptr) != FALSE && got > 0) {
    }
    cancel_on_event(CTRL_C_EVENT);
    return 0;
  };
  Handle(::CreateThread(nullptr, 0, watch, nullptr, 0, nullptr));
}

const std::atomic<bool>& cancelled_by_signal() { return cancelled; }

void end_by_signal() {
  if (cancelled) ::ExitProcess(kControlC);
}

// --- libraries --------------------------------------------------------------------------------

Library load_library(const fs::path& path) {
  // If `path` has a folder, Windows searches this folder for the dependencies of the library. If
  // `path` has no folder, Windows searches this program's folder, then the system's folder. Windows
  // never searches the current folder or PATH.
  const HMODULE module =
      path.has_parent_path()
          ? ::LoadLibraryExW(io::absolute(path).c_str(), nullptr,
                             LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32)
          : ::LoadLibraryExW(path.c_str(), nullptr,
                             LOAD_LIBRARY_SEARCH_APPLICATION_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
  Library library{reinterpret_cast<void*>(module), {}};
  if (module == nullptr) library.problem = reason(::GetLastError());
  return library;
}

void* find_symbol(const Library& library, const char* name) {
  return reinterpret_cast<void*>(::GetProcAddress(reinterpret_cast<HMODULE>(library.handle), name));
}

// --- the program and the machine --------------------------------------------------------------

fs::path program_folder() {
  std::wstring name(MAX_PATH, L'\0');
  for (;;) {
    const DWORD length =
        ::GetModuleFileNameW(nullptr, name.data(), static_cast<DWORD>(name.size()));
    if (length == 0) return {};
    if (length < name.size()) return fs::path(name.substr(0, length)).parent_path();
    name.resize(2 * name.size());
  }
}

std::vector<fs::path> folders_of_path() {
  std::vector<fs::path> folders;
  const std::string path = environment("PATH");
  for (const std::string_view part : split(path, ';')) {
    std::string word(part);
    std::erase(word, '"');
    const fs::path folder = word;
    if (folder.is_absolute()) folders.push_back(folder);
  }
  return folders;
}

std::string environment(const char* name) {
  const std::wstring wide_name = wide(name);
  std::wstring value;
  for (;;) {
    const DWORD length = ::GetEnvironmentVariableW(wide_name.c_str(), value.data(),
                                                   static_cast<DWORD>(value.size()));
    if (length == 0) return {};
    if (length < value.size()) return narrow(std::wstring_view(value).substr(0, length));
    value.resize(length);
  }
}

void set_environment_default(const char* name, const char* value) {
  if (environment(name).empty()) ::_wputenv_s(wide(name).c_str(), wide(value).c_str());
}

namespace {

HANDLE handle_of(std::FILE* stream) {
  return reinterpret_cast<HANDLE>(::_get_osfhandle(::_fileno(stream)));
}

bool write_console(HANDLE console, std::string_view text) {
  const std::wstring units = wide(text);
  constexpr std::size_t most = 8192;  // older consoles accept at most 64 KB at once
  for (std::size_t at = 0; at < units.size();) {
    std::size_t count = std::min(most, units.size() - at);
    const bool splits_pair =
        at + count < units.size() && (units[at + count - 1] & 0xFC00) == 0xD800;
    if (splits_pair) --count;
    DWORD put = 0;
    if (::WriteConsoleW(console, units.data() + at, static_cast<DWORD>(count), &put, nullptr) ==
            FALSE ||
        put == 0) {
      return false;
    }
    at += put;
  }
  return true;
}

bool write_bytes(HANDLE file, std::string_view text) {
  constexpr std::size_t most = 4096;
  while (!text.empty()) {
    DWORD put = 0;
    ++writes;
    if (::WriteFile(file, text.data(), static_cast<DWORD>(std::min(most, text.size())), &put,
                    nullptr) == FALSE) {
      return false;
    }
    text.remove_prefix(put);
  }
  return true;
}

// Stores the current thread in `writing`, for end_stuck_writes(), until the destructor runs.
class Writing {
 public:
  Writing() {
    HANDLE copy = nullptr;
    const HANDLE process = ::GetCurrentProcess();
    if (::DuplicateHandle(process, ::GetCurrentThread(), process, &copy, THREAD_TERMINATE, FALSE,
                          0) != FALSE) {
      thread_ = Handle(copy);
      writing = copy;
    }
  }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  ~Writing() { writing = nullptr; }

 private:
  Handle thread_;
};

}  // namespace

bool write_text(std::FILE* stream, std::string_view text) {
  const HANDLE handle = handle_of(stream);
  if (handle == INVALID_HANDLE_VALUE || handle == nullptr) return false;
  DWORD mode = 0;
  if (::GetConsoleMode(handle, &mode) != FALSE) return write_console(handle, text);
  const Writing guard;
  return write_bytes(handle, text);
}

bool is_terminal(std::FILE* stream) {
  const HANDLE handle = handle_of(stream);
  DWORD mode = 0;
  if (::GetConsoleMode(handle, &mode) == FALSE) return false;
  const DWORD wanted = mode | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING;
  return ::SetConsoleMode(handle, wanted) != FALSE;
}

std::optional<std::uint64_t> available_memory() {
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof status;
  if (::GlobalMemoryStatusEx(&status) == FALSE) return std::nullopt;
  // ullAvailPhys is the RAM that Windows can use without writing other memory to the disk first.
  // ullAvailPageFile is the memory that this process can still commit.
  std::uint64_t least =
      std::min({status.ullAvailPhys, status.ullAvailPageFile, status.ullAvailVirtual});
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  if (::QueryInformationJobObject(nullptr, JobObjectExtendedLimitInformation, &limits,
                                  sizeof limits, nullptr) != FALSE) {
    const DWORD flags = limits.BasicLimitInformation.LimitFlags;
    if ((flags & JOB_OBJECT_LIMIT_PROCESS_MEMORY) != 0) {
      least = std::min<std::uint64_t>(least, limits.ProcessMemoryLimit);
    }
    if ((flags & JOB_OBJECT_LIMIT_JOB_MEMORY) != 0) {
      least = std::min<std::uint64_t>(least, limits.JobMemoryLimit);
    }
  }
  return least;
}

void keep_freed_memory() {}

}  // namespace aether2onnx::port
