/// @file
/// Declarations that the Windows files of this folder share.
#pragma once

#ifndef NOMINMAX
#define NOMINMAX
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winternl.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace aether2onnx::windows {

/// wide() converts UTF-8 to UTF-16, narrow() UTF-16 to UTF-8. Invalid parts become U+FFFD.
std::wstring wide(std::string_view text);
std::string narrow(std::wstring_view text);

/// Returns the path in the form for system calls: absolute, with a prefix that allows any length
/// ("\\?\C:\…", "\\?\UNC\…"). The paths of devices have another prefix ("\\.\NUL").
std::wstring native(const std::filesystem::path& path);

/// Returns Windows' message for an error number (of GetLastError()), without the dot at the end.
std::string reason(DWORD error);

/// Owns an open file, process, thread, job or pipe: the destructor closes it.
class Handle {
 public:
  Handle() = default;
  explicit Handle(HANDLE handle) : handle_(handle) {}
  Handle(Handle&& other) noexcept : handle_(other.release()) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Handle() { close(); }

  explicit operator bool() const { return handle_ != INVALID_HANDLE_VALUE && handle_ != nullptr; }
  HANDLE get() const { return handle_; }
  HANDLE release() { return std::exchange(handle_, INVALID_HANDLE_VALUE); }
  void close() {
    if (*this) ::CloseHandle(handle_);
    handle_ = INVALID_HANDLE_VALUE;
  }

 private:
  HANDLE handle_ = INVALID_HANDLE_VALUE;
};

/// Returns a handle to read the attributes of a file, folder or device. Follows symbolic links.
Handle open_for_questions(const std::filesystem::path& path);

/// Ends the child program of port::Process, if one runs, and all programs that the child started.
void end_running_job() noexcept;

}  // namespace aether2onnx::windows
