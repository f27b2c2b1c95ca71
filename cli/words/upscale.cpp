#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "../picture_names.h"
#include "base/error.h"
#include "base/text.h"
#include "nearest.h"
#include "options.h"
#include "port/files.h"

namespace aether2onnx::cli {

namespace {

std::string ending_of(const std::filesystem::path& path) {
  return lower_case(path.extension().string());
}

// Returns whether `path` is a folder or has the ending of a picture file (.png, .jpg, …). If not,
// `path` may be the model.
bool is_picture_name(const std::filesystem::path& path) {
  return ends_in(path, kPictureEndings) || ends_in(path, kOtherPictures) || io::is_folder(path);
}

void take_upscale_files(const CommandLine& line, UpscaleRequest& request) {
  std::vector<std::string> files = line.positionals();
  for (const std::string& file : files) line.refuse_assignment(file);
  if (files.empty()) {
    fail({ErrorKind::usage, "command-files", "", "a model and pictures", "0"},
         "no model was given.\n{}", line.usage());
  }
  // The model is the first argument that is no picture: the user may type pictures before the
  // model.
  const auto model = std::find_if_not(
      files.begin(), files.end(), [](const std::string& file) { return is_picture_name(file); });
  if (model == files.end()) {
    fail({ErrorKind::usage, "command-files", files.front(), "a model", "pictures"},
         "{}: this is a picture or a folder. The first file must be the model (.pth, .safetensors "
         "or .onnx).\n{}",
         printable(files.front()), line.usage());
  }
  request.model = *model;
  files.erase(model);
  if (files.empty()) {
    fail({ErrorKind::usage, "command-files", "", "pictures", "0"},
         "no picture was given.\nName pictures or folders after the model: aether2onnx upscale {} "
         "photo.png",
         shown(request.model));
  }
  request.pictures.assign(files.begin(), files.end());
}

// Throws Error(usage) if the last of several pictures does not exist. In other programs the last
// argument is the result: upscale MODEL.onnx PICTURE RESULT.png. If the user meant the result, the
// user must write --output, so the message names this option.
void check_pictures_exist(const UpscaleRequest& request) {
  const std::filesystem::path& last = request.pictures.back();
  if (request.pictures.size() < 2 || io::exists(last) || !is_picture_name(last)) return;
  fail({ErrorKind::usage, "command-files", last.string(), "a picture", "no file"},
       "{}: there is no such picture.\nTo name the result, write --output {}", shown(last),
       shown(last));
}

PictureType type_of_name(const std::filesystem::path& path) {
  return ending_of(path) == ".png" ? PictureType::png : PictureType::jpeg;
}

void check_output(const CommandLine& line, UpscaleRequest& request) {
  const std::filesystem::path& output = request.output;
  if (output.empty()) return;
  if (ends_in(output, kOtherPictures)) {
    fail(
        {ErrorKind::usage, "command-ending", output.string(), ".png or .jpg", ending_of(output)},
        "--output {}: results are PNG or JPEG. Give a name that ends in .png or .jpg, or a folder.",
        shown(output));
  }
  request.output_is_file = ends_in(output, kPictureEndings) && !io::is_folder(output);
  if (!request.output_is_file) return;
  if (line.given("format") && request.type != type_of_name(output)) {
    fail({ErrorKind::usage, "option-conflict", "format"},
         "--format {} contradicts the ending of --output {}.", to_string(request.type),
         shown(output));
  }
  request.type = type_of_name(output);
}

void check_number(const char* name, const std::optional<std::int64_t>& value, std::int64_t least,
                  std::int64_t most) {
  if (!value || (*value >= least && *value <= most)) return;
  fail({ErrorKind::usage, "option-range", name, fmt::format("{} to {}", least, most),
        fmt::format("{}", *value)},
       "--{} {}: must be {} to {}.", name, *value, least, most);
}

void check_upscale(const CommandLine& line, UpscaleRequest& request) {
  constexpr std::int64_t least_tile = 16;
  constexpr std::int64_t most_tile = 65536;
  constexpr std::int64_t most_overlap = 4096;
  check_number("tile", request.tile, least_tile, most_tile);
  check_number("overlap", request.overlap, 0, most_overlap);
  check_number("quality", request.quality, 1, 100);
  if (request.device) take_device(*request.device);
  if (request.compare && (request.compare->empty() || io::is_folder(*request.compare) ||
                          is_picture_name(*request.compare))) {
    fail({ErrorKind::usage, "option-file", "compare", "an HTML file", *request.compare},
         "--compare {}: must be the name of an HTML page, for example compare.html.",
         shown(*request.compare));
  }
  check_output(line, request);
  check_pictures_exist(request);
  if (line.given("quality") && request.type == PictureType::png) {
    fail({ErrorKind::usage, "option-conflict", "quality"},
         "--quality is for JPEG, but the results are PNG, which loses nothing. Add --format jpeg.");
  }
}

}  // namespace

std::string_view to_string(PictureType type) noexcept {
  return type == PictureType::png ? "png" : "jpeg";
}

void add_words(CommandLine& line, UpscaleRequest& request) {
  line.describe("Enlarges pictures with a checkpoint or an ONNX file, in ONNX Runtime.",
                "Usage: aether2onnx upscale MODEL PICTURE... [options]\n",
                R"(MODEL is a checkpoint (.pth, .safetensors) or an ONNX file of any program.
PICTURE is a PNG file, a JPEG file, or a folder of such files.

Examples:
  aether2onnx upscale model.pth photo.png
      Saves photo_2x_model.png beside the picture.
  aether2onnx upscale model.onnx photos/ --output enlarged/
  aether2onnx upscale model.onnx photo.png --compare compare.html
      Also writes a page with before and after side by side.

Alpha is kept. Results are PNG without loss, of 16 bits if the picture has 16 bits.
If a picture needs more memory than is free, the program cuts the picture into tiles.

Exit codes: 0 done, 1 failed (other pictures may be saved), 2 wrong usage.)");
  line.group("Results");
  line.add("--output", &request.output, "PATH",
           "A folder for the results; for one picture also a file name.\n"
           "Default: {name}_{scale}x_{model}.png beside the picture");
  line.add_choice("--format", std::array{PictureType::png, PictureType::jpeg}, request.type,
                  "Format of the results. Default: png, or the ending of\n--output");
  line.add("--quality", &request.quality, "N", "Quality of JPEG, 1 to 100. Default: 95");
  line.add("--compare", &request.compare, "FILE",
           "Write an HTML page that shows the pictures before and after,\n"
           "side by side");
  line.group("Tiles");
  line.add("--tile", &request.tile, "N",
           "Cut the picture into tiles of N x N pixels, plus the overlap.\n"
           "Default: the whole picture if the memory is enough, else the\n"
           "largest tiles that fit");
  line.add("--overlap", &request.overlap, "N",
           "Pixels that the network also reads on each side of a tile.\n"
           "Default: all pixels that can change the tile's result, or 32\n"
           "for an unknown network");
  line.group("Device");
  line.add("--device", &request.device, "NAME",
           "Where to run: cpu, cuda or cuda:N. Default: cuda if it can be\n"
           "used, else cpu");
  line.add("--onnxruntime_library", &request.onnxruntime_library, "FILE",
           "The ONNX Runtime library (libonnxruntime.so). Default: the\n"
           "environment variable AETHER2ONNX_ONNXRUNTIME, then the folder\n"
           "of the program, then the system's folders");
  line.group("Checkpoint (same options as for convert)");
  add_read_options(line, request.reading);
  add_limits(line, request.limits);
  line.add_printing(request.printing);
  line.then([&] {
    take_upscale_files(line, request);
    request.inputs = line.inputs();
    check_upscale(line, request);
    validate(request.reading);
  });
}

}  // namespace aether2onnx::cli
