#include "base/error.h"
#include "formats/safetensors/safetensors.h"
#include "formats/torch/torch.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::state_dict {

namespace {

// Returns the loaded elements, converted to `tensor.dtype`, the type in the new file.
TensorData converted(const NewTensor& tensor, Written& written) {
  TensorData data = tensor.load();
  if (!is_weight_dtype(tensor.dtype)) return data;
  TensorData result{tensor.dtype, std::move(data.shape), {}};
  const ConversionLoss loss = convert_elements(data.bytes, data.dtype, tensor.dtype, result.bytes);
  check_loss(loss, tensor.name, tensor.shape, tensor.dtype,
             fmt::format("Write the checkpoint with {} {}.", option("dtype"),
                         tensor.dtype == DType::float16 ? "float32" : "float64"));
  written.weights_subnormal += loss.subnormal;
  written.weights_flushed_to_zero += loss.flushed_to_zero;
  return result;
}

}  // namespace

Written write(const Content& content, CheckpointFormat format, Output& output,
              const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  std::uint64_t total = 0;
  for (const NewTensor& tensor : content.tensors) total += byte_count(tensor);

  Written written;
  std::uint64_t loaded = 0;
  Content in_file;
  in_file.notes = content.notes;
  for (const NewTensor& tensor : content.tensors) {
    const auto load = [&, source = &tensor] {
      // The writer calls `load` only after all earlier tensors are written. So `loaded` is the
      // number of tensor bytes that the file already contains.
      if (loaded > 0) progress(loaded, total);
      loaded += byte_count(*source);
      return converted(*source, written);
    };
    in_file.tensors.push_back({tensor.name, tensor.shape, tensor.dtype, load});
  }
  written.bytes = format == CheckpointFormat::safetensors ? safetensors::write(in_file, output)
                                                          : torch::write(in_file, output);
  if (!content.tensors.empty()) progress(loaded, total);
  return written;
}

}  // namespace aether2onnx::state_dict
