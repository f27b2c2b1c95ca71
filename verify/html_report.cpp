#include "html_report.h"

#include <aether2onnx/aether2onnx.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "comparison.h"
#include "html.h"
#include "picture.h"

namespace aether2onnx::verify {

namespace {

using Json = nlohmann::ordered_json;

// --- pictures ---------------------------------------------------------------------------------

// The largest width and height of a picture in the report, in pixels of the network's output.
constexpr std::int64_t kLargestSide = 768;

// Cuts out the middle of the first image in the batch, at most `side` pixels wide and high. The
// result has 3 channels if the tensor has 3 channels, else only the first channel. The function
// `map` gets the index of an element in the tensor, and returns the value for the result.
template <typename T, typename Map>
FloatTensor crop(const TensorOf<T>& tensor, std::int64_t side, const Map& map) {
  const std::int64_t channels = tensor.shape[1] == 3 ? 3 : 1;
  const std::int64_t height = std::min(tensor.shape[2], side);
  const std::int64_t width = std::min(tensor.shape[3], side);
  const std::int64_t top = (tensor.shape[2] - height) / 2;
  const std::int64_t left = (tensor.shape[3] - width) / 2;
  FloatTensor part{{1, channels, height, width}, {}};
  part.values.reserve(count_elements(part.shape));
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int64_t at = (channel * tensor.shape[2] + top + y) * tensor.shape[3] + left + x;
        part.values.push_back(map(static_cast<std::size_t>(at)));
      }
    }
  }
  return part;
}

// Returns the factor that makes a picture of differences visible. Possible factors are 1, 2 and 5
// times a power of ten, for example 1, 2, 5, 10, 20 and 50. Returns the largest possible factor
// with which `largest`, the largest difference, becomes at most 1 (white).
double amplification_for(double largest) {
  if (!(largest > 0) || !std::isfinite(largest)) return 1;
  const double wanted = 1 / largest;
  const double power = std::pow(10, std::floor(std::log10(wanted)));
  for (const double step : {5.0, 2.0}) {
    if (step * power <= wanted) return step * power;
  }
  return power;
}

// --- HTML -------------------------------------------------------------------------------------

std::string number(const Json& value) {
  return value.is_null() ? "not finite" : fmt::format("{:.2e}", value.get<double>());
}

template <typename T>
std::string joined(const Json& list, const char* separator) {
  return fmt::format("{}", fmt::join(list.get<std::vector<T>>(), separator));
}

constexpr const char* kStyle = R"(
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2em auto;
       max-width: 76em; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
.verdict { padding: .6em 1em; border-radius: .4em; font-weight: 600; }
.badge { display: inline-block; padding: 0 .6em; border-radius: .4em; font-weight: 600; }
.passed { background: #d9f2e0; color: #12522a; } .failed { background: #fbdcdc; color: #7a1414; }
.assumed { background: #fdf0c8; color: #6b4e00; }
table { border-collapse: collapse; } td, th { overflow-wrap: anywhere; padding: .25em .8em; text-align: left;
       border-bottom: 1px solid #ddd; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.first td { background: #fbdcdc; }
pre { background: #f4f4f4; padding: .8em; overflow-x: auto; white-space: pre-wrap; }
figure { display: inline-block; margin: 0 1em 1em 0; vertical-align: top; }
svg { max-width: 100%; height: auto; }
figure { max-width: 100%; }
figure img { display: block; image-rendering: pixelated; max-width: min(36em, 100%); min-width: 16em;
       border: 1px solid #ccc; } figcaption { font-size: .85em; color: #555; }
/* A narrow page shows each row of the verdicts as a list of names and values. */
@media (max-width: 64em) {
  #results tr:first-child { display: none; }
  #results, #results tbody, #results tr, #results td { display: block; text-align: left; }
  #results tr { padding: .5em 0; border-bottom: 1px solid #ddd; } #results td { border: 0; }
  #results td[data-name]::before { content: attr(data-name) ": "; color: #777; }
}
@media (max-width: 40em) { td, th { padding: .2em .35em; font-size: .9em; } body { margin: 1em auto; } }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #1b1b1d; } td, th { border-color: #444; }
  .passed { background: #12522a; color: #d9f2e0; } .failed { background: #7a1414; color: #fbdcdc; }
  .assumed { background: #6b4e00; color: #fdf0c8; }
  tr.first td { background: #7a1414; } pre { background: #28282b; } figcaption { color: #aaa; } }
)";

std::string verdict_table(const Json& details) {
  std::string html =
      "<table id=\"results\"><tr><th>Verdict</th><th>Shape</th><th>Input</th>"
      "<th>Largest difference</th><th>at [n, c, y, x]</th><th>Mean difference</th>"
      "<th>Largest relative difference</th><th>PSNR</th><th>Outside the tolerance</th></tr>\n";
  for (const Json& result : details["results"]) {
    const bool passed = result["passed"].get<bool>();
    html += fmt::format(
        "<tr><td><span class=\"badge {}\">{}</span></td><td data-name=\"Shape\">{}</td>"
        "<td data-name=\"Input\">{}</td><td class=\"n\" data-name=\"Largest difference\">{}</td>"
        "<td class=\"n\" data-name=\"at [n, c, y, x]\">{}</td>"
        "<td class=\"n\" data-name=\"Mean difference\">{}</td>"
        "<td class=\"n\" data-name=\"Largest relative difference\">{}</td>"
        "<td class=\"n\" data-name=\"PSNR\">{}</td>"
        "<td class=\"n\" data-name=\"Outside the tolerance\">{}</td></tr>\n",
        passed ? "passed" : "failed", passed ? "pass" : "FAIL",
        joined<std::int64_t>(result["shape"], "&times;"),
        escape(result["input"].get<std::string>()), number(result["max_absolute"]),
        joined<std::int64_t>(result["worst"], ", "), number(result["mean_absolute"]),
        number(result["max_relative"]),
        result["psnr"].is_null() ? "&ndash;"
                                 : fmt::format("{:.1f} dB", result["psnr"].get<double>()),
        with_thousands(result["outside_tolerance"].get<std::uint64_t>()));
  }
  return html + "</table>\n";
}

// Returns the CSS class and the sentence of the banner that shows the verdict.
std::pair<const char*, const char*> banner(const std::string& verdict) {
  if (verdict == "equal") return {"passed", "Equal: the ONNX model computes what PyTorch does."};
  if (verdict == "equal-as-assumed") {
    return {"assumed",
            "Equal as assumed: the ONNX model computes what PyTorch does if the assumptions below "
            "hold."};
  }
  if (verdict == "suspicious") {
    return {"failed",
            "Suspicious: the ONNX model is within the tolerance, but it differs from a correct "
            "conversion."};
  }
  return {"failed", "Different: the ONNX model does not compute what PyTorch does."};
}

std::string assumption_list(const Json& details) {
  if (details["assumptions"].empty()) {
    return "<p id=\"assumptions\">Nothing was assumed: the checkpoint decides every fact about the "
           "network.</p>\n";
  }
  std::string html =
      "<h2>What was assumed</h2>\n<p>The checkpoint does not decide these facts, and no comparison "
      "can decide them.</p>\n<ul id=\"assumptions\">\n";
  for (const Json& each : details["assumptions"]) {
    html += fmt::format("<li>{}</li>\n", escape(each["text"].get<std::string>()));
  }
  return html + "</ul>\n";
}

std::string part_table(const char* name, const Json& parts) {
  std::string html = fmt::format(
      "<table id=\"{}\"><tr><th>Part</th><th>Relative error</th><th>Error by rounding</th>"
      "<th>Error / rounding</th></tr>\n",
      name);
  for (const Json& part : parts) {
    html += fmt::format(
        "<tr{}><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td></tr>\n",
        part["suspicious"].get<bool>() ? " class=\"first\"" : "",
        escape(part["path"].get<std::string>()), number(part["error"]), number(part["noise"]),
        part["times"].is_null() ? "not finite"
                                : fmt::format("{:.1f}", part["times"].get<double>()));
  }
  return html + "</table>\n";
}

// Returns the section of the report with the error and the rounding noise of each block or layer of
// the network. Rounding noise is the error that rounding alone causes.
std::string noise_section(const Json& noise) {
  std::string html = "<h2>The error of each part and its rounding noise</h2>\n";
  if (noise["parts"].empty()) {
    const auto why = noise["why_not"].get<std::string>();
    return html + fmt::format("<p id=\"noise\">Not measured{}{}.</p>\n", why.empty() ? "" : ": ",
                              escape(why));
  }
  html += fmt::format(
      "<p id=\"noise\">Shape {}, type {}. The reference computes each part of the network from the "
      "values that the ONNX model computed before the part. {}</p>\n{}",
      joined<std::int64_t>(noise["shape"], "&times;"),
      escape(noise["arithmetic"].get<std::string>()), escape(noise["text"].get<std::string>()),
      part_table("parts", noise["parts"]));
  if (noise["unrounded_parts"].empty()) return html;
  return html +
         "<p>This table repeats the examination without rounding the results of operators to 16 "
         "bits. Only the weights are rounded.</p>\n" +
         part_table("unrounded", noise["unrounded_parts"]);
}

// Returns the section of the report with the differences between the model and a new conversion.
std::string rewriting_section(const Json& rewriting) {
  std::string html = "<h2>The model compared with a new conversion of the checkpoint</h2>\n";
  if (rewriting["compared"] != true) {
    return html + fmt::format("<p id=\"rewriting\">Not compared: {}.</p>\n",
                              escape(rewriting["why_not"].get<std::string>()));
  }
  if (rewriting["differences"].empty()) {
    return html +
           "<p id=\"rewriting\">All weights and attributes of the model are the same as in a new "
           "conversion of the checkpoint.</p>\n";
  }
  html += fmt::format(
      "<p id=\"rewriting\">{}</p>\n<table id=\"rewritten\"><tr><th>Node</th>"
      "<th>What differs</th></tr>\n",
      escape(rewriting["text"].get<std::string>()));
  for (const Json& each : rewriting["differences"]) {
    html += fmt::format("<tr class=\"first\"><td>{}</td><td>{}</td></tr>\n",
                        escape(each["place"].get<std::string>()),
                        escape(each["text"].get<std::string>()));
  }
  return html + "</table>\n";
}

// Returns a histogram of absolute differences as SVG, with a bar for each bin (a range of
// differences). The bar shows how many elements of all compared outputs are in the bin.
std::string histogram(const Json& details) {
  std::array<std::uint64_t, kHistogramBins> counts{};
  std::uint64_t total = 0;
  for (const Json& result : details["results"]) {
    for (std::size_t bin = 0; bin < kHistogramBins; ++bin) {
      counts.at(bin) += result["histogram"][bin].get<std::uint64_t>();
      total += result["histogram"][bin].get<std::uint64_t>();
    }
  }
  constexpr int bar = 26;
  constexpr int left = 130;
  constexpr int length = 460;
  std::string svg = fmt::format(
      "<svg id=\"histogram\" role=\"img\" aria-label=\"Histogram of absolute differences\" "
      "viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" font-family=\"system-ui, sans-serif\" "
      "font-size=\"13\">\n",
      left + length + 170, bar * static_cast<int>(kHistogramBins) + 4);
  for (std::size_t bin = 0; bin < kHistogramBins; ++bin) {
    const double share =
        total == 0 ? 0 : static_cast<double>(counts.at(bin)) / static_cast<double>(total);
    const int exponent = static_cast<int>(bin) - 10;
    const std::string label = bin == 0 ? "below 1e-9"
                              : bin + 1 == kHistogramBins
                                  ? "1 and above"
                                  : fmt::format("1e{} to 1e{}", exponent, exponent + 1);
    const int y = bar * static_cast<int>(bin);
    svg += fmt::format(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"currentColor\">{}</text>"
        "<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"#4878a8\"/>"
        "<text x=\"{:.1f}\" y=\"{}\" fill=\"currentColor\">{}</text>\n",
        left - 8, y + 17, label, left, y + 4, share * length, bar - 8, left + share * length + 6,
        y + 17,
        counts.at(bin) == 0
            ? ""
            : fmt::format("{} ({:.2f} %)", with_thousands(counts.at(bin)), share * 100));
  }
  return svg + "</svg>\n";
}

std::string block_table(const Json& first) {
  if (first["blocks"].empty()) return {};
  std::string html =
      "<table id=\"blocks\"><tr><th>Block</th><th>Largest difference</th><th>relative to the "
      "block's largest value</th></tr>\n";
  const std::string path = first["path"].get<std::string>();
  for (const Json& block : first["blocks"]) {
    const std::string name = block["path"].get<std::string>();
    html += fmt::format("<tr{}><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
                        name == path ? " class=\"first\"" : "", escape(name),
                        number(block["max_absolute"]), number(block["relative"]));
  }
  return html + "</table>\n";
}

// Returns a table with the largest value in each block or layer of the network. The table also
// shows 65504, the largest float16 number, divided by this value. If the ratio is below 1, the
// block or layer overflows in float16.
std::string range_table(const Json& details) {
  std::string html =
      "<table id=\"ranges\"><tr><th>Part</th><th>Largest value</th><th>65504 / largest value</th>"
      "</tr>\n";
  for (const Json& range : details["ranges"]) {
    const Json& headroom = range["fp16_headroom"];
    const bool tight = range["fp16_tight"].get<bool>();
    html +=
        fmt::format("<tr{}><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
                    tight ? " class=\"first\"" : "", escape(range["path"].get<std::string>()),
                    number(range["max_absolute"]),
                    headroom.is_null() ? "&ndash;" : fmt::format("{:.3g}", headroom.get<double>()));
  }
  return html + "</table>\n";
}

std::string figure(const std::string& png, const std::string& caption) {
  return fmt::format(
      "<figure><img alt=\"{0}\" src=\"data:image/png;base64,{1}\"><figcaption>{0}</figcaption>"
      "</figure>",
      caption, base64(png));
}

}  // namespace

PictureSet make_pictures(const std::string& title, const FloatTensor& input,
                         const DoubleTensor& reference, const FloatTensor& candidate) {
  PictureSet set;
  set.title = title;
  const std::int64_t scale = reference.shape[2] / input.shape[2];
  const std::int64_t side =
      std::max<std::int64_t>(1, kLargestSide / std::max<std::int64_t>(1, scale));
  set.input = encode_png(crop(input, side, [&](std::size_t i) { return input.values[i]; }));
  const auto of_reference = [&](std::size_t i) { return static_cast<float>(reference.values[i]); };
  set.reference = encode_png(crop(reference, side * scale, of_reference));
  if (candidate.shape != reference.shape) return set;
  set.candidate =
      encode_png(crop(candidate, side * scale, [&](std::size_t i) { return candidate.values[i]; }));
  FloatTensor difference = crop(reference, side * scale, [&](std::size_t i) {
    return static_cast<float>(std::abs(candidate.values[i] - reference.values[i]));
  });
  float largest = 0;
  for (const float value : difference.values) {
    largest = std::isfinite(value) ? std::max(largest, value) : largest;
  }
  set.amplification = amplification_for(largest);
  for (float& value : difference.values) {
    value = std::isfinite(value) ? value * static_cast<float>(set.amplification) : 1.0F;
  }
  set.difference = encode_png(difference);
  return set;
}

std::string html_report(const Json& details,
                        const std::vector<std::pair<std::string, std::string>>& facts,
                        const std::vector<PictureSet>& pictures, const std::string& command) {
  const bool passed = details["passed"].get<bool>();
  const auto verdict = details["verdict"].get<std::string>();
  const auto [css_class, sentence] = banner(verdict);
  const Json& first = details["first_difference"];
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n"
      "<title>{0}: {1}</title>\n<style>{2}</style>\n</head>\n<body>\n<h1>{0}</h1>\n"
      "<p id=\"verdict\" class=\"verdict {3}\">{4}</p>\n",
      escape(details["model"].get<std::string>()),
      passed ? "equal to PyTorch" : "NOT equal to PyTorch", kStyle, css_class, sentence);
  html += assumption_list(details);
  html += fmt::format(
      "<p>{} was compared with {}. A difference passes if |a &minus; b| &le; {:g} + {:g} "
      "&middot; "
      "|b|, where a is the model's value and b is the reference's value.</p>\n",
      escape(details["candidate"].get<std::string>()),
      escape(details["reference"].get<std::string>()), details["atol"].get<double>(),
      details["rtol"].get<double>());
  html += "<h2>Verdict by shape and input</h2>\n" + verdict_table(details);
  if (verdict == "differs") {
    html += fmt::format("<h2>Where the difference begins</h2>\n<p id=\"first\">{}</p>\n{}",
                        escape(first["text"].get<std::string>()), block_table(first));
  }
  if (verdict != "differs") html += noise_section(details["noise"]);
  html += rewriting_section(details["rewriting"]);
  html += "<h2>Pictures</h2>\n";
  for (const PictureSet& set : pictures) {
    html += fmt::format("<h3>{}</h3>\n<div>{}{}", escape(set.title), figure(set.input, "input"),
                        figure(set.reference, "PyTorch"));
    if (!set.candidate.empty()) {
      html += figure(set.candidate, "ONNX") +
              figure(set.difference, fmt::format("difference, {:g} times", set.amplification));
    }
    html += "</div>\n";
  }
  html += "<h2>Absolute differences of all elements</h2>\n" + histogram(details);
  html += "<h2>Largest values in PyTorch, and float16's headroom</h2>\n" + range_table(details);
  html += "<h2>Model</h2>\n<table id=\"model\">\n";
  for (const auto& [name, text] : facts) {
    html += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", escape(name), escape(text));
  }
  html += fmt::format(
      "</table>\n<h2>Command</h2>\n<pre>{}</pre>\n<p>aether2onnx {}</p>\n</body>\n"
      "</html>\n",
      escape(command), version());
  return html;
}

}  // namespace aether2onnx::verify
