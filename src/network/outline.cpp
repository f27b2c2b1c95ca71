// Recognises the network of an ONNX graph by the summary (Outline) of the graph. read() reads the
// dimensions from the graph's steps. recognise_as() builds a generation's Network with these
// dimensions, and compares the steps of this Network with the steps of the graph.
//
// A group (or stage) is a series of blocks. The depths are the numbers of blocks in the groups. A
// projection is a matrix product or a 1 x 1 convolution with a weight.

#include <algorithm>
#include <numeric>

#include "base/limits.h"
#include "network/keys.h"
#include "network/network_writer.h"

namespace aether2onnx::network {

namespace {

using StepKind = OutlineStep::Kind;
using Shape = std::vector<std::int64_t>;

// --- the outline (summary) of a Network ---------------------------------------------------------

Outline outline_of(const Network& network) {
  Outline outline;
  const auto weight_step = [&](StepKind kind, ParameterId weight, std::int64_t groups = 1) {
    outline.steps.push_back({kind, {}, network.parameters.at(weight).shape, groups, 1});
  };
  for (const Module& module : network.modules) {
    if (const auto* conv = std::get_if<Conv2d>(&module.operation)) {
      weight_step(StepKind::convolution, conv->weight, conv->groups);
    } else if (const auto* pair = std::get_if<ReparameterizedConv2d>(&module.operation)) {
      const std::int64_t groups = network.facts.embed_dim;
      weight_step(StepKind::convolution, pair->large_weight, groups);
      weight_step(StepKind::convolution, pair->small_weight, groups);
    } else if (const auto* linear = std::get_if<Linear>(&module.operation)) {
      weight_step(StepKind::projection, linear->weight);
    } else if (const auto* channels = std::get_if<ChannelAttention>(&module.operation)) {
      weight_step(StepKind::projection, channels->reduce_weight);
      weight_step(StepKind::projection, channels->expand_weight);
      ++outline.relus;
      ++outline.sigmoids;
    } else if (const auto* pixels = std::get_if<SpatialAttention>(&module.operation)) {
      weight_step(StepKind::convolution, pixels->weight);
      ++outline.sigmoids;
    } else if (const auto* shuffle = std::get_if<PixelShuffle>(&module.operation)) {
      outline.steps.push_back({StepKind::pixel_shuffle, {}, {}, 1, shuffle->factor});
    } else if (std::holds_alternative<LeakyRelu>(module.operation)) {
      outline.steps.push_back({StepKind::leaky_relu, {}, {}, 1, 1});
    }
    outline.gelus += std::holds_alternative<Gelu>(module.operation) ? 1U : 0U;
    outline.sigmoids += std::holds_alternative<Silu>(module.operation) ? 1U : 0U;
  }
  return outline;
}

// Returns (out, in) if a step is a matrix product or a 1 x 1 convolution; empty for other steps.
Shape projection(const OutlineStep& step) {
  Shape shape = step.shape;
  if (step.groups != 1 || shape.size() < 2) return {};
  const bool point = shape.size() == 4 && shape[2] == 1 && shape[3] == 1;
  if (shape.size() != 2 && !point) return {};
  shape.resize(2);
  return shape;
}

bool same_step(const OutlineStep& a, const OutlineStep& b) {
  const Shape as_projection = projection(a);
  if (!as_projection.empty()) return as_projection == projection(b);
  return a.kind == b.kind && a.shape == b.shape && a.groups == b.groups && a.factor == b.factor;
}

// --- reading the dimensions of a graph ----------------------------------------------------------

// What read() finds in a graph: the dimensions, and the steps in the order in which a Network lists
// its modules.
struct Reading {
  Dimensions d;  // all dimensions except depths
  std::vector<OutlineStep> steps;
  std::vector<std::string> names;    // for each block: weight name of the large kernel
  std::vector<std::int64_t> depths;  // blocks of each stage, if projections follow the stages
  std::int64_t groups = 0;           // number of groups of blocks; 0 if unknown
};

bool is_depthwise(const OutlineStep& step, std::int64_t width) {
  const Shape& shape = step.shape;
  return step.groups == width && shape.size() == 4 && shape[0] == width && shape[1] == 1 &&
         shape[2] == shape[3] && shape[2] % 2 == 1;
}

// Reads the dimensions of the blocks from the first block, with which `steps` begins. Returns the
// number of steps of this block; 0 if `steps` does not begin with a block.
std::size_t read_block(std::span<const OutlineStep> steps, Dimensions& d) {
  if (steps.size() < 8 || !is_depthwise(steps[0], d.embed_dim)) return 0;
  d.large_kernel = steps[0].shape[2];
  d.fused = !is_depthwise(steps[1], d.embed_dim);
  if (!d.fused) {
    d.small_kernel = steps[1].shape[2];
    if (d.small_kernel > d.large_kernel) std::swap(d.small_kernel, d.large_kernel);
  }
  std::size_t at = d.fused ? 1 : 2;
  if (steps[at].shape.empty()) return 0;
  d.hidden_dim = steps[at].shape[0];
  at += 3;
  // A projection is a matrix product or a 1 x 1 convolution. Channel attention has two projections:
  // the first reduces embed_dim channels to fewer channels, and the second restores embed_dim
  // channels. No other part of a network has two projections like these.
  const Shape reduce = projection(steps[at]);
  if (!reduce.empty() && reduce[0] < d.embed_dim &&
      projection(steps[at + 1]) == Shape{d.embed_dim, reduce[0]}) {
    d.attention_width = reduce[0];
    at += 2;
  }
  if (at < steps.size() && steps[at].shape.size() == 4 && steps[at].shape[0] == 1 &&
      steps[at].shape[1] == 2) {
    d.attention_kernel = steps[at++].shape[2];
  }
  return at;
}

// Reads the upsampler's dimensions from the steps at the end of a graph: two convolutions, perhaps
// a LeakyReLU, the upsampler, and the convolution conv_last. Returns false if the steps are not of
// this form.
bool read_upsampler(std::span<const OutlineStep> steps, Dimensions& d) {
  if (steps.size() < 3 || steps.back().shape.size() != 4) return false;
  d.last_width = steps.back().shape[1];
  std::size_t at = steps[2].kind == StepKind::leaky_relu ? 3 : 2;
  while (at + 1 < steps.size()) {
    const bool shuffled = steps[at + 1].kind == StepKind::pixel_shuffle;
    const std::int64_t factor = shuffled ? steps[at + 1].factor : 1;
    if (factor < 1 || factor > 3 || steps[at].shape.empty() ||
        d.upsampler.size() == kMostUpsamplers) {
      return false;
    }
    const std::string key = fmt::format("upsample.{}", d.upsampler.size());
    d.upsampler.push_back({key, steps[at].shape[0] / (factor * factor), factor});
    at += shuffled ? 2 : 1;
  }
  return true;
}

std::optional<Reading> read(const Outline& outline) {
  std::vector<OutlineStep> steps = outline.steps;
  const bool within_limits = std::all_of(steps.begin(), steps.end(), [](const OutlineStep& step) {
    return std::all_of(step.shape.begin(), step.shape.end(),
                       [](std::int64_t size) { return size > 0 && size <= limits::kLayerWidth; });
  });
  if (!within_limits || steps.empty() || steps[0].shape.size() != 4) return std::nullopt;
  Reading reading;
  Dimensions& d = reading.d;
  d.embed_dim = steps[0].shape[0];
  d.channels = steps[0].shape[1];
  const std::size_t length = read_block(std::span(steps).subspan(1), d);
  if (length == 0) return std::nullopt;

  // This loop copies the steps to `reading` in the order of a Network. A projection is a 1 x 1
  // convolution of the output of a stage (group of blocks). A Network lists the projections of all
  // stages after the last stage. In a graph, a stage's projection may directly follow the stage.
  reading.steps.push_back(steps[0]);
  std::vector<OutlineStep> projections;
  std::int64_t since_projection = 0;
  std::size_t at = 1;
  while (at < steps.size()) {
    if (steps.size() - at > length && is_depthwise(steps[at], d.embed_dim)) {
      // An unfused block begins with two parallel convolutions. A graph may have either order. A
      // Network lists the large convolution first, so the code swaps the two steps if necessary.
      if (!d.fused && steps[at].shape[2] != d.large_kernel) std::swap(steps[at], steps[at + 1]);
      reading.names.push_back(steps[at].name);
      reading.steps.insert(reading.steps.end(), &steps[at], &steps[at] + length);
      at += length;
      ++since_projection;
    } else if (!projection(steps[at]).empty()) {
      projections.push_back(steps[at++]);
      reading.depths.push_back(std::exchange(since_projection, 0));
    } else {
      break;
    }
  }
  if (reading.names.empty()) return std::nullopt;
  // The last projection is the fusion layer, a 1 x 1 convolution that every generation except G1
  // has. So a graph without projections is of G1, and all norms of G1 are LayerNorms.
  d.layer_norm = outline.layer_norms > 0 || projections.empty();
  if (!projections.empty()) {
    if (since_projection != 0) return std::nullopt;
    reading.depths.pop_back();
    reading.groups = static_cast<std::int64_t>(reading.depths.size());
    // In G3, the fusion layer is the only projection. Its input channels are groups * embed_dim.
    if (reading.groups == 0) reading.groups = projection(projections[0])[1] / d.embed_dim;
  }
  reading.steps.insert(reading.steps.end(), projections.begin(), projections.end());
  const auto rest = std::span(steps).subspan(at);
  reading.steps.insert(reading.steps.end(), rest.begin(), rest.end());
  if (!read_upsampler(rest, d)) return std::nullopt;
  return reading;
}

// --- distributing the blocks to groups ----------------------------------------------------------

// Returns the number of blocks in each group, read from weight names <start><group>.<block>.… Empty
// if the names have another form.
std::vector<std::int64_t> depths_by_names(const std::vector<std::string>& names,
                                          std::string_view start) {
  std::vector<std::int64_t> depths;
  for (const std::string& name : names) {
    const std::size_t begin = name.find(start);
    if (begin == std::string::npos) return {};
    const auto key = parse_block_key(std::string_view(name).substr(begin), start);
    if (!key) return {};
    if (key->block == 0) depths.push_back(0);
    if (depths.empty() || key->group != depths.size() - 1 ||
        key->block != static_cast<std::size_t>(depths.back())) {
      return {};
    }
    ++depths.back();
  }
  return depths;
}

std::vector<std::int64_t> depths_of(const Reading& reading, const Generation& generation,
                                    const NetworkInfo& hint) {
  const auto blocks = static_cast<std::int64_t>(reading.names.size());
  std::vector<std::vector<std::int64_t>> candidates = {depths_by_names(reading.names, "layers."),
                                                       depths_by_names(reading.names, "stages."),
                                                       reading.depths, hint.depths};
  Dimensions d = reading.d;
  for (const Variant& variant : generation.variants) {
    d.depths.assign(static_cast<std::size_t>(variant.groups), variant.blocks);
    if (facts_of(d, generation.variants, "").model_type == variant.name) {
      candidates.push_back(d.depths);
    }
  }
  // Each candidate lists the numbers of blocks in the groups. The last candidate is for a graph
  // that no other candidate fits, and distributes the blocks to the groups as evenly as possible.
  const std::int64_t groups = std::clamp<std::int64_t>(reading.groups, 1, blocks);
  candidates.emplace_back();
  for (std::int64_t i = 0; i < groups; ++i) {
    candidates.back().push_back(blocks / groups + (i < blocks % groups ? 1 : 0));
  }
  for (const auto& depths : candidates) {
    const bool positive = std::all_of(depths.begin(), depths.end(), [&](std::int64_t depth) {
      return depth > 0 && depth <= blocks;
    });
    if (positive && std::accumulate(depths.begin(), depths.end(), std::int64_t{0}) == blocks &&
        (reading.groups == 0 || depths.size() == static_cast<std::size_t>(reading.groups))) {
      return depths;
    }
  }
  return {};
}

// --- choosing the generation --------------------------------------------------------------------

std::optional<Network> recognise_as(const Generation& generation, const Reading& reading,
                                    const Outline& outline, const NetworkInfo& hint) {
  if (generation.forward == nullptr) return std::nullopt;
  Dimensions d = reading.d;
  d.depths = depths_of(reading, generation, hint);
  if (d.depths.empty()) return std::nullopt;
  const Settings settings;
  NetworkWriter writer(d, settings, nullptr);
  generation.forward(writer);
  Network network = writer.take();
  const bool noted = has_name(generation, hint.generation);
  const std::string name = noted ? hint.generation : generation.names.back();
  network.facts = facts_of(d, generation.variants, name);
  const Outline described = outline_of(network);
  if (described.gelus != outline.gelus || described.sigmoids != outline.sigmoids ||
      described.relus != outline.relus ||
      !std::equal(described.steps.begin(), described.steps.end(), reading.steps.begin(),
                  reading.steps.end(), same_step)) {
    return std::nullopt;
  }
  if (!generation.keys_tell_all) {
    add_evidence(network.facts, "generation", name,
                 noted
                     ? "the file's metadata"
                     : "the file does not name its generation, so the latest generation with this "
                       "graph is assumed",
                 noted);
  }
  return network;
}

}  // namespace

std::optional<Network> recognise(const Outline& outline, const NetworkInfo& hint) {
  const auto reading = read(outline);
  if (!reading) return std::nullopt;
  std::optional<Network> found;
  for (const Generation* generation : generations()) {
    auto network = recognise_as(*generation, *reading, outline, hint);
    // Graphs of several generations may have the same steps. Then the result is the generation in
    // the file's metadata, or else the latest of these generations.
    if (network && has_name(*generation, hint.generation)) return network;
    if (network) found = std::move(network);
  }
  return found;
}

}  // namespace aether2onnx::network
