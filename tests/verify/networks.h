/// @file
/// Networks that tests of verification convert: random, small trained, and published ones.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace aether2onnx::test {

/// A checkpoint, and the generation that the tests name to the program.
struct Checkpoint {
  std::string name;
  std::string generation;
  std::vector<std::byte> bytes;
};

/// Every generation that runs, in the order of publication.
std::vector<std::string> generations();

/// A network with random weights. Odd seeds have channel attention, every third one spatial
/// attention; even seeds have layer norms where the generation may have them.
/// `of_16_bits`: every weight is a number of float16 and of bfloat16.
Checkpoint random_network(const std::string& generation, unsigned seed, bool fused,
                          bool of_16_bits = false);

/// The networks in tests/data/trained.
std::vector<Checkpoint> trained_networks();

/// The published networks in ../shared; empty where that folder is missing.
std::vector<Checkpoint> published_networks();

/// Compares `model` with the built-in reference on the CPU, with a tolerance that nothing fails:
/// the outputs of random networks are large, and so are their errors in 16 bits.
nlohmann::ordered_json verify_loosely(const std::filesystem::path& model,
                                      const std::filesystem::path& checkpoint,
                                      const std::string& generation);

}  // namespace aether2onnx::test
