#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "results.h"

namespace aether2onnx::cli {

namespace {

std::string number(const Json& value) {
  return value.is_null() ? "not finite" : fmt::format("{:.2e}", value.get<double>());
}

std::string describe(const Json& result) {
  const bool passed = result["passed"].get<bool>();
  std::string line =
      fmt::format("{} {}, {}: largest difference {} at [{}], mean {}", passed ? "pass" : "FAIL",
                  fmt::join(result["shape"].get<std::vector<std::int64_t>>(), "x"),
                  result["input"].get<std::string>(), number(result["max_absolute"]),
                  fmt::join(result["worst"].get<std::vector<std::int64_t>>(), ", "),
                  number(result["mean_absolute"]));
  if (!result["psnr"].is_null()) line += fmt::format(", {:.1f} dB", result["psnr"].get<double>());
  if (!passed) {
    line += fmt::format(", {} elements outside the tolerance",
                        with_thousands(result["outside_tolerance"].get<std::uint64_t>()));
  }
  return line;
}

// Returns `error` / `noise` as text. In JSON, a number that is not finite is null.
std::string times_of(const Json& error, const Json& noise) {
  if (error == 0) return "0.0";
  if (error.is_null() || noise.is_null() || noise == 0) return "not finite";
  return fmt::format("{:.1f}", error.get<double>() / noise.get<double>());
}

// Returns a line that begins with "FAIL" if the error of any part of the network is suspicious
// (much larger than the noise), else with "pass". Noise is the error that rounding alone explains.
// The line names the part with the largest ratio of error to noise; if the errors of some parts are
// suspicious, only these parts count. `what` names the cause of the rounding in the line: "float16"
// or "float16 weights alone". `parts` is not empty.
std::string describe_noise(const Json& noise, const Json& parts, const std::string& what) {
  const auto rank = [](const Json& part) {
    const Json& times = part["times"];
    return std::pair(part["suspicious"] == true, times.is_null() ? HUGE_VAL : times.get<double>());
  };
  const Json& worst = *std::max_element(
      parts.begin(), parts.end(), [&](const Json& a, const Json& b) { return rank(a) < rank(b); });
  const bool suspicious = rank(worst).first;
  const std::string path = worst["path"].get<std::string>();
  const std::string times = times_of(worst["error"], worst["noise"]);
  return fmt::format(
      "{} {} parts of the network at {}, compared with the rounding noise of {}: {}",
      suspicious ? "FAIL" : "pass", parts.size(),
      fmt::join(noise["shape"].get<std::vector<std::int64_t>>(), "x"), what,
      suspicious ? fmt::format("the error in {} is {} times the noise (maximum: {} times)", path,
                               times, times_of(worst["largest_error"], worst["largest_noise"]))
                 : fmt::format("the largest error is {} times the noise, in {}", times, path));
}

// Prints a note if values inside the network are close to or beyond 65504, float16's largest
// number.
void warn_of_ranges(const Json& details, Console& console) {
  std::vector<std::string> parts;
  for (const Json& range : details["ranges"]) {
    if (!range["fp16_tight"].get<bool>()) continue;
    parts.push_back(
        fmt::format("{} ({})", range["path"].get<std::string>(), number(range["max_absolute"])));
  }
  if (parts.empty()) return;
  console.note(fmt::format(
      "the largest values in {} of the network are close to or beyond 65504, the limit of float16: "
      "{}; --fp_mode mixed_fp16 with --verify_onnx keeps these parts in float32",
      plural(parts.size(), "part"), fmt::join(parts, ", ")));
}

}  // namespace

std::string blocks_text(const std::vector<std::string>& blocks, const Json& details) {
  std::vector<std::string> texts;
  for (const std::string& block : blocks) {
    std::string text = block;
    for (const Json& range : details["ranges"]) {
      if (range["path"] != block || range["max_absolute"].is_null()) continue;
      text += fmt::format(" (largest value {:.3g})", range["max_absolute"].get<double>());
    }
    texts.push_back(std::move(text));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

void print_beginning(Console& console, const Json& details,
                     const std::filesystem::path& checkpoint) {
  const double seconds = details["estimate_seconds"].get<double>();
  console.line(
      "verifying",
      fmt::format(
          "{} against {}, absolute tolerance {:g} + relative tolerance {:g} of the expected value, "
          "{}",
          details["candidate"].get<std::string>(), details["reference"].get<std::string>(),
          details["atol"].get<double>(), details["rtol"].get<double>(),
          seconds < 1 ? "about a second" : fmt::format("about {:.0f} s", std::ceil(seconds))));
  const Json& source = details["source"];
  if (source["same"] == true) {
    console.line("source",
                 fmt::format("the model was made from {} (same SHA-256)", shown(checkpoint)));
  } else if (source["same"] == false) {
    const auto name = source["name"].get<std::string>();
    console.line("source", fmt::format("the model was made from another file{}, not from {}",
                                       name.empty() ? "" : " (" + name + ")", shown(checkpoint)));
  }
  for (const Json& assumption : details["assumptions"]) {
    console.line("assumed", assumption["text"].get<std::string>());
  }
}

void print_comparison(Console& console, const Json& details, bool warn) {
  if (warn && details["weights"] == "float16") warn_of_ranges(details, console);
  for (const Json& result : details["results"]) console.line("", describe(result));
  const Json& noise = details["noise"];
  if (!noise["parts"].empty()) {
    const auto type = noise["arithmetic"].get<std::string>();
    console.line("", describe_noise(noise, noise["parts"], type));
    if (!noise["unrounded_parts"].empty()) {
      console.line("", describe_noise(noise, noise["unrounded_parts"], type + " weights alone"));
    }
  } else if (const auto why = noise["why_not"].get<std::string>(); !why.empty()) {
    console.line("",
                 "the errors of the network's parts were not compared with rounding noise: " + why);
  }
  const Json& rewriting = details["rewriting"];
  if (rewriting["compared"] == true) {
    const auto count = rewriting["count"].get<std::uint64_t>();
    console.line("", count == 0
                         ? "pass comparison with a new conversion of the checkpoint: all weights "
                           "and attributes are the same"
                         : fmt::format("FAIL comparison with a new conversion of the checkpoint: "
                                       "{} in weights and attributes, "
                                       "first at {}",
                                       plural(count, "difference"),
                                       rewriting["differences"][0]["place"].get<std::string>()));
  }
}

std::string verdict_text(const Json& details, const std::string& model_name,
                         const std::string& checkpoint) {
  std::string text =
      fmt::format("{} computes the same output as {} in PyTorch, within the tolerance",
                  printable(model_name), checkpoint);
  if (details["assumptions"].empty()) return text;
  std::vector<std::string> facts;
  for (const Json& each : details["assumptions"]) {
    facts.push_back(
        fmt::format("{} {}", each["what"].get<std::string>(), each["value"].get<std::string>()));
  }
  return fmt::format(
      "as assumed: {}. The program assumed facts that the checkpoint does not contain: {}. The "
      "result is valid only if these facts are right.",
      text, fmt::join(facts, ", "));
}

ProgramError comparison_error(const Json& details, const std::string& model_name) {
  const std::string name = printable(model_name);
  if (details["verdict"] == "suspicious") {
    std::string message =
        fmt::format("the output of {} is within the tolerance, but the model is suspicious.", name);
    const auto noise = details["noise"]["text"].get<std::string>();
    const auto rewriting = details["rewriting"]["text"].get<std::string>();
    if (!noise.empty()) message += "\nRounding does not explain the model's error. " + noise;
    if (!rewriting.empty()) message += "\n" + rewriting;
    message += "\nThe model was changed, or the program that made it has a defect.";
    return ProgramError("verification", {"verification-suspicious", name, "", "", message}, {});
  }
  std::string message = fmt::format(
      "the output of {} differs from PyTorch's output by more than the tolerance.", name);
  std::vector<Diagnostic> findings;
  for (const Json& result : details["results"]) {
    if (result["passed"].get<bool>()) continue;
    findings.push_back({"verification-different", model_name, "", "", describe(result)});
    message += "\n  " + findings.back().text;
  }
  const std::string where = details["first_difference"]["text"].get<std::string>();
  if (!where.empty()) message += "\n" + where;
  for (const Json& assumption : details["assumptions"]) {
    message += "\nAssumed: " + assumption["text"].get<std::string>();
  }
  return ProgramError("verification", {"verification-different", name, "", "", message}, findings);
}

}  // namespace aether2onnx::cli
