// Conversions on Windows: between UTF-8 and UTF-16, from a path to the form that Windows accepts at
// any length, and from an error number to its message.

#include <fmt/format.h>

#include <array>

#include "port/files.h"
#include "port/windows.h"

namespace aether2onnx {

namespace fs = std::filesystem;

namespace windows {

std::wstring wide(std::string_view text) {
  const int size = static_cast<int>(text.size());
  if (size == 0) return {};
  std::wstring result(text.size(), L'\0');  // UTF-16 has no more units than UTF-8 has bytes
  const int count = ::MultiByteToWideChar(CP_UTF8, 0, text.data(), size, result.data(), size);
  result.resize(static_cast<std::size_t>(count));
  return result;
}

std::string narrow(std::wstring_view text) {
  const int size = static_cast<int>(text.size());
  if (size == 0) return {};
  std::string result(3 * text.size(), '\0');
  const int count = ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, result.data(),
                                          static_cast<int>(result.size()), nullptr, nullptr);
  result.resize(static_cast<std::size_t>(count));
  return result;
}

namespace {

// Returns the text that a Windows function writes into a buffer. `call` gets a buffer and its size,
// passes them to the Windows function, and returns the length of the text. If the buffer is too
// small, `call` returns the required size. text_of() then calls `call` again with a larger buffer.
template <typename Call>
std::wstring text_of(Call call) {
  std::wstring text(MAX_PATH, L'\0');
  for (;;) {
    const DWORD length = call(text.data(), static_cast<DWORD>(text.size()));
    if (length < text.size()) {
      text.resize(length);
      return text;
    }
    text.resize(length + 1);
  }
}

bool starts_with(std::wstring_view text, std::wstring_view start) {
  return text.substr(0, start.size()) == start;
}

constexpr std::wstring_view kAnyLength = L"\\\\?\\";
constexpr std::wstring_view kAnyLengthShare = L"\\\\?\\UNC\\";
constexpr std::wstring_view kDevice = L"\\\\.\\";
constexpr std::wstring_view kShare = L"\\\\";

}  // namespace

std::wstring native(const fs::path& path) {
  const std::wstring& text = path.native();
  if (text.empty() || starts_with(text, kAnyLength)) return text;
  // GetFullPathNameW resolves "C:name", "\name", "." and "..", and replaces '/' by '\'. Windows
  // does not do so for paths with the prefix "\\?\", which native() adds.
  std::wstring full = text_of([&](wchar_t* buffer, DWORD size) {
    return ::GetFullPathNameW(text.c_str(), size, buffer, nullptr);
  });
  if (starts_with(full, kAnyLength) || starts_with(full, kDevice)) return full;
  if (starts_with(full, kShare)) return std::wstring(kAnyLengthShare) + full.substr(kShare.size());
  return std::wstring(kAnyLength) + full;
}

std::string reason(DWORD error) {
  std::array<wchar_t, 1024> buffer{};
  const DWORD length = ::FormatMessageW(
      FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK,
      nullptr, error, 0, buffer.data(), static_cast<DWORD>(buffer.size()), nullptr);
  std::string text = narrow({buffer.data(), length});
  text.erase(text.find_last_not_of(" .\r\n") + 1);
  return text.empty() ? fmt::format("error {}", error) : text;
}

}  // namespace windows

fs::path io::absolute(const fs::path& path) {
  std::wstring full = windows::native(path);
  if (windows::starts_with(full, windows::kAnyLengthShare)) {
    return fs::path(L"\\\\" + full.substr(windows::kAnyLengthShare.size()));
  }
  if (windows::starts_with(full, windows::kAnyLength)) {
    return fs::path(full.substr(windows::kAnyLength.size()));
  }
  return fs::path(full);
}

}  // namespace aether2onnx
