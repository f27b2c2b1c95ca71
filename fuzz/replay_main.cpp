// Runs a fuzzer on files and on prefixes and mutations of them. Needs no libFuzzer, so that every
// build with any compiler can build and run each fuzzer.
//
//   FUZZER_replay [--seconds=N] [--dictionary=FILE] FILE | FOLDER...
//
// A file always gives the same prefixes and mutations. After all files, runs random mutations for N
// seconds. If an input crashes the process, saves the input as replay-crash in the working folder.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

std::size_t runs = 0;
const Bytes* current = nullptr;

// These calls are not safe in a signal handler. The process has crashed already, so this is
// accepted.
void keep_current(int signal) {
  std::signal(signal, SIG_DFL);
  if (current != nullptr) {
    std::ofstream file("replay-crash", std::ios::binary);
    file.write(reinterpret_cast<const char*>(current->data()),
               static_cast<std::streamsize>(current->size()));
  }
  std::raise(signal);
}

void run(const Bytes& bytes) {
  current = &bytes;
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  ++runs;
}

void run_file(const Bytes& bytes) {
  run(bytes);
  const std::size_t step = bytes.size() / 300 + 1;
  for (std::size_t length = 0; length < bytes.size(); length += step) {
    run({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)});
  }
  std::mt19937 random(static_cast<unsigned>(bytes.size()));
  for (int round = 0; round < 300 && !bytes.empty(); ++round) {
    Bytes mutated = bytes;
    for (unsigned change = 0; change <= random() % 4; ++change) {
      mutated[random() % mutated.size()] = static_cast<std::uint8_t>(random());
    }
    run(mutated);
  }
}

Bytes read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> chars{std::istreambuf_iterator<char>(file), {}};
  return {chars.begin(), chars.end()};
}

// Returns the entries of a libFuzzer dictionary. Each line has one entry: "text\x01".
std::vector<Bytes> read_dictionary(const std::filesystem::path& path) {
  std::vector<Bytes> words;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t begin = line.find('"');
    const std::size_t end = line.rfind('"');
    if (line.starts_with('#') || begin == end || begin == std::string::npos) continue;
    Bytes word;
    for (std::size_t i = begin + 1; i < end; ++i) {
      if (line[i] == '\\' && line[i + 1] == 'x') {
        word.push_back(static_cast<std::uint8_t>(std::stoul(line.substr(i + 2, 2), nullptr, 16)));
        i += 3;
      } else {
        if (line[i] == '\\') ++i;
        word.push_back(static_cast<std::uint8_t>(line[i]));
      }
    }
    words.push_back(std::move(word));
  }
  return words;
}

class Mutator {
 public:
  Mutator(const std::vector<Bytes>& files, const std::vector<Bytes>& words)
      : files_(files), words_(words) {}

  Bytes next() {
    Bytes bytes = pick(files_);
    for (unsigned change = 0; change <= random_() % 6; ++change) mutate(bytes);
    return bytes;
  }

 private:
  static constexpr std::size_t kLargest = 1U << 20U;

  const Bytes& pick(const std::vector<Bytes>& list) { return list[random_() % list.size()]; }

  std::ptrdiff_t place(const Bytes& bytes) {
    return static_cast<std::ptrdiff_t>(random_() % (bytes.size() + 1));
  }

  void insert(Bytes& bytes, const Bytes& part) {
    if (bytes.size() + part.size() > kLargest) return;
    bytes.insert(bytes.begin() + place(bytes), part.begin(), part.end());
  }

  Bytes part_of(const Bytes& bytes, std::size_t most) {
    const std::ptrdiff_t begin = place(bytes);
    const std::size_t left = bytes.size() - static_cast<std::size_t>(begin);
    const auto length = static_cast<std::ptrdiff_t>(std::min(left, random_() % most + 1));
    return {bytes.begin() + begin, bytes.begin() + begin + length};
  }

  void mutate(Bytes& bytes) {
    switch (random_() % 8) {
      case 0:
      case 1:
        if (!bytes.empty()) bytes[random_() % bytes.size()] = static_cast<std::uint8_t>(random_());
        break;
      case 2:
        if (!bytes.empty()) {
          std::uint8_t& byte = bytes[random_() % bytes.size()];
          byte = static_cast<std::uint8_t>(byte ^ 1U << random_() % 8);
        }
        break;
      case 3: {  // extreme bytes, likely to reach special cases
        static constexpr std::uint8_t extremes[] = {0, 1, 0x7f, 0x80, 0xff};
        for (std::size_t i = random_() % 8 + 1; i > 0 && bytes.size() > 8; --i) {
          bytes[random_() % 2 * 8 + random_() % (bytes.size() - 8)] = extremes[random_() % 5];
        }
        break;
      }
      case 4:
        insert(bytes, part_of(pick(files_), 200));
        break;
      case 5:
        if (!words_.empty()) insert(bytes, pick(words_));
        break;
      case 6: {  // overwrites bytes with a dictionary entry
        if (words_.empty()) break;
        const Bytes& word = pick(words_);
        if (word.size() > bytes.size()) break;
        std::copy(word.begin(), word.end(),
                  bytes.begin() +
                      static_cast<std::ptrdiff_t>(random_() % (bytes.size() - word.size() + 1)));
        break;
      }
      default: {
        const std::ptrdiff_t begin = place(bytes);
        const std::size_t left = bytes.size() - static_cast<std::size_t>(begin);
        const auto length = static_cast<std::ptrdiff_t>(std::min(left, random_() % 64));
        bytes.erase(bytes.begin() + begin, bytes.begin() + begin + length);
      }
    }
  }

  const std::vector<Bytes>& files_;
  const std::vector<Bytes>& words_;
  std::mt19937_64 random_{1};
};

}  // namespace

int main(int count, char** values) {
  for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS}) std::signal(signal, keep_current);
  std::vector<std::filesystem::path> paths;
  std::vector<Bytes> words;
  double seconds = 0;
  for (int i = 1; i < count; ++i) {
    const std::string value = values[i];
    if (value.starts_with("--seconds=")) {
      seconds = std::stod(value.substr(10));
    } else if (value.starts_with("--dictionary=")) {
      words = read_dictionary(value.substr(13));
    } else if (std::filesystem::is_directory(value)) {
      for (const auto& entry : std::filesystem::directory_iterator(value)) {
        if (entry.is_regular_file()) paths.push_back(entry.path());
      }
    } else {
      paths.emplace_back(value);
    }
  }
  std::sort(paths.begin(), paths.end());  // the order in a folder differs between machines
  std::vector<Bytes> files;
  for (const std::filesystem::path& path : paths) files.push_back(read(path));
  for (const Bytes& file : files) run_file(file);
  // Large files need much time and are similar to the small files.
  constexpr std::size_t small = 40'000;
  std::erase_if(files, [](const Bytes& file) { return file.size() > small; });
  if (files.empty()) files.emplace_back();
  Mutator mutator(files, words);
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() <
         seconds) {
    run(mutator.next());
  }
  std::printf("%zu runs\n", runs);
  return runs == 0 ? 1 : 0;
}
