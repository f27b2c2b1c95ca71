#include "console.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/text.h"

namespace aether2onnx::cli {

namespace {

using Json = nlohmann::ordered_json;

// Progress is for work that takes long; until then the lines of the stages are enough.
constexpr auto kProgressAfter = std::chrono::seconds(1);
constexpr auto kProgressEvery = std::chrono::milliseconds(100);

std::string duration_text(double seconds) {
  if (seconds >= 1) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.1f} ms", seconds * 1e3);
}

std::string shape_text(const TensorInfo& tensor) {
  return fmt::format("{} [{}]", tensor.dtype, fmt::join(tensor.shape, ", "));
}

// File names may hold any bytes; JSON must be UTF-8.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json axis_json(const Axis& axis) {
  if (!axis.dynamic) return axis.opt;
  return Json{{"min", axis.min}, {"opt", axis.opt}, {"max", axis.max}};
}

Json tensors_json(const std::vector<TensorInfo>& tensors) {
  Json list = Json::array();
  for (const TensorInfo& tensor : tensors) {
    list.push_back({{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}});
  }
  return list;
}

}  // namespace

bool write_text(std::FILE* stream, const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stream) == text.size();
  return std::fflush(stream) == 0 && written;
}

Console::Console(bool json, bool quiet)
    : stream_(json ? stderr : stdout),
      quiet_(quiet),
      terminal_(!quiet && ::isatty(::fileno(json ? stderr : stdout)) == 1) {}

Console::~Console() { clear_progress(); }

void Console::plain(const std::string& text) {
  if (quiet_) return;
  clear_progress();
  write_text(stream_, text + "\n");  // a log that nobody reads any more stops no conversion
}

void Console::line(const std::string& name, const std::string& text) {
  plain(fmt::format("{:<11} {}", name, text));
}

void Console::on_stage(const Stage& stage) {
  line(stage.name, fmt::format("{}  ({})", stage.summary, duration_text(stage.seconds)));
}

void Console::on_warning(const std::string& text) { line("note", text); }

void Console::on_progress(std::string_view stage, std::uint64_t done, std::uint64_t total) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || total == 0 || now - started_ < kProgressAfter ||
      now - last_progress_ < kProgressEvery) {
    return;
  }
  last_progress_ = now;
  progress_shown_ = true;
  write_text(stream_, fmt::format("\r{:<11} {:3d} %", stage, done * 100 / total));
}

void Console::clear_progress() {
  if (!progress_shown_) return;
  write_text(stream_, fmt::format("\r{:40}\r", ""));
  progress_shown_ = false;
}

std::string model_table(const Report& report) {
  struct Row {
    std::string what;
    std::string before;
    std::string after;
  };
  const auto& source = report.source;
  const auto& graph = report.graph;
  std::vector<Row> rows = {
      {"", "checkpoint", "ONNX"},
      {"file size", fmt::format("{}", source.bytes),
       fmt::format("{}", report.output.bytes + report.output.external_data_bytes)},
      {"tensors", fmt::format("{}", source.tensors), fmt::format("{}", graph.initializers)},
      {"parameters", fmt::format("{}", source.parameters), fmt::format("{}", graph.parameters)},
      {"type", source.dtype, graph.precision == Precision::fp16 ? "float16" : "float32"},
  };
  for (const TensorInfo& tensor : graph.inputs)
    rows.push_back({tensor.name, "", shape_text(tensor)});
  for (const TensorInfo& tensor : graph.outputs) {
    rows.push_back({tensor.name, "", shape_text(tensor)});
  }
  rows.push_back({"nodes", "", fmt::format("{}", graph.nodes)});
  for (const auto& [op, count] : graph.operators) {
    rows.push_back({"  " + op, "", fmt::format("{}", count)});
  }
  std::size_t first = 0;
  std::size_t second = 0;
  for (const Row& row : rows) {
    first = std::max(first, row.what.size());
    second = std::max(second, row.before.size());
  }
  std::string table;
  for (const Row& row : rows) {
    table += fmt::format("  {:<{}}  {:<{}}  {}\n", row.what, first, row.before, second, row.after);
  }
  table.pop_back();
  return table;
}

namespace {

// One word of a POSIX shell. What a terminal would act on stands in it as an escape of $'…'.
std::string shell_word(const std::string& argument) {
  static constexpr std::string_view harmless = "-_./=:,+@%";
  const bool plain = !argument.empty() && std::all_of(argument.begin(), argument.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           harmless.find(c) != std::string_view::npos;
  });
  if (plain) return argument;
  const bool printable_as_is = printable(argument, argument.size()) == argument;
  std::string word = printable_as_is ? "'" : "$'";
  for (const char c : argument) {
    if (printable_as_is) {
      word += c == '\'' ? "'\\''" : std::string(1, c);
    } else if (c == '\'' || c == '\\') {
      word += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
      word += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    } else {
      word += c;
    }
  }
  return word + "'";
}

}  // namespace

std::string shell_line(const std::vector<std::string>& arguments) {
  std::string line;
  for (const std::string& argument : arguments) {
    line += (line.empty() ? "" : " ") + shell_word(argument);
  }
  return line;
}

std::string result_json(const Report& report, const std::string& verification_json,
                        const std::string& verify_command, const std::string& trtexec_command) {
  const auto& source = report.source;
  const auto& network = report.network;
  const auto& graph = report.graph;
  Json json;
  json["status"] = "ok";
  json["version"] = version();
  json["source"] = {{"name", source.name},       {"container", source.container},
                    {"wrapper", source.wrapper}, {"other_wrappers", source.other_wrappers},
                    {"sha256", source.sha256},   {"bytes", source.bytes},
                    {"tensors", source.tensors}, {"parameters", source.parameters},
                    {"dtype", source.dtype}};
  json["network"] = {
      {"architecture", network.architecture},
      {"generation", network.generation},
      {"model_type", network.model_type},
      {"scale", network.scale},
      {"input_channels", network.input_channels},
      {"embed_dim", network.embed_dim},
      {"depths", network.depths},
      {"hidden_dim", network.hidden_dim},
      {"large_kernel", network.large_kernel},
      {"small_kernel", network.small_kernel == 0 ? Json() : Json(network.small_kernel)},
      {"fused", network.fused}};
  Json operators = Json::object();
  for (const auto& [op, count] : graph.operators) operators[op] = count;
  json["onnx"] = {{"opset_version", graph.opset_version},
                  {"ir_version", graph.ir_version},
                  {"precision", to_string(graph.precision)},
                  {"dynamic", graph.shape.is_dynamic()},
                  {"batch_size", axis_json(graph.shape.batch)},
                  {"height", axis_json(graph.shape.height)},
                  {"width", axis_json(graph.shape.width)},
                  {"inputs", tensors_json(graph.inputs)},
                  {"outputs", tensors_json(graph.outputs)},
                  {"nodes", graph.nodes},
                  {"operators", operators},
                  {"initializers", graph.initializers},
                  {"parameters", graph.parameters},
                  {"weights_subnormal", report.weights_subnormal},
                  {"weights_flushed_to_zero", report.weights_flushed_to_zero}};
  const bool external = !report.output.external_data_path.empty();
  json["output"] = {
      {"path", report.output.path.string()},
      {"bytes", report.output.bytes},
      {"external_data_path", external ? Json(report.output.external_data_path.string()) : Json()},
      {"external_data_bytes", report.output.external_data_bytes}};
  json["verification"] =
      verification_json.empty() ? Json() : Json::parse(verification_json, nullptr, false);
  json["stages"] = Json::array();
  for (const Stage& stage : report.stages) {
    json["stages"].push_back(
        {{"name", stage.name}, {"summary", stage.summary}, {"seconds", stage.seconds}});
  }
  json["warnings"] = report.warnings;
  json["next"] = {{"verify", verify_command.empty() ? Json() : Json(verify_command)},
                  {"trtexec", trtexec_command}};
  return dump(json);
}

std::string error_json(const std::string& kind, const std::string& message,
                       const std::vector<std::string>& findings, int exit_code) {
  Json json;
  json["status"] = "error";
  json["version"] = version();
  json["error"] = {{"kind", kind}, {"message", message}, {"findings", findings}};
  json["exit_code"] = exit_code;
  return dump(json);
}

}  // namespace aether2onnx::cli
