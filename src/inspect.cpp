// Implements inspect(): describes the network, tensors and cost in a checkpoint or an ONNX file.

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_kind.h"
#include "formats/onnx/onnx.h"
#include "formats/zip/zip.h"
#include "metadata.h"
#include "network/network.h"
#include "network/onnx_outline.h"
#include "network/passes/passes.h"
#include "onnx_info.h"
#include "pipeline.h"
#include "port/files.h"
#include "state_dict/state_dict.h"
#include "statistics.h"

namespace aether2onnx {

namespace {

// --- checkpoints ------------------------------------------------------------------------------

// Returns the keys and numbers in the checkpoint that show the progress of the training.
std::vector<std::pair<std::string, std::string>> training(const state_dict::StateDict& state_dict) {
  static constexpr std::array<std::string_view, 11> keys = {
      "iter",        "iteration", "iterations",  "current_iter",  "total_iter", "step",
      "global_step", "steps",     "total_steps", "current_epoch", "epoch"};
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [key, value] : state_dict.metadata()) {
    const bool number = !value.empty() && std::all_of(value.begin(), value.end(),
                                                      [](char c) { return c >= '0' && c <= '9'; });
    if (number && std::find(keys.begin(), keys.end(), key) != keys.end()) {
      found.emplace_back(key, value);
    }
  }
  return found;
}

// Returns `number`, rounded to a whole number. Numbers of 2^64 and above become 2^64 - 1.
std::uint64_t whole(double number) {
  constexpr double limit = 18446744073709551615.0;
  return number >= limit ? ~std::uint64_t{0} : static_cast<std::uint64_t>(std::llround(number));
}

// Returns the number of parameters, and the multiply-adds and memory for one megapixel of output.
// Each element of a weight or a feature map takes `element_size` bytes.
NetworkCost cost_of(const network::Network& network, std::string precision,
                    std::size_t element_size) {
  constexpr double megapixel = 1e6;
  const network::Cost cost = network::cost_of(network);
  const auto size = static_cast<double>(element_size);
  const auto scale = static_cast<double>(network.facts.scale);
  const double input_pixels = megapixel / (scale * scale);
  return {whole(cost.parameters), whole(cost.multiply_adds * input_pixels),
          whole(cost.parameters * size), whole(cost.live_elements * input_pixels * size),
          std::move(precision)};
}

// --- the inspection ---------------------------------------------------------------------------

class Inspector {
 public:
  // `siblings` opens shards and external data in the file's folder; null for a file in memory.
  Inspector(const Input& input, const io::Siblings* siblings, const InspectOptions& options,
            const Context& context)
      : input_(input), siblings_(siblings), options_(options), context_(context) {}

  Inspection run(const std::string& name) {
    if (formats::sniff(input_) == formats::FileKind::onnx) {
      inspect_onnx();
    } else {
      inspect_checkpoint();
    }
    result_.source.name = name;
    return std::move(result_);
  }

 private:
  void progress(std::string_view what, std::uint64_t done, std::uint64_t total) const {
    context_.check_cancelled();
    if (context_.observer != nullptr) context_.observer->on_progress(what, done, total);
  }

  void hash(std::span<const Input* const> files) {
    result_.source.sha256 = io::sha256_of(
        files, [this](std::uint64_t done) { progress("hashing", done, result_.source.bytes); });
  }

  // --- checkpoints ---

  void inspect_checkpoint() {
    const state_dict::StateDict state_dict =
        state_dict::StateDict::open(input_, {options_.read.params_key, siblings_}, context_);
    result_.source = pipeline::describe(state_dict);
    hash(state_dict.files());
    result_.training = training(state_dict);
    if (auto warning = pipeline::warning_of_names(state_dict)) {
      result_.warnings.push_back(std::move(*warning));
    }
    recognise(state_dict);
    if (!options_.tensors) return;
    for (const state_dict::Entry& entry : state_dict.entries()) {
      add_tensor(entry.name, state_dict.entries().size(), [&](InspectedTensor& tensor) {
        tensor.problem = entry.problem;
        if (!entry.tensor) return;
        tensor.dtype = to_string(entry.tensor->dtype);
        tensor.shape = entry.tensor->shape;
        measure(state_dict.read(entry), tensor);
      });
    }
  }

  void recognise(const state_dict::StateDict& state_dict) {
    try {
      ReadOptions options = options_.read;
      options.dequantize = true;
      network::Network network = network::recognise(state_dict, options);
      result_.network = network.facts;
      for (const std::string& line : network::open_questions(network.facts)) {
        result_.warnings.push_back({.code = "network-open-question", .text = line});
      }
      for (const std::string& line : network.warnings) {
        result_.warnings.push_back({.code = "network-contradiction", .text = line});
      }
      // The reported cost is that of an fp32 model, because convert() writes fp32 by default.
      take_cost(std::move(network), std::string(to_string(Precision::fp32)), sizeof(float));
    } catch (const Error& error) {
      if (must_pass_on(error) || error.kind == ErrorKind::io) throw;
      result_.not_recognised = error.diagnostic;
      result_.findings = error.findings;
    }
  }

  void take_cost(network::Network network, const std::string& precision, std::size_t size) {
    result_.cost = cost_of(network, precision, size);
    if (network.facts.fused) return;
    const network::Fused fusion = network::fuse(std::move(network));
    result_.fused_cost = cost_of(fusion.network, precision, size);
  }

  // --- ONNX files ---

  void inspect_onnx() {
    const onnx::Model file = onnx::read(input_, context_);
    result_.source = describe_source(file);
    result_.source.bytes = input_.size();
    hash(std::array{&input_});
    result_.onnx = describe_onnx(file);
    recognise(file);
    if (!options_.tensors) return;
    onnx::TensorReader reader(input_, siblings_);
    for (const onnx::Tensor& tensor : file.initializers) {
      add_tensor(tensor.name, file.initializers.size(), [&](InspectedTensor& inspected) {
        inspected.dtype = onnx::type_text(tensor.data_type);
        inspected.shape = tensor.dims;
        measure(reader.read(tensor), inspected);
      });
    }
  }

  void recognise(const onnx::Model& file) {
    auto network = network::recognise(network::outline_of(file), metadata::network(file));
    if (!network) {
      result_.not_recognised = {.code = "network-unknown-graph",
                                .text = "the graph does not contain an AetherNet network."};
      return;
    }
    const std::string& precision = result_.onnx->precision;
    result_.warnings = metadata::contradictions(file, precision, network->facts);
    result_.network = network->facts;
    // The cost assumes that the feature maps have the element size of most weights.
    std::map<std::size_t, double> elements;  // key: bytes of one element
    for (const onnx::Tensor& tensor : file.initializers) {
      if (const auto dtype = onnx::dtype_of(tensor.data_type); dtype && is_weight(tensor)) {
        elements[size_of(*dtype)] += static_cast<double>(elements_of(tensor));
      }
    }
    const auto most =
        std::max_element(elements.begin(), elements.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    const auto input_type =
        file.inputs.empty() ? std::nullopt : onnx::dtype_of(file.inputs.front().elem_type);
    std::size_t size = input_type ? size_of(*input_type) : sizeof(float);
    if (most != elements.end()) size = most->first;
    take_cost(std::move(*network), precision, size);
  }

  // --- tensors ---

  // Adds the tensor `name` to Inspection::tensors. `describe` sets the tensor's other members. If
  // `describe` can't read the elements, InspectedTensor::problem gets the text of the error.
  template <typename Describe>
  void add_tensor(const std::string& name, std::size_t total, Describe describe) {
    InspectedTensor tensor;
    tensor.name = name;
    try {
      describe(tensor);
    } catch (const Error& error) {
      if (must_pass_on(error)) throw;
      tensor.problem = error.diagnostic.text;
    }
    result_.tensors.push_back(std::move(tensor));
    progress("tensors", result_.tensors.size(), total);
  }

  const Input& input_;
  const io::Siblings* siblings_;
  const InspectOptions& options_;
  const Context& context_;
  Inspection result_;
};

}  // namespace

Inspection inspect(const Input& input, const InspectOptions& options, const Context& context) {
  validate(options.read);
  return pipeline::naming("", [&] { return Inspector(input, nullptr, options, context).run(""); });
}

Inspection inspect_file(const std::filesystem::path& path, const InspectOptions& options,
                        const Context& context) {
  validate(options.read);
  const io::FileInput input(path, context.cancelled);
  const io::FolderSiblings siblings(path, context.cancelled);
  return pipeline::naming(printable(path.string(), 4096), [&] {
    return Inspector(input, &siblings, options, context).run(path.filename().string());
  });
}

}  // namespace aether2onnx
