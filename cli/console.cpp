#include "console.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "port/port.h"

namespace aether2onnx::cli {

namespace {

// Until this time has passed since the start of the command, on_progress() prints no text. A short
// command needs no display of progress.
constexpr auto kProgressAfter = std::chrono::seconds(1);
// On a terminal, the displayed progress changes at most once in this time. With --supervised,
// on_progress() prints at most one event in this time.
constexpr auto kProgressEvery = std::chrono::milliseconds(100);
// If the log is no terminal, on_work() prints at most one line in this time.
constexpr auto kLineEvery = std::chrono::milliseconds(10000);
constexpr std::size_t kLongestProgress = 400;

std::string duration_text(double seconds) {
  if (seconds >= 1) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.1f} ms", seconds * 1e3);
}

}  // namespace

Context task_context(const Limits& limits, Observer* observer,
                     const std::vector<std::filesystem::path>& inputs) {
  return {limits, observer, &port::cancelled_by_signal(), inputs};
}

int print_answer(const Answer& answer) {
  if (port::write_text(stdout, answer.text)) return kDone;
  task_context().check_cancelled();
  return kFailed;
}

std::string spelled(const std::string& text) {
  return spell_options(text, [](std::string_view name) { return fmt::format("--{}", name); });
}

Console::Console(const Printing& printing) : Console(printing, printing.json ? stderr : stdout) {}

Console::Console(const Printing& printing, std::FILE* stream)
    : stream_(printing.supervised ? stderr : stream),
      quiet_(printing.quiet || printing.supervised),
      terminal_(!quiet_ && port::is_terminal(stream_)),
      events_(printing.supervised) {}

Console::~Console() { clear_progress(); }

void Console::plain(const std::string& text) {
  if (quiet_) return;
  clear_progress();
  // The result of write_text() is ignored, because a command continues even if the log is closed.
  port::write_text(stream_, printable_lines(spelled(text)) + "\n");
}

void Console::line(const std::string& name, const std::string& text) {
  plain(fmt::format("{:<11} {}", name, text));
}

void Console::event(const Json& json) {
  if (events_) port::write_text(stream_, dump_line(json));
}

void Console::on_step(const Step& step) {
  event({{"event", "step"},
         {"name", step.name},
         {"summary", step.summary},
         {"seconds", step.seconds}});
  line(step.name, fmt::format("{}  ({})", step.summary, duration_text(step.seconds)));
}

void Console::on_warning(const Diagnostic& warning) { note(warning.text); }

void Console::note(const std::string& text) {
  event({{"event", "note"}, {"text", text}});
  line("note", text);
}

bool Console::progress_is_due() {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_progress_ < kProgressEvery) return false;
  if (!events_ && (!terminal_ || now - started_ < kProgressAfter)) return false;
  last_progress_ = now;
  return true;
}

void Console::on_progress(std::string_view step, std::uint64_t done, std::uint64_t total) {
  if (total == 0 || !progress_is_due()) return;
  event({{"event", "progress"}, {"step", step}, {"done", done}, {"total", total}});
  if (terminal_) show_progress(fmt::format("{:<11} {:3d} %", step, done * 100 / total));
}

void Console::on_work(std::string_view name, const std::string& what, double share) {
  const auto now = std::chrono::steady_clock::now();
  if (!work_started_) work_started_ = last_progress_ = now;
  event({{"event", "work"}, {"name", name}, {"what", what}, {"share", share}});
  // On a terminal, the first line about a new piece of work (`what`) is printed at once. Any other
  // line is printed only if the time `every` has passed since the last line.
  const auto every = terminal_ ? kProgressEvery : kLineEvery;
  const bool is_new = terminal_ && what != last_work_;
  if (quiet_ || (!is_new && now - last_progress_ < every)) return;
  last_progress_ = now;
  last_work_ = what;
  std::string text = fmt::format("{:<11} {}", name, what);
  const double elapsed = std::chrono::duration<double>(now - *work_started_).count();
  constexpr double enough_to_tell = 0.01;
  if (share > enough_to_tell && elapsed > 1) {
    text += fmt::format(", about {:.0f} s left", std::ceil(elapsed * (1 - share) / share));
  }
  if (terminal_) {
    show_progress(text);
  } else {
    plain(text);
  }
}

void Console::show_progress(const std::string& text) {
  clear_progress();
  progress_shown_ = true;
  port::write_text(stream_, "\r" + printable(text, kLongestProgress));
}

void Console::clear_progress() {
  if (!progress_shown_) return;
  port::write_text(stream_,
                   "\r\x1b[K");  // Clears the line. Only terminals show progress.
  progress_shown_ = false;
}

}  // namespace aether2onnx::cli
