// The public types that belong to no stage: versions, errors, options.

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "graph/passes/type.h"
#include "network/network.h"

namespace aether2onnx {

std::string_view version() noexcept { return AETHER2ONNX_VERSION; }

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::io:
      return "io";
    case ErrorKind::malformed:
      return "malformed";
    case ErrorKind::unsupported:
      return "unsupported";
    case ErrorKind::mismatch:
      return "mismatch";
    case ErrorKind::precision:
      return "precision";
    case ErrorKind::limit:
      return "limit";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::verification:
      return "verification";
    case ErrorKind::engine:
      return "engine";
    case ErrorKind::internal:
      return "internal";
  }
  return "internal";
}

std::string_view to_string(Precision precision) noexcept {
  switch (precision) {
    case Precision::fp32:
      return "fp32";
    case Precision::fp16:
      return "fp16";
    case Precision::bf16:
      return "bf16";
    case Precision::mixed_fp16:
      return "mixed_fp16";
    case Precision::mixed_bf16:
      return "mixed_bf16";
  }
  return "fp32";
}

std::string_view to_string(IoType type) noexcept { return type == IoType::fp32 ? "fp32" : "same"; }

std::string_view to_string(GraphForm form) noexcept {
  return form == GraphForm::channels_first ? "channels_first" : "standard";
}

int default_opset(Precision precision) noexcept {
  constexpr int usual = 17;
  return precision::heavy_type(precision) == DType::bfloat16 ? kMinOpsetOfBfloat16 : usual;
}

IoType default_io_type(Precision precision) noexcept {
  const bool as_the_script = precision == Precision::fp32 || precision == Precision::fp16;
  return as_the_script ? IoType::same : IoType::fp32;
}

std::string_view to_string(WeightType type) noexcept {
  switch (type) {
    case WeightType::same:
      return "same";
    case WeightType::float32:
      return "float32";
    case WeightType::float16:
      return "float16";
    case WeightType::bfloat16:
      return "bfloat16";
    case WeightType::float64:
      return "float64";
  }
  return "same";
}

std::string_view to_string(EnginePrecision precision) noexcept {
  switch (precision) {
    case EnginePrecision::as_model:
      return "as_model";
    case EnginePrecision::fp16:
      return "fp16";
    case EnginePrecision::bf16:
      return "bf16";
  }
  return "as_model";
}

std::string_view to_string(CheckpointFormat format) noexcept {
  return format == CheckpointFormat::safetensors ? "safetensors" : "pth";
}

std::string spell_options(std::string_view text,
                          const std::function<std::string(std::string_view)>& spell) {
  constexpr std::string_view begin = "{option:";
  std::string out;
  for (;;) {
    const std::size_t at = text.find(begin);
    const std::size_t end = at == std::string_view::npos ? at : text.find('}', at);
    if (end == std::string_view::npos) return out.append(text);
    out += text.substr(0, at);
    out += spell(text.substr(at + begin.size(), end - at - begin.size()));
    text.remove_prefix(end + 1);
  }
}

Error::Error(ErrorKind kind, Diagnostic diagnostic, std::vector<Diagnostic> findings)
    : std::runtime_error(
          spell_options(diagnostic.text, [](std::string_view name) { return std::string(name); })),
      kind(kind),
      diagnostic(std::move(diagnostic)),
      findings(std::move(findings)) {}

Error::Error(ErrorKind kind, const std::string& message, const std::vector<std::string>& findings)
    : Error(kind, message) {
  for (const std::string& finding : findings) this->findings.push_back({.text = finding});
}

void Context::check_cancelled() const {
  if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
    fail({ErrorKind::cancelled, "cancelled"}, "The call was cancelled.");
  }
}

Observer::~Observer() = default;
void Observer::on_stage(const Stage& /*stage*/) {}
void Observer::on_progress(std::string_view /*stage*/, std::uint64_t /*done*/,
                           std::uint64_t /*total*/) {}
void Observer::on_warning(const std::string& /*text*/) {}

namespace {

constexpr std::int64_t kLargestAxis = 65536;
constexpr std::array<std::int64_t, 5> kScales = {1, 2, 3, 4, 8};

void check_axis(const Axis& axis, const char* name) {
  const auto check_size = [&](std::int64_t size, const char* which) {
    if (size < 1 || size > kLargestAxis) {
      fail(ErrorKind::usage, "--{}_{} {}: must be 1 to {}.", which, name, size, kLargestAxis);
    }
  };
  check_size(axis.opt, "opt");
  if (!axis.dynamic) return;
  check_size(axis.min, "min");
  check_size(axis.max, "max");
  const auto check_order = [&](std::int64_t low, const char* low_name, std::int64_t high,
                               const char* high_name) {
    if (low <= high) return;
    fail(ErrorKind::usage,
         "--{0}_{4} {1} is larger than --{2}_{4} {3}.\nGive min <= opt <= max for each axis.",
         low_name, low, high_name, high, name);
  };
  check_order(axis.min, "min", axis.max, "max");
  check_order(axis.min, "min", axis.opt, "opt");
  check_order(axis.opt, "opt", axis.max, "max");
}

void check_expectations(const CheckpointOptions& options) {
  validate(static_cast<const ReadOptions&>(options));
  const auto& names = network::named_variants();
  if (options.model_type &&
      std::find(names.begin(), names.end(), *options.model_type) == names.end()) {
    fail(ErrorKind::usage,
         "--model_type {}: must be {}, or be left out (it is read from the checkpoint).",
         printable(*options.model_type), join(names, ", "));
  }
  if (options.scale && std::find(kScales.begin(), kScales.end(), *options.scale) == kScales.end()) {
    fail(ErrorKind::usage,
         "--scale {}: must be {}, or be left out (it is read from the checkpoint).", *options.scale,
         join(kScales, ", "));
  }
  if (options.input_channels && *options.input_channels < 1) {
    fail(
        ErrorKind::usage,
        "--input_channels {}: must be at least 1, or be left out (it is read from the checkpoint).",
        *options.input_channels);
  }
}

}  // namespace

void validate(const ReadOptions& options) {
  const auto& names = network::generation_names();
  if (options.generation &&
      std::find(names.begin(), names.end(), *options.generation) == names.end()) {
    fail(ErrorKind::usage,
         "--generation {}: must be {}, or be left out (it is read from the checkpoint).",
         printable(*options.generation), join(names, ", "));
  }
  const auto check = [](const char* option, const std::optional<double>& value) {
    if (!value || (*value > 0 && std::isfinite(*value))) return;
    fail(ErrorKind::usage, "--{} {}: must be a number above 0.", option, *value);
  };
  check("res_scale", options.res_scale);
  check("norm_eps", options.norm_eps);
  check("img_range", options.img_range);
}

void validate(const Options& options) {
  check_expectations(options);
  const int opset = options.opset();
  if (opset < kMinOpset || opset > kMaxOpset) {
    fail(ErrorKind::usage,
         "--opset_version {}: must be {} to {} (17 suits TensorRT 8.6 and newer and ONNX Runtime "
         "1.12 and newer).",
         opset, kMinOpset, kMaxOpset);
  }
  if (opset < kMinOpsetOfBfloat16 && precision::heavy_type(options.precision) == DType::bfloat16) {
    fail(ErrorKind::usage,
         "--opset_version {0}: --fp_mode {1} needs opset {2} or newer, the first whose Conv takes "
         "bfloat16.\nGive --opset_version {2} or leave it out. For TensorRT before 10.6, which "
         "doesn't read opset {2}, convert with --fp_mode fp32 and build the engine with --bf16.",
         opset, to_string(options.precision), kMinOpsetOfBfloat16);
  }
  check_axis(options.shape.batch, "batch_size");
  check_axis(options.shape.height, "height");
  check_axis(options.shape.width, "width");
}

void validate(const FuseOptions& options) { check_expectations(options); }

}  // namespace aether2onnx
