#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "../shell.h"
#include "base/text.h"
#include "results.h"

namespace aether2onnx::cli {

namespace {

const char* kind_of_colours(int channels) { return channels < 3 ? "grey" : "rgb"; }

Json upscaled_json(const UpscaleResult& result) {
  Json json = {{"input", result.picture.string()}, {"result", result.failure ? "failed" : "saved"}};
  if (result.failure) {
    json["error"] = error_json(*result.failure);
    return json;
  }
  const verify::UpscaledPicture& done = result.upscaled;
  const verify::TilePlan& tiles = done.tiles;
  json["output"] = result.target.string();
  json["replaced"] = !done.replaced.empty();
  json["width"] = done.header.width;
  json["height"] = done.header.height;
  json["output_width"] = done.width;
  json["output_height"] = done.height;
  json["colours"] = kind_of_colours(done.header.channels);
  json["alpha"] = done.header.channels % 2 == 0;
  json["bits"] = done.header.bits;
  json["tiles"] = {{"count", tiles.count}, {"height", tiles.height},
                   {"width", tiles.width}, {"overlap", tiles.overlap},
                   {"exact", tiles.exact}, {"why_not", tiles.why_not}};
  json["seconds"] = done.seconds;
  json["notes"] = done.notes;
  return json;
}

}  // namespace

void print_upscaled(Console& console, const UpscaleResult& result) {
  const verify::UpscaledPicture& done = result.upscaled;
  const verify::TilePlan& tiles = done.tiles;
  std::string text =
      fmt::format("{}, {} x {} from {} x {}", saved_text(result.target, done.replaced), done.width,
                  done.height, done.header.width, done.header.height);
  if (tiles.count > 1) {
    text += fmt::format(", {} tiles of {} x {} with an overlap of {}", tiles.count, tiles.width,
                        tiles.height, tiles.overlap);
  }
  console.line("saved", text + fmt::format("  ({:.1f} s)", done.seconds));
  for (const std::string& note : done.notes) console.note(note);
  if (tiles.exact) return;
  console.note(fmt::format("{} {}", tiles.why_not,
                           tiles.count > 1
                               ? "The result can differ a little from a result without tiles."
                               : "Pixels near the edges can differ from the result of a model that "
                                 "needs no mirroring."));
}

Json upscale_json(const UpscaleRequest& request, const UpscaleFacts& facts,
                  const std::vector<UpscaleResult>& results) {
  Json json = result_json();
  json["model"] = {{"path", request.model.string()},
                   {"description", facts.description},
                   {"scale", facts.scale},
                   {"channels", facts.channels},
                   {"onnxruntime_version", facts.onnxruntime_version},
                   {"device", facts.device},
                   {"notes", facts.notes}};
  json["results"] = Json::array();
  for (const UpscaleResult& result : results) json["results"].push_back(upscaled_json(result));
  const auto failed =
      std::count_if(results.begin(), results.end(),
                    [](const UpscaleResult& result) { return result.failure.has_value(); });
  json["saved"] = results.size() - static_cast<std::size_t>(failed);
  json["failed"] = failed;
  json["compare"] = or_null(request.compare);
  json["exit_code"] = failed > 0 ? kFailed : kDone;
  return json;
}

}  // namespace aether2onnx::cli
