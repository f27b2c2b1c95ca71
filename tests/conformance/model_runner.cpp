#include "model_runner.h"

#include <gtest/gtest.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "formats/onnx/onnx.h"
#include "onnxruntime.h"
#include "support.h"

namespace aether2onnx::test {

namespace {

constexpr int kBfloat16 = 16;  // TensorProto.DataType

#ifdef __GLIBC__
// Feature maps and weights of megabytes come and go; giving each back to the system and taking it
// anew takes ten times as long as the work.
[[maybe_unused]] const bool kKeepsFreedMemory =
    ::mallopt(M_MMAP_THRESHOLD, 1 << 30) == 1 && ::mallopt(M_TRIM_THRESHOLD, 1 << 30) == 1;
#endif

}  // namespace

Converted convert_tensors(const std::vector<tools::NamedTensor>& tensors,
                          const ConvertOptions& options, const tools::CheckpointLayout& layout) {
  const auto checkpoint = tools::write_checkpoint(tensors, layout);
  const MemoryInput input(checkpoint);
  MemoryOutput output;
  ConvertReport report = convert(input, {&output, nullptr, {}}, options);
  return {std::move(report), output.bytes()};
}

std::vector<int> opsets_of(Precision precision) {
  std::vector<int> opsets = {11, 13, 16, 17, 18, 20, 22, 24};
  if (std::getenv("AETHER2ONNX_ALL_OPSETS") != nullptr) {
    opsets.resize(kMaxOpset - kMinOpset + 1);
    std::iota(opsets.begin(), opsets.end(), kMinOpset);
  }
  const bool bfloat16 = precision == Precision::bf16 || precision == Precision::mixed_bf16;
  if (bfloat16) std::erase_if(opsets, [](int opset) { return opset < kMinOpsetOfBfloat16; });
  return opsets;
}

double tolerance_of(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return 5e-6;
    case Precision::fp16:
      return 6e-3;
    case Precision::mixed_fp16:
      return 4e-3;
    case Precision::bf16:
      return 5e-2;
    case Precision::mixed_bf16:
      return 3e-2;
  }
  return 0;
}

verify::FloatTensor run_model(const std::vector<std::byte>& bytes,
                              const verify::FloatTensor& image) {
  const TemporaryFolder folder;
  const auto path = folder / "model.onnx";
  write_file(path, bytes);
  const onnx::Model file = onnx::read(*open_file(path), {});
  verify::FloatTensor output;
  try {
    const verify::Session session = verify::OnnxRuntime::load({}).open(path);
    EXPECT_TRUE(session.warnings().empty()) << testing::PrintToString(session.warnings());
    output = session.run(image);
  } catch (const verify::NotImplemented& error) {
    // Types and shapes have passed; the CPU provider has hardly any operator of bfloat16.
    EXPECT_TRUE(std::any_of(file.initializers.begin(), file.initializers.end(),
                            [](const auto& tensor) { return tensor.data_type == kBfloat16; }))
        << error.what();
  }
  if (onnx::has_half_types(file))
    output = run_emulated(bytes, image, {file.outputs.at(0).name}).at(0);
  return output;
}

std::vector<verify::FloatTensor> run_emulated(const std::vector<std::byte>& bytes,
                                              const verify::FloatTensor& image,
                                              const std::vector<std::string>& values) {
  const MemoryInput input(bytes);
  const onnx::Model file = onnx::read(input, {});
  std::vector<std::string> additional;
  for (const std::string& value : values) {
    if (value != file.outputs.at(0).name) additional.push_back(value);
  }
  const std::string model =
      onnx::emulate_half_types(input, file, nullptr) + onnx::additional_outputs(additional);
  return verify::OnnxRuntime::load({}).open(model, {}, {}).run(image, values);
}

}  // namespace aether2onnx::test
