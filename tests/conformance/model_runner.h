/// @file
/// Runs models of any precision in ONNX Runtime on the CPU.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tensor.h"

namespace aether2onnx::test {

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
