#include "memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace aether2onnx::verify {

using network::Network;

namespace {

// Measured with libtorch 1.13 and ONNX Runtime 1.30 on glibc, aether_small x2: 239 MB are resident
// where the picture is 8 x 8. glibc gives freed blocks of more than 32 MB back to the system and
// keeps smaller ones, which came to 440 MB at the most. Where it keeps all, between which new
// blocks don't fit, both libraries' heaps together came to 6.5 to 8.0 times the values alive at
// once (1 and 2 pictures of 256 x 256).
constexpr double kLibraries = 250e6;
constexpr double kKeptSmallBlocks = 512e6;
constexpr double kKeptShare = 9;

double pixels_of(const Sizes& sizes) {
  return static_cast<double>(sizes[0]) * static_cast<double>(sizes[2]) *
         static_cast<double>(sizes[3]);
}

}  // namespace

MemoryEstimate estimate_memory(const Network& network, const Sizes& sizes,
                               std::size_t element_size) {
  const network::Cost cost = network::cost_of(network);
  // The image, and both outputs: float32 and float64.
  const double kept = cost.input_elements * 4 + cost.output_elements * (4 + 8);
  const auto size = static_cast<double>(element_size);
  // Weights: the reference's, the candidate's and its rearranged copy.
  const double fixed = kLibraries + cost.parameters * (size + 4 + 4) + kept * pixels_of(sizes);
  const double values = cost.live_elements_with_copies * size * pixels_of(sizes);
  const auto whole = [](double bytes) {
    constexpr double largest = 1e18;
    return static_cast<std::uint64_t>(std::min(bytes, largest));
  };
  return {whole(fixed + values + std::min((kKeptShare - 1) * values, kKeptSmallBlocks)),
          whole(fixed + kKeptShare * values)};
}

double estimate_work(const Network& network, const Sizes& sizes) {
  return network::cost_of(network).multiply_adds * pixels_of(sizes);
}

// --- what there is ----------------------------------------------------------------------------

namespace {

std::optional<std::uint64_t> first_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

// A line "MemAvailable:   22 kB" of /proc/meminfo.
std::optional<std::uint64_t> system_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::uint64_t kilobytes = 0;
  std::string unit;
  while (file >> name >> kilobytes) {
    if (name == "MemAvailable:") return kilobytes * 1024;
    std::getline(file, unit);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> group_bytes(const std::string& limit, const std::string& used) {
  const auto most = first_number(limit);
  const auto now = first_number(used);
  constexpr std::uint64_t unlimited = std::uint64_t{1} << 60U;
  if (!most || !now || *most >= unlimited) return std::nullopt;
  return *most > *now ? *most - *now : 0;
}

// What a limit on the address space leaves, as `ulimit -v` sets it.
std::optional<std::uint64_t> address_bytes() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  const auto pages = first_number("/proc/self/statm");
  constexpr std::uint64_t page = 4096;
  const std::uint64_t used = pages.value_or(0) * page;
  return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

}  // namespace

std::optional<std::uint64_t> available_bytes() {
  std::optional<std::uint64_t> least;
  for (const auto& bytes :
       {system_bytes(), group_bytes("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        group_bytes("/sys/fs/cgroup/memory/memory.limit_in_bytes",
                    "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        address_bytes()}) {
    if (bytes && (!least || *bytes < *least)) least = bytes;
  }
  return least;
}

}  // namespace aether2onnx::verify
