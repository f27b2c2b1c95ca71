// Implements the functions of port.h for signals, libraries, the terminal, memory and environment
// variables on POSIX systems. threads.cpp implements threads, and posix_process.cpp implements
// child programs.

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction
#include <sys/resource.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): clock_gettime
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <thread>
#if defined(__GLIBC__)
#include <malloc.h>
#elif defined(__APPLE__)
#include <mach-o/dyld.h>
#endif

#include "base/text.h"
#include "port/port.h"
#include "port/posix.h"

namespace aether2onnx::port {

namespace fs = std::filesystem;

// --- start and end of the program -------------------------------------------------------------

namespace {

std::atomic<bool> cancelled = false;
std::atomic<int> first_signal = 0;
std::atomic<std::int64_t> first_time = 0;  // when the first signal arrived, in milliseconds
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
              std::atomic<std::int64_t>::is_always_lock_free);

std::int64_t milliseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// timeout(1) and other programs signal a process and also its process group, so one request to end
// arrives as two signals. A second signal within this time belongs to the same request. A later
// signal is a new request, which ends this program at once.
constexpr std::int64_t kSameRequest = 1000;  // milliseconds

extern "C" void cancel_on_signal(int signal) {
  const int saved = errno;
  const std::int64_t now = milliseconds();
  std::int64_t first = 0;
  if (first_time.compare_exchange_strong(first, now)) {
    first_signal = signal;
    cancelled = true;
  } else if (now - first >= kSameRequest) {
    kill_running_process();
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  }
  errno = saved;
}

}  // namespace

std::vector<std::string> arguments(int count, char** values) { return {values, values + count}; }

void keep_window_open() {}

const std::atomic<bool>& cancel_on_signals() {
  for (const int signal : kEndingSignals) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = cancel_on_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = 0;  // a signal ends a blocked system call with EINTR
    ::sigaction(signal, &action, nullptr);
  }
  // If a file reaches the size limit of the process, the system sends SIGXFSZ. If SIGXFSZ is
  // ignored, write() fails with EFBIG, and the user sees the message for a full disk.
  ::signal(SIGXFSZ, SIG_IGN);
  // Another program may read the messages of this program through a pipe. If the reading program
  // ends, the system sends SIGPIPE. SIGPIPE is ignored, so that a conversion continues.
  ::signal(SIGPIPE, SIG_IGN);
  return cancelled;
}

void cancel_when_input_ends() {
  try {
    std::thread([] {
      // The system delivers a signal to any thread that does not block the signal. Signals must
      // interrupt the system calls of the threads that do the work. So the thread that reads
      // standard input blocks all signals.
      sigset_t all{};
      sigfillset(&all);  // a macro on macOS, so without "::"
      ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
      std::array<char, 256> buffer{};
      ssize_t got = 0;
      do {
        got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      } while (got > 0 || (got < 0 && errno == EINTR));
      ::kill(::getpid(), SIGTERM);
    }).detach();
  } catch (const std::system_error&) {  // can't create a thread: only signals cancel the task
  }
}

const std::atomic<bool>& cancelled_by_signal() { return cancelled; }

void end_by_signal() {
  const int signal = first_signal;
  if (signal == 0) return;
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// --- libraries --------------------------------------------------------------------------------

Library load_library(const fs::path& path) {
  // dlopen() searches the system's folders only for a name without a slash, so a name without a
  // folder must stay as it is.
  const fs::path full = path.has_parent_path() ? fs::absolute(path) : path;
  Library library{::dlopen(full.c_str(), RTLD_NOW | RTLD_LOCAL), {}};
  if (library.handle == nullptr) library.problem = ::dlerror();
  return library;
}

void* find_symbol(const Library& library, const char* name) {
  return ::dlsym(library.handle, name);
}

// --- the program and the machine --------------------------------------------------------------

fs::path program_folder() {
  std::error_code error;
#if defined(__APPLE__)
  std::array<char, 4096> name{};
  auto size = static_cast<std::uint32_t>(name.size());
  if (::_NSGetExecutablePath(name.data(), &size) != 0) return {};
  return fs::canonical(name.data(), error).parent_path();
#endif
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : program.parent_path();
}

std::vector<fs::path> folders_of_path() {
  std::vector<fs::path> folders;
  const std::string path = environment("PATH");
  for (const std::string_view part : split(path, ':')) {
    const fs::path folder = part;
    if (folder.is_absolute()) folders.push_back(folder);
  }
  return folders;
}

std::string environment(const char* name) {
  const char* value =
      std::getenv(name);  // NOLINT(concurrency-mt-unsafe): variables are set only at the start
  return value == nullptr ? "" : value;
}

void set_environment_default(const char* name, const char* value) { ::setenv(name, value, 0); }

bool write_text(std::FILE* stream, std::string_view text) {
  constexpr int step = 50;                // milliseconds
  constexpr std::size_t most = PIPE_BUF;  // a writable pipe accepts this many bytes
  if (std::fflush(stream) != 0) return false;
  const int number = ::fileno(stream);
  while (!text.empty()) {
    pollfd wanted{number, POLLOUT, 0};
    while (::poll(&wanted, 1, step) <= 0) {
      if (cancelled) return false;
    }
    const ssize_t put = ::write(number, text.data(), std::min(text.size(), most));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

bool is_terminal(std::FILE* stream) { return ::isatty(::fileno(stream)) == 1; }

namespace {

std::optional<std::uint64_t> first_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

// Returns the free memory, from the line "MemAvailable:   22 kB" of /proc/meminfo.
std::optional<std::uint64_t> system_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::uint64_t kilobytes = 0;
  std::string unit;
  while (file >> name >> kilobytes) {
    if (name == "MemAvailable:") return kilobytes * 1024;
    std::getline(file, unit);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> group_bytes(const std::string& limit, const std::string& used) {
  const auto most = first_number(limit);
  const auto now = first_number(used);
  constexpr std::uint64_t unlimited = std::uint64_t{1} << 60U;
  if (!most || !now || *most >= unlimited) return std::nullopt;
  return *most > *now ? *most - *now : 0;
}

// Returns the unused part of the limit on the address space, which `ulimit -v` sets.
std::optional<std::uint64_t> address_bytes() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  const auto pages = first_number("/proc/self/statm");
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t used = pages.value_or(0) * page;
  return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

}  // namespace

std::optional<std::uint64_t> available_memory() {
  std::optional<std::uint64_t> least;
  for (const auto& bytes :
       {system_bytes(), group_bytes("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        group_bytes("/sys/fs/cgroup/memory/memory.limit_in_bytes",
                    "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        address_bytes()}) {
    if (bytes && (!least || *bytes < *least)) least = bytes;
  }
  return least;
}

void keep_freed_memory() {
#if defined(__GLIBC__)
  constexpr int largest = 1 << 30;
  ::mallopt(M_MMAP_THRESHOLD, largest);
  ::mallopt(M_TRIM_THRESHOLD, largest);
#endif
}

}  // namespace aether2onnx::port
