#include "option_list.h"

#include <sstream>

namespace aether2onnx::cli {

namespace {

std::string in_one_line(const std::string& text) {
  std::string line;
  for (const std::string& word : words_of(text)) line += (line.empty() ? "" : " ") + word;
  return line;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

OptionEntry entry_of(OptionDescription option) {
  OptionEntry entry{std::move(option), ValueKind::none, {}};
  entry.description = in_one_line(entry.description);
  if (entry.is_flag) return entry;
  entry.kind = ValueKind::other;
  if (entry.type == "FILE") entry.kind = ValueKind::file;
  if (entry.type == "DIR") entry.kind = ValueKind::folder;
  if (entry.type.find('|') != std::string::npos) {
    entry.kind = ValueKind::choice;
    entry.choices = split(entry.type, '|');
  }
  return entry;
}

}  // namespace

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::vector<OptionEntry> options_of(const Command& command) {
  std::vector<OptionEntry> entries;
  command.describe([&](const CommandLine& line) {
    for (OptionDescription& option : line.options()) entries.push_back(entry_of(std::move(option)));
  });
  return entries;
}

std::string usage_of(const Command& command) {
  std::string usage;
  command.describe([&](const CommandLine& line) { usage = line.usage(); });
  return usage;
}

}  // namespace aether2onnx::cli
