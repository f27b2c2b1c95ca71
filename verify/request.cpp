#include "request.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "verify_module.h"

namespace aether2onnx::verify {

using Json = nlohmann::ordered_json;

namespace {

template <typename Value>
std::optional<Value> optional(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<Value>());
}

}  // namespace

std::string bytes_of(const Json& value) { return a2o_bytes_of_text(value.get<std::string>()); }

ReadOptions read_options(const Json& request) {
  ReadOptions options;
  if (!request["params_key"].is_null()) options.params_key = bytes_of(request["params_key"]);
  options.generation = optional<std::string>(request["generation"]);
  options.res_scale = optional<double>(request["res_scale"]);
  options.norm_eps = optional<double>(request["norm_eps"]);
  options.img_range = optional<double>(request["img_range"]);
  options.dequantize = request["dequantize"].get<bool>();
  return options;
}

Context context_of(const Json& request, const std::atomic<bool>* cancelled) {
  Context context;
  context.cancelled = cancelled;
  for (const auto& [name, limit] : request["limits"].items()) {
    set_limit(context.limits, name, limit.get<std::uint64_t>());
  }
  return context;
}

}  // namespace aether2onnx::verify
