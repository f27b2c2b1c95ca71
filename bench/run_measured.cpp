// Runs a command and says what it took: seconds from start to end, seconds of processor time, and
// bytes of memory at its peak, on one line of stdout. The command's own stdout is dropped; the exit
// code is the command's.
//
// A program of its own because the system counts the memory of what started a process as the
// process's: started by Python, nothing would be seen to take less than Python.

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>

namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

}  // namespace

int main(int count, char** values) {
  using Clock = std::chrono::steady_clock;
  if (count < 2) {
    std::fputs("Usage: run_measured COMMAND [ARGUMENT...]\n", stderr);
    return 2;
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const Clock::time_point start = Clock::now();
  pid_t process = 0;
  const int error = ::posix_spawnp(&process, values[1], &actions, nullptr, values + 1, environ);
  if (error != 0) {
    std::fprintf(stderr, "%s can't be started: %s\n", values[1], std::strerror(error));
    return 127;
  }
  int status = 0;
  rusage usage{};
  ::wait4(process, &status, 0, &usage);
  const std::chrono::duration<double> wall = Clock::now() - start;
  // Linux counts the memory in KiB.
  std::printf("%.6f %.6f %ld\n", wall.count(), seconds(usage.ru_utime) + seconds(usage.ru_stime),
              usage.ru_maxrss * 1024);
  ::posix_spawn_file_actions_destroy(&actions);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
