// What a file is: the stages of reading, and reports of what they found.

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "formats/zip/zip.h"
#include "network/network.h"
#include "network/passes/passes.h"
#include "pipeline.h"
#include "port/files.h"
#include "report/report.h"
#include "state_dict/state_dict.h"

namespace aether2onnx {

namespace {

class Inspector {
 public:
  // `siblings` opens the files beside the inspected one; null where it lies in memory.
  Inspector(const Input& input, const io::Siblings* siblings, const InspectOptions& options,
            const Context& context)
      : input_(input), siblings_(siblings), options_(options), context_(context) {}

  Inspection run(const std::string& name) {
    if (archive::sniff(input_) == archive::FileKind::onnx) {
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
        state_dict::StateDict::open(input_, {options_.params_key, siblings_}, context_);
    result_.source = report::describe_source(state_dict);
    hash(state_dict.files());
    result_.training = report::training(state_dict);
    recognise(state_dict);
    if (!options_.tensors) return;
    for (const state_dict::Entry& entry : state_dict.entries()) {
      add_tensor(entry.name, state_dict.entries().size(), [&](InspectedTensor& tensor) {
        tensor.problem = entry.problem;
        if (!entry.tensor) return;
        tensor.dtype = to_string(entry.tensor->dtype);
        tensor.shape = entry.tensor->shape;
        report::measure(state_dict.read(entry), tensor);
      });
    }
  }

  void recognise(const state_dict::StateDict& state_dict) {
    try {
      auto options = static_cast<const ReadOptions&>(options_);
      options.dequantize = true;
      network::Network network = network::recognise(state_dict, options);
      result_.network = network.facts;
      result_.warnings = network::open_questions(network.facts);
      result_.warnings.insert(result_.warnings.end(), network.warnings.begin(),
                              network.warnings.end());
      // As the converter writes it unless it is told otherwise.
      const std::string precision(to_string(Precision::fp32));
      take_cost(std::move(network), precision, sizeof(float), sizeof(float));
    } catch (const Error& error) {
      if (must_pass_on(error) || error.kind == ErrorKind::io) throw;
      result_.not_recognised = error.what();
      result_.findings = texts(error.findings);
    }
  }

  void take_cost(network::Network network, const std::string& precision, std::size_t weight_size,
                 std::size_t value_size) {
    result_.cost = report::describe_cost(network, precision, weight_size, value_size);
    if (network.facts.fused) return;
    const fusion::Fusion fusion = fusion::fuse(std::move(network));
    result_.fused_cost = report::describe_cost(fusion.network, precision, weight_size, value_size);
  }

  // --- ONNX files ---

  void inspect_onnx() {
    const onnx::File file = onnx::read(input_, context_);
    result_.source = report::describe_source(file);
    result_.source.bytes = input_.size();
    hash(std::array{&input_});
    result_.onnx = report::describe_onnx(file);
    recognise(file);
    if (!options_.tensors) return;
    for (const onnx::FileTensor& tensor : file.initializers) {
      add_tensor(tensor.name, file.initializers.size(), [&](InspectedTensor& inspected) {
        inspected.dtype = onnx::type_text(tensor.data_type);
        inspected.shape = tensor.dims;
        report::measure(onnx::read_tensor(tensor, input_, siblings_), inspected);
      });
    }
  }

  void recognise(const onnx::File& file) {
    auto network = network::recognise(onnx::outline_of(file), report::noted_network(file));
    if (!network) {
      result_.not_recognised = "the graph is of a network that isn't an AetherNet.";
      return;
    }
    const std::string& precision = result_.onnx->precision;
    result_.warnings = report::check_metadata(file, precision, network->facts);
    result_.network = network->facts;
    // The type that most of the weights have is that of the feature maps, too.
    std::map<std::size_t, double> elements;  // by the size of one
    for (const onnx::FileTensor& tensor : file.initializers) {
      if (const auto dtype = onnx::dtype_of(tensor.data_type); dtype && report::is_weight(tensor)) {
        elements[size_of(*dtype)] += static_cast<double>(report::elements_of(tensor));
      }
    }
    const auto most =
        std::max_element(elements.begin(), elements.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    const auto input_type =
        file.inputs.empty() ? std::nullopt : onnx::dtype_of(file.inputs.front().elem_type);
    std::size_t size = input_type ? size_of(*input_type) : sizeof(float);
    if (most != elements.end()) size = most->first;
    take_cost(std::move(*network), precision, size, size);
  }

  // --- tensors ---

  // A tensor whose elements can't be read is listed with the reason.
  template <typename Describe>
  void add_tensor(const std::string& name, std::size_t total, Describe describe) {
    InspectedTensor tensor;
    tensor.name = name;
    try {
      describe(tensor);
    } catch (const Error& error) {
      if (must_pass_on(error)) throw;
      tensor.problem = error.what();
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
  validate(options);
  return pipeline::naming("", [&] { return Inspector(input, nullptr, options, context).run(""); });
}

Inspection inspect_file(const std::filesystem::path& path, const InspectOptions& options,
                        const Context& context) {
  validate(options);
  const FileInput input(path);
  const io::FolderSiblings siblings(path);
  return pipeline::naming(printable(path.string(), 4096), [&] {
    return Inspector(input, &siblings, options, context).run(path.filename().string());
  });
}

}  // namespace aether2onnx
