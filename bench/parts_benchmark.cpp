// How fast the parts of a conversion are, each by itself and on data in memory. The bytes of a line
// are those that the part takes in, or of fusion and the writer those that it makes.

#include <aether2onnx/aether2onnx.h>
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/crc32.h"
#include "base/dtype.h"
#include "base/sha256.h"
#include "formats/onnx/onnx.h"
#include "formats/pickle/pickle.h"
#include "formats/zip/zip.h"
#include "graph/graph.h"
#include "graph/passes/passes.h"
#include "graph/to_onnx.h"
#include "network/evaluate.h"
#include "network/network.h"
#include "network/passes/passes.h"
#include "sample_networks.h"
#include "state_dict/state_dict.h"

namespace {

using namespace aether2onnx;
using Bytes = std::vector<std::byte>;

constexpr std::size_t kBlockBytes = std::size_t{4} << 20U;

void count_bytes(benchmark::State& state, std::uint64_t bytes_each) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes_each));
}

// Takes what is written and keeps nothing.
class NoOutput final : public Output {
 public:
  void write(std::span<const std::byte> bytes) override { written_ += bytes.size(); }
  std::uint64_t written() const { return written_; }

 private:
  std::uint64_t written_ = 0;
};

// --- the data ---------------------------------------------------------------------------------

std::vector<tools::NamedTensor> tensors_of(const tools::NetworkShape& shape) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 1);
  return tensors;
}

Bytes zip_of(const tools::NetworkShape& shape) { return write_checkpoint(tensors_of(shape)); }

// Its tensors are read by copying alone, without a CRC.
Bytes safetensors_of(const tools::NetworkShape& shape) {
  return write_safetensors(tensors_of(shape));
}

// Numbers as weights are, of the type asked for.
Bytes numbers(DType type) {
  const Bytes checkpoint = safetensors_of(tools::aether_small(2, true));
  const std::span<const std::byte> end = std::span(checkpoint).last(kBlockBytes);
  Bytes converted;
  convert_elements(end, DType::float32, type, converted);
  return converted;
}

// A checkpoint and what the stages before the writer made of it.
class Opened {
 public:
  explicit Opened(Bytes bytes)
      : bytes_(std::move(bytes)),
        input_(bytes_),
        state_dict_(state_dict::StateDict::open(input_, {}, {})),
        fused_(network::fuse(network::recognise(state_dict_)).network) {}

  const state_dict::StateDict& state_dict() const { return state_dict_; }
  const network::Network& fused() const { return fused_; }

  graph::Graph graph(Precision precision) const {
    ConvertOptions options;
    options.precision = precision;
    const network::Folded folding = network::fold(fused_);
    const graph::Graph plain =
        graph::build(folding.network, state_dict_, options.shape, options.graph_form);
    graph::TypeDecisions decisions;
    return graph::run_passes(plain, options, true, decisions);
  }

 private:
  Bytes bytes_;
  MemoryInput input_;
  state_dict::StateDict state_dict_;
  network::Network fused_;
};

// --- the parts --------------------------------------------------------------------------------

void hash_sha256(benchmark::State& state) {
  const Bytes bytes(kBlockBytes);
  Sha256 hash;
  for (auto _ : state) {
    hash.update(bytes);
    benchmark::DoNotOptimize(hash.finish());
  }
  count_bytes(state, bytes.size());
}

void compute_crc32(benchmark::State& state) {
  const Bytes bytes(kBlockBytes);
  for (auto _ : state) benchmark::DoNotOptimize(crc32(bytes));
  count_bytes(state, bytes.size());
}

void convert_numbers(benchmark::State& state, DType from, DType to) {
  const Bytes source = numbers(from);
  Bytes converted;
  for (auto _ : state) {
    converted.clear();
    benchmark::DoNotOptimize(convert_elements(source, from, to, converted));
  }
  count_bytes(state, source.size());
}

// The bytes are those of the archive's own records, which is all that is read.
void open_archive(benchmark::State& state, const tools::NetworkShape& shape) {
  const Bytes bytes = zip_of(shape);
  const MemoryInput input(bytes);
  std::uint64_t records = bytes.size();
  for (const zip::Entry& entry : zip::Archive(input, {}).entries()) records -= entry.size;
  for (auto _ : state) benchmark::DoNotOptimize(zip::Archive(input, {}).entries().size());
  count_bytes(state, records);
}

void read_archive(benchmark::State& state, const tools::NetworkShape& shape) {
  const Bytes bytes = zip_of(shape);
  const MemoryInput input(bytes);
  std::uint64_t total = 0;
  for (auto _ : state) {
    // Anew each time: a CRC is checked only when an entry is first read.
    const zip::Archive zip(input, {});
    total = 0;
    for (std::size_t i = 0; i < zip.entries().size(); ++i) {
      Bytes content(static_cast<std::size_t>(zip.entries()[i].size));
      zip.read(i, 0, content);
      benchmark::DoNotOptimize(content.data());
      total += content.size();
    }
  }
  count_bytes(state, total);
}

void parse_pickle(benchmark::State& state, const tools::NetworkShape& shape) {
  const std::string text = pickle_state_dict(tools::make_tensors(shape), {});
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        pickle::Document::parse({bytes.begin(), bytes.end()}, {}).value_count());
  }
  count_bytes(state, bytes.size());
}

void describe_network(benchmark::State& state, const tools::NetworkShape& shape) {
  const Opened opened(safetensors_of(shape));
  for (auto _ : state) {
    network::Fused fusion = network::fuse(network::recognise(opened.state_dict()));
    benchmark::DoNotOptimize(network::fold(std::move(fusion.network)).network.modules.size());
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(opened.fused().modules.size()));
}

// Only the weights that are computed.
void fuse_weights(benchmark::State& state, const tools::NetworkShape& shape) {
  const Opened opened(safetensors_of(shape));
  std::uint64_t total = 0;
  for (auto _ : state) {
    total = 0;
    for (const network::Parameter& parameter : opened.fused().parameters) {
      if (parameter.value.kind == network::Expression::Kind::stored) continue;
      const TensorData data = network::evaluate(parameter.value, opened.state_dict());
      benchmark::DoNotOptimize(data.bytes.data());
      total += data.bytes.size();
    }
  }
  count_bytes(state, total);
}

void write_onnx(benchmark::State& state, const tools::NetworkShape& shape, Precision precision) {
  const Opened opened(safetensors_of(shape));
  graph::WeightLoss loss;
  const onnx::Model model = graph::to_onnx(opened.graph(precision), default_opset(precision), loss);
  NoOutput output;
  for (auto _ : state) {
    onnx::write(model, {&output, nullptr, {}});
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(output.written()));
}

void convert_all(benchmark::State& state, const tools::NetworkShape& shape) {
  const Bytes bytes = zip_of(shape);
  const MemoryInput input(bytes);
  NoOutput output;
  for (auto _ : state) convert(input, {&output, nullptr, {}}, {});
  count_bytes(state, bytes.size());
}

template <typename Function, typename... Arguments>
void add(const std::string& name, Function function, const Arguments&... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), function, arguments...)->Unit(benchmark::kMicrosecond);
}

}  // namespace

int main(int count, char** values) {
  const tools::NetworkShape large = tools::aether_large(2, true);
  const tools::NetworkShape unfused = tools::aether_large(2, false);
  add("hash/sha256", hash_sha256);
  add("hash/crc32", compute_crc32);
  add("dtype/float32_to_float16", convert_numbers, DType::float32, DType::float16);
  add("dtype/float16_to_float32", convert_numbers, DType::float16, DType::float32);
  add("dtype/float32_to_bfloat16", convert_numbers, DType::float32, DType::bfloat16);
  add("dtype/bfloat16_to_float32", convert_numbers, DType::bfloat16, DType::float32);
  add("dtype/float32_checked", convert_numbers, DType::float32, DType::float32);
  add("archive/open/aether_large", open_archive, large);
  add("archive/read/aether_large", read_archive, large);
  add("pickle/parse/aether_large", parse_pickle, large);
  add("network/describe/aether_large_unfused", describe_network, unfused);
  add("fusion/weights/aether_large_unfused", fuse_weights, unfused);
  add("onnx/write/aether_large_fp32", write_onnx, large, Precision::fp32);
  add("onnx/write/aether_large_fp16", write_onnx, large, Precision::fp16);
  add("convert/aether_small", convert_all, tools::aether_small(2, true));
  add("convert/aether_large", convert_all, large);
  add("convert/aether_large_unfused", convert_all, unfused);
  benchmark::Initialize(&count, values);
  if (benchmark::ReportUnrecognizedArguments(count, values)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
