#include "upscaler.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "interpolation.h"
#include "modules.h"
#include "port/port.h"
#include "tiles.h"
#include "upscale_model.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

namespace {

// The share of the free memory that a run may take, because other programs need memory, too.
constexpr double kShareOfMemory = 0.7;
// The limit for the memory of a run on a GPU, in bytes. The program does not know the free
// memory of a GPU. If a run fails for lack of memory, upscale() tries smaller tiles.
constexpr double kGpuMemory = 4e9;
// If the allocator keeps freed memory, a run needs at most kKeptMemory times the memory of the
// values that exist at the same time. Measured for verification; see memory.cpp.
constexpr double kKeptMemory = 9;
constexpr std::int64_t kSmallestTile = 32;
constexpr std::int64_t kLargestTile = 4096;
constexpr std::int64_t kTileStep = 32;
// If the model accepts tiles of one size only, the default overlap is at most 1/4 of this size. So
// at least half of each tile is used.
constexpr std::int64_t kPartsOfFixedTile = 4;

std::string shown_path(const fs::path& path) { return printable(path.string(), 4096); }

double available_bytes() {
  const auto bytes = port::available_memory();
  return bytes ? static_cast<double>(*bytes) : std::numeric_limits<double>::max();
}

[[noreturn]] void too_large(const fs::path& path, const PictureHeader& header, double needed,
                            double usable) {
  const auto whole = [](double bytes) { return static_cast<std::uint64_t>(std::min(bytes, 1e18)); };
  fail(
      {ErrorKind::limit, "upscale-memory", path.string(), human_bytes(whole(needed)),
       human_bytes(whole(usable))},
      "{}: {} x {} pixels need at least {} of memory, but upscale may use only {}.\nClose other "
      "programs, use a machine with more memory, give a smaller {}, or cut the picture into parts.",
      shown_path(path), header.width, header.height, human_bytes(whole(needed)),
      human_bytes(whole(usable)), option("overlap"));
}

// Calls `work`, which uses the picture module (see picture_module.h), and returns the result of
// `work`. Converts all exceptions except std::bad_alloc to Error.
template <typename Work>
auto explained_for(const fs::path& path, const char* doing, Work work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    fail({ErrorKind::io, "picture-format", path.string()}, "{}: the picture cannot be {}: {}.",
         shown_path(path), doing, printable(error.what()));
  }
}

std::string read_bytes(const fs::path& path, const std::atomic<bool>* cancelled) {
  const io::FileInput file(path, cancelled);
  if (static_cast<double>(file.size()) > available_bytes() / 2) {
    fail({ErrorKind::limit, "picture-file-size", path.string(), "", human_bytes(file.size())},
         "{}: the file has {}, but the limit is half of the free memory.\nClose other programs, or "
         "use a machine with more memory.",
         shown_path(path), human_bytes(file.size()));
  }
  std::string bytes(to_size(file.size()), '\0');
  file.read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// --- tiles ------------------------------------------------------------------------------------

// Returns the smallest length of tiles with which an axis of `size` pixels needs as many tiles as
// with `length`. With the returned length, all tiles have nearly the same size.
std::int64_t equal_length(std::int64_t size, std::int64_t length, std::int64_t overlap) {
  if (size <= length) return size;
  const std::int64_t inner = size - 2 * overlap;
  const std::int64_t step = length - 2 * overlap;
  const std::int64_t count = (inner + step - 1) / step;
  return (inner + count - 1) / count + 2 * overlap;
}

// --- samples ----------------------------------------------------------------------------------

// Throws if the picture is not grey. An RGB picture whose three channels are equal is grey.
void check_is_grey(const Raster& picture, const fs::path& path) {
  const auto channels = static_cast<std::size_t>(picture.channels);
  for (std::size_t pixel = 0; pixel < picture.width * picture.height; ++pixel) {
    const unsigned red = picture.sample(pixel * channels);
    if (red == picture.sample(pixel * channels + 1) && red == picture.sample(pixel * channels + 2))
      continue;
    fail({ErrorKind::mismatch, "upscale-colour", path.string(), "a grey picture",
          "a picture with colours"},
         "{}: the picture has colours, but the model takes grey pictures (1 channel).\n"
         "Use a model for colour pictures (3 channels), or save the picture in grey first.",
         shown_path(path));
  }
}

}  // namespace

// A picture and its enlarged result, to which take() adds one tile after the other.
class PictureWork {
 public:
  PictureWork(const Raster& picture, const UpscaleModel& model) : picture_(picture), model_(model) {
    const auto scale = static_cast<std::size_t>(model.scale());
    result_.width = picture.width * scale;
    result_.height = picture.height * scale;
    result_.channels = picture.channels;
    result_.bits = picture.bits;
    result_.colour = picture.colour;
    result_.allocate();
  }

  // Returns the network's input for a tile. Beyond the edges, the picture is mirrored; only the
  // tiles of a model with a fixed size reach beyond the edges.
  FloatTensor input(const Tile& down, const Tile& across, std::int64_t height,
                    std::int64_t width) const {
    const std::int64_t channels = model_.channels();
    FloatTensor tensor{{1, channels, height, width}, {}};
    tensor.values.reserve(count_elements(tensor.shape));
    const auto largest = static_cast<float>(picture_.largest());
    std::vector<std::size_t> columns;
    for (std::int64_t x = 0; x < width; ++x) {
      columns.push_back(static_cast<std::size_t>(
          mirrored(across.begin + x, static_cast<std::int64_t>(picture_.width))));
    }
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      const int from = picture_.colours() == 1 ? 0 : static_cast<int>(channel);
      for (std::int64_t y = 0; y < height; ++y) {
        const auto row = static_cast<std::size_t>(
            mirrored(down.begin + y, static_cast<std::int64_t>(picture_.height)));
        for (const std::size_t column : columns) {
          const unsigned sample = picture_.sample(picture_.position(column, row, from));
          tensor.values.push_back(static_cast<float>(sample) / largest);
        }
      }
    }
    return tensor;
  }

  // Copies a tile's output, without the parts that other tiles provide, into the result.
  void take(const FloatTensor& output, const Tile& down, const Tile& across) {
    const std::int64_t scale = model_.scale();
    const auto plane = static_cast<std::size_t>(output.shape[2] * output.shape[3]);
    const auto width = static_cast<std::size_t>(output.shape[3]);
    const auto colours = static_cast<std::size_t>(result_.colours());
    for (std::int64_t y = down.from * scale; y < down.to * scale; ++y) {
      const auto row = static_cast<std::size_t>(y - down.begin * scale);
      for (std::int64_t x = across.from * scale; x < across.to * scale; ++x) {
        const std::size_t at = row * width + static_cast<std::size_t>(x - across.begin * scale);
        const float* values = output.values.data() + at;
        const std::size_t to =
            result_.position(static_cast<std::size_t>(x), static_cast<std::size_t>(y), 0);
        for (std::size_t colour = 0; colour < colours; ++colour) {
          result_.set_sample(to + colour, sample_of(values, plane, colour));
        }
      }
    }
  }

  // Enlarges alpha by interpolation, because networks are trained on colours.
  void enlarge_alpha() {
    if (!picture_.has_alpha()) return;
    const int alpha = picture_.channels - 1;
    const Bicubic enlarged(picture_, static_cast<std::size_t>(model_.scale()));
    for (std::size_t y = 0; y < result_.height; ++y) {
      for (std::size_t x = 0; x < result_.width; ++x) {
        result_.set_sample(result_.position(x, y, alpha), enlarged.at(x, y, alpha));
      }
    }
  }

  const Raster& result() const { return result_; }
  std::uint64_t not_finite() const { return not_finite_; }

 private:
  unsigned sample_of(const float* values, std::size_t plane, std::size_t colour) {
    float value = 0;
    if (model_.channels() == 1) {
      value = values[0];
    } else if (result_.colours() == 1) {  // brightness by ITU-R BT.601
      value = 0.299F * values[0] + 0.587F * values[plane] + 0.114F * values[2 * plane];
    } else {
      value = values[colour * plane];
    }
    if (!std::isfinite(value)) {
      ++not_finite_;
      value = 0;
    }
    const auto largest = static_cast<float>(result_.largest());
    return static_cast<unsigned>(std::lround(std::clamp(value, 0.0F, 1.0F) * largest));
  }

  const Raster& picture_;
  const UpscaleModel& model_;
  Raster result_;
  std::uint64_t not_finite_ = 0;
};

namespace {

// --- the comparison page ----------------------------------------------------------------------

std::string as_png(const PictureModule& pictures, const Raster& picture) {
  std::string bytes;
  pictures.write_png(picture, [&bytes](std::string_view more) { bytes += more; });
  return bytes;
}

BeforeAndAfter middle_of(const PictureModule& pictures, const Raster& picture, const Raster& result,
                         std::size_t side) {
  Raster after;
  after.width = std::min(side, result.width);
  after.height = std::min(side, result.height);
  after.channels = result.channels;
  after.bits = result.bits;
  after.colour = result.colour;
  after.allocate();
  Raster before = after;
  const std::size_t left = (result.width - after.width) / 2;
  const std::size_t top = (result.height - after.height) / 2;
  const Bicubic enlarged(picture, result.width / picture.width);
  for (std::size_t y = 0; y < after.height; ++y) {
    for (std::size_t x = 0; x < after.width; ++x) {
      for (int channel = 0; channel < after.channels; ++channel) {
        const std::size_t to = after.position(x, y, channel);
        after.set_sample(to, result.sample(result.position(left + x, top + y, channel)));
        before.set_sample(to, enlarged.at(left + x, top + y, channel));
      }
    }
  }
  return {"", "", after.width, after.height, as_png(pictures, before), as_png(pictures, after)};
}

}  // namespace

Upscaler::Upscaler(const UpscaleModel& model, const TileSettings& tiles,
                   const std::atomic<bool>* cancelled)
    : model_(model), pictures_(load_pictures()), tiles_(tiles), cancelled_(cancelled) {}

TilePlan Upscaler::plan(const PictureHeader& header, const fs::path& path,
                        std::int64_t largest_tile) const {
  const auto height = static_cast<std::int64_t>(header.height);
  const auto width = static_cast<std::int64_t>(header.width);
  TilePlan plan;
  const std::int64_t reach = model_.reach() ? model_.reach()->pixels : kUnknownOverlap;
  plan.overlap = tiles_.overlap.value_or(reach);
  for (const auto& fixed : {model_.fixed_height(), model_.fixed_width()}) {
    if (!fixed) continue;
    if (!tiles_.overlap) plan.overlap = std::min(plan.overlap, *fixed / kPartsOfFixedTile);
    if (plan.overlap * 2 < *fixed) continue;
    fail({ErrorKind::usage, "option-range", "overlap", fmt::format("less than {}", *fixed / 2),
          fmt::format("{}", plan.overlap)},
         "{} {}: the model takes {} pixels per side. The overlap must be less than half of the "
         "side.",
         option("overlap"), plan.overlap, *fixed);
  }
  const std::int64_t around = 2 * plan.overlap;
  const auto set_length = [&](std::int64_t tile) {
    plan.height = equal_length(height, tile + around, plan.overlap);
    plan.width = equal_length(width, tile + around, plan.overlap);
    if (model_.fixed_height()) plan.height = *model_.fixed_height();
    if (model_.fixed_width()) plan.width = *model_.fixed_width();
  };
  if (tiles_.size) {
    set_length(*tiles_.size);
  } else {
    const double budget = memory_for_run(header, path);
    const auto needed = [&] { return bytes_of_run(plan); };
    set_length(largest_tile == 0 ? std::max(height, width) : largest_tile);
    for (std::int64_t tile = largest_tile == 0 ? kLargestTile : largest_tile;
         needed() > budget && tile >= kSmallestTile; tile -= kTileStep) {
      set_length(tile);
    }
    if (needed() > budget) too_large(path, header, needed(), budget);
  }
  plan.count =
      cut(height, plan.height, plan.overlap).size() * cut(width, plan.width, plan.overlap).size();
  judge(plan, height, width);
  return plan;
}

// Sets plan.exact: whether the result is the same as without tiles. If not, also sets plan.why_not
// to the reason.
void Upscaler::judge(TilePlan& plan, std::int64_t height, std::int64_t width) const {
  if (plan.count == 1) {
    if (plan.height <= height && plan.width <= width) return;
    plan.why_not = fmt::format(
        "The model takes {} x {} pixels only, so the picture is mirrored beyond its edges.",
        plan.width, plan.height);
  } else if (!model_.reach()) {
    plan.why_not = fmt::format(
        "The program does not know this network, so an overlap of {} pixels may be too small.",
        plan.overlap);
  } else if (model_.reach()->whole_picture) {
    plan.why_not =
        "The network averages over the whole picture (channel attention), but in each tile the "
        "network averages only over the tile.";
  } else if (plan.overlap < model_.reach()->pixels) {
    plan.why_not = fmt::format(
        "The network looks {} pixels around each pixel, but the overlap of the tiles is {} pixels.",
        model_.reach()->pixels, plan.overlap);
  }
  plan.exact = plan.why_not.empty();
}

// Returns the limit for the memory of a run, in bytes. The limit does not include the picture
// and its result. Throws if the picture and its result need too much memory.
double Upscaler::memory_for_run(const PictureHeader& header, const fs::path& path) const {
  const double available = available_bytes();
  const double picture = static_cast<double>(header.width) * static_cast<double>(header.height) *
                         header.channels * header.bits / 8;
  const auto scale = static_cast<double>(model_.scale());
  const double held = picture * (2 + 2 * scale * scale);  // picture and result, with JPEG copies
  const double usable = available * kShareOfMemory;
  if (held > usable) too_large(path, header, held, usable);
  if (model_.device().provider != Provider::cpu) return kGpuMemory;
  return (available - held) * kShareOfMemory;
}

double Upscaler::bytes_of_run(const TilePlan& plan) const {
  const double bytes =
      model_.bytes_for(static_cast<double>(plan.height) * static_cast<double>(plan.width));
  return keeps_memory_ ? kKeptMemory * bytes : bytes;
}

// Makes the allocator keep freed memory, if there is enough memory. By default, the allocator
// returns the memory of each feature map to the system. On a CPU, returning the memory takes a
// fifth of the time of a run.
void Upscaler::keep_memory_if_there_is_enough(const TilePlan& plan) {
  if (keeps_memory_ || kKeptMemory * bytes_of_run(plan) > available_bytes() / 2) return;
  keeps_memory_ = true;
  port::keep_freed_memory();
}

UpscaledPicture Upscaler::upscale(const fs::path& path, const PictureOutput& output,
                                  std::size_t part_side, const PictureProgress& progress) {
  const auto started = std::chrono::steady_clock::now();
  const Context context{{}, nullptr, cancelled_, {}};
  UpscaledPicture done;
  Raster picture;
  {
    const std::string bytes = read_bytes(path, cancelled_);
    done.header = explained_for(path, "read", [&] { return pictures_.describe(bytes); });
    done.tiles = plan(done.header, path, 0);
    picture = explained_for(path, "read", [&] { return pictures_.read(bytes); });
  }
  if (!picture.warning.empty()) {
    done.notes.push_back(
        fmt::format("{}: the file is damaged ({}); parts of the picture may be missing",
                    shown_path(path), printable(picture.warning)));
  }
  if (model_.channels() == 1 && picture.colours() == 3) check_is_grey(picture, path);
  keep_memory_if_there_is_enough(done.tiles);
  std::optional<PictureWork> work;
  for (;;) {
    work.emplace(picture, model_);
    try {
      run_tiles(*work, done.tiles, picture, progress);
      break;
    } catch (const OutOfMemory& error) {
      const std::int64_t longest = std::max(done.tiles.height, done.tiles.width);
      const std::int64_t tile = (longest - 2 * done.tiles.overlap) / 2;
      if (tiles_.size || model_.fixed_height() || model_.fixed_width() || tile < kSmallestTile) {
        fail({ErrorKind::limit, "upscale-device-memory", path.string()},
             "{}: {} has too little memory for {} x {} pixels at once: {}{}", shown_path(path),
             to_string(model_.device()), done.tiles.width, done.tiles.height, error.diagnostic.text,
             tiles_.size ? fmt::format("\nGive a smaller {}.", option("tile")) : "");
      }
      done.tiles = plan(done.header, path, tile);
    }
  }
  work->enlarge_alpha();
  const Raster& result = work->result();
  done.width = result.width;
  done.height = result.height;
  if (work->not_finite() > 0) {
    done.notes.push_back(fmt::format(
        "{}: {} numbers of the output are not finite and became black. The range of half precision "
        "may be too small for this model",
        shown_path(path), with_thousands(work->not_finite())));
  }
  if (output.format == PictureFormat::jpeg && picture.has_alpha()) {
    done.notes.push_back(fmt::format(
        "{}: JPEG has no transparency, so the picture is put on white. PNG keeps transparency",
        shown_path(path)));
  }
  if (part_side > 0) {
    done.parts = explained_for(path, "shown",
                               [&] { return middle_of(pictures_, picture, result, part_side); });
  }
  io::StagedFiles staged(output.path, output.read, cancelled_);
  explained_for(output.path, "written", [&] {
    const PictureSink sink = [&](std::string_view bytes) {
      context.check_cancelled();
      staged.model().write(std::as_bytes(std::span(bytes)));
    };
    if (output.format == PictureFormat::png) {
      pictures_.write_png(result, sink);
    } else {
      pictures_.write_jpeg(result, output.quality, sink);
    }
    return 0;
  });
  staged.close();
  done.replaced = io::time_written(output.path);
  staged.commit();
  done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return done;
}

void Upscaler::run_tiles(PictureWork& work, const TilePlan& plan, const Raster& picture,
                         const PictureProgress& progress) const {
  const auto down = cut(static_cast<std::int64_t>(picture.height), plan.height, plan.overlap);
  const auto across = cut(static_cast<std::int64_t>(picture.width), plan.width, plan.overlap);
  const double pixels = static_cast<double>(plan.count) * static_cast<double>(plan.height) *
                        static_cast<double>(plan.width);
  const double estimate = model_.seconds_per_pixel() * pixels;
  std::uint64_t done = 0;
  for (const Tile& row : down) {
    for (const Tile& column : across) {
      if (cancelled_ != nullptr && *cancelled_)
        Context{{}, nullptr, cancelled_, {}}.check_cancelled();
      if (progress) {
        progress(plan, estimate, static_cast<double>(done) / static_cast<double>(plan.count));
      }
      const std::int64_t height = model_.fixed_height().value_or(row.end - row.begin);
      const std::int64_t width = model_.fixed_width().value_or(column.end - column.begin);
      const FloatTensor output = model_.run(work.input(row, column, height, width));
      const std::vector<std::int64_t> expected = {1, model_.channels(), height * model_.scale(),
                                                  width * model_.scale()};
      if (output.shape != expected) {
        fail({ErrorKind::unsupported, "upscale-output", "", join(expected, "x"),
              join(output.shape, "x")},
             "The model's output has the shape {} for an input of {}x{}; {} is expected.",
             join(output.shape, "x"), height, width, join(expected, "x"));
      }
      work.take(output, row, column);
      ++done;
    }
  }
}

}  // namespace aether2onnx::verify
