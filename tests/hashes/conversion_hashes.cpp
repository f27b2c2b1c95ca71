// Prints a hash of every file that the library writes for sample networks, one line for each
// network and set of options. tests/data/conversion_hashes.txt is this program's output as
// committed; a test compares the two. The program needs no file system, so that it also runs as
// WebAssembly.

#include <aether2onnx/aether2onnx.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "quantized_networks.h"
#include "sample_networks.h"
#include "stage_networks.h"

namespace {

using namespace aether2onnx;
using tools::NamedTensor;

// Takes the bytes for their hash.
class HashOutput final : public Output {
 public:
  void write(std::span<const std::byte> bytes) override { hash_.update(bytes); }
  // 48 bits of SHA-256, in hex.
  std::string hash() { return hash_.finish().substr(0, 12); }

 private:
  Sha256 hash_;
};

// A checkpoint, and how it has to be read.
struct Sample {
  std::string name;
  std::function<std::vector<std::byte>()> make;
  std::function<void(ReadOptions&)> read = [](ReadOptions&) {};
};

std::vector<NamedTensor> random_weights(std::vector<NamedTensor> tensors) {
  tools::fill_random(tensors, 5);
  return tensors;
}

void add_first_generation(std::vector<Sample>& samples) {
  const auto tensors = [](std::int64_t scale, bool fused, std::int64_t channels) {
    tools::NetworkShape shape;
    shape.scale = scale;
    shape.channels = channels;
    std::vector<NamedTensor> result = random_weights(tools::make_tensors(shape));
    return fused ? tools::fuse(result) : result;
  };
  for (const bool fused : {false, true}) {
    const char* state = fused ? "fused" : "unfused";
    for (const std::int64_t scale : {1, 2, 3, 4, 8}) {
      if (!fused && scale != 2) continue;
      samples.push_back({fmt::format("G1_x{}_{}", scale, state),
                         [=] { return tools::write_checkpoint(tensors(scale, fused, 3)); }});
    }
    using tools::StorageType;
    for (const auto& [type, name] :
         {std::pair{StorageType::float16, "float16"}, std::pair{StorageType::bfloat16, "bfloat16"},
          std::pair{StorageType::float64, "float64"}}) {
      samples.push_back({fmt::format("G1_x2_{}_{}", state, name), [=, type = type] {
                           tools::CheckpointLayout layout;
                           layout.type = type;
                           return tools::write_checkpoint(tensors(2, fused, 3), layout);
                         }});
    }
  }
  samples.push_back({"G1_x2_one_channel_deflated", [=] {
                       tools::CheckpointLayout layout;
                       layout.deflate = true;
                       layout.wrapper = "params_ema";
                       layout.prefix = "module.";
                       return tools::write_checkpoint(tensors(2, false, 1), layout);
                     }});
  samples.push_back({"G1_x2_big_endian", [=] {
                       tools::CheckpointLayout layout;
                       layout.big_endian = true;
                       return tools::write_checkpoint(tensors(2, false, 3), layout);
                     }});
  samples.push_back(
      {"G1_x2_legacy", [=] { return tools::write_legacy_checkpoint(tensors(2, false, 3)); }});
  samples.push_back(
      {"G1_x2_safetensors", [=] { return tools::write_safetensors(tensors(2, false, 3)); }});
}

void add_later_generations(std::vector<Sample>& samples) {
  for (const std::string& generation : tools::stage_generations()) {
    if (generation == "G2") continue;
    const auto add = [&](const std::string& suffix, tools::StageShape shape, bool fused) {
      shape.generation = generation;
      samples.push_back({generation + suffix + (fused ? "_fused" : "_unfused"),
                         [=] {
                           auto tensors = random_weights(tools::make_tensors(shape));
                           if (fused) tensors = tools::fuse(tensors, shape);
                           return tools::write_checkpoint(tensors);
                         },
                         [=](ReadOptions& options) { options.generation = generation; }});
    };
    tools::StageShape x3;
    x3.scale = 3;
    tools::StageShape attention;
    attention.channel_attention = attention.spatial_attention = true;
    tools::StageShape layer_norm;
    layer_norm.layer_norm = true;
    layer_norm.scale = 4;
    add("_x2", {}, false);
    add("_x2", {}, true);
    add("_x3", x3, true);
    add("_attention", attention, false);
    if (generation > "G5.0") add("_x4_layernorm", layer_norm, false);
  }
}

void add_quantized(std::vector<Sample>& samples) {
  const std::vector<NamedTensor> first =
      tools::fuse(random_weights(tools::make_tensors(tools::NetworkShape{})));
  const tools::StageShape shape;
  const std::vector<NamedTensor> last =
      tools::fuse(random_weights(tools::make_tensors(shape)), shape);
  for (const auto& [name, tensors] : {std::pair{"G1", first}, std::pair{"G7d", last}}) {
    for (const bool per_channel : {false, true}) {
      const char* scales = per_channel ? "per_channel" : "per_tensor";
      samples.push_back({fmt::format("{}_qat_{}", name, scales), [=, tensors = tensors] {
                           return tools::write_checkpoint(
                               tools::add_observers(tensors, per_channel));
                         }});
      samples.push_back({fmt::format("{}_int8_{}", name, scales),
                         [=, tensors = tensors] {
                           return tools::write_checkpoint(
                               tools::convert_to_int8(tensors, per_channel));
                         },
                         [](ReadOptions& options) { options.dequantize = true; }});
    }
  }
}

std::vector<Sample> all_samples() {
  std::vector<Sample> samples;
  add_first_generation(samples);
  add_later_generations(samples);
  add_quantized(samples);
  return samples;
}

// What the options are beside the precision, form and opset.
struct Variation {
  const char* name;
  std::function<void(ConvertOptions&)> change;
};

const std::vector<Variation>& variations() {
  static const std::vector<Variation> all = {
      {"fixed", [](ConvertOptions&) {}},
      {"dynamic", [](ConvertOptions& options) { options.shape = InputShape::dynamic_defaults(); }},
  };
  return all;
}

// With one opset only.
const std::vector<Variation>& rarer_variations() {
  static const std::vector<Variation> all = {
      {"io_fp32", [](ConvertOptions& options) { options.io_type = IoType::fp32; }},
      {"io_same", [](ConvertOptions& options) { options.io_type = IoType::same; }},
      {"depthwise_fp32", [](ConvertOptions& options) { options.depthwise_fp32 = true; }},
      {"fp32_blocks", [](ConvertOptions& options) { options.fp32_blocks = {"conv_last"}; }},
      {"external_data", [](ConvertOptions& options) { options.external_data_threshold = 1; }},
      {"odd_shape",
       [](ConvertOptions& options) {
         options.shape = {Axis::fixed(2), Axis::range(1, 9, 33), Axis::fixed(17)};
       }},
  };
  return all;
}

constexpr std::array kPrecisions = {Precision::fp32, Precision::fp16, Precision::bf16,
                                    Precision::mixed_fp16, Precision::mixed_bf16};

// The model's hash, and that of its external data.
std::string converted(const MemoryInput& checkpoint, const ConvertOptions& options) {
  HashOutput model;
  HashOutput data;
  try {
    const ConvertReport report = convert(checkpoint, {&model, &data, "model.onnx.data"}, options);
    const bool external = report.output.external_data_bytes > 0;
    return external ? model.hash() + "+" + data.hash() : model.hash();
  } catch (const Error& error) {
    return std::string(to_string(error.kind));
  }
}

// Prints every `every`th line.
class Printer {
 public:
  explicit Printer(std::size_t every) : every_(every) {}

  void line(const std::string& name, const std::function<std::string()>& hashes) {
    if (lines_++ % every_ == 0) fmt::print("{} {}\n", name, hashes());
  }

 private:
  std::size_t every_;
  std::size_t lines_ = 0;
};

void print_conversions(Printer& printer, const Sample& sample, const MemoryInput& checkpoint) {
  ConvertOptions options;
  options.source_name = "sample";
  sample.read(options.read);
  for (const Precision precision : kPrecisions) {
    const bool bfloat16 = default_opset(precision) >= kMinOpsetOfBfloat16;
    for (const GraphForm form : {GraphForm::standard, GraphForm::channels_first}) {
      ConvertOptions with = options;
      with.precision = precision;
      with.graph_form = form;
      const std::string name =
          fmt::format("{} {} {}", sample.name, to_string(precision), to_string(form));
      for (const Variation& variation : variations()) {
        printer.line(fmt::format("{} {}", name, variation.name), [&] {
          ConvertOptions varied = with;
          variation.change(varied);
          std::string hashes;
          for (const int opset : {11, 13, 16, 17, 18, 20, 22, 24}) {
            if (bfloat16 && opset < kMinOpsetOfBfloat16) continue;
            varied.opset_version = opset;
            hashes += (hashes.empty() ? "" : " ") + converted(checkpoint, varied);
          }
          return hashes;
        });
      }
    }
    printer.line(fmt::format("{} {} rarer", sample.name, to_string(precision)), [&] {
      std::string hashes;
      for (const Variation& variation : rarer_variations()) {
        ConvertOptions varied = options;
        varied.precision = precision;
        variation.change(varied);
        hashes += (hashes.empty() ? "" : " ") + converted(checkpoint, varied);
      }
      return hashes;
    });
  }
}

void print_fusions(Printer& printer, const Sample& sample, const MemoryInput& checkpoint) {
  for (const CheckpointFormat format : {CheckpointFormat::pth, CheckpointFormat::safetensors}) {
    printer.line(fmt::format("{} fuse {}", sample.name, to_string(format)), [&] {
      std::string hashes;
      for (const WeightType type : {WeightType::same, WeightType::float32, WeightType::float16,
                                    WeightType::bfloat16, WeightType::float64}) {
        FuseOptions options;
        options.source_name = "sample";
        options.format = format;
        options.dtype = type;
        sample.read(options.read);
        HashOutput output;
        std::string hash;
        try {
          fuse(checkpoint, output, options);
          hash = output.hash();
        } catch (const Error& error) {
          hash = to_string(error.kind);
        }
        hashes += (hashes.empty() ? "" : " ") + hash;
      }
      return hashes;
    });
  }
}

}  // namespace

int main(int count, char** values) {
  // Every line, or every Nth one.
  const int every = count == 2 ? std::atoi(values[1]) : 1;
  if (count > 2 || every < 1) {
    std::fputs("Usage: conversion_hashes [N]\nPrints every Nth line of the list of hashes.\n",
               stderr);
    return 2;
  }
  Printer printer(static_cast<std::size_t>(every));
  for (const Sample& sample : all_samples()) {
    const std::vector<std::byte> bytes = sample.make();
    const MemoryInput checkpoint(bytes);
    print_conversions(printer, sample, checkpoint);
    print_fusions(printer, sample, checkpoint);
  }
  return 0;
}
