#include "ranges.h"

#include <algorithm>
#include <cmath>

#include "graph/graph.h"

namespace aether2onnx::verify {

namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

void Ranges::add(const std::string& module_path, double max_absolute) {
  const std::string path = graph::block_of(module_path);
  const auto known = std::find_if(blocks_.begin(), blocks_.end(),
                                  [&](const BlockRange& block) { return block.path == path; });
  if (known == blocks_.end()) {
    blocks_.push_back({path, max_absolute});
  } else {
    known->max_absolute = std::max(known->max_absolute, max_absolute);
  }
}

std::vector<std::string> Ranges::beyond_float16(const std::vector<std::string>& already) const {
  std::vector<std::string> names;
  for (const BlockRange& block : blocks_) {
    if (block.is_tight() && !contains(already, block.path)) {
      names.push_back(block.path);
    }
  }
  return names;
}

}  // namespace aether2onnx::verify
