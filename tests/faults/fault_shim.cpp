// Preloaded into the program: makes one call of the operating system fail, the one that FAULT_CALL
// names and FAULT_AT numbers (from 1 on), with the error FAULT_ERRNO. FAULT_ERRNO of 0 stands for
// what is no error and rare: a write of one byte, a read at the file's end. FAULT_EVERY makes every
// one of the calls so. Where the call is reached, the file FAULT_MARK is made, and the process gets
// the signal FAULT_SIGNAL, once.
//
// Of open, read and write only those of files count, not of the standard streams.

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace {

template <typename Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

long number(const char* name, long otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atol(text);
}

// Counts the call; whether it is the one.
bool is_due(const char* call) {
  static long calls = 0;
  const char* wanted = std::getenv("FAULT_CALL");
  if (wanted == nullptr || std::strcmp(wanted, call) != 0) return false;
  ++calls;
  if (std::getenv("FAULT_EVERY") == nullptr && calls != number("FAULT_AT", 0)) return false;
  if (const char* mark = std::getenv("FAULT_MARK")) {
    const int file = real<int (*)(const char*, int, ...)>("open")(mark, O_WRONLY | O_CREAT, 0666);
    if (file >= 0) real<int (*)(int)>("close")(file);
  }
  static bool signalled = false;
  const long signal = number("FAULT_SIGNAL", 0);
  if (signal != 0 && !signalled) {
    signalled = true;
    ::raise(static_cast<int>(signal));
  }
  return true;
}

int error() { return static_cast<int>(number("FAULT_ERRNO", EIO)); }

constexpr int kFirstFile = 3;

bool is_file(int descriptor) {
  struct stat status {};
  return descriptor >= kFirstFile && ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t count) {
  const auto call = real<ssize_t (*)(int, const void*, size_t)>("write");
  if (is_file(descriptor) && is_due("write")) {
    if (error() == 0) return call(descriptor, bytes, count > 0 ? 1 : 0);
    errno = error();
    return -1;
  }
  return call(descriptor, bytes, count);
}

ssize_t pread(int descriptor, void* bytes, size_t count, off_t offset) {
  if (is_file(descriptor) && is_due("pread")) {
    if (error() == 0) return 0;
    errno = error();
    return -1;
  }
  return real<ssize_t (*)(int, void*, size_t, off_t)>("pread")(descriptor, bytes, count, offset);
}

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const auto mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  if ((flags & O_CREAT) != 0 && is_due("create")) {
    errno = error();
    return -1;
  }
  return real<int (*)(const char*, int, ...)>("open")(path, flags, mode);
}

int close(int descriptor) {
  const auto call = real<int (*)(int)>("close");
  const bool due = is_file(descriptor) && (::fcntl(descriptor, F_GETFL) & O_ACCMODE) != O_RDONLY &&
                   is_due("close");
  const int result = call(descriptor);
  if (!due) return result;
  errno = error();
  return -1;
}

int rename(const char* from, const char* to) {
  if (is_due("rename")) {
    errno = error();
    return -1;
  }
  return real<int (*)(const char*, const char*)>("rename")(from, to);
}

int chmod(const char* path, mode_t mode) {
  if (is_due("chmod")) {
    errno = error();
    return -1;
  }
  return real<int (*)(const char*, mode_t)>("chmod")(path, mode);
}

int chown(const char* path, uid_t owner, gid_t group) {
  if (is_due("chown")) {
    errno = error();
    return -1;
  }
  return real<int (*)(const char*, uid_t, gid_t)>("chown")(path, owner, group);
}

int mkdir(const char* path, mode_t mode) {
  if (is_due("mkdir")) {
    errno = error();
    return -1;
  }
  return real<int (*)(const char*, mode_t)>("mkdir")(path, mode);
}

}  // extern "C"
