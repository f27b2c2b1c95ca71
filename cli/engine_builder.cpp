#include "engine_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "engine_failure.h"
#include "judge/engine/engine.h"
#include "port/port.h"
#include "shell.h"

namespace aether2onnx::cli {

namespace {

namespace fs = std::filesystem;

// The smallest size of a complete engine file, in bytes. A smaller file is incomplete, because an
// engine has a header and at least one GPU kernel.
constexpr std::uint64_t kSmallestEngine = 1024;

// Returns the first `part` bytes and the last `part` bytes of a file, or a short file completely.
// Returns "" if the file cannot be read, for example because trtexec removed the file.
std::string ends_of(const fs::path& path, std::uint64_t part) {
  try {
    const io::FileInput file(path);
    const std::uint64_t size = file.size();
    const auto read = [&](std::uint64_t offset, std::uint64_t bytes) {
      std::string text(to_size(bytes), '\0');
      file.read(offset, std::as_writable_bytes(std::span(text)));
      return text;
    };
    if (size <= 2 * part) return read(0, size);
    return read(0, part) + "\n" + read(size - part, part);
  } catch (const Error&) {
    return {};
  }
}

// Returns the text that describes the running work in a line that rtx_builder.py printed: "reading
// the model" for {"event": "progress", "what": "reading the model"}. Returns "" if the line has no
// field "what".
std::string what_of_event(const std::string& line) {
  const Json event = Json::parse(line, nullptr, false);
  if (!event.is_object()) return {};
  const auto what = event.find("what");
  return what != event.end() && what->is_string() ? what->get<std::string>() : "";
}

// Returns the last line of the file `log`, without the time and level "[11/24/2026-11:20:00] [I] ".
std::string last_line(const fs::path& log) {
  constexpr std::uint64_t enough = 2048;
  constexpr std::size_t most_shown = 60;
  std::string text = ends_of(log, enough);
  text.erase(std::min(text.find_last_not_of(" \t\r\n=") + 1, text.size()));
  std::string line = text.substr(text.find_last_of("\r\n") + 1);
  if (line.starts_with('{')) line = what_of_event(line);
  while (line.starts_with('[')) {
    const std::size_t end = line.find("] ");
    if (end == std::string::npos) break;
    line.erase(0, end + 2);
  }
  return printable(line, most_shown);
}

void check_log(const fs::path& log, const fs::path& engine, const fs::path& timing_cache,
               const io::FilesRead& read) {
  const io::FileIdentity identity = io::identity_of(log);
  const bool is_engine = identity == io::identity_of(engine);
  if (is_engine || (!timing_cache.empty() && identity == io::identity_of(timing_cache))) {
    fail({ErrorKind::usage, "option-conflict", "log"},
         "--log {}: this is also the path of the {}.\nGive the log another name.", shown(log),
         is_engine ? "engine" : "timing cache");
  }
  read.check(log, "model.engine.log");
  if (io::exists(log) && !io::is_file(log)) {
    fail({ErrorKind::io, "file-not-regular", log.string(), "a regular file"},
         "--log {}: the path isn't a regular file.\nGive another name.", shown(log));
  }
}

[[noreturn]] void throw_failure(const EngineBuilder& builder, const EngineFailure& failure,
                                const fs::path& engine, const fs::path& log) {
  std::string message = fmt::format("{} built no engine: {}.\n", builder.name, failure.what);
  if (!failure.remedy.empty()) message += failure.remedy + " ";
  message += fmt::format("{} {} The builder's output is in {}.", shown(engine),
                         io::exists(engine) ? "is unchanged." : "was not written.", shown(log));
  for (const std::string& line : failure.lines) message += "\n  " + line;
  std::vector<Diagnostic> findings;
  for (const std::string& line : failure.lines)
    findings.push_back({"engine-log", "", "", "", line});
  throw ProgramError("engine", {"engine-failed", engine.string(), "", "", message}, findings);
}

port::ProcessEnd run(const std::vector<std::string>& words, const fs::path& log,
                     const io::FilesRead& read, Console& console) {
  constexpr std::chrono::milliseconds between(250);
  port::Process process(words, log, read);
  const auto started = std::chrono::steady_clock::now();
  for (;;) {
    if (const auto end = process.wait_for(between)) return *end;
    task_context().check_cancelled();
    const auto elapsed = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::steady_clock::now() - started);
    console.on_work("building", fmt::format("{} s  {}", elapsed.count(), last_line(log)), 0);
  }
}

}  // namespace

BuiltEngine build_engine(const EngineBuilder& builder, const fs::path& engine,
                         const EngineOptions& options, const fs::path& log,
                         const io::FilesRead& read, Console& console) {
  BuiltEngine built;
  built.engine = engine;
  built.log = log;
  if (built.log.empty()) {
    built.log = built.engine;
    built.log += ".log";
  }
  const auto check_places = [&] {
    io::check_target(built.engine, read, "model.engine");
    judge::engine::check_outputs(built.engine, options, read);
    check_log(built.log, built.engine, options.timing_cache, read);
  };
  check_places();
  io::StagedFiles staged(built.engine, read, &port::cancelled_by_signal());
  check_places();  // again: the engine's folder exists now, so "folder/../x.engine" can be resolved
  staged.leave_to_another_program();

  const auto started = std::chrono::steady_clock::now();
  const port::ProcessEnd end = run(builder.words(staged.candidate()), built.log, read, console);
  built.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();

  built.bytes = io::file_size(staged.candidate()).value_or(0);
  if (end.exit_code != 0 || built.bytes < kSmallestEngine) {
    constexpr std::uint64_t enough = 1U << 20U;
    const std::string text = ends_of(built.log, enough);
    throw_failure(builder, explain_failure(builder, text, end), built.engine, built.log);
  }
  staged.commit();
  return built;
}

}  // namespace aether2onnx::cli
