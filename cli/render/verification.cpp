#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

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

// Warns of parts whose values come close to the end of float16's range.
void warn_of_ranges(const Json& details, Console& console) {
  std::vector<std::string> parts;
  for (const Json& range : details["ranges"]) {
    if (!range["fp16_tight"].get<bool>()) continue;
    parts.push_back(
        fmt::format("{} ({})", range["path"].get<std::string>(), number(range["max_absolute"])));
  }
  if (parts.empty()) return;
  console.note(fmt::format(
      "the largest values of {} are close to or beyond the 65504 of float16: {}; --fp_mode "
      "mixed_fp16 keeps such parts in float32",
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

void print_comparison(Console& console, const Json& details, bool warn) {
  console.line(
      "verifying",
      fmt::format("{} against {}, tolerance {:g} + {:g} of the value",
                  details["candidate"].get<std::string>(), details["reference"].get<std::string>(),
                  details["atol"].get<double>(), details["rtol"].get<double>()));
  if (warn && details["weights"] == "float16") warn_of_ranges(details, console);
  for (const Json& result : details["results"]) console.line("", describe(result));
}

ProgramError comparison_error(const Json& details, const std::string& model_name) {
  std::string message =
      fmt::format("{} isn't equal to PyTorch within the tolerance.", printable(model_name));
  std::vector<Diagnostic> findings;
  for (const Json& result : details["results"]) {
    if (result["passed"].get<bool>()) continue;
    findings.push_back({"verification-different", model_name, "", "", describe(result)});
    message += "\n  " + findings.back().text;
  }
  const std::string where = details["first_difference"]["text"].get<std::string>();
  if (!where.empty()) message += "\n" + where;
  return ProgramError("verification",
                      {"verification-different", printable(model_name), "", "", message}, findings);
}

}  // namespace aether2onnx::cli
