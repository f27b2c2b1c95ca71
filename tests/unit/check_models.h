/// @file
/// ONNX files made by hand, and what check finds in them.
#pragma once

#include <aether2onnx/aether2onnx.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "protobuf.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::test {

inline constexpr int kFloat = 1;
inline constexpr int kUint8 = 2;
inline constexpr int kInt8 = 3;
inline constexpr int kInt64 = 7;
inline constexpr int kHalf = 10;
inline constexpr int kDouble = 11;
inline constexpr int kBfloat16 = 16;

// --- files, by hand ---

inline std::string value_info(const std::string& name, int data_type,
                              const std::vector<std::string>& dims) {
  std::string shape;
  for (const std::string& dim : dims) {
    const bool number = dim.find_first_not_of("0123456789") == std::string::npos;
    shape += field(1, number ? number_field(1, std::stoull(dim)) : field(2, dim));
  }
  return field(1, name) + field(2, field(1, number_field(1, static_cast<std::uint64_t>(data_type)) +
                                                field(2, shape)));
}

inline std::string int_attribute(const std::string& name, std::uint64_t value) {
  return field(5, field(1, name) + number_field(3, value) + number_field(20, 2));
}

inline std::string node(const std::string& op, const std::vector<std::string>& inputs,
                        const std::string& output, const std::string& attributes = "",
                        const std::string& domain = "") {
  std::string message;
  for (const std::string& input : inputs) message += field(1, input);
  message += field(2, output) + field(3, "node_" + output) + field(4, op) + attributes;
  if (!domain.empty()) message += field(7, domain);
  return field(1, message);
}

inline std::string cast(const std::string& input, const std::string& output, int to) {
  return node("Cast", {input}, output, int_attribute("to", static_cast<std::uint64_t>(to)));
}

inline std::string tensor(const std::string& name, int data_type,
                          const std::vector<std::uint64_t>& dims, const std::string& raw) {
  std::string message;
  for (const std::uint64_t dim : dims) message += number_field(1, dim);
  return field(5, message + number_field(2, static_cast<std::uint64_t>(data_type)) +
                      field(8, name) + field(9, raw));
}

inline std::string half(std::initializer_list<double> values) {
  std::string raw;
  for (const double value : values) {
    const std::uint16_t bits = to_half_bits(value);
    raw += static_cast<char>(bits & 0xffU);
    raw += static_cast<char>(bits >> 8U);
  }
  return raw;
}

inline std::string longs(std::initializer_list<std::int64_t> values) {
  std::string raw;
  for (const std::int64_t value : values) {
    for (unsigned byte = 0; byte < 8; ++byte) {
      raw += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * byte));
    }
  }
  return raw;
}

inline const std::vector<std::string> kStatic = {"1", "3", "8", "8"};
inline const std::vector<std::string> kDynamic = {"1", "3", "height", "width"};

// A model with one picture as input and one as output, both of `type`. No rule warns about the
// model.
struct TestModel {
  std::uint64_t opset = 17;
  std::uint64_t ir = 8;
  int type = kFloat;
  int output_type = 0;  // as `type` where 0
  std::string input_name = "input";
  std::vector<std::string> input = kStatic;
  std::vector<std::string> output = kStatic;
  std::string parts;   // nodes and initializers
  std::string behind;  // after the graph
  bool profile = true;

  std::string bytes() const {
    std::string graph =
        parts + field(2, "g") + field(11, value_info(input_name, type, input)) +
        field(12, value_info("output", output_type == 0 ? type : output_type, output));
    std::string model = number_field(1, ir) + field(7, graph);
    if (opset > 0) model += field(8, number_field(2, opset));
    for (const char* key : {"min_shape", "opt_shape", "max_shape"}) {
      if (profile) model += field(14, field(1, key) + field(2, "1x3x8x8"));
    }
    return model + behind;
  }
};

inline TestModel model_with(const std::string& parts) {
  TestModel model;
  model.parts = parts;
  return model;
}

inline CheckReport report_of(const std::string& bytes, const CheckOptions& options = {}) {
  return check(MemoryInput(bytes_of(bytes)), options);
}

inline CheckOptions only(Target target, const std::string& version = "") {
  return {{{target, version}}};
}
inline CheckOptions tensorrt(const std::string& version) { return only(Target::tensorrt, version); }

inline const Finding* find(const CheckReport& report, const std::string& code) {
  const auto found = std::find_if(report.findings.begin(), report.findings.end(),
                                  [&](const Finding& finding) { return finding.code == code; });
  return found == report.findings.end() ? nullptr : &*found;
}

// "error", "warning" or "note" of the worst finding with this code; "" if there is none.
inline std::string severity(const TestModel& model, const std::string& code,
                            const CheckOptions& options = {}) {
  const CheckReport report = report_of(model.bytes(), options);
  const Finding* finding = find(report, code);
  return finding == nullptr ? "" : std::string(to_string(finding->severity));
}

inline std::string all_codes(const CheckReport& report) {
  std::string text;
  for (const Finding& finding : report.findings) {
    text += fmt::format("{} {}: {}\n", to_string(finding.severity), finding.code, finding.what);
  }
  return text;
}

inline const std::string kRelu = node("Relu", {"input"}, "output");

inline std::string write_sample(const ConvertOptions& options) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 3);
  const auto checkpoint = tools::write_checkpoint(tensors);
  MemoryOutput output;
  convert(MemoryInput(checkpoint), {&output, nullptr, {}}, options);
  return {reinterpret_cast<const char*>(output.bytes().data()), output.bytes().size()};
}

}  // namespace aether2onnx::test
