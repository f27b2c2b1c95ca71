#include "shell.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "port/port.h"

namespace aether2onnx::cli {

namespace {

constexpr std::size_t kLongestPath = 4096;

// Returns whether `text` is not empty and contains only letters, digits and characters of `others`.
bool consists_of(std::string_view text, std::string_view others) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

[[noreturn]] void not_for(Shell shell, const std::string& word, const char* what) {
  fail({ErrorKind::unsupported, "command-shell", word},
       "{}: {} can't be written in a command line for {}.\nRename the file or folder, or use "
       "another --shell.",
       printable(word, kLongestPath), what, to_string(shell));
}

// Throws Error(unsupported) if `word` contains an invisible character, such as a control character,
// because a line for `shell` (PowerShell or cmd) cannot contain invisible characters.
void check_is_text(Shell shell, const std::string& word) {
  if (printable(word, word.size()) != word)
    not_for(shell, word, "an invisible character in the name");
}

// Returns `word` quoted for bash. If `word` contains invisible characters, such as control
// characters, the result is $'…' with escapes, because a terminal could act on these characters.
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

// Returns `word` in single quotes for PowerShell, except words of letters, digits, '-', '_' and
// '/'. Without quotes, PowerShell splits "-a.b" at the dot, and ',', '=', ':' and '@' are special
// characters. A quoted text ends at a single quotation mark, also at a curved mark (U+2018 to
// U+201B). So the function doubles each of these marks in `word`.
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

// Returns `word` in double quotes for cmd. Throws Error(unsupported) if `word` contains '%' or '"',
// the only characters on which cmd acts inside double quotes. On Windows, the started program
// itself splits the command line into arguments, and reads \" as a quotation mark. So the function
// doubles the backslashes before the closing quote.
std::string cmd_word(const std::string& word) {
  if (word.find('%') != std::string::npos) not_for(Shell::cmd, word, "the character %");
  if (word.find('"') != std::string::npos) not_for(Shell::cmd, word, "the character \"");
  if (consists_of(word, "-_./\\:=+@")) return word;
  check_is_text(Shell::cmd, word);
  const std::size_t last = word.find_last_not_of('\\');
  const std::size_t backslashes = last == std::string::npos ? word.size() : word.size() - last - 1;
  return '"' + word + std::string(backslashes, '\\') + '"';
}

std::string word_of(const std::string& word, Shell shell) {
  if (shell == Shell::powershell) return powershell_word(word);
  return shell == Shell::cmd ? cmd_word(word) : bash_word(word);
}

}  // namespace

Shell usual_shell() {
  // Git for Windows and MSYS2 set the environment variable MSYSTEM in bash. cmd sets PROMPT.
  if (!port::kIsWindows || !port::environment("MSYSTEM").empty()) return Shell::bash;
  return port::environment("PROMPT").empty() ? Shell::powershell : Shell::cmd;
}

std::string_view to_string(Shell shell) noexcept {
  constexpr std::array<std::string_view, 3> names = {"bash", "powershell", "cmd"};
  return names.at(static_cast<std::size_t>(shell));
}

std::string shell_line(const std::vector<std::string>& words, Shell shell) {
  std::string line;
  for (const std::string& word : words) {
    const std::string quoted = word_of(word, shell);
    // If a line begins with a quoted text, PowerShell prints this text. If '&' precedes the text,
    // PowerShell runs the program with this name.
    if (line.empty() && shell == Shell::powershell && quoted.starts_with('\'')) line = "&";
    line += (line.empty() ? "" : " ") + quoted;
  }
  return line;
}

std::string shell_line(const std::vector<std::string>& words) {
  try {
    return shell_line(words, usual_shell());
  } catch (const Error&) {
    return shell_line(words, Shell::bash);
  }
}

std::string command_line_text(const Invocation& invocation) {
  std::vector<std::string> words = {invocation.program};
  if (!invocation.command.empty()) words.push_back(invocation.command);
  words.insert(words.end(), invocation.arguments.begin(), invocation.arguments.end());
  return shell_line(words);
}

std::string shown(const std::filesystem::path& path) {
  return printable(path.string(), kLongestPath);
}

std::string argument_path(const std::filesystem::path& path) {
  const std::string text = path.string();
  return text.starts_with('-') ? "./" + text : text;
}

}  // namespace aether2onnx::cli
