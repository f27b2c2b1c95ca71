/// @file
/// Files of the later generations, and what is recognised in them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "network/network.h"
#include "stage_networks.h"

namespace aether2onnx::network {

// A file in memory, and what is in it.
struct File {
  explicit File(std::vector<std::byte> content, const std::optional<std::string>& params_key = {})
      : bytes(std::move(content)),
        input(bytes),
        state_dict(state_dict::StateDict::open(input, {params_key, nullptr}, {})) {}
  File(const std::vector<tools::NamedTensor>& tensors, const tools::CheckpointLayout& layout)
      : File(tools::write_checkpoint(tensors, layout)) {}

  std::vector<std::byte> bytes;
  MemoryInput input;
  state_dict::StateDict state_dict;
};

inline Network recognise_tensors(const std::vector<tools::NamedTensor>& tensors,
                                 const tools::CheckpointLayout& layout = {},
                                 const ReadOptions& options = {}) {
  const File file(tensors, layout);
  return recognise(file.state_dict, options);
}

inline const Evidence* evidence_of(const Network& network, std::string_view what) {
  for (const Evidence& evidence : network.facts.evidence) {
    if (evidence.what == what) return &evidence;
  }
  return nullptr;
}

inline std::string value_of(const Network& network, std::string_view what) {
  const Evidence* evidence = evidence_of(network, what);
  return evidence == nullptr ? "nothing" : evidence->value;
}

inline bool is_certain(const Network& network, std::string_view what) {
  const Evidence* evidence = evidence_of(network, what);
  return evidence != nullptr && evidence->certain;
}

// A training file: params, and what the class notes of its construction.
inline tools::CheckpointLayout training(const tools::PythonDict& arch_config) {
  tools::CheckpointLayout layout;
  layout.wrapper = "params";
  layout.beside.items.emplace_back("arch_config", arch_config);
  return layout;
}

inline void drop(std::vector<tools::NamedTensor>& tensors, std::string_view part) {
  const auto had = tensors.size();
  std::erase_if(tensors, [&](const tools::NamedTensor& tensor) {
    return tensor.name.find(part) != std::string::npos;
  });
  ASSERT_LT(tensors.size(), had) << part;
}

inline tools::NamedTensor& tensor_named(std::vector<tools::NamedTensor>& tensors,
                                        std::string_view name) {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(),
                   [&](const tools::NamedTensor& tensor) { return tensor.name == name; });
  EXPECT_NE(found, tensors.end()) << name;
  return *found;
}

inline tools::StageShape shape_of(const std::string& generation) {
  tools::StageShape shape;
  shape.generation = generation;
  return shape;
}

inline tools::StageShape attentive(const std::string& generation, bool fused) {
  tools::StageShape shape = shape_of(generation);
  shape.fused = fused;
  shape.channel_attention = true;
  return shape;
}

}  // namespace aether2onnx::network
