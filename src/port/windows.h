/// @file
/// Shared by the Windows files of the port.
#pragma once

#ifndef NOMINMAX
#define NOMINMAX
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace aether2onnx::windows {

/// UTF-8 and UTF-16. What is no text becomes U+FFFD.
std::wstring wide(std::string_view text);
std::string narrow(std::wstring_view text);

/// The path as the system's calls take it: absolute, of any length ("\\?\C:\…", "\\?\UNC\…").
/// Devices keep their form ("\\.\NUL").
std::wstring native(const std::filesystem::path& path);

/// The system's sentence for an error number, without the dot at its end.
std::string reason(DWORD error);

/// An open file, process, thread, job or pipe.
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

/// Opens a file, folder or device to ask about it. Follows links unless `itself` is true.
Handle open_for_questions(const std::filesystem::path& path, bool itself = false);

/// Ends the program that port::Process runs and all programs that it started, if there is one.
void end_running_job() noexcept;

}  // namespace aether2onnx::windows
