#include "convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "name_template.h"
#include "port/files.h"
#include "port/port.h"

namespace aether2onnx::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kMostJobs = 128;

using Clock = std::chrono::steady_clock;
using Result = BatchItem::Result;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// --- helpers: calling a function for each checkpoint of a batch, printing the progress --------

// Runs `work`, which plans or converts the checkpoint of `item`. Adds the time to item.seconds. If
// `work` throws, sets item.result to `failed`, and stores the error in item.failure.
void guarded(BatchItem& item, const std::function<void()>& work) {
  const auto start = Clock::now();
  try {
    work();
  } catch (...) {
    item.failure = current_failure();
    item.result = Result::failed;
    const std::string name = shown(item.input);
    std::string& text = item.failure->diagnostic.text;
    if (!text.starts_with(name)) text = fmt::format("{}: {}", name, text);
  }
  item.seconds += seconds_since(start);
}

// Calls `work` for every checkpoint that has no result yet (Result::open). Uses `jobs` threads,
// including the calling thread. `work` must not throw. Throws Error(cancelled) if a signal such as
// SIGINT cancels the batch.
void for_each_open(std::vector<BatchItem>& items, std::size_t jobs,
                   const std::function<void(BatchItem&)>& work) {
  std::atomic<std::size_t> next = 0;
  port::run_on_threads(std::min(jobs, items.size()), [&] {
    for (std::size_t i = next++; i < items.size() && !port::cancelled_by_signal(); i = next++) {
      if (items[i].result == Result::open) work(items[i]);
    }
  });
  task_context().check_cancelled();
}

// Prints the progress bar of a batch: how many checkpoints are done, and how many of them failed.
class Progress {
 public:
  Progress(Console& console, const std::vector<BatchItem>& items)
      : console_(console), total_(items.size()) {
    for (const BatchItem& item : items) count(item);
  }

  void ended(const BatchItem& item) {
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
  void count(const BatchItem& item) {
    if (item.result != Result::open) ++done_;
    if (item.result == Result::failed) ++failed_;
  }

  Console& console_;
  std::mutex mutex_;
  std::size_t total_;
  std::size_t done_ = 0;
  std::size_t failed_ = 0;
};

// --- the steps before the first checkpoint is converted ---------------------------------------

// Returns the checkpoints in `folder`, sorted by name. Subfolders are not searched. Hidden files
// (names that begin with a dot) are skipped, because unfinished downloads are often hidden. Throws
// Error(io) if the folder contains no checkpoint or cannot be read.
std::vector<fs::path> checkpoints_in(const fs::path& folder) {
  const auto [paths, problem] = io::list_folder(folder);
  std::vector<fs::path> found;
  std::copy_if(paths.begin(), paths.end(), std::back_inserter(found), [](const fs::path& path) {
    return has_checkpoint_suffix(path) && !path.filename().string().starts_with('.') &&
           io::is_file(path);
  });
  if (!problem.empty()) {
    fail({ErrorKind::io, "file-folder", folder.string()}, "{}: the folder can't be read: {}.",
         shown(folder), problem);
  }
  if (found.empty()) {
    fail({ErrorKind::io, "file-no-checkpoint", folder.string(),
          "*.pth, *.pt, *.ckpt, *.safetensors"},
         "{}: there is no checkpoint in this folder (*.pth, *.pt, *.ckpt, *.safetensors).\n"
         "Folders inside the folder are not searched.",
         shown(folder));
  }
  return found;
}

std::vector<BatchItem> collect(const std::vector<fs::path>& inputs) {
  std::vector<BatchItem> items;
  for (const fs::path& input : inputs) {
    const std::vector<fs::path> paths =
        io::is_folder(input) ? checkpoints_in(input) : std::vector<fs::path>{input};
    for (const fs::path& path : paths) items.emplace_back().input = path;
  }
  return items;
}

// Determines which network a checkpoint contains, and where the ONNX file will be saved. Stores
// both facts in item.conversion.report. Writes no file.
void plan_item(BatchItem& item, const ConvertRequest& request, const NameTemplate& names) {
  guarded(item, [&] {
    ConvertReport& report = item.conversion.report;
    report = plan_file(item.input, request.output, request.options, task_context(request.limits));
    if (!request.output.empty()) return;
    const fs::path folder =
        request.batch.output_dir ? fs::path(*request.batch.output_dir) : item.input.parent_path();
    report.output.path = folder / names.name(checkpoint_stem(item.input), report, request.options);
  });
}

// Throws Error(usage) if two checkpoints of the batch would be saved as the same ONNX file, or if
// an ONNX file would replace another checkpoint of the batch.
void check_for_collisions(const std::vector<BatchItem>& items) {
  std::map<io::FileIdentity, const BatchItem*> outputs;
  std::map<io::FileIdentity, const BatchItem*> inputs;
  for (const BatchItem& item : items) {
    inputs[io::identity_of(item.input)] = &item;
    for (const fs::path& file : item.conversion.report.source.files) {
      inputs[io::identity_of(file)] = &item;
    }
  }
  for (const BatchItem& item : items) {
    if (item.result != Result::open) continue;
    const fs::path& output = item.conversion.report.output.path;
    const auto [other, is_new] = outputs.emplace(io::identity_of(output), &item);
    if (!is_new) {
      fail({ErrorKind::usage, "command-output-twice", output.string()},
           "{} and {} would both be saved as {}. Nothing was converted.\nConvert them in separate "
           "calls, each with its own --output_dir, or give other names with --name_template.",
           shown(other->second->input), shown(item.input), shown(output));
    }
    const auto source = inputs.find(other->first);
    if (source != inputs.end() && source->second != &item) {
      fail({ErrorKind::usage, "command-output-is-input", output.string()},
           "The ONNX file of {} would overwrite {}, a file of another checkpoint that you gave. "
           "Nothing was converted.\nGive another folder with --output_dir, or another name with "
           "--name_template.",
           shown(item.input), shown(output));
    }
  }
}

std::size_t jobs_of(const ConvertRequest& request) {
  if (!request.batch.jobs) return port::processors();
  const std::int64_t jobs = *request.batch.jobs;
  if (jobs < 1 || jobs > kMostJobs) {
    fail({ErrorKind::usage, "option-range", "jobs", fmt::format("1 to {}", kMostJobs),
          fmt::format("{}", jobs)},
         "--jobs {}: must be 1 to {}.", jobs, kMostJobs);
  }
  return static_cast<std::size_t>(jobs);
}

// --- the conversion of all checkpoints --------------------------------------------------------

// Returns whether to convert the checkpoint. With --skip_existing, returns false and sets the
// result `skipped` if an ONNX file exists that was made from this checkpoint with the same options.
bool is_to_be_made(BatchItem& item, const ConvertRequest& request) {
  if (!request.batch.skip_existing) return true;
  ConvertReport& report = item.conversion.report;
  const OutputPlan plan = plan_output(request, item.input, report);
  if (plan.action != "skip") return true;
  item.plan = plan;
  item.result = Result::skipped;
  report.output.bytes = io::file_size(report.output.path).value_or(0);
  return false;
}

void convert_all(std::vector<BatchItem>& items, const ConvertRequest& request,
                 const Invocation& invocation, std::size_t jobs, Console& console) {
  std::optional<Verification> verification;
  if (request.verify) verification.emplace(request.verification, "--verify_onnx", console);
  Progress progress(console, items);
  // A batch with --verify_onnx converts one checkpoint at a time, because the comparison of one
  // ONNX model with its checkpoint already uses all CPU cores.
  for_each_open(items, verification ? 1 : jobs, [&](BatchItem& item) {
    Comparison comparison;
    guarded(item, [&] {
      if (!is_to_be_made(item, request)) return;
      if (verification) console.line("converting", shown(item.input));
      item.conversion = convert_one(
          request, invocation, item.input, item.conversion.report.output.path,
          verification ? &*verification : nullptr, comparison, verification ? &console : nullptr);
      item.result = Result::saved;
    });
    if (item.failure) item.failure->verification = comparison.details;
    if (!verification) progress.ended(item);
  });
}

}  // namespace

int run_batch(const ConvertRequest& request, const Invocation& invocation, Console& console) {
  const auto start = Clock::now();
  const std::size_t jobs = jobs_of(request);
  const NameTemplate names(request.batch.name_template.value_or(NameTemplate::kDefault));
  std::vector<BatchItem> items = collect(request.batch.inputs);
  if (request.verification.report && items.size() > 1) {
    fail({ErrorKind::usage, "option-conflict", "report"},
         "--report is for one model, but there are several checkpoints. Give only one checkpoint.");
  }
  for_each_open(items, jobs, [&](BatchItem& item) { plan_item(item, request, names); });
  check_for_collisions(items);

  if (request.dry_run) {
    for_each_open(items, jobs, [&](BatchItem& item) {
      guarded(item, [&] { item.plan = plan_output(request, item.input, item.conversion.report); });
    });
  } else {
    std::optional<io::CreatedFolders> folders;
    if (request.batch.output_dir && count(items, Result::failed) < items.size()) {
      folders.emplace(*request.batch.output_dir, *request.batch.output_dir);
      check_for_collisions(items);  // again: the folder exists now, so "folder/.." can be resolved
    }
    convert_all(items, request, invocation, jobs, console);
    if (folders && count(items, Result::saved) > 0) folders->keep();
  }
  const double seconds = seconds_since(start);
  print_batch(console, items, request, seconds);
  if (request.printing.json) {
    print_result(batch_json(items, request, seconds),
                 plural(count(items, Result::saved), "model") + " saved");
  }
  return batch_exit_code(items);
}

}  // namespace aether2onnx::cli
