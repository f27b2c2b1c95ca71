#include "shell.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "invocation.h"

namespace aether2onnx::cli {

namespace {

constexpr std::array kShells = {Shell::bash, Shell::powershell, Shell::cmd};

bool consists_of(std::string_view text, std::string_view others) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

[[noreturn]] void not_for(Shell shell, const std::string& word, const char* what) {
  throw Error(ErrorKind::unsupported,
              fmt::format("{}: {} can't be written for {}.\nRename the file or folder, or use "
                          "another --shell.",
                          printable(word, 4096), what, to_string(shell)));
}

// What a terminal would act on must not get into a line that is pasted.
void check_is_text(Shell shell, const std::string& word) {
  if (printable(word, word.size()) != word) not_for(shell, word, "a character in it");
}

// What a terminal would act on stands in it as an escape of $'…'.
std::string bash_word(const std::string& word) {
  if (consists_of(word, "-_./=:,+@%")) return word;
  const bool printable_as_is = printable(word, word.size()) == word;
  std::string quoted = printable_as_is ? "'" : "$'";
  for (const char c : word) {
    if (printable_as_is) {
      quoted += c == '\'' ? "'\\''" : std::string(1, c);
    } else if (c == '\'' || c == '\\') {
      quoted += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
      quoted += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

// Bare words are few: PowerShell takes "-a.b" apart at the dot, and ',', '=', ':' and '@' have
// meanings. It takes the curved quotation marks U+2018 to U+201B for straight ones, too.
std::string powershell_word(const std::string& word) {
  if (consists_of(word, "-_/")) return word;
  check_is_text(Shell::powershell, word);
  std::string quoted = "'";
  for (std::size_t i = 0; i < word.size(); ++i) {
    const std::string_view rest = std::string_view(word).substr(i);
    const bool curved =
        rest.size() >= 3 && rest.starts_with("\xe2\x80") && rest[2] >= '\x98' && rest[2] <= '\x9b';
    const std::size_t length = curved ? 3 : 1;
    quoted += rest.substr(0, length);
    if (curved || rest[0] == '\'') quoted += rest.substr(0, length);
    i += length - 1;
  }
  return quoted + "'";
}

// In double quotes cmd leaves all but '%' alone; what takes the line apart into arguments is the
// program's own start, where a backslash before the closing quote would escape it.
std::string cmd_word(const std::string& word) {
  if (word.find('%') != std::string::npos) not_for(Shell::cmd, word, "the % in it");
  if (word.find('"') != std::string::npos) not_for(Shell::cmd, word, "the \" in it");
  if (consists_of(word, "-_./\\:=+@")) return word;
  check_is_text(Shell::cmd, word);
  const std::size_t last = word.find_last_not_of('\\');
  const std::size_t backslashes = last == std::string::npos ? word.size() : word.size() - last - 1;
  return '"' + word + std::string(backslashes, '\\') + '"';
}

std::string word_of(const std::string& word, Shell shell) {
  switch (shell) {
    case Shell::powershell:
      return powershell_word(word);
    case Shell::cmd:
      return cmd_word(word);
    case Shell::bash:
      break;
  }
  return bash_word(word);
}

}  // namespace

Shell usual_shell() {
#if defined(_WIN32)
  return Shell::powershell;
#else
  return Shell::bash;
#endif
}

std::string_view to_string(Shell shell) noexcept {
  switch (shell) {
    case Shell::powershell:
      return "powershell";
    case Shell::cmd:
      return "cmd";
    case Shell::bash:
      break;
  }
  return "bash";
}

Shell parse_shell(const std::string& text, const std::string& option) {
  const auto found = std::find_if(kShells.begin(), kShells.end(),
                                  [&](Shell shell) { return text == to_string(shell); });
  if (found == kShells.end()) {
    usage_error(fmt::format("{} {}: must be bash, powershell or cmd.", option, printable(text)));
  }
  return *found;
}

std::string shell_line(const std::vector<std::string>& words, Shell shell) {
  std::string line;
  for (const std::string& word : words) {
    const std::string quoted = word_of(word, shell);
    // A quoted text by itself is a value in PowerShell; '&' calls it.
    if (line.empty() && shell == Shell::powershell && quoted.starts_with('\'')) line = "&";
    line += (line.empty() ? "" : " ") + quoted;
  }
  return line;
}

}  // namespace aether2onnx::cli
