/// @file
/// Converts checkpoints in memory, and runs models of any precision in ONNX Runtime on the CPU.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "checkpoint_writer.h"
#include "tensor.h"

namespace aether2onnx::test {

struct Converted {
  ConvertReport report;
  std::vector<std::byte> bytes;
};

Converted convert_tensors(const std::vector<tools::NamedTensor>& tensors,
                          const ConvertOptions& options,
                          const tools::CheckpointLayout& layout = {});

inline constexpr std::array kPrecisions = {Precision::fp32, Precision::fp16, Precision::bf16,
                                           Precision::mixed_fp16, Precision::mixed_bf16};

/// The opsets at which the precision is tested: those at which the graph changes, or all that it
/// can have if the environment has AETHER2ONNX_ALL_OPSETS.
std::vector<int> opsets_of(Precision precision);

/// Relative to the largest magnitude of the output, with weights that make errors grow.
double tolerance_of(Precision precision);

/// The model's output: of the file as it is, where ONNX Runtime has operators for its types, and
/// with every 16-bit result rounded where there are such. Fails the test where ONNX Runtime warns
/// of something, or refuses the types.
verify::FloatTensor run_model(const std::vector<std::byte>& bytes,
                              const verify::FloatTensor& image);

/// Values within the model, with every 16-bit result rounded.
std::vector<verify::FloatTensor> run_emulated(const std::vector<std::byte>& bytes,
                                              const verify::FloatTensor& image,
                                              const std::vector<std::string>& values);

}  // namespace aether2onnx::test
