/// @file
/// Converts a checkpoint to an ONNX file.
///
/// Options and reports are plain data, which the caller owns. The library uses the arguments of a
/// function only until the function returns. Calls in different threads are independent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <aether2onnx/api.h>
#include <aether2onnx/context.h>
#include <aether2onnx/error.h>
#include <aether2onnx/io.h>
#include <aether2onnx/network.h>
#include <aether2onnx/report.h>

namespace aether2onnx {

/// Floating-point precision of the ONNX file. docs/precision.md lists the type of each operator.
enum class Precision {
  fp32,
  fp16,  ///< Every operator computes in float16, like a PyTorch network after .half().
  bf16,  ///< Every operator computes in bfloat16.
  /// Convolutions use float16. Normalizations, means over the whole picture and additions of
  /// constants (for example the image's mean) stay in float32. Cast operators convert between the
  /// two types.
  mixed_fp16,
  /// Convolutions use bfloat16, except the first and the last convolution. These two,
  /// normalizations, means over the whole picture, additions of constants and sums of feature maps
  /// stay in float32.
  mixed_bf16,
};

/// Returns "fp32", "fp16", "bf16", "mixed_fp16" or "mixed_bf16".
AETHER2ONNX_API std::string_view to_string(Precision precision) noexcept;

/// Whether the precision is mixed_fp16 or mixed_bf16.
AETHER2ONNX_API bool is_mixed(Precision precision) noexcept;

/// The element type of the graph's input and output.
enum class IoType {
  same,  ///< The type in which the convolutions compute.
  fp32,
};

/// Returns "same" or "fp32".
AETHER2ONNX_API std::string_view to_string(IoType type) noexcept;

/// The ONNX operators that compute the network's normalization.
enum class GraphForm {
  /// LayerNormalization over the last axis, between two Transpose operators. Below opset 17,
  /// simpler operators replace LayerNormalization.
  standard,
  /// Elementwise operators and means over the channel axis compute the normalization. The graph
  /// then has no Transpose and no Reshape. The video player VideoJaNai builds TensorRT engines for
  /// a range of picture sizes only from graphs without Transpose and Reshape.
  channels_first,
};

/// Returns "standard" or "channels_first".
AETHER2ONNX_API std::string_view to_string(GraphForm form) noexcept;

/// The ONNX operators that compute projections (matrix products over the channels of each pixel).
enum class Projections {
  conv,    ///< One 1 x 1 Conv on NCHW data, which also adds the bias.
  matmul,  ///< MatMul and Add on NHWC data, between Transposes. Needs GraphForm::standard.
};

/// Returns "conv" or "matmul".
AETHER2ONNX_API std::string_view to_string(Projections projections) noexcept;

/// The ONNX operators that compute the activation function Gelu.
enum class GeluForm {
  op,   ///< One Gelu operator. Needs opset 20 or newer.
  erf,  ///< The operators Div, Erf, Add, Mul and Mul.
};

/// Returns "op" or "erf".
AETHER2ONNX_API std::string_view to_string(GeluForm form) noexcept;

/// One axis of the model's input: a fixed size, or a range that TensorRT gets as min, opt and max.
struct Axis {
  std::int64_t min = 1;
  std::int64_t opt = 1;
  std::int64_t max = 1;
  bool dynamic = false;

  static constexpr Axis fixed(std::int64_t size) { return {size, size, size, false}; }
  static constexpr Axis range(std::int64_t min, std::int64_t opt, std::int64_t max) {
    return {min, opt, max, true};
  }
  friend bool operator==(const Axis&, const Axis&) = default;
};

/// The shape (N, C, H, W) of the model's input. C is no member, because the network determines C.
/// Height and width are those of the picture before upscaling. Sizes are 1 to 65536, and min <= opt
/// <= max. The default is the fixed shape 1 x C x 64 x 64.
struct InputShape {
  Axis batch = Axis::fixed(1);
  Axis height = Axis::fixed(64);
  Axis width = Axis::fixed(64);

  /// Returns a shape with three dynamic axes: batch 1 to 4, height and width 32 to 256. The ranges
  /// are the defaults of aether2onnx.py, the older script that this project replaces.
  static constexpr InputShape dynamic_defaults() {
    return {Axis::range(1, 1, 4), Axis::range(32, 64, 256), Axis::range(32, 64, 256)};
  }
  bool is_dynamic() const { return batch.dynamic || height.dynamic || width.dynamic; }
  friend bool operator==(const InputShape&, const InputShape&) = default;
};

/// The oldest and the newest ONNX opset for which aether2onnx can write a model.
inline constexpr int kMinOpset = 11;
inline constexpr int kMaxOpset = 24;
/// The first opset whose Conv takes bfloat16.
inline constexpr int kMinOpsetOfBfloat16 = 22;
/// The first opset with the operator Gelu.
inline constexpr int kMinOpsetOfGelu = 20;

/// Returns the default opset: 22 for bf16 and mixed_bf16, 17 for the other precisions.
AETHER2ONNX_API int default_opset(Precision precision) noexcept;
/// Returns the default type of the graph's input and output: `same` for fp32 and fp16, as in the
/// older script aether2onnx.py. For other precisions, the default is `fp32`, because few programs
/// can feed bfloat16. Another reason: mixed-precision graphs subtract the image's mean from the
/// input in float32.
AETHER2ONNX_API IoType default_io_type(Precision precision) noexcept;

/// Options of a conversion. The defaults are those of the older script aether2onnx.py. The
/// network's sizes are no options, because the checkpoint determines these sizes.
struct ConvertOptions {
  ReadOptions read;
  Expectations expect;
  /// The name of the checkpoint in reports and metadata. If empty, convert_file() uses the file
  /// name without its folder.
  std::string source_name;

  InputShape shape;
  /// Opset of the default ONNX domain, kMinOpset to kMaxOpset. Unset: default_opset().
  std::optional<int> opset_version;
  Precision precision = Precision::fp32;
  /// The type of the graph's input and output. Unset: default_io_type().
  std::optional<IoType> io_type;
  GraphForm graph_form = GraphForm::standard;
  Projections projections = Projections::conv;
  /// A size from 7 to 12. Each depthwise kernel that is larger than this size, but at most 13 x 13,
  /// is written as the sum of four 7 x 7 Convs. Reason: cuDNN has a fast float16 kernel only up to
  /// 7 x 7. Kernels larger than 13 x 13 are not split, because the four Convs would need negative
  /// padding, which ONNX forbids. Unset: no kernel is split.
  std::optional<int> split_kernels_over;
  /// The operators for Gelu. Unset: GeluForm::op if the opset is 20 or newer, else GeluForm::erf.
  std::optional<GeluForm> gelu;
  /// ONNX operators that compute in float32 at every precision, for example "LeakyRelu" and
  /// "DepthToSpace". This option is for programs that do not support an operator in 16 bits.
  /// Operators that the network does not have are ignored.
  std::vector<std::string> fp32_operators;
  /// Keeps the depthwise convolution of each block (residual unit of the network) in float32 at
  /// every precision. TensorRT 11.2 and newer refuse some of these convolutions in float16. In
  /// mixed_bf16, the option avoids a Cast before each of these convolutions, because their inputs
  /// are float32. Users who build TensorRT engines in bfloat16 also ask for this option.
  bool depthwise_fp32 = false;
  /// Paths of modules that stay in float32 at every precision, for example "conv_last". A path
  /// includes all inner modules: "layers.0.3" is a whole block. An unknown path is an error.
  std::vector<std::string> fp32_blocks;
  /// If the model is larger than this many bytes, its weights go to a second file in the same
  /// folder (ONNX external data). The default is protobuf's limit of 2 GiB - 1.
  std::uint64_t external_data_threshold = 0x7fffffff;

  /// The next three functions return an option's value, or the default if the option is unset.
  int opset() const { return opset_version.value_or(default_opset(precision)); }
  IoType input_output() const { return io_type.value_or(default_io_type(precision)); }
  GeluForm gelu_form() const {
    return gelu.value_or(opset() >= kMinOpsetOfGelu ? GeluForm::op : GeluForm::erf);
  }
};

/// Throws Error(usage) if a value in `options` is out of range or contradicts another value. The
/// error names the option. All convert functions call validate() first.
AETHER2ONNX_API void validate(const ConvertOptions& options);

/// Describes the ONNX graph that a conversion writes or plans.
struct GraphInfo {
  int opset_version = 0;
  int ir_version = 0;
  Precision precision = Precision::fp32;
  IoType io_type = IoType::same;
  GraphForm form = GraphForm::standard;
  Projections projections = Projections::conv;
  std::optional<int> split_kernels_over;  ///< Equal to ConvertOptions::split_kernels_over.
  GeluForm gelu = GeluForm::erf;
  std::vector<std::string> fp32_operators;  ///< Equal to ConvertOptions::fp32_operators.
  bool depthwise_fp32 = false;
  std::vector<std::string> fp32_blocks;  ///< Equal to ConvertOptions::fp32_blocks.
  /// Paths of the convolutions that stay in float32 because a weight is beyond float16's range.
  std::vector<std::string> fp32_for_weights;
  InputShape shape;
  std::uint64_t nodes = 0;
  std::vector<std::pair<std::string, std::uint64_t>> operators;  ///< Most frequent first.
  std::uint64_t initializers = 0;
  std::uint64_t parameters = 0;
  std::string dtype;  ///< The type of the weights, like SourceInfo::dtype.
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
  /// The keys and values in the model's metadata_props. Empty if no model was written.
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Result of a conversion.
struct ConvertReport {
  SourceInfo source;
  NetworkInfo network;
  GraphInfo graph;

  struct Output {
    std::filesystem::path path;                ///< Empty if the model was written to memory.
    std::uint64_t bytes = 0;                   ///< The size of the .onnx file.
    std::filesystem::path external_data_path;  ///< Empty if the model has no external data.
    std::uint64_t external_data_bytes = 0;
  } output;

  /// The numbers of weights that became subnormal, and that became 0, when the conversion rounded
  /// the weights to float16 or bfloat16.
  std::uint64_t weights_subnormal = 0;
  std::uint64_t weights_flushed_to_zero = 0;

  std::vector<Step> steps;
  std::vector<Diagnostic> warnings;
};

/// Converts the checkpoint in `input` and writes the ONNX model to `output`.
///
/// The model has one input `input` (N, C, H, W) and one output `output` (N, C, scale*H, scale*W).
/// Pixel values are nominally in [0, 1]; the model does not clamp the output to this range. Dynamic
/// axes are named batch_size, height, width, output_height and output_width.
///
/// Throws Error. After an error, discard everything that was written to `output`.
AETHER2ONNX_API ConvertReport convert(const Input& input, const OutputFiles& output,
                                      const ConvertOptions& options, const Context& context = {});

/// A function that inspects the finished ONNX file before the file gets its final name. `candidate`
/// is the path of the complete file, whose name is still temporary. The external data are in the
/// same folder. If the function throws, convert_file() fails and saves nothing.
using BeforeSave =
    std::function<void(const ConvertReport& report, const std::filesystem::path& candidate)>;

/// Converts the file `input` to the file `output` and creates missing folders. If `output` is
/// empty, the file is default_output_name() in the input's folder. If `input` is the index of a
/// sharded checkpoint (*.safetensors.index.json), the shards must be in the same folder.
///
/// The output appears only when the file is complete, because the file is written under another
/// name and renamed at the end. After a failure there is no new file, and an old file is unchanged.
///
/// A new file that replaces an old file gets the old file's mode. The new file also gets the old
/// file's owner and group if the system permits.
///
/// Throws the errors of convert(). Also throws Error(io) if `output` can't be written, or if
/// `output` is a folder, the input, one of the input's shards or a file that the caller lists in
/// Context::inputs.
AETHER2ONNX_API ConvertReport convert_file(const std::filesystem::path& input,
                                           const std::filesystem::path& output,
                                           const ConvertOptions& options,
                                           const Context& context = {},
                                           const BeforeSave& before_save = {});

/// Converts like convert_file(), but sends the model to `output`, for example to memory. Writes no
/// file.
AETHER2ONNX_API ConvertReport convert_file_to(const std::filesystem::path& input,
                                              const OutputFiles& output,
                                              const ConvertOptions& options,
                                              const Context& context = {});

/// Plans a conversion like that of convert_file(): recognises the network, checks the options
/// against the checkpoint and builds the graph. Reads no weights and writes nothing. In the report,
/// output.path is the path that the model would get, output.bytes is 0, and source.sha256 is empty.
/// Problems in the weights (NaN, numbers beyond float16's range) are not detected.
///
/// Throws the errors of convert_file(), except those about weights and about `output`.
AETHER2ONNX_API ConvertReport plan_file(const std::filesystem::path& input,
                                        const std::filesystem::path& output,
                                        const ConvertOptions& options, const Context& context = {});

/// Compares the file at `planned.output.path` with the file that convert_file() would write.
/// Returns "" if the two files match, else the difference in a few words: "its opset_version is 17,
/// not 20". The comparison covers the metadata (SHA-256 of `input`, options, version of
/// aether2onnx), the inputs and outputs, and whether external data are in the file's folder. The
/// comparison ignores the file name of the checkpoint, and does not read the weights. `planned` is
/// the result of plan_file(). If `more_fp32_blocks` is true, the file may keep more modules in
/// float32 than `planned`. Reason: if verification finds modules that need float32, the command
/// convert adds these modules to ConvertOptions::fp32_blocks and converts again.
///
/// Throws Error(io) if `input` can't be read.
AETHER2ONNX_API std::string why_outdated(const std::filesystem::path& input,
                                         const ConvertReport& planned,
                                         bool more_fp32_blocks = false,
                                         const Context& context = {});

/// Returns the checkpoint's file name without its ending: "net" for net.pth and for
/// net.safetensors.index.json.
AETHER2ONNX_API std::string checkpoint_stem(const std::filesystem::path& checkpoint);

/// Returns the shape of the input as a part of a file name: "1x3x720x1280" for a fixed shape. If
/// only height and width are dynamic, returns their largest sizes: "dyn1080x1920", or with a batch
/// size of 2 "dyn2x3x1080x1920". For every other combination of dynamic axes, returns the letters
/// of the dynamic axes and the four largest sizes: "dynBHW_4x3x256x256" or "dynB_4x3x64x64".
AETHER2ONNX_API std::string shape_name(const InputShape& shape, std::int64_t channels);

/// Returns a part of a file name that lists the options whose values differ from the defaults; ""
/// if no value differs. These options add their value: graph_form ("_channels_first"), io_type
/// ("_io_fp32"), projections ("_matmul"), split_kernels_over ("_split11") and gelu ("_erf"). The
/// options fp32_operators, depthwise_fp32 and fp32_blocks add only their names. Each optional
/// member of ReadOptions that is set adds its value, for example "_G6.0" for generation,
/// "_params_ema" for params_key and "_res_scale0.2" for res_scale. No other option, for example
/// ReadOptions::dequantize, adds text.
AETHER2ONNX_API std::string unusual_options_name(const ConvertOptions& options);

/// Returns the file name `{scale}x_{stem}_{precision}_{shape}_op{N}{unusual options}.onnx`, for
/// example "2x_net_g_50000_fp16_1x3x64x64_op17.onnx". N is the opset. The unusual options are the
/// result of unusual_options_name(). Models have different names if one part in braces differs.
AETHER2ONNX_API std::string default_output_name(std::string_view stem, const NetworkInfo& network,
                                                const ConvertOptions& options);

}  // namespace aether2onnx
