#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "results.h"

namespace aether2onnx::cli {

namespace {

using Result = BatchItem::Result;

std::string duration(double seconds) {
  return seconds >= 1 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.0f} ms", seconds * 1e3);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Returns how many columns of a terminal a UTF-8 text fills. Counts the characters, because table()
// assumes that each character is one column wide.
std::size_t columns(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

std::string result_text(const BatchItem& item, bool dry_run) {
  if (item.result == Result::failed) return "failed";
  if (dry_run) return "would " + item.plan.action;
  return item.result == Result::saved ? "saved" : "skipped";
}

std::uint64_t bytes_of(const ConvertReport::Output& output) {
  return output.bytes + output.external_data_bytes;
}

std::string table(const std::vector<BatchItem>& items, bool dry_run) {
  using Row = std::array<std::string, 6>;
  std::vector<Row> rows = {{"file", "network", "result", "size", "time", ""}};
  for (const BatchItem& item : items) {
    const ConvertReport& report = item.conversion.report;
    const bool known = report.network.scale > 0;
    std::string last = shown(report.output.path);
    if (item.failure) {
      last = first_line(item.failure->diagnostic.text);
      const std::string name = shown(item.input) + ": ";
      if (last.starts_with(name)) last.erase(0, name.size());
    } else if (!item.conversion.replaced.empty()) {
      last = saved_text(report.output.path, item.conversion.replaced);
    } else if (!item.plan.why.empty()) {
      last += fmt::format(" ({})", item.plan.why);
    }
    rows.push_back(
        {shown(item.input.filename()),
         known ? fmt::format("{} x{}", report.network.model_type, report.network.scale) : "",
         result_text(item, dry_run),
         bytes_of(report.output) > 0 ? human_bytes(bytes_of(report.output)) : "",
         duration(item.seconds), last});
  }
  std::array<std::size_t, 6> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths.at(i) = std::max(widths.at(i), columns(row.at(i)));
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      line += row.at(i) + std::string(widths.at(i) - columns(row.at(i)) + 2, ' ');
    }
    line += row.back();
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  text.pop_back();
  return text;
}

Json item_json(const BatchItem& item, const ConvertRequest& request) {
  const ConvertReport& report = item.conversion.report;
  Json json;
  if (item.failure) {
    json = failure_json(*item.failure);
  } else if (request.dry_run) {
    json = plan_json(request, report, item.plan);
  } else if (item.result == Result::saved) {
    json = conversion_json(request, item.conversion);
  } else {
    json = {{"status", "ok"},
            {"network", network_json(report.network)},
            {"output", {{"path", report.output.path.string()}, {"bytes", report.output.bytes}}},
            {"why", item.plan.why}};
  }
  json.erase("version");
  json["input"] = item.input.string();
  json["result"] = result_text(item, request.dry_run);
  json["seconds"] = item.seconds;
  return json;
}

}  // namespace

std::size_t count(const std::vector<BatchItem>& items, Result result) {
  return static_cast<std::size_t>(std::count_if(
      items.begin(), items.end(), [&](const BatchItem& item) { return item.result == result; }));
}

int batch_exit_code(const std::vector<BatchItem>& items) {
  if (count(items, Result::failed) > 0) return kFailed;
  const bool as_assumed = std::any_of(items.begin(), items.end(), [](const BatchItem& item) {
    return item.conversion.verification &&
           item.conversion.verification->at("verdict") == "equal-as-assumed";
  });
  return as_assumed ? kAsAssumed : kDone;
}

Json batch_json(const std::vector<BatchItem>& items, const ConvertRequest& request,
                double seconds) {
  const std::size_t failed = count(items, Result::failed);
  Json results = Json::array();
  for (const BatchItem& item : items) results.push_back(item_json(item, request));
  return {{"status", failed == 0 ? "ok" : "error"},
          {"version", version()},
          {"results", results},
          {"saved", count(items, Result::saved)},
          {"skipped", count(items, Result::skipped)},
          {"failed", failed},
          {"seconds", seconds},
          {"exit_code", batch_exit_code(items)}};
}

void print_batch(Console& console, const std::vector<BatchItem>& items,
                 const ConvertRequest& request, double seconds) {
  for (const BatchItem& item : items) {
    const ConvertReport& report = item.conversion.report;
    for (const Diagnostic& warning : report.warnings) {
      console.note(fmt::format("{}: {}", shown(item.input), warning.text));
    }
    if (request.printing.verbose && item.result == Result::saved) {
      console.plain(fmt::format("{}\n{}\n", shown(item.input), model_table(report)));
    }
  }
  console.plain(table(items, request.dry_run));
  const auto saved = std::find_if(items.begin(), items.end(), [](const BatchItem& item) {
    return item.result == Result::saved;
  });
  if (saved != items.end()) {
    console.line("models", model_text(request, saved->conversion.report));
  }
  const std::size_t failed = count(items, Result::failed);
  if (request.dry_run) {
    console.plain(
        fmt::format("dry run: nothing was written; {} of {} checkpoints can't be converted", failed,
                    items.size()));
  } else {
    console.plain(fmt::format("{} saved, {} skipped, {} failed, in {}", count(items, Result::saved),
                              count(items, Result::skipped), failed, duration(seconds)));
  }
  for (const BatchItem& item : items) {
    if (item.failure) print_failure(*item.failure, false);
  }
}

}  // namespace aether2onnx::cli
