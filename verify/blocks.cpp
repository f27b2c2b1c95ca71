#include "blocks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "graph/graph.h"

namespace aether2onnx::verify {

namespace {

// find_first_difference() returns the network's first block whose error is at least kJump times the
// largest error of all earlier blocks, and at least kJump times `floor`, the usual relative error
// of a correct block.
constexpr double kJump = 10;

bool is_in(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string module_path(const std::string& node_name) {
  // A node's name begins with the names of nested modules, the outermost module first, and a slash
  // after each name. PyTorch's exporter repeats the name of a container without a forward pass
  // (ModuleList): "layers.0/layers.0.1" stands for the path "layers.0.1".
  std::string path;
  std::string parent;
  std::size_t begin = node_name.starts_with('/') ? 1 : 0;
  for (std::size_t slash = node_name.find('/', begin); slash != std::string::npos;
       slash = node_name.find('/', begin)) {
    const std::string folder = node_name.substr(begin, slash - begin);
    if (path.empty()) {
      path = folder;
    } else if (folder.starts_with(parent + ".")) {
      path.replace(path.size() - parent.size(), parent.size(), folder);
    } else {
      path += "." + folder;
    }
    parent = folder;
    begin = slash + 1;
  }
  return path;
}

std::map<std::string, std::string> module_outputs(const onnx::Model& model,
                                                  const std::vector<std::string>& paths) {
  const std::set<std::string> wanted(paths.begin(), paths.end());
  std::map<std::string, std::string> outputs;
  for (const onnx::Node& node : model.nodes) {
    const std::string path = module_path(node.name);
    if (wanted.contains(path) && node.outputs.size() == 1) outputs[path] = node.outputs[0];
  }
  return outputs;
}

BlockDifference compare_block(const std::string& path, const FloatTensor& candidate,
                              const DoubleTensor& reference) {
  BlockDifference result{path, 0, 0};
  const auto& shape = reference.shape;
  const bool same = candidate.shape == shape;
  const bool channels_last =
      !same && shape.size() == 4 &&
      candidate.shape == std::vector<std::int64_t>{shape[0], shape[2], shape[3], shape[1]};
  if (!same && !channels_last) {
    result.max_absolute = result.relative = std::numeric_limits<double>::infinity();
    return result;
  }
  const std::size_t channels = shape.size() == 4 ? static_cast<std::size_t>(shape[1]) : 1;
  const std::size_t pixels =
      shape.size() == 4 ? static_cast<std::size_t>(shape[2] * shape[3]) : reference.values.size();
  double largest = 0;
  for (std::size_t i = 0; i < reference.values.size(); ++i) {
    std::size_t other = i;
    if (channels_last) {
      const std::size_t image = i / (channels * pixels);
      other = (image * pixels + i % pixels) * channels + i / pixels % channels;
    }
    const double difference = std::abs(candidate.values[other] - reference.values[i]);
    result.max_absolute = std::isfinite(difference) ? std::max(result.max_absolute, difference)
                                                    : std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(reference.values[i]));
  }
  result.relative = largest > 0 ? result.max_absolute / largest : result.max_absolute;
  return result;
}

std::vector<BlockDifference> compare_blocks(const Candidate& candidate, const onnx::Model& model,
                                            const Reference& reference, const FloatTensor& input) {
  BlockOutputs expected;
  DoubleTensor output_of_all = reference.run(input, {.blocks = &expected});
  std::vector<std::string> paths;
  paths.reserve(expected.size());
  for (const auto& [block, output] : expected) paths.push_back(block);
  const std::map<std::string, std::string> outputs = module_outputs(model, paths);
  if (outputs.empty()) return {};

  std::vector<std::string> names;
  names.reserve(outputs.size());
  for (const auto& [block, value] : outputs) names.push_back(value);
  names.push_back(model.outputs.at(0).name);
  const std::vector<FloatTensor> found = candidate.run_exposed(input, names);
  std::vector<BlockDifference> blocks;
  for (const auto& [block, output] : expected) {
    const auto at = outputs.find(block);
    if (at == outputs.end()) continue;
    const auto index = static_cast<std::size_t>(std::distance(outputs.begin(), at));
    blocks.push_back(compare_block(block, found.at(index), output));
  }
  blocks.push_back(compare_block(kOutputPart, found.back(), output_of_all));
  return blocks;
}

FirstDifference find_first_difference(const std::vector<BlockDifference>& blocks, double floor) {
  if (blocks.empty()) {
    return {"",
            "The names of the model's nodes do not contain the names of the network's blocks. The "
            "first block that differs is unknown."};
  }
  // Returns the name of the block or layer `path` for messages. kOutputPart stands for the
  // network's output.
  const auto name_of = [](const std::string& path) {
    return path == kOutputPart ? "the output, after the last module" : path;
  };
  double before = floor;
  const BlockDifference* steepest = &blocks.front();
  double steepest_step = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const double step = blocks[i].relative / before;
    if (step >= kJump) {
      const std::string previous =
          i == 0 ? "No block comes before"
                 : fmt::format(
                       "In the block before, {}, the error is only {:.1e} of the largest value",
                       blocks[i - 1].path, blocks[i - 1].relative);
      return {
          blocks[i].path,
          fmt::format(
              "The first block that differs is {}, by {:.1e} ({:.1e} of its largest value). {}.",
              name_of(blocks[i].path), blocks[i].max_absolute, blocks[i].relative, previous)};
    }
    if (step > steepest_step) {
      steepest_step = step;
      steepest = &blocks[i];
    }
    before = std::max(before, blocks[i].relative);
  }
  return {"",
          fmt::format("No single block stands out. The error grows step by step, and most at {}, "
                      "where the error is {:.1e} of the block's largest value.",
                      name_of(steepest->path), steepest->relative)};
}

std::vector<std::string> coarsest_blocks(const std::vector<BlockDifference>& differences,
                                         const std::vector<std::string>& already) {
  struct Growth {
    std::string block;
    double error = 0;
  };
  std::vector<Growth> growths;
  double before = 0;
  for (const BlockDifference& difference : differences) {
    const double growth = difference.relative - before;
    before = std::max(before, difference.relative);
    const std::string block = graph::block_of(difference.path);
    if (!(growth > 0) || difference.path == kOutputPart || is_in(already, block)) continue;
    growths.push_back({block, growth});
  }
  std::stable_sort(growths.begin(), growths.end(),
                   [](const Growth& a, const Growth& b) { return a.error > b.error; });
  const std::size_t count = std::max<std::size_t>(1, already.size());
  std::vector<std::string> names;
  for (const Growth& growth : growths) {
    if (names.size() < count && !is_in(names, growth.block)) names.push_back(growth.block);
  }
  return names;
}

}  // namespace aether2onnx::verify
