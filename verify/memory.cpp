#include "memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"

namespace aether2onnx::verify {

using network::Module;
using network::Network;

namespace {

// Measured with libtorch 1.13 and ONNX Runtime 1.30 on glibc: the libraries take about 190 MB
// before the first tensor. glibc gives freed blocks of more than 32 MB back to the system and keeps
// smaller ones, which came to 480 MB at the most. Where it keeps all, between which new blocks
// don't fit, both libraries' heaps together came to 5.1 to 8.6 times the values alive at once.
constexpr double kLibraries = 250e6;
constexpr double kKeptSmallBlocks = 512e6;
constexpr double kKeptShare = 9;

// What a value of the network is, for one image.
struct Extent {
  double channels = 0;
  double factor = 1;  // of height and of width
  double per_pixel() const { return channels * factor * factor; }
};

Extent extent_after(const Network& network, const Module& module, const Extent& input) {
  const auto rows = [&](network::ParameterId id) {
    return static_cast<double>(network.parameters.at(id).shape.front());
  };
  Extent result = input;
  if (const auto* conv = std::get_if<network::Conv2d>(&module.operation)) {
    result.channels = rows(conv->weight);
  } else if (const auto* linear = std::get_if<network::Linear>(&module.operation)) {
    result.channels = rows(linear->weight);
  } else if (const auto* shuffle = std::get_if<network::PixelShuffle>(&module.operation)) {
    const auto factor = static_cast<double>(shuffle->factor);
    result.channels /= factor * factor;
    result.factor *= factor;
  }
  return result;
}

std::vector<Extent> extents_of(const Network& network, const Sizes& sizes) {
  std::vector<Extent> extents = {{static_cast<double>(sizes[1]), 1}};
  for (const Module& module : network.modules) {
    extents.push_back(extent_after(network, module, extents.at(module.inputs.at(0))));
  }
  return extents;
}

bool rearranges(const Module& module) {
  return std::holds_alternative<network::Conv2d>(module.operation) ||
         std::holds_alternative<network::ReparameterizedConv2d>(module.operation) ||
         std::holds_alternative<network::LayerNorm>(module.operation);
}

double elements_of(const network::Parameter& parameter) {
  double elements = 1;
  for (const std::int64_t size : parameter.shape) elements *= static_cast<double>(size);
  return elements;
}

double pixels_of(const Sizes& sizes) {
  return static_cast<double>(sizes[0]) * static_cast<double>(sizes[2]) *
         static_cast<double>(sizes[3]);
}

}  // namespace

MemoryEstimate estimate_memory(const Network& network, const Sizes& sizes,
                               std::size_t element_size) {
  const std::vector<Extent> extents = extents_of(network, sizes);
  std::vector<std::size_t> last_use(extents.size(), 0);
  for (std::size_t i = 0; i < network.modules.size(); ++i) {
    for (const network::ValueId input : network.modules[i].inputs) last_use.at(input) = i;
  }
  double live = extents[0].per_pixel();
  double peak = live;
  for (std::size_t i = 0; i < network.modules.size(); ++i) {
    const Module& module = network.modules[i];
    const double made = extents[i + 1].per_pixel();
    double copies = 0;
    if (rearranges(module)) copies = extents.at(module.inputs[0]).per_pixel() + made;
    if (std::holds_alternative<network::ReparameterizedConv2d>(module.operation)) copies += made;
    peak = std::max(peak, live + made + copies);
    live += made;
    std::vector<network::ValueId> ended = module.inputs;
    std::sort(ended.begin(), ended.end());
    ended.erase(std::unique(ended.begin(), ended.end()), ended.end());
    for (const network::ValueId input : ended) {
      if (last_use[input] == i) live -= extents[input].per_pixel();
    }
  }
  double weights = 0;
  for (const network::Parameter& parameter : network.parameters) weights += elements_of(parameter);
  // The image, and both outputs: float32 and float64.
  const double kept = extents.front().per_pixel() * 4 + extents.back().per_pixel() * (4 + 8);
  const auto size = static_cast<double>(element_size);
  // Weights: the reference's, the candidate's and its rearranged copy.
  const double fixed = kLibraries + weights * (size + 4 + 4) + kept * pixels_of(sizes);
  const double values = peak * size * pixels_of(sizes);
  const auto whole = [](double bytes) {
    constexpr double largest = 1e18;
    return static_cast<std::uint64_t>(std::min(bytes, largest));
  };
  return {whole(fixed + values + std::min((kKeptShare - 1) * values, kKeptSmallBlocks)),
          whole(fixed + kKeptShare * values)};
}

double estimate_work(const Network& network, const Sizes& sizes) {
  const std::vector<Extent> extents = extents_of(network, sizes);
  double work = 0;
  for (std::size_t i = 0; i < network.modules.size(); ++i) {
    const double factor = extents[i + 1].factor;
    const auto add = [&](network::ParameterId weight) {
      work += elements_of(network.parameters.at(weight)) * factor * factor;
    };
    const auto& operation = network.modules[i].operation;
    if (const auto* conv = std::get_if<network::Conv2d>(&operation)) add(conv->weight);
    if (const auto* linear = std::get_if<network::Linear>(&operation)) add(linear->weight);
    if (const auto* pair = std::get_if<network::ReparameterizedConv2d>(&operation)) {
      add(pair->large_weight);
      add(pair->small_weight);
    }
  }
  return work * pixels_of(sizes);
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
