#include "inputs.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <random>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "picture.h"
#include "port/files.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

FloatTensor make_noise(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  FloatTensor tensor{shape, std::vector<float>(count_elements(shape))};
  for (float& value : tensor.values) {
    value = static_cast<float>(static_cast<double>(generator() >> 40U) * 0x1p-24);
  }
  return tensor;
}

FloatTensor make_picture(const std::vector<std::int64_t>& shape) {
  FloatTensor tensor{shape, std::vector<float>(count_elements(shape))};
  const auto height = static_cast<std::size_t>(shape[2]);
  const auto width = static_cast<std::size_t>(shape[3]);
  for (std::size_t i = 0; i < tensor.values.size(); ++i) {
    const std::size_t plane = i / (height * width);
    const std::size_t y = i / width % height;
    const std::size_t x = i % width;
    const double gradient = static_cast<double>(x + y + 1) / static_cast<double>(width + height);
    const double wave =
        0.2 * std::sin(0.15 * static_cast<double>((plane + 1) * x) + 0.23 * static_cast<double>(y));
    const bool edge = (x / 8 + y / 8 + plane) % 2 == 0;
    tensor.values[i] =
        static_cast<float>(std::clamp(0.7 * gradient + wave + (edge ? 0.15 : 0.0), 0.0, 1.0));
  }
  return tensor;
}

FloatTensor halves_of(FloatTensor upper, const FloatTensor& lower) {
  const auto height = static_cast<std::size_t>(upper.shape[2]);
  const auto width = static_cast<std::size_t>(upper.shape[3]);
  for (std::size_t i = 0; i < upper.values.size(); ++i) {
    if (i / width % height >= height / 2) upper.values[i] = lower.values[i];
  }
  return upper;
}

// --- shapes -----------------------------------------------------------------------------------

namespace {

constexpr std::int64_t kLargestAxis = 65536;

std::optional<std::int64_t> to_size_of_axis(std::string_view text) {
  std::int64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool valid = result.ec == std::errc{} && result.ptr == text.data() + text.size() &&
                     number >= 1 && number <= kLargestAxis;
  return valid ? std::optional(number) : std::nullopt;
}

// Returns the shape in a text from the ONNX model's metadata, such as "1x3x32x32" or
// "input:1x3x32x32". Returns nullopt if `text` is null or is not a valid shape.
std::optional<Sizes> parse_profile(const std::string* text) {
  if (text == nullptr) return std::nullopt;
  std::string_view rest = *text;
  rest.remove_prefix(std::min(rest.size(), rest.find(':') + 1));
  Sizes sizes{};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::size_t end = i + 1 < sizes.size() ? rest.find('x') : rest.size();
    if (end == std::string_view::npos) return std::nullopt;
    const auto size = to_size_of_axis(rest.substr(0, end));
    if (!size) return std::nullopt;
    sizes.at(i) = *size;
    rest.remove_prefix(std::min(rest.size(), end + 1));
  }
  return sizes;
}

// The smallest, the optimal and the largest sizes (N, C, H, W) of a model's input.
struct Profile {
  Sizes min;
  Sizes opt;
  Sizes max;
  bool dynamic = false;
};

Profile profile_of(const onnx::Model& model, std::int64_t channels) {
  // Leaves out weights: old exporters also list the initializers as inputs.
  std::vector<const onnx::ValueInfo*> inputs;
  for (const onnx::ValueInfo& input : model.inputs) {
    const bool constant =
        std::any_of(model.initializers.begin(), model.initializers.end(),
                    [&](const onnx::Tensor& tensor) { return tensor.name == input.name; });
    if (!constant) inputs.push_back(&input);
  }
  if (inputs.size() != 1 || inputs[0]->dims.size() != 4) {
    fail({ErrorKind::unsupported, "verify-input", "", "one input (N, C, H, W)"},
         "The model has {}{}, but one input of batch x channels x height x width is expected.",
         plural(inputs.size(), "input"),
         inputs.size() == 1 ? fmt::format(" of {} axes", inputs[0]->dims.size()) : "");
  }
  const auto min = parse_profile(model.find_metadata("min_shape"));
  const auto opt = parse_profile(model.find_metadata("opt_shape"));
  const auto max = parse_profile(model.find_metadata("max_shape"));
  const InputShape defaults = InputShape::dynamic_defaults();
  const auto default_sizes = [&](std::int64_t Axis::*which) {
    return Sizes{defaults.batch.*which, channels, defaults.height.*which, defaults.width.*which};
  };
  Profile profile{min.value_or(default_sizes(&Axis::min)), opt.value_or(default_sizes(&Axis::opt)),
                  max.value_or(default_sizes(&Axis::max))};
  for (std::size_t axis = 0; axis < profile.min.size(); ++axis) {
    const auto fixed = to_size_of_axis(inputs[0]->dims[axis]);
    if (axis == 1 && fixed && *fixed != channels) {
      fail({ErrorKind::mismatch, "verify-channels", inputs[0]->name, fmt::format("{}", channels),
            fmt::format("{}", *fixed)},
           "The model takes {}, but the checkpoint's network takes {}. The two files belong to "
           "different networks.",
           plural(static_cast<std::uint64_t>(*fixed), "channel"), channels);
    }
    if (fixed || axis == 1) {
      profile.min.at(axis) = profile.opt.at(axis) = profile.max.at(axis) = fixed.value_or(channels);
    } else {
      profile.dynamic = true;
    }
  }
  return profile;
}

// Returns the smallest odd size that is at least `min` + `above`. If this size is larger than
// `max`, returns `max`, which may be even. Usual sizes are even, so an odd size tests a rare case.
std::int64_t odd_between(std::int64_t min, std::int64_t max, std::int64_t above) {
  return std::clamp<std::int64_t>((min + above) | 1, min, max);
}

// Returns the odd size from `min` to `max` that is nearest to `wanted`; `min` if no size is odd.
std::int64_t odd_near(std::int64_t wanted, std::int64_t min, std::int64_t max) {
  const std::int64_t size = std::clamp(std::max(wanted, min) | 1, min, max);
  return size % 2 == 0 && size > min ? size - 1 : size;
}

}  // namespace

Sizes quick_shape_of(const onnx::Model& model, std::int64_t channels) {
  const Profile profile = profile_of(model, channels);
  const auto& [min, opt, max, dynamic] = profile;
  Sizes sizes = {std::clamp<std::int64_t>(2, min[0], max[0]), channels,
                 odd_near(33, min[2], max[2]), odd_near(37, min[3], max[3])};
  const auto is_poor = [&, &best = opt] { return sizes[2] == sizes[3] || sizes == best; };
  for (const std::size_t axis : {2U, 3U}) {
    for (const std::int64_t step : {-2, 2}) {
      const std::int64_t other = sizes.at(axis) + step;
      if (is_poor() && other >= min.at(axis) && other <= max.at(axis)) sizes.at(axis) = other;
    }
  }
  return sizes;
}

std::vector<Sizes> shapes_of(const onnx::Model& model, std::int64_t channels) {
  const Profile profile = profile_of(model, channels);
  if (!profile.dynamic) return {profile.opt};
  const Sizes between = {odd_between(profile.min[0], profile.max[0], 1), channels,
                         odd_between(profile.min[2], profile.max[2], 6),
                         odd_between(profile.min[3], profile.max[3], 16)};
  std::vector<Sizes> distinct;
  for (const Sizes& sizes : {profile.min, between, profile.opt, profile.max}) {
    if (std::find(distinct.begin(), distinct.end(), sizes) == distinct.end()) {
      distinct.push_back(sizes);
    }
  }
  return distinct;
}

// --- pictures ---------------------------------------------------------------------------------

std::vector<fs::path> list_pictures(const fs::path& folder) {
  std::vector<fs::path> pictures;
  for (const fs::path& path : io::list_folder(folder).paths) {
    std::string extension = path.extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const bool picture = extension == ".png" || extension == ".jpg" || extension == ".jpeg";
    if (picture && io::is_file(path)) pictures.push_back(path);
  }
  if (pictures.empty()) {
    fail({ErrorKind::io, "verify-no-pictures", folder.string()}, "{} contains no PNG or JPEG file.",
         printable(folder.string(), 4096));
  }
  return pictures;
}

namespace {

// Returns which pixel of a picture file becomes pixel `at` of the model's input. Along one axis,
// the file has `size` pixels, and the input has `wanted` pixels. If the file has more pixels, the
// input gets the middle of the file's picture. If the file has fewer pixels, the picture is
// mirrored at the end of the axis: the pixels 0 1 2 become 0 1 2 2 1 0 0 1 2 and so on.
std::size_t source_position(std::size_t at, std::size_t size, std::size_t wanted) {
  if (wanted <= size) return at + (size - wanted) / 2;
  const std::size_t period = 2 * size;
  const std::size_t within = at % period;
  return within < size ? within : period - 1 - within;
}

}  // namespace

FloatTensor picture_for(const fs::path& file, const onnx::Model& model, std::int64_t channels) {
  if (channels != 1 && channels != 3) {
    fail({ErrorKind::unsupported, "verify-picture-channels", "", "1 or 3",
          fmt::format("{}", channels)},
         "The network takes {}. Pictures from files only fit networks with 1 or 3 channels.",
         plural(static_cast<std::uint64_t>(channels), "channel"));
  }
  FloatTensor picture = load_picture(file);
  if (channels == 1) picture = to_grey(picture);
  const Profile profile = profile_of(model, channels);
  const std::int64_t height = std::clamp(picture.shape[2], profile.min[2], profile.max[2]);
  const std::int64_t width = std::clamp(picture.shape[3], profile.min[3], profile.max[3]);
  const std::int64_t batch = profile.min[0];
  FloatTensor result{{batch, channels, height, width}, {}};
  result.values.reserve(count_elements(result.shape));
  const auto source_height = static_cast<std::size_t>(picture.shape[2]);
  const auto source_width = static_cast<std::size_t>(picture.shape[3]);
  for (std::size_t plane = 0; plane < static_cast<std::size_t>(batch * channels); ++plane) {
    const std::size_t channel = plane % static_cast<std::size_t>(channels);
    for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
      const std::size_t row = source_position(y, source_height, static_cast<std::size_t>(height));
      for (std::size_t x = 0; x < static_cast<std::size_t>(width); ++x) {
        const std::size_t column =
            source_position(x, source_width, static_cast<std::size_t>(width));
        result.values.push_back(
            picture.values[(channel * source_height + row) * source_width + column]);
      }
    }
  }
  return result;
}

}  // namespace aether2onnx::verify
