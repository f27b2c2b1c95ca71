// Runs a fuzzer on files and on every prefix and some mutations of them, without libFuzzer: so that
// each fuzzer is built and run in every build, by any compiler.

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

std::size_t runs = 0;

void run(const std::vector<std::uint8_t>& bytes) {
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  ++runs;
}

void run_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> chars{std::istreambuf_iterator<char>(file), {}};
  const std::vector<std::uint8_t> bytes(chars.begin(), chars.end());
  run(bytes);
  const std::size_t step = bytes.size() / 300 + 1;
  for (std::size_t length = 0; length < bytes.size(); length += step) {
    run({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)});
  }
  std::mt19937 random(static_cast<unsigned>(bytes.size()));
  for (int round = 0; round < 300 && !bytes.empty(); ++round) {
    std::vector<std::uint8_t> mutated = bytes;
    for (unsigned change = 0; change <= random() % 4; ++change) {
      mutated[random() % mutated.size()] = static_cast<std::uint8_t>(random());
    }
    run(mutated);
  }
}

}  // namespace

int main(int count, char** values) {
  for (int i = 1; i < count; ++i) {
    const std::filesystem::path path = values[i];
    if (std::filesystem::is_directory(path)) {
      for (const auto& entry : std::filesystem::directory_iterator(path)) {
        if (entry.is_regular_file()) run_file(entry.path());
      }
    } else {
      run_file(path);
    }
  }
  std::printf("%zu runs\n", runs);
  return runs == 0 ? 1 : 0;
}
