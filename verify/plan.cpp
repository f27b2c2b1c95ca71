#include "plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

std::vector<Run> plan(const Request& request, const onnx::Model& model, std::int64_t channels) {
  std::vector<Sizes> shapes = request.shapes;
  for (const Sizes& sizes : shapes) {
    if (sizes[1] != channels) {
      fail({ErrorKind::mismatch, "verify-shape-channels", "shape", fmt::format("{}", channels),
            fmt::format("{}", sizes[1])},
           "{} {}x{}x{}x{} has {}, but the network has {}.", option("shape"), sizes[0], sizes[1],
           sizes[2], sizes[3], plural(static_cast<std::uint64_t>(sizes[1]), "channel"), channels);
    }
  }
  const Sizes quick = quick_shape_of(model, channels);
  if (shapes.empty() && request.settings.thorough) shapes = shapes_of(model, channels);
  if (shapes.empty()) shapes = {quick};
  const std::uint64_t seed = request.settings.seed;
  std::vector<Run> runs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::vector<std::int64_t> shape(shapes[i].begin(), shapes[i].end());
    runs.push_back({"noise", shapes[i], [shape, seed, i] { return make_noise(shape, seed + i); }});
    runs.push_back({"picture", shapes[i], [shape] { return make_picture(shape); }});
  }
  const fs::path& folder = request.settings.images;
  if (folder.empty()) return runs;
  for (const fs::path& file : list_pictures(folder)) {
    const FloatTensor picture = picture_for(file, model, channels);
    Sizes sizes{};
    std::copy(picture.shape.begin(), picture.shape.end(), sizes.begin());
    runs.push_back({printable(file.filename().string()), sizes,
                    [file, &model, channels] { return picture_for(file, model, channels); }});
  }
  return runs;
}

MemoryEstimate check_memory(const std::vector<Run>& runs, const network::Network& network,
                            std::size_t element_size, std::uint64_t available) {
  MemoryEstimate most;
  for (const Run& run : runs) {
    const MemoryEstimate needed = estimate_memory(network, run.sizes, element_size);
    if (needed.frugal > available) {
      fail({ErrorKind::limit, "verify-memory", run.title(), human_bytes(needed.frugal),
            human_bytes(available)},
           "A comparison at {} needs about {} of memory, but only {} are free.\n"
           "Use smaller shapes ({}, {} and {} for a conversion, {} for verify) or a machine with "
           "more memory.",
           run.title(), human_bytes(needed.frugal), human_bytes(available), option("max_height"),
           option("max_width"), option("max_batch_size"), option("shape"));
    }
    if (needed.roomy > most.roomy) most = needed;
  }
  return most;
}

}  // namespace aether2onnx::verify
