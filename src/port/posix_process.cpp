// Runs child programs on POSIX systems.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "port/port.h"
#include "port/posix.h"
#include "port/system.h"

extern "C" char** environ;  // NOLINT(readability-redundant-declaration): no POSIX header has it

namespace aether2onnx::port {

using posix::Descriptor;
using posix::reason;
using system::shown;

namespace {

using Clock = std::chrono::steady_clock;

// The process group of the running child program; 0 if no child runs. A signal handler reads this
// variable.
std::atomic<pid_t> running = 0;
static_assert(std::atomic<pid_t>::is_always_lock_free);

// Blocks the signals that end this program, from the constructor to the destructor. While a child
// program starts or ends, `running` is outdated, so no signal handler may read `running` then.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t set{};
    sigemptyset(&set);
    for (const int signal : kEndingSignals) sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
};

// The settings with which a child program starts: its standard input, output and error, its process
// group, and its handling of signals.
class SpawnSettings {
 public:
  // If `errors` is negative, the child's standard error goes to /dev/null.
  SpawnSettings(int output, int errors, const sigset_t& mask) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    if (errors >= 0) {
      ::posix_spawn_file_actions_adddup2(&actions_, errors, STDERR_FILENO);
    } else {
      ::posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    sigset_t usual{};
    sigemptyset(&usual);
    for (const int signal : {SIGPIPE, SIGXFSZ})
      sigaddset(&usual, signal);  // this program ignores the two signals, the child must not
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setsigdefault(&attributes_, &usual);
    ::posix_spawnattr_setsigmask(&attributes_, &mask);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// Starts a child program, and stores its process group in `running`. Returns 0 or an error number.
int start(std::vector<std::string> words, int output, int errors) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const HeldSignals held;
  const SpawnSettings settings(output, errors, held.before());
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, arguments.front(), settings.actions(),
                                  settings.attributes(), arguments.data(), environ);
  if (error == 0) running = pid;
  return error;
}

ProcessEnd end_of(int status) {
  ProcessEnd end;
  if (!WIFSIGNALED(status)) {
    end.exit_code = WEXITSTATUS(status);
    return end;
  }
  constexpr std::array crashes = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
  const int signal = WTERMSIG(status);
  const char* name = ::strsignal(signal);  // NOLINT(concurrency-mt-unsafe): one thread here
  end.signal = fmt::format("signal {} ({})", signal, name == nullptr ? "unknown" : name);
  end.killed = signal == SIGKILL;
  end.crashed = std::find(crashes.begin(), crashes.end(), signal) != crashes.end();
  return end;
}

// Returns how the child program ended, or nullopt if the child still runs.
std::optional<ProcessEnd> reap() {
  const HeldSignals held;
  const pid_t pid = running;
  int status = 0;
  if (::waitpid(pid, &status, WNOHANG) != pid) return std::nullopt;
  running = 0;
  ::kill(-pid, SIGKILL);  // the programs that the child started and that still run
  return end_of(status);
}

}  // namespace

void kill_running_process() noexcept {
  const pid_t pid = running;
  if (pid != 0) ::kill(-pid, SIGKILL);
}

namespace {

// Sends the signal to the child program and to all programs that the child started. Waits at most 5
// seconds for the end of the child, and then kills all of these programs that still run.
void end_running_process(int signal) noexcept {
  constexpr int patience = 5000;  // milliseconds; the GPU driver can delay the end of trtexec
  constexpr int step = 20;
  const pid_t pid = running;
  if (pid == 0) return;
  ::kill(-pid, signal);
  bool ended = false;
  for (int waited = 0; !ended && waited < patience; waited += step) {
    ended = ::waitpid(pid, nullptr, WNOHANG) != 0;
    if (!ended) ::poll(nullptr, 0, step);
  }
  ::kill(-pid, SIGKILL);
  if (!ended) ::waitpid(pid, nullptr, 0);
  running = 0;
}

// Creates a pipe. Child programs do not inherit the two ends of the pipe. Returns 0, or -1 if the
// system creates no pipe.
int make_pipe(std::array<int, 2>& ends) {
#if defined(__APPLE__)
  if (::pipe(ends.data()) != 0) return -1;
  for (const int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
  return 0;
#else
  return ::pipe2(ends.data(), O_CLOEXEC);
#endif
}

// Kills the running child program at the end of a scope.
struct Killer {
  Killer() = default;
  Killer(const Killer&) = delete;
  Killer& operator=(const Killer&) = delete;
  ~Killer() { end_running_process(SIGKILL); }
};

[[noreturn]] void cannot_log(const std::filesystem::path& log, const std::string& why) {
  fail({ErrorKind::io, "file-log", shown(log)},
       "{}: the log can't be written here: {}.\nGive another path with {}.", shown(log), why,
       option("log"));
}

// Opens the log file. Empties an old log only after a check: the old log must be a regular file and
// none of the files in `read`.
int open_log(const std::filesystem::path& log, const io::FilesRead& read) {
  // O_NONBLOCK: opening a FIFO must not wait for a program that reads.
  const int number = ::open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  if (number < 0) cannot_log(log, reason(errno));
  Descriptor file(number);
  read.check(log, "model.engine.log");
  struct stat status {};
  if (::fstat(number, &status) != 0 || !S_ISREG(status.st_mode)) {
    cannot_log(log, "the path isn't a regular file");
  }
  if (::ftruncate(number, 0) != 0) cannot_log(log, reason(errno));
  return file.release();
}

}  // namespace

Process::Process(const std::vector<std::string>& words, const std::filesystem::path& log,
                 const io::FilesRead& read) {
  const Descriptor file(open_log(log, read));
  const int error = start(words, file.number(), file.number());
  if (error != 0) {
    fail({ErrorKind::io, "engine-not-started", shown(words.front())},
         "{}: the program can't be started: {}.", shown(words.front()), reason(error));
  }
}

Process::~Process() {
  if (!end_) end_running_process(SIGTERM);
}

std::optional<ProcessEnd> Process::wait_for(std::chrono::milliseconds time) {
  const auto until = Clock::now() + time;
  for (;;) {
    if (!end_) end_ = reap();
    const auto now = Clock::now();
    if (end_ || now >= until) return end_;
    constexpr std::chrono::milliseconds step(20);
    std::this_thread::sleep_for(std::min<Clock::duration>(step, until - now));
  }
}

std::string output_of(const std::vector<std::string>& words, std::chrono::milliseconds time,
                      std::size_t most, const std::function<bool(const std::string&)>& enough) {
  std::array<int, 2> ends{};
  if (make_pipe(ends) != 0) return {};
  const Descriptor out(ends[0]);
  Descriptor in(ends[1]);
  if (start(words, in.number(), -1) != 0) return {};
  const Killer killer;
  in.close();
  std::string text;
  constexpr std::int64_t step = 50;  // milliseconds
  const auto until = Clock::now() + time;
  while (text.size() < most && !enough(text)) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd wanted{out.number(), POLLIN, 0};
    if (left <= 0) break;
    // If no bytes arrive within `step`, or a signal interrupts the wait, the loop calls `enough`
    // again, because `enough` may throw to end the wait, for example after a cancellation.
    if (::poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left, step))) <= 0) continue;
    std::array<char, 4096> buffer{};
    const ssize_t got = ::read(out.number(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text.substr(0, most);
}

bool is_executable(const std::filesystem::path& path) {
  return io::is_file(path) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace aether2onnx::port
