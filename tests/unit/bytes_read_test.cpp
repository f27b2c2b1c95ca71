// The bytes of a file that a conversion reads.

#include <gtest/gtest.h>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::bytes_read_test {
namespace {

// Counts the bytes that are read, in pieces other than those of the hash.
class CountingInput final : public Input {
 public:
  explicit CountingInput(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const override { return bytes_.size(); }
  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    count_ += out.size();
    MemoryInput(bytes_).read(offset, out);
  }
  std::uint64_t count() const { return count_; }

 private:
  std::vector<std::byte> bytes_;
  mutable std::uint64_t count_ = 0;
};

class DroppedOutput final : public Output {
 public:
  void write(std::span<const std::byte> bytes) override { count_ += bytes.size(); }
  std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
};

// Bytes read while a checkpoint is converted, the hash's reading of everything left out.
std::uint64_t bytes_read(std::vector<std::byte> file, std::uint64_t& written) {
  const CountingInput input(std::move(file));
  DroppedOutput output;
  convert(input, {&output, nullptr, {}}, {});
  written = output.count();
  return input.count() - input.size();
}

TEST(OnlyWhatIsNeeded, OptimizerStateIsNeverRead) {
  tools::NetworkShape shape;
  shape.embed_dim = 32;
  shape.hidden_dim = 64;
  shape.depths = {2, 2};
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 1);
  tools::CheckpointLayout plain;
  plain.wrapper = "params";
  tools::CheckpointLayout training = plain;
  training.optimizer_copies = 3;
  for (const auto write : {tools::write_checkpoint, tools::write_legacy_checkpoint}) {
    const auto small = write(tensors, plain);
    const auto large = write(tensors, training);
    ASSERT_GT(large.size(), 3 * small.size());
    std::uint64_t small_written = 0;
    std::uint64_t large_written = 0;
    const std::uint64_t of_small = bytes_read(small, small_written);
    const std::uint64_t of_large = bytes_read(large, large_written);
    EXPECT_EQ(small_written, large_written);
    // The pickle and the archive's directory grow with the number of tensors, the rest must not:
    // per tensor of the optimizer some 400 bytes of both.
    const std::uint64_t growth = 3 * tensors.size() * 800 + 65536;
    EXPECT_LT(of_large, of_small + growth);
    EXPECT_LT(growth, (large.size() - small.size()) / 2) << "the test could not fail";
  }
}

}  // namespace
}  // namespace aether2onnx::bytes_read_test
