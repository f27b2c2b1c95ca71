/// @file
/// Gathers what a scan finds: each thing once, the worst first, so many of each. Private to this
/// stage.
#pragma once

#include <aether2onnx/aether2onnx.h>
#include <fmt/format.h>

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace aether2onnx::scans {

class Collector {
 public:
  void set_container(std::string name) { report_.container = std::move(name); }
  const std::string& container() const { return report_.container; }

  /// Names are made printable here; all other texts come as they are to be shown.
  void global(std::string_view module, std::string_view name, Verdict verdict,
              const std::string& where);
  void call(std::string text, Verdict verdict, const std::string& where);
  void finding(ScanResult weight, std::string code, std::string what);

  template <typename... Args>
  void found(const char* code, fmt::format_string<Args...> format, Args&&... args) {
    finding(ScanResult::found, code, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void unclear(const char* code, fmt::format_string<Args...> format, Args&&... args) {
    finding(ScanResult::unclear, code, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void note(const char* code, fmt::format_string<Args...> format, Args&&... args) {
    finding(ScanResult::clean, code, fmt::format(format, std::forward<Args>(args)...));
  }

  /// What all of it comes to.
  ScanReport finish();

 private:
  void take(ScanResult weight);

  ScanReport report_;
  std::unordered_map<std::string, std::size_t> globals_;
  std::set<std::string> seen_;
  ScanResult worst_ = ScanResult::clean;
};

/// The first line of a message.
std::string first_line(std::string_view message);

}  // namespace aether2onnx::scans
