#include "batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>

#include "base/text.h"
#include "dry_run.h"
#include "json.h"
#include "name_template.h"
#include "port/files.h"

namespace aether2onnx::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::array<const char*, 4> kSuffixes = {".pth", ".pt", ".ckpt", ".safetensors"};
constexpr std::int64_t kMostJobs = 128;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

enum class Result { open, saved, skipped, failed };

// One checkpoint of the batch. Only the thread that works on it touches it.
struct Item {
  fs::path input;
  Result result = Result::open;
  ConvertReport report;
  OutputPlan plan;
  std::optional<Failure> failure;
  Json verification;
  double seconds = 0;
};

// --- work -------------------------------------------------------------------------------------

// Runs `work` and keeps what it throws as the item's failure.
void guarded(Item& item, const std::function<void()>& work) {
  const auto start = Clock::now();
  try {
    work();
  } catch (const std::exception& error) {
    item.failure = failure_of(error);
  }
  item.seconds += seconds_since(start);
  if (!item.failure) return;
  item.result = Result::failed;
  const std::string name = shown(item.input);
  std::string& text = item.failure->diagnostic.text;
  if (!text.starts_with(name)) text = fmt::format("{}: {}", name, text);
}

// Calls `work` for every item that hasn't failed, on `jobs` threads, this one among them. `work`
// throws nothing.
void for_each_open(std::vector<Item>& items, std::size_t jobs,
                   const std::function<void(Item&)>& work) {
  std::atomic<std::size_t> next = 0;
  const auto take = [&] {
    for (std::size_t i = next++; i < items.size(); i = next++) {
      if (items[i].result == Result::open) work(items[i]);
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < std::min(jobs, items.size()); ++i) {
    try {
      threads.emplace_back(take);
    } catch (const std::system_error&) {
      break;  // fewer threads do the same work
    }
  }
  take();
  for (std::thread& thread : threads) thread.join();
}

// The bar on a terminal.
class Progress {
 public:
  Progress(Console& console, const std::vector<Item>& items)
      : console_(console), total_(items.size()) {
    for (const Item& item : items) count(item);
  }

  void ended(const Item& item) {
    const std::lock_guard lock(mutex_);
    count(item);
    constexpr std::size_t width = 24;
    const std::size_t filled = done_ * width / total_;
    console_.on_work(
        "converting",
        fmt::format("[{}{}] {} of {}{}", std::string(filled, '#'), std::string(width - filled, '.'),
                    done_, total_, failed_ == 0 ? "" : fmt::format(", {} failed", failed_)),
        static_cast<double>(done_) / static_cast<double>(total_));
  }

 private:
  void count(const Item& item) {
    if (item.result != Result::open) ++done_;
    if (item.result == Result::failed) ++failed_;
  }

  Console& console_;
  std::mutex mutex_;
  std::size_t total_;
  std::size_t done_ = 0;
  std::size_t failed_ = 0;
};

// --- what is to be done -----------------------------------------------------------------------

// The checkpoints in a folder, not in folders within it, in the order of their names. Hidden files
// are left out: downloads under way are among them.
std::vector<fs::path> checkpoints_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const fs::path& path = at->path();
    std::error_code ignored;
    if (has_checkpoint_suffix(path) && !path.filename().string().starts_with('.') &&
        at->is_regular_file(ignored)) {
      found.push_back(path);
    }
  }
  if (error) {
    throw Error(ErrorKind::io,
                fmt::format("{}: the folder can't be read: {}.", shown(folder), error.message()));
  }
  if (found.empty()) {
    throw Error(ErrorKind::io,
                fmt::format("{}: there is no checkpoint in this folder (*.pth, *.pt, "
                            "*.ckpt, *.safetensors).\nFolders within it aren't "
                            "looked into.",
                            shown(folder)));
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<Item> collect(const std::vector<fs::path>& inputs) {
  std::vector<Item> items;
  const auto add = [&items](const fs::path& path) {
    items.emplace_back();
    items.back().input = path;
  };
  for (const fs::path& input : inputs) {
    std::error_code ignored;
    if (!fs::is_directory(input, ignored)) {
      add(input);
      continue;
    }
    for (const fs::path& path : checkpoints_in(input)) add(path);
  }
  return items;
}

// Recognises the checkpoint and decides what its model is called.
void plan_item(Item& item, const ConvertArguments& arguments, const NameTemplate& names) {
  guarded(item, [&] {
    item.report = plan_file(item.input, arguments.output, arguments.options, {arguments.limits});
    if (!arguments.output.empty()) return;
    const fs::path folder = arguments.batch.output_dir ? fs::path(*arguments.batch.output_dir)
                                                       : item.input.parent_path();
    item.report.output.path = folder / names.name(checkpoint_stem(item.input), item.report);
  });
}

fs::path identity(const fs::path& path) {
  std::error_code ignored;
  return fs::weakly_canonical(fs::absolute(path), ignored);
}

// Throws Error(usage) where two models would get one name, or a model that of a checkpoint.
void check_for_collisions(const std::vector<Item>& items) {
  std::map<fs::path, const Item*> outputs;
  std::map<fs::path, const Item*> inputs;
  for (const Item& item : items) inputs[identity(item.input)] = &item;
  for (const Item& item : items) {
    if (item.result != Result::open) continue;
    const fs::path& output = item.report.output.path;
    const auto [other, is_new] = outputs.emplace(identity(output), &item);
    if (!is_new) {
      usage_error(
          fmt::format("{} and {} would both be saved as {}; nothing was converted.\n"
                      "Give --name_template with what tells them apart, or another "
                      "--output_dir for one of them.",
                      shown(other->second->input), shown(item.input), shown(output)));
    }
    const auto source = inputs.find(other->first);
    if (source != inputs.end() && source->second != &item) {
      usage_error(
          fmt::format("{} would be saved as {}, which is another of the checkpoints; "
                      "nothing was converted.",
                      shown(item.input), shown(output)));
    }
  }
}

// --- what is printed --------------------------------------------------------------------------

std::string duration(double seconds) {
  return seconds >= 1 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.0f} ms", seconds * 1e3);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Columns that a terminal needs for UTF-8 text, as far as each character takes one.
std::size_t columns(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

std::string result_text(const Item& item, bool dry_run) {
  if (item.result == Result::failed) return "failed";
  if (dry_run) return "would " + item.plan.action;
  return item.result == Result::saved ? "saved" : "skipped";
}

std::uint64_t bytes_of(const ConvertReport::Output& output) {
  return output.bytes + output.external_data_bytes;
}

std::string table(const std::vector<Item>& items, bool dry_run) {
  using Row = std::array<std::string, 6>;
  std::vector<Row> rows = {{"file", "network", "result", "size", "time", ""}};
  for (const Item& item : items) {
    const ConvertReport& report = item.report;
    const bool known = report.network.scale > 0;
    std::string last = shown(report.output.path);
    if (item.failure) {
      last = first_line(item.failure->diagnostic.text);
      const std::string name = shown(item.input) + ": ";
      if (last.starts_with(name)) last.erase(0, name.size());
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

struct Counts {
  std::size_t saved = 0;
  std::size_t skipped = 0;
  std::size_t failed = 0;
};

Counts count(const std::vector<Item>& items) {
  const auto of = [&](Result result) {
    return static_cast<std::size_t>(std::count_if(
        items.begin(), items.end(), [&](const Item& item) { return item.result == result; }));
  };
  return {of(Result::saved), of(Result::skipped), of(Result::failed)};
}

Json item_json(const Item& item, const ConvertArguments& arguments, const std::string& program) {
  Json json;
  if (item.failure) {
    json = failure_json(*item.failure);
  } else if (arguments.dry_run) {
    json = plan_json(arguments, item.report, item.plan);
  } else if (item.result == Result::saved) {
    const std::string verify =
        item.verification.is_null() ? verify_line(program, arguments, item.input, item.report) : "";
    json = conversion_json(item.report, item.verification, verify, trtexec_line(item.report));
  } else {
    json = {{"status", "ok"},
            {"network", network_json(item.report.network)},
            {"output",
             {{"path", item.report.output.path.string()}, {"bytes", item.report.output.bytes}}},
            {"why", item.plan.why}};
  }
  json.erase("version");
  json["input"] = item.input.string();
  json["result"] = result_text(item, arguments.dry_run);
  json["seconds"] = item.seconds;
  return json;
}

Json batch_json(const std::vector<Item>& items, const ConvertArguments& arguments,
                const std::string& program, double seconds) {
  const Counts counts = count(items);
  Json results = Json::array();
  for (const Item& item : items) results.push_back(item_json(item, arguments, program));
  return {{"status", counts.failed == 0 ? "ok" : "error"},
          {"version", version()},
          {"results", results},
          {"saved", counts.saved},
          {"skipped", counts.skipped},
          {"failed", counts.failed},
          {"seconds", seconds},
          {"exit_code", counts.failed == 0 ? kDone : kFailed}};
}

void print(const std::vector<Item>& items, const ConvertArguments& arguments, double seconds,
           Console& console) {
  for (const Item& item : items) {
    for (const Diagnostic& warning : item.report.warnings) {
      console.line("note", fmt::format("{}: {}", shown(item.input), warning.text));
    }
    if (arguments.printing.verbose && item.result == Result::saved) {
      console.plain(fmt::format("{}\n{}\n", shown(item.input), model_table(item.report)));
    }
  }
  console.plain(table(items, arguments.dry_run));
  const Counts counts = count(items);
  if (arguments.dry_run) {
    console.plain(fmt::format("dry run: nothing was written; {} of {} can't be converted",
                              counts.failed, items.size()));
  } else {
    console.plain(fmt::format("{} saved, {} skipped, {} failed, in {}", counts.saved,
                              counts.skipped, counts.failed, duration(seconds)));
  }
  for (const Item& item : items) {
    if (item.failure) print_failure(*item.failure, false);
  }
}

// --- the batch --------------------------------------------------------------------------------

// Decides between skipping and converting. Gives whether the model is to be made.
bool is_to_be_made(Item& item, const ConvertArguments& arguments) {
  if (!arguments.batch.skip_existing) return true;
  item.plan = plan_output(item.input, item.report, arguments);
  if (item.plan.action != "skip") {
    item.plan = {};
    return true;
  }
  item.result = Result::skipped;
  item.report.output.bytes = fs::file_size(item.report.output.path);
  return false;
}

// One after the other: the comparison itself uses every core.
void convert_all_verified(std::vector<Item>& items, const ConvertArguments& arguments,
                          const Invocation& invocation, Console& console) {
  Verification verification(arguments.verification, "--verify_onnx", console);
  const std::string command = command_line_text(invocation);
  for_each_open(items, 1, [&](Item& item) {
    guarded(item, [&] {
      if (!is_to_be_made(item, arguments)) return;
      console.line("converting", shown(item.input));
      const Paths paths{item.input, item.report.output.path};
      try {
        item.report = convert_verified(arguments, paths, verification, command, console);
      } catch (const Error& error) {
        item.failure = failure_of(error);
        item.failure->verification = std::make_shared<const Json>(verification.json());
        return;
      }
      item.verification = verification.json();
      item.result = Result::saved;
    });
  });
}

void convert_all(std::vector<Item>& items, const ConvertArguments& arguments, std::size_t jobs,
                 Console& console) {
  Progress progress(console, items);
  for_each_open(items, jobs, [&](Item& item) {
    guarded(item, [&] {
      if (!is_to_be_made(item, arguments)) return;
      item.report =
          convert_file(item.input, item.report.output.path, arguments.options, {arguments.limits});
      item.result = Result::saved;
    });
    progress.ended(item);
  });
}

std::size_t jobs_of(const ConvertArguments& arguments) {
  if (!arguments.batch.jobs) return std::max(1U, std::thread::hardware_concurrency());
  const std::int64_t jobs = *arguments.batch.jobs;
  if (jobs < 1 || jobs > kMostJobs) {
    usage_error(fmt::format("--jobs {}: must be 1 to {}.", jobs, kMostJobs));
  }
  return static_cast<std::size_t>(jobs);
}

}  // namespace

bool has_checkpoint_suffix(const fs::path& path) {
  return std::find(kSuffixes.begin(), kSuffixes.end(), path.extension()) != kSuffixes.end();
}

int run_batch(const ConvertArguments& arguments, const Invocation& invocation, Console& console) {
  const auto start = Clock::now();
  const std::size_t jobs = jobs_of(arguments);
  const NameTemplate names(arguments.batch.name_template.value_or(NameTemplate::kDefault));
  std::vector<Item> items = collect(arguments.batch.inputs);
  if (arguments.verification.report && items.size() > 1) {
    usage_error("--report is a page about one model, but there are several checkpoints.");
  }
  for_each_open(items, jobs, [&](Item& item) { plan_item(item, arguments, names); });
  check_for_collisions(items);

  if (arguments.dry_run) {
    for_each_open(items, jobs, [&](Item& item) {
      guarded(item, [&] { item.plan = plan_output(item.input, item.report, arguments); });
    });
  } else {
    std::optional<io::CreatedFolders> folders;
    if (arguments.batch.output_dir && count(items).failed < items.size()) {
      folders.emplace(*arguments.batch.output_dir, *arguments.batch.output_dir);
    }
    if (arguments.verify) {
      convert_all_verified(items, arguments, invocation, console);
    } else {
      convert_all(items, arguments, jobs, console);
    }
    if (folders && count(items).saved > 0) folders->keep();
  }
  const double seconds = seconds_since(start);
  print(items, arguments, seconds, console);
  if (arguments.printing.json) {
    print_result(batch_json(items, arguments, invocation.program, seconds),
                 plural(count(items).saved, "model") + " saved");
  }
  return count(items).failed == 0 ? kDone : kFailed;
}

}  // namespace aether2onnx::cli
