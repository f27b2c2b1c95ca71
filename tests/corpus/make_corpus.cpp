// Writes the hostile corpus: make_corpus FOLDER. With it a table of what should become of each.

#include <filesystem>
#include <fstream>

#include "corpus.h"

int main(int count, char** values) {
  using namespace aether2onnx;
  if (count != 2) return 2;
  const std::filesystem::path folder = values[1];
  std::filesystem::create_directories(folder);
  std::ofstream table(folder / "expected.tsv");
  for (const corpus::Case& file : corpus::all_cases()) {
    std::ofstream out(folder / (file.name + ".pth"), std::ios::binary);
    out.write(reinterpret_cast<const char*>(file.bytes.data()),
              static_cast<std::streamsize>(file.bytes.size()));
    const std::string kind = file.anything ? "anything"
                             : file.error  ? std::string(to_string(*file.error))
                                           : "converts";
    table << file.name << '\t' << kind << '\t' << to_string(file.scan) << '\t' << file.code << '\t'
          << file.text << '\n';
  }
  return table ? 0 : 1;
}
