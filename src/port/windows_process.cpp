// Runs child programs on Windows. A child and all programs that the child starts are in a job
// object. Windows ends all programs in the job when this process ends, whatever the reason is.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "port/port.h"
#include "port/system.h"
#include "port/windows.h"

namespace aether2onnx::port {

using system::shown;
using windows::Handle;
using windows::native;
using windows::reason;
using windows::wide;

namespace {

using Clock = std::chrono::steady_clock;

// The job object and the process of the running child program; null if no child runs. The handler
// of console events reads `job`.
std::atomic<HANDLE> job = nullptr;
std::atomic<HANDLE> running = nullptr;
DWORD running_number = 0;

// Returns one argument, quoted for a command line that CommandLineToArgvW() and the C runtime split
// into arguments.
std::wstring quoted(const std::string& word) {
  const std::wstring text = wide(word);
  if (!text.empty() && text.find_first_of(L" \t\n\v\"") == std::wstring::npos) return text;
  std::wstring line = L"\"";
  std::size_t backslashes = 0;
  for (const wchar_t c : text) {
    // Doubles the backslashes before a quotation mark. One more backslash escapes the quotation
    // mark.
    if (c == L'"') line.append(backslashes + 1, L'\\');
    backslashes = c == L'\\' ? backslashes + 1 : 0;
    line += c;
  }
  return line.append(backslashes, L'\\') + L'"';
}

Handle open_nul() {
  return Handle(::CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING, 0,
                              nullptr));
}

Handle make_job() {
  Handle made(::CreateJobObjectW(nullptr, nullptr));
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
  ::SetInformationJobObject(made.get(), JobObjectExtendedLimitInformation, &limits, sizeof limits);
  return made;
}

// The settings for a new child program. The child inherits the given handles and no others.
class Inherited {
 public:
  Inherited(HANDLE input, HANDLE output, HANDLE errors) {
    handles_ = {input, output};
    if (errors != output) handles_.push_back(errors);
    for (const HANDLE handle : handles_) {
      ::SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    }
    SIZE_T size = 0;
    ::InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
    memory_.resize(size);
    info_.lpAttributeList = reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(memory_.data());
    ::InitializeProcThreadAttributeList(info_.lpAttributeList, 1, 0, &size);
    ::UpdateProcThreadAttribute(info_.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                handles_.data(), handles_.size() * sizeof(HANDLE), nullptr,
                                nullptr);
    info_.StartupInfo.cb = sizeof info_;
    info_.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    info_.StartupInfo.hStdInput = input;
    info_.StartupInfo.hStdOutput = output;
    info_.StartupInfo.hStdError = errors;
  }
  Inherited(const Inherited&) = delete;
  Inherited& operator=(const Inherited&) = delete;
  ~Inherited() { ::DeleteProcThreadAttributeList(info_.lpAttributeList); }
  STARTUPINFOW* info() { return &info_.StartupInfo; }

 private:
  std::vector<HANDLE> handles_;
  std::vector<std::byte> memory_;
  STARTUPINFOEXW info_{};
};

// Starts a child program. Stores its process in `running` and its job object in `job`. Returns 0 or
// an error number.
DWORD start(const std::vector<std::string>& words, HANDLE output, HANDLE errors) {
  std::wstring line;
  for (const std::string& word : words) line += (line.empty() ? L"" : L" ") + quoted(word);
  const Handle nul = open_nul();
  Inherited inherited(nul.get(), output, errors == INVALID_HANDLE_VALUE ? nul.get() : errors);
  // The child is in a process group of its own: Ctrl-C then reaches only this program, which ends
  // the child. If this program has no console, a child without CREATE_NO_WINDOW opens a window.
  const bool has_console = ::GetConsoleCP() != 0;
  const DWORD flags = CREATE_SUSPENDED | EXTENDED_STARTUPINFO_PRESENT | CREATE_NEW_PROCESS_GROUP |
                      (has_console ? 0 : CREATE_NO_WINDOW);
  // The path of the child program is complete: Windows appends no ".exe" and searches no folder.
  const std::wstring program = native(std::filesystem::path(words.front()));
  PROCESS_INFORMATION process{};
  Handle made = make_job();
  if (::CreateProcessW(program.c_str(), line.data(), nullptr, nullptr, TRUE, flags, nullptr,
                       nullptr, inherited.info(), &process) == FALSE) {
    return ::GetLastError();
  }
  const Handle thread(process.hThread);
  ::AssignProcessToJobObject(made.get(), process.hProcess);
  running_number = process.dwProcessId;
  job = made.release();
  running = process.hProcess;
  ::ResumeThread(thread.get());
  return ERROR_SUCCESS;
}

// Ends the child program and all programs that the child started. Sets `job` and `running` to null,
// because no child runs any more.
void forget() noexcept {
  constexpr UINT ended = 1;
  const Handle ending(job.exchange(nullptr));
  const Handle process(running.exchange(nullptr));
  if (ending) ::TerminateJobObject(ending.get(), ended);
  // The files that the child has open can be removed only after the child has ended.
  constexpr DWORD patience = 5000;
  if (process) ::WaitForSingleObject(process.get(), patience);
}

// Returns how a program with the exit code `code` ended. The exit code of a crash is an NTSTATUS
// value. Source: NTSTATUS values in Microsoft's [MS-ERREF].
ProcessEnd end_of(DWORD code) {
  struct Name {
    DWORD code;
    const char* text;
    bool crash;
  };
  constexpr std::array<Name, 9> names = {{{0xC0000005, "access violation", true},
                                          {0xC00000FD, "stack overflow", true},
                                          {0xC000001D, "illegal instruction", true},
                                          {0xC0000094, "division by zero", true},
                                          {0xC0000374, "damaged heap", true},
                                          {0xC0000409, "failed check", true},
                                          {0xC0000135, "a DLL is missing", false},
                                          {0xC0000139, "a DLL has the wrong version", false},
                                          {0xC000013A, "Ctrl-C", false}}};
  constexpr DWORD severe = 0xC0000000;
  ProcessEnd end;
  if ((code & severe) != severe) {
    end.exit_code = static_cast<int>(code);
    return end;
  }
  const auto* known =
      std::find_if(names.begin(), names.end(), [&](const Name& name) { return name.code == code; });
  const bool found = known != names.end();
  end.signal = fmt::format("exception {:#010X} ({})", code, found ? known->text : "unknown");
  end.crashed = !found || known->crash;
  return end;
}

std::optional<ProcessEnd> reap() {
  const HANDLE process = running;
  DWORD code = 0;
  if (process == nullptr || ::WaitForSingleObject(process, 0) != WAIT_OBJECT_0 ||
      ::GetExitCodeProcess(process, &code) == FALSE) {
    return std::nullopt;
  }
  forget();
  return end_of(code);
}

// Ends the running child program at the end of a scope.
struct Killer {
  Killer() = default;
  Killer(const Killer&) = delete;
  Killer& operator=(const Killer&) = delete;
  ~Killer() { forget(); }
};

[[noreturn]] void cannot_log(const std::filesystem::path& log, const std::string& why) {
  fail({ErrorKind::io, "file-log", shown(log)},
       "{}: the log can't be written here: {}.\nGive another path with {}.", shown(log), why,
       option("log"));
}

// Opens the log file. Before emptying an old log, checks that the old log is a regular file and is
// not in `read`, the list of files that the task reads.
Handle open_log(const std::filesystem::path& log, const io::FilesRead& read) {
  const std::string problem = io::name_problem(log.filename().string());
  if (!problem.empty()) cannot_log(log, problem);
  Handle file(::CreateFileW(native(log).c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr,
                            OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr));
  if (!file) cannot_log(log, reason(::GetLastError()));
  read.check(log, "model.engine.log");
  if (::GetFileType(file.get()) != FILE_TYPE_DISK) {
    cannot_log(log, "the path isn't a regular file");
  }
  if (::SetEndOfFile(file.get()) == FALSE) cannot_log(log, reason(::GetLastError()));
  return file;
}

}  // namespace

Process::Process(const std::vector<std::string>& words, const std::filesystem::path& log,
                 const io::FilesRead& read) {
  const Handle file = open_log(log, read);
  const DWORD error = start(words, file.get(), file.get());
  if (error != ERROR_SUCCESS) {
    fail({ErrorKind::io, "engine-not-started", shown(words.front())},
         "{}: the program can't be started: {}.", shown(words.front()), reason(error));
  }
}

Process::~Process() {
  const HANDLE process = running;
  if (end_ || process == nullptr) return;
  // CTRL_BREAK_EVENT asks the child program to end. Windows delivers this event only if the child
  // shares this program's console. forget() kills the child if the child still runs.
  constexpr DWORD patience = 5000;  // the GPU driver can delay the end of trtexec
  if (::GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, running_number) != FALSE) {
    ::WaitForSingleObject(process, patience);
  }
  forget();
}

std::optional<ProcessEnd> Process::wait_for(std::chrono::milliseconds time) {
  if (!end_ && running != nullptr) {
    ::WaitForSingleObject(running, static_cast<DWORD>(time.count()));
    end_ = reap();
  }
  return end_;
}

std::string output_of(const std::vector<std::string>& words, std::chrono::milliseconds time,
                      std::size_t most, const std::function<bool(const std::string&)>& enough) {
  HANDLE ends[2] = {};
  if (::CreatePipe(&ends[0], &ends[1], nullptr, 0) == FALSE) return {};
  const Handle out(ends[0]);
  Handle in(ends[1]);
  if (start(words, in.get(), INVALID_HANDLE_VALUE) != ERROR_SUCCESS) return {};
  const Killer killer;
  in.close();
  std::string text;
  constexpr std::chrono::milliseconds step(20);
  const auto until = Clock::now() + time;
  while (text.size() < most && !enough(text) && Clock::now() < until) {
    DWORD ready = 0;
    if (::PeekNamedPipe(out.get(), nullptr, 0, nullptr, &ready, nullptr) == FALSE) break;
    if (ready == 0) {
      std::this_thread::sleep_for(step);
      continue;
    }
    std::array<char, 4096> buffer{};
    DWORD got = 0;
    if (::ReadFile(out.get(), buffer.data(), std::min<DWORD>(ready, buffer.size()), &got,
                   nullptr) == FALSE) {
      break;
    }
    text.append(buffer.data(), got);
  }
  return text.substr(0, most);
}

bool is_executable(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return extension == kProgramSuffix && io::is_file(path);
}

}  // namespace aether2onnx::port

namespace aether2onnx::windows {

void end_running_job() noexcept {
  constexpr UINT ended = 1;
  if (const HANDLE running_job = port::job) ::TerminateJobObject(running_job, ended);
}

}  // namespace aether2onnx::windows
