/// @file
/// Reports: what the stages found, in the public Report's terms. Reads the results of every stage,
/// changes none.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <utility>
#include <vector>

#include "formats/onnx/onnx.h"
#include "graph/graph.h"
#include "graph/passes/type.h"
#include "network/network.h"
#include "network/passes/passes.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::report {

/// All but the name and the hash, which are the file's.
Report::Source describe_source(const state_dict::StateDict& state_dict);

Report::Graph describe_graph(const graph::Graph& graph, const Options& options);

/// "PyTorch zip, 172 tensors, 1,373,603 parameters, float16": one line about the source.
std::string summarize(const Report::Source& source);
/// "AetherNet G1, aether_small x2, …": one line about the network.
std::string summarize(const Report::Network& network);

/// "16 pairs of depthwise convolutions into one each, summed in float64": one line.
std::string summarize(const fusion::Fusion& fusion);
/// "16 norms, 16 residual factors and 2 shifts into convolutions"; "" where nothing was folded.
std::string summarize(const fusion::Folding& folding);

/// "61 convolutions in float16; …": one line about the types of the graph.
std::string summarize(const Report::Graph& graph, const precision::Typed& typed);
/// Which convolutions stay float32 because of their weights.
std::string explain_weights_out_of_range(const Report::Graph& graph);

/// What the metadata_props say of the network, key and text.
std::vector<std::pair<std::string, std::string>> network_facts(const Report::Network& network);

/// The metadata_props of the ONNX file, in a fixed order.
std::vector<std::pair<std::string, std::string>> metadata(const Report& report);

/// "float32", or "float16 + float32", the most frequent first.
std::string dtypes_text(const std::vector<DType>& dtypes);

/// How an ONNX file differs from the one that `planned` describes, by metadata, opset, inputs and
/// outputs: the first difference in a few words, "" if there is none. The source's name and hash
/// are left out. `more_fp32_blocks` as for why_outdated().
std::string difference_from(const onnx::File& file, const Report& planned, bool more_fp32_blocks);

/// Fills in what the elements say.
void measure(const TensorData& data, InspectedTensor& tensor);

/// The numbers of `state_dict` that say how far the training had come.
std::vector<std::pair<std::string, std::string>> training(const state_dict::StateDict& state_dict);

/// What the network takes, with weights and feature maps of `weight_size` and `value_size` bytes.
Inspection::Cost describe_cost(const network::Network& network, std::string precision,
                               std::size_t weight_size, std::size_t value_size);

/// Whether a tensor of an ONNX file is a weight, and not a constant of a formula.
bool is_weight(const onnx::FileTensor& tensor);

/// How many elements the tensor says it has; 0 where they are beyond counting.
std::uint64_t elements_of(const onnx::FileTensor& tensor);

/// All but the name, the size and the hash.
Report::Source describe_source(const onnx::File& file);
Inspection::Onnx describe_onnx(const onnx::File& file);

/// The network's facts as far as the metadata of the converter state them; empty otherwise.
Report::Network noted_network(const onnx::File& file);
/// What of the metadata contradicts the network in the graph, one line each. Where the graph leaves
/// it open which variant it is, `network` gets what is noted.
std::vector<std::string> check_metadata(const onnx::File& file, const std::string& precision,
                                        Report::Network& network);

}  // namespace aether2onnx::report
