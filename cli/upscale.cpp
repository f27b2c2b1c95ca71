// Implements the command `upscale`, which enlarges pictures with a checkpoint or an ONNX file.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "../verify/comparison_page.h"
#include "../verify/upscale_model.h"
#include "../verify/upscaler.h"
#include "base/error.h"
#include "base/text.h"
#include "picture_names.h"
#include "port/files.h"
#include "render/results.h"
#include "words/nearest.h"

namespace aether2onnx::cli {

namespace {

namespace fs = std::filesystem;

constexpr int kUsualQuality = 95;
// Limits of the HTML page of --compare, so that a phone can open the page: the largest number of
// pictures, and the longest side of each picture in pixels. If there are more than kFewPictures,
// the longest side is kSmallSide instead of kLargeSide.
constexpr std::size_t kMostCompared = 24;
constexpr std::size_t kLargeSide = 1600;
constexpr std::size_t kSmallSide = 800;
constexpr std::size_t kFewPictures = 4;

// Returns the model's name without the scale: "model" for 2x_model.onnx. This name is used in the
// file names of the results, which contain the scale anyway: photo_2x_model.png.
std::string model_stem(const fs::path& model, std::int64_t scale) {
  std::string stem = checkpoint_stem(model);
  const std::string prefix = fmt::format("{}x_", scale);
  return stem.size() > prefix.size() && lower_case(stem).starts_with(prefix)
             ? stem.substr(prefix.size())
             : stem;
}

std::string result_suffix(const UpscaleRequest& request, std::int64_t scale) {
  return fmt::format("_{}x_{}", scale, model_stem(request.model, scale));
}

// The pictures in the given folders that `upscale` does not enlarge.
struct LeftOut {
  std::vector<std::string> other_pictures;  // names of pictures that are not PNG or JPEG
  std::size_t results = 0;                  // number of pictures that earlier runs wrote
};

// Returns the PNG and JPEG files in `folder`, except pictures that earlier runs of `upscale` wrote
// (names that end in `suffix`). Adds pictures that are left out to `left_out`.
std::vector<fs::path> pictures_of_folder(const fs::path& folder, const std::string& suffix,
                                         LeftOut& left_out) {
  std::vector<fs::path> pictures;
  const io::Listing listing = io::list_folder(folder);
  for (const fs::path& path : listing.paths) {
    if (!io::is_file(path)) continue;
    if (ends_in(path, kOtherPictures)) {
      left_out.other_pictures.push_back(shown(path.filename()));
    }
    if (!ends_in(path, kPictureEndings)) continue;
    if (path.stem().string().ends_with(suffix)) {
      ++left_out.results;
    } else {
      pictures.push_back(path);
    }
  }
  if (!listing.problem.empty()) {
    fail({ErrorKind::io, "folder-unreadable", folder.string(), "", listing.problem},
         "{}: the folder can't be read: {}.", shown(folder), listing.problem);
  }
  if (pictures.empty()) {
    const std::string found = left_out.results > 0 ? fmt::format(", only {} of earlier calls",
                                                                 plural(left_out.results, "result"))
                              : left_out.other_pictures.empty()
                                  ? ""
                                  : fmt::format(", only {}", join(left_out.other_pictures, ", "));
    fail({ErrorKind::io, "upscale-no-pictures", folder.string(), "PNG or JPEG files"},
         "{}: the folder contains no PNG or JPEG file{}.", shown(folder), found);
  }
  return pictures;
}

struct Job {
  fs::path picture;
  fs::path target;
};

// Returns one job for each picture that the user named, or whose folder the user named. A picture
// that was named twice has only one job.
std::vector<Job> find_pictures(const UpscaleRequest& request, const std::string& suffix,
                               Console& console) {
  std::vector<Job> jobs;
  std::set<io::FileIdentity> known;
  LeftOut left_out;
  const auto add = [&](const fs::path& picture) {
    if (known.insert(io::identity_of(picture)).second) jobs.push_back({picture, {}});
  };
  for (const fs::path& path : request.pictures) {
    if (io::is_folder(path)) {
      for (const fs::path& picture : pictures_of_folder(path, suffix, left_out)) add(picture);
    } else if (io::exists(path)) {
      add(path);
    } else {
      fail({ErrorKind::io, "picture-missing", path.string()},
           "{}: there is no such picture.\nCheck the path. Relative paths start in {}.",
           shown(path), shown(io::absolute(path.filename()).parent_path()));
    }
  }
  if (!left_out.other_pictures.empty()) {
    console.note(fmt::format("pictures left out, because they are not PNG or JPEG: {}",
                             join(left_out.other_pictures, ", ")));
  }
  if (left_out.results > 0) {
    console.note(
        fmt::format("upscale left out {} of earlier calls", plural(left_out.results, "result")));
  }
  return jobs;
}

// Sets the path of each result in `jobs`. If two results would have the same path, the endings of
// the pictures are added to the names: photo_png, photo_jpg. Throws Error(usage) if two paths are
// still equal.
void name_results(const UpscaleRequest& request, const std::string& suffix,
                  std::vector<Job>& jobs) {
  if (request.output_is_file && jobs.size() > 1) {
    fail({ErrorKind::usage, "option-conflict", "output", "a folder", request.output.string()},
         "--output {}: this is the name of one file, but there are {} pictures. Give a folder.",
         shown(request.output), jobs.size());
  }
  const char* ending = request.type == PictureType::png ? ".png" : ".jpg";
  const auto target_of = [&](const fs::path& picture, bool with_ending) {
    if (request.output_is_file) return request.output;
    std::string name = picture.stem().string();
    if (with_ending) name += "_" + picture.extension().string().substr(1);
    const fs::path folder = request.output.empty() ? picture.parent_path() : request.output;
    return folder / (name + suffix + ending);
  };
  std::map<fs::path, std::size_t> counts;
  for (const Job& job : jobs) ++counts[target_of(job.picture, false)];
  std::set<fs::path> taken;
  for (Job& job : jobs) {
    const fs::path usual = target_of(job.picture, false);
    const bool is_double = counts[usual] > 1 && job.picture.has_extension();
    job.target = is_double ? target_of(job.picture, true) : usual;
    if (taken.insert(job.target).second) continue;
    fail({ErrorKind::usage, "upscale-same-name", job.picture.string(), "", job.target.string()},
         "{}: another picture of this call has the same name, so both results would be "
         "saved as {}.\nRun the program once for each picture, with different folders in --output.",
         shown(job.picture), shown(job.target));
  }
}

class Upscaling {
 public:
  Upscaling(const UpscaleRequest& request, Console& console)
      : request_(request),
        console_(console),
        model_({request.model, request.reading, request.limits,
                request.onnxruntime_library.value_or(""), request.device.value_or("auto")},
               task_context().cancelled),
        upscaler_(model_, {request.tile, request.overlap}, task_context().cancelled) {
    console.line("model", fmt::format("{}; ONNX Runtime {}, {}", model_.description(),
                                      model_.runtime().version(), to_string(model_.device())));
    for (const std::string& note : model_.notes()) console.note(note);
    const std::string suffix = result_suffix(request, model_.scale());
    jobs_ = find_pictures(request, suffix, console);
    name_results(request, suffix, jobs_);
    for (const fs::path& file : model_.files()) read_.add(file);
    for (const fs::path& file : request.inputs) read_.add(file);
    for (const Job& job : jobs_) read_.add(job.picture);
    for (const Job& job : jobs_) io::check_target(job.target, read_, "enlarged.png");
    if (request.compare) io::check_target(*request.compare, read_, "compare.html");
  }

  int run() {
    for (const Job& job : jobs_) upscale(job);
    if (request_.compare && !parts_.empty()) save_page();
    if (jobs_.size() > 1) {
      console_.line("upscaled",
                    fmt::format("{} saved, {} failed", results_.size() - failed_, failed_));
    }
    if (request_.printing.json) {
      print_result(upscale_json(request_, facts(), results_), "the pictures were saved");
    }
    return failed_ > 0 ? kFailed : kDone;
  }

 private:
  void upscale(const Job& job) {
    task_context().check_cancelled();
    UpscaleResult result;
    result.picture = job.picture;
    result.target = job.target;
    const verify::PictureOutput output = {
        job.target,
        request_.type == PictureType::png ? verify::PictureFormat::png
                                          : verify::PictureFormat::jpeg,
        static_cast<int>(request_.quality.value_or(kUsualQuality)), read_};
    const bool compared = request_.compare && parts_.size() < kMostCompared;
    const std::size_t side = jobs_.size() > kFewPictures ? kSmallSide : kLargeSide;
    try {
      result.upscaled = upscaler_.upscale(job.picture, output, compared ? side : 0,
                                          [&](const verify::TilePlan& tiles, double estimate,
                                              double share) { tell(job, tiles, estimate, share); });
    } catch (...) {
      result.failure = current_failure();
      if (jobs_.size() == 1 || result.failure->kind == to_string(ErrorKind::cancelled)) throw;
    }
    if (result.failure) {
      ++failed_;
      print_failure(*result.failure, false);
    } else {
      print_upscaled(console_, result);
      add_parts(result);
    }
    results_.push_back(std::move(result));
  }

  void tell(const Job& job, const verify::TilePlan& tiles, double estimate, double share) {
    std::string what = shown(job.picture.filename());
    if (jobs_.size() > 1) {
      what = fmt::format("{} of {}, {}", results_.size() + 1, jobs_.size(), what);
    }
    if (tiles.count > 1) what += fmt::format(", {} tiles", tiles.count);
    constexpr double long_work = 5;  // seconds; longer work is announced in the log
    if (share == 0 && estimate > long_work) {
      console_.line("upscaling", fmt::format("{}, about {:.0f} s", what, estimate));
    }
    console_.on_work(
        "upscaling", what,
        (static_cast<double>(results_.size()) + share) / static_cast<double>(jobs_.size()));
  }

  void add_parts(UpscaleResult& result) {
    if (!result.upscaled.parts) return;
    verify::BeforeAndAfter part = std::move(*result.upscaled.parts);
    result.upscaled.parts.reset();
    part.title = result.picture.filename().string();
    const verify::UpscaledPicture& done = result.upscaled;
    part.facts = fmt::format("{} x {} pixels to {} x {}", done.header.width, done.header.height,
                             done.width, done.height);
    if (part.width < done.width || part.height < done.height) {
      part.facts +=
          fmt::format("; the page shows only the middle {} x {} pixels", part.width, part.height);
    }
    parts_.push_back(std::move(part));
  }

  void save_page() {
    if (results_.size() - failed_ > parts_.size()) {
      console_.note(
          fmt::format("the page of --compare shows only the first {} pictures", parts_.size()));
    }
    const std::string page =
        verify::comparison_page(parts_, request_.model.filename().string(), model_.description());
    io::FilesRead read = read_;
    for (const Job& job : jobs_) read.add(job.target);
    const std::string replaced = io::time_written(*request_.compare);
    io::StagedFiles staged(*request_.compare, read, task_context().cancelled);
    staged.model().write(std::as_bytes(std::span(page)));
    staged.close();
    staged.commit();
    console_.line("compare", saved_text(*request_.compare, replaced));
  }

  UpscaleFacts facts() const {
    return {model_.description(),       model_.scale(),
            model_.channels(),          model_.runtime().version(),
            to_string(model_.device()), model_.notes()};
  }

  const UpscaleRequest& request_;
  Console& console_;
  verify::UpscaleModel model_;
  verify::Upscaler upscaler_;
  std::vector<Job> jobs_;
  io::FilesRead read_;
  std::vector<UpscaleResult> results_;
  std::vector<verify::BeforeAndAfter> parts_;
  std::size_t failed_ = 0;
};

}  // namespace

int run(const UpscaleRequest& request, const Invocation& /*invocation*/) {
  Console console(request.printing);
  return Upscaling(request, console).run();
}

}  // namespace aether2onnx::cli
