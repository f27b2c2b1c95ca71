// Implements functions of the public headers that do not belong to a single task. These functions
// return the version and the names of enum values, construct an Error, and check options.

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "graph/passes/passes.h"
#include "network/network.h"

namespace aether2onnx {

std::string_view version() noexcept { return AETHER2ONNX_VERSION; }

std::string_view to_string(ErrorKind kind) noexcept {
  constexpr std::array<std::string_view, 9> names = {"usage",       "io",        "malformed",
                                                     "unsupported", "mismatch",  "precision",
                                                     "limit",       "cancelled", "internal"};
  return name_in(names, kind);
}

std::string_view to_string(Precision precision) noexcept {
  constexpr std::array<std::string_view, 5> names = {"fp32", "fp16", "bf16", "mixed_fp16",
                                                     "mixed_bf16"};
  return name_in(names, precision);
}

bool is_mixed(Precision precision) noexcept {
  return precision == Precision::mixed_fp16 || precision == Precision::mixed_bf16;
}

std::string_view to_string(IoType type) noexcept { return type == IoType::fp32 ? "fp32" : "same"; }

std::string_view to_string(GraphForm form) noexcept {
  return form == GraphForm::channels_first ? "channels_first" : "standard";
}

std::string_view to_string(Projections projections) noexcept {
  return projections == Projections::matmul ? "matmul" : "conv";
}

std::string_view to_string(GeluForm form) noexcept { return form == GeluForm::erf ? "erf" : "op"; }

int default_opset(Precision precision) noexcept {
  constexpr int usual = 17;
  return graph::compute_type(precision) == DType::bfloat16 ? kMinOpsetOfBfloat16 : usual;
}

IoType default_io_type(Precision precision) noexcept {
  const bool as_in_the_script = precision == Precision::fp32 || precision == Precision::fp16;
  return as_in_the_script ? IoType::same : IoType::fp32;
}

std::string_view to_string(WeightType type) noexcept {
  constexpr std::array<std::string_view, 5> names = {"same", "float32", "float16", "bfloat16",
                                                     "float64"};
  return name_in(names, type);
}

std::string_view to_string(EnginePrecision precision) noexcept {
  constexpr std::array<std::string_view, 3> names = {"as_model", "fp16", "bf16"};
  return name_in(names, precision);
}

std::string_view to_string(CheckpointFormat format) noexcept {
  return format == CheckpointFormat::safetensors ? "safetensors" : "pth";
}

std::string spell_options(std::string_view text,
                          const std::function<std::string(std::string_view)>& spell) {
  constexpr std::string_view begin = "{option:";
  constexpr std::string_view name_characters = "abcdefghijklmnopqrstuvwxyz0123456789_";
  std::string out;
  for (;;) {
    const std::size_t at = text.find(begin);
    if (at == std::string_view::npos) return out.append(text);
    const std::size_t name = at + begin.size();
    const std::size_t end = std::min(text.find_first_not_of(name_characters, name), text.size());
    const bool is_option = end > name && end < text.size() && text[end] == '}';
    out += text.substr(0, is_option ? at : end);
    if (is_option) out += spell(text.substr(name, end - name));
    text.remove_prefix(is_option ? end + 1 : end);
  }
}

Error::Error(ErrorKind which, Diagnostic what, std::vector<Diagnostic> all_findings)
    : std::runtime_error(
          spell_options(what.text, [](std::string_view name) { return std::string(name); })),
      kind(which),
      diagnostic(std::move(what)),
      findings(std::move(all_findings)) {}

void Context::check_cancelled() const {
  if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
    fail({ErrorKind::cancelled, "cancelled"}, "The call was cancelled.");
  }
}

Observer::~Observer() = default;
void Observer::on_step(const Step& /*step*/) {}
void Observer::on_progress(std::string_view /*step*/, std::uint64_t /*done*/,
                           std::uint64_t /*total*/) {}
void Observer::on_warning(const Diagnostic& /*warning*/) {}

namespace {

constexpr std::int64_t kLargestAxis = 65536;
constexpr std::array<std::int64_t, 5> kScales = {1, 2, 3, 4, 8};

// Throws Error(usage): the option `name` has the value `found`, but must be `expected`.
[[noreturn]] void fail_range(const std::string& name, const std::string& found,
                             const std::string& expected) {
  fail({ErrorKind::usage, "option-range", name, expected, found}, "{} {}: must be {}.",
       option(name), found, expected);
}

void check_axis(const Axis& axis, const std::string& name) {
  struct End {
    std::string name;
    std::int64_t size;
  };
  const End min{"min_" + name, axis.min};
  const End opt{"opt_" + name, axis.opt};
  const End max{"max_" + name, axis.max};
  const auto check_size = [](const End& end) {
    if (end.size >= 1 && end.size <= kLargestAxis) return;
    fail_range(end.name, fmt::format("{}", end.size), fmt::format("1 to {}", kLargestAxis));
  };
  check_size(opt);
  if (!axis.dynamic) return;
  check_size(min);
  check_size(max);
  const auto check_order = [](const End& low, const End& high) {
    if (low.size <= high.size) return;
    fail({ErrorKind::usage, "option-order", low.name, fmt::format("{} or less", high.size),
          fmt::format("{}", low.size)},
         "{} {} is larger than {} {}.\nGive min <= opt <= max for each axis.", option(low.name),
         low.size, option(high.name), high.size);
  };
  check_order(min, max);
  check_order(min, opt);
  check_order(opt, max);
}

// This text is the argument `expected` of fail_range() if the user can omit the option, because the
// checkpoint contains the value. fmt::format() replaces "{}" with the allowed values.
constexpr const char* kOrLeftOut = "{}, or be left out (the value is read from the checkpoint)";

void check_name(const char* name, const std::optional<std::string>& value,
                const std::vector<std::string>& names) {
  if (!value || std::find(names.begin(), names.end(), *value) != names.end()) return;
  fail_range(name, printable(*value), fmt::format(kOrLeftOut, join(names, ", ")));
}

void validate(const Expectations& expect) {
  check_name("model_type", expect.model_type, network::named_variants());
  if (expect.scale && std::find(kScales.begin(), kScales.end(), *expect.scale) == kScales.end()) {
    fail_range("scale", fmt::format("{}", *expect.scale),
               fmt::format(kOrLeftOut, join(kScales, ", ")));
  }
  if (expect.input_channels && *expect.input_channels < 1) {
    fail_range("input_channels", fmt::format("{}", *expect.input_channels),
               fmt::format(kOrLeftOut, "at least 1"));
  }
}

void validate_forms(const ConvertOptions& options) {
  if (options.projections == Projections::matmul &&
      options.graph_form == GraphForm::channels_first) {
    fail({ErrorKind::usage, "option-conflict", "projections", "conv", "matmul"},
         "{} matmul contradicts {} channels_first: a MatMul needs the channels last.\n"
         "Omit one of the two options.",
         option("projections"), option("graph_form"));
  }
  constexpr int smallest = 7;
  constexpr int largest = 12;
  const int size = options.split_kernels_over.value_or(smallest);
  if (size < smallest || size > largest) {
    fail_range("split_kernels_over", fmt::format("{}", size),
               fmt::format("{} to {}", smallest, largest));
  }
  if (options.gelu == GeluForm::op && options.opset() < kMinOpsetOfGelu) {
    fail({ErrorKind::usage, "option-conflict", "gelu", "erf", "op"},
         "{} op: the operator Gelu needs opset {} or newer, but the opset is {}.\n"
         "Give {} {}, or omit {}.",
         option("gelu"), kMinOpsetOfGelu, options.opset(), option("opset_version"), kMinOpsetOfGelu,
         option("gelu"));
  }
  for (const std::string& op : options.fp32_operators) {
    const std::vector<std::string>& known = graph::computing_operators();
    if (std::find(known.begin(), known.end(), op) != known.end()) continue;
    fail_range("fp32_operators", printable(op), "one of " + join(known, ", "));
  }
}

}  // namespace

void validate(const ReadOptions& options) {
  check_name("generation", options.generation, network::generation_names());
  const auto check = [](const char* name, const std::optional<double>& value) {
    if (value && !(*value > 0 && std::isfinite(*value))) {
      fail_range(name, fmt::format("{}", *value), "a number above 0");
    }
  };
  check("res_scale", options.res_scale);
  check("norm_eps", options.norm_eps);
  check("img_range", options.img_range);
}

void validate(const ConvertOptions& options) {
  validate(options.read);
  validate(options.expect);
  const int opset = options.opset();
  if (opset < kMinOpset || opset > kMaxOpset) {
    fail_range("opset_version", fmt::format("{}", opset),
               fmt::format("{} to {} (17 suits TensorRT 8.6 and newer and ONNX Runtime 1.12 and "
                           "newer)",
                           kMinOpset, kMaxOpset));
  }
  if (opset < kMinOpsetOfBfloat16 && graph::compute_type(options.precision) == DType::bfloat16) {
    fail({ErrorKind::usage, "option-opset-bfloat16", "opset_version",
          fmt::format("{} or newer", kMinOpsetOfBfloat16), fmt::format("{}", opset)},
         "{3} {0}: {4} {1} needs opset {2} or newer. In older opsets, Conv takes no bfloat16.\n"
         "Give {3} {2}, or omit this option. TensorRT before 10.6 doesn't read opset {2}: for "
         "these versions, convert with {4} fp32 and build the engine with trtexec --bf16.",
         opset, to_string(options.precision), kMinOpsetOfBfloat16, option("opset_version"),
         option("fp_mode"));
  }
  validate_forms(options);
  check_axis(options.shape.batch, "batch_size");
  check_axis(options.shape.height, "height");
  check_axis(options.shape.width, "width");
}

void validate(const FuseOptions& options) {
  validate(options.read);
  validate(options.expect);
}

}  // namespace aether2onnx
