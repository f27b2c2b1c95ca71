// Treats any bytes as a checkpoint: opens it, reads every tensor, converts it to ONNX in memory,
// and fuses it. The fused checkpoint is converted too.

#include <cstdlib>

#include "base/error.h"
#include "reading.h"

namespace {

class KeepingOutput final : public aether2onnx::Output {
 public:
  void write(std::span<const std::byte> bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

class CountingOutput final : public aether2onnx::Output {
 public:
  void write(std::span<const std::byte> bytes) override { count_ += bytes.size(); }
  std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
};

// Every shard of an index is the same small file with one tensor "w".
class SameSibling final : public aether2onnx::io::Siblings {
 public:
  std::unique_ptr<aether2onnx::Input> open(const std::string& name) const override {
    static const std::string file = std::string("\x36\0\0\0\0\0\0\0", 8) +
                                    R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})" +
                                    "....";
    if (name == "missing") return nullptr;
    return std::make_unique<aether2onnx::MemoryInput>(std::as_bytes(std::span(file)));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aether2onnx;
  const MemoryInput input(std::as_bytes(std::span(data, size)));
  const SameSibling siblings;
  fuzz::open_and_read(input, &siblings);
  try {
    CountingOutput output;
    ConvertOptions options;
    options.opset_version = size % 2 == 0 ? 11 : 20;
    options.precision = size % 3 == 0 ? Precision::fp16 : Precision::fp32;
    const ConvertReport report = convert(input, {&output, nullptr, {}}, options);
    if (report.output.bytes != output.count()) std::abort();
  } catch (const Error& error) {
    if (error.kind == ErrorKind::internal) std::abort();
  }
  KeepingOutput fused;
  try {
    fuse(input, fused, {});
    CountingOutput output;
    FuseOptions options;
    options.format = CheckpointFormat::safetensors;
    if (fuse(input, output, options).output.bytes != output.count()) std::abort();
  } catch (const Error& error) {
    if (error.kind == ErrorKind::internal) std::abort();
    return 0;
  }
  // Every fused checkpoint must be convertible.
  const MemoryInput fused_input(fused.bytes());
  CountingOutput output;
  try {
    convert(fused_input, {&output, nullptr, {}}, {});
  } catch (const Error& error) {
    if (error.kind != ErrorKind::precision) std::abort();  // a float64 beyond float32's range
  }
  return 0;
}
