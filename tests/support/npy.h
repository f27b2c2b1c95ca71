/// @file
/// Arrays of NumPy's .npy format, version 1.0: little-endian float32 or float64, row-major.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace aether2onnx::test {

struct Array {
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};

/// Throws std::runtime_error where the file is anything else.
Array load_npy(const std::filesystem::path& path);

}  // namespace aether2onnx::test
