/// @file
/// Builds the graph of a sample network, like the converter.
#pragma once

#include <utility>
#include <vector>

#include "graph/graph.h"
#include "graph/passes/passes.h"
#include "network/network.h"
#include "network/passes/passes.h"
#include "sample_networks.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::test {

/// A graph with the checkpoint to which it refers.
class Built {
 public:
  Built(const tools::NetworkShape& network, const ConvertOptions& options)
      : bytes_(tools::write_checkpoint(tools::make_tensors(network))),
        input_(bytes_),
        state_dict_(state_dict::StateDict::open(input_, {}, {})),
        graph_(make(options)) {}
  Built(const tools::NetworkShape& network, const InputShape& shape, int opset,
        Precision precision = Precision::fp32)
      : Built(network, options_of(shape, opset, precision)) {}
  const graph::Graph& operator*() const { return graph_; }
  const graph::Graph* operator->() const { return &graph_; }

 private:
  static ConvertOptions options_of(const InputShape& shape, int opset, Precision precision) {
    ConvertOptions options;
    options.shape = shape;
    options.opset_version = opset;
    options.precision = precision;
    return options;
  }
  graph::Graph make(const ConvertOptions& options) const {
    const graph::Graph graph = graph::build(network::fuse(network::recognise(state_dict_)).network,
                                            state_dict_, options.shape, options.graph_form);
    graph::TypeDecisions decisions;
    return graph::run_passes(graph, options, true, decisions);
  }
  std::vector<std::byte> bytes_;
  MemoryInput input_;
  state_dict::StateDict state_dict_;
  graph::Graph graph_;
};

}  // namespace aether2onnx::test
