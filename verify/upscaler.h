/// @file
/// Enlarges picture files with a model.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "picture_module.h"
#include "port/files.h"

namespace aether2onnx::verify {

/// The file to which an enlarged picture is written.
struct PictureOutput {
  std::filesystem::path path;
  PictureFormat format = PictureFormat::png;
  int quality = 95;    ///< Quality of a JPEG, 1 to 100.
  io::FilesRead read;  ///< Files that the output must not replace.
};

struct TileSettings {
  /// Side of a tile in pixels of the input, without the overlap. Unset: the whole picture at once,
  /// or the largest tiles that fit into the memory.
  std::optional<std::int64_t> size;
  /// Pixels of the input that are added on each side of a tile. Unset: the receptive field of the
  /// network; for unknown networks kUnknownOverlap.
  std::optional<std::int64_t> overlap;
};

/// The overlap of tiles, in pixels, for a network that the program does not recognise.
inline constexpr std::int64_t kUnknownOverlap = 32;

/// The size and the number of the tiles of one picture.
struct TilePlan {
  std::int64_t height = 0;  ///< Height of a tile with its overlap.
  std::int64_t width = 0;
  std::int64_t overlap = 0;
  std::uint64_t count = 1;
  /// Whether the result is the same as without tiles, apart from float rounding.
  bool exact = true;
  std::string why_not;  ///< The reason, a sentence, if `exact` is false.
};

/// A part of a picture before and after enlarging, as the bytes of two PNG files. An HTML page
/// shows both pictures (see comparison_page.h).
struct BeforeAndAfter {
  std::string title;
  std::string facts;
  std::size_t width = 0;  ///< Width of both pictures, in pixels.
  std::size_t height = 0;
  std::string before;  ///< Enlarged by bicubic interpolation.
  std::string after;
};

/// The result of upscale() for one picture file.
struct UpscaledPicture {
  PictureHeader header;
  std::uint64_t width = 0;  ///< Width of the result.
  std::uint64_t height = 0;
  TilePlan tiles;
  double seconds = 0;
  std::vector<std::string> notes;  ///< One line each.
  std::string replaced;  ///< When the replaced file was written; "" if no file was replaced.
  std::optional<BeforeAndAfter> parts;
};

/// A function that gets the progress of one picture: `estimate`, the seconds in total, and `share`,
/// the finished share from 0 to 1.
using PictureProgress = std::function<void(const TilePlan& tiles, double estimate, double share)>;

class PictureWork;
class UpscaleModel;

class Upscaler {
 public:
  /// Loads the picture module, a shared library that reads and writes pictures. Throws
  /// Error(unsupported) if the module is missing or cannot be loaded. `model` must outlive the
  /// object.
  Upscaler(const UpscaleModel& model, const TileSettings& tiles,
           const std::atomic<bool>* cancelled);

  /// Reads the picture, enlarges it and saves the result. If `part_side` is above 0, also returns
  /// `parts`: the middle of the picture before and after enlarging, at most `part_side` pixels wide
  /// and high. If Error is thrown, no file was written.
  UpscaledPicture upscale(const std::filesystem::path& picture, const PictureOutput& output,
                          std::size_t part_side, const PictureProgress& progress);

 private:
  /// Chooses the sizes of the tiles into which a picture is cut. `largest_tile` is the largest side
  /// of a tile without its overlap; 0 means no limit.
  TilePlan plan(const PictureHeader& header, const std::filesystem::path& path,
                std::int64_t largest_tile) const;
  void judge(TilePlan& plan, std::int64_t height, std::int64_t width) const;
  double memory_for_run(const PictureHeader& header, const std::filesystem::path& path) const;
  double bytes_of_run(const TilePlan& plan) const;
  void keep_memory_if_there_is_enough(const TilePlan& plan);
  void run_tiles(PictureWork& work, const TilePlan& plan, const Raster& picture,
                 const PictureProgress& progress) const;

  const UpscaleModel& model_;
  const PictureModule& pictures_;
  TileSettings tiles_;
  bool keeps_memory_ = false;  // whether the allocator keeps freed memory
  const std::atomic<bool>* cancelled_;
};

}  // namespace aether2onnx::verify
