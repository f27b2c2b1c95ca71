/// @file
/// From a checkpoint to an ONNX file.
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

namespace aether2onnx {

/// Floating-point precision of the ONNX file. docs/precision.md says which operator has which type.
enum class Precision {
  fp32,
  fp16,  ///< Everything float16, as a PyTorch network after .half().
  bf16,  ///< Everything bfloat16.
  /// Convolutions and what lies between them float16; normalizations, residual sums where it
  /// matters, the mean's subtraction and addition float32, with explicit casts.
  mixed_fp16,
  mixed_bf16,  ///< The same with bfloat16.
};

/// "fp32", "fp16", "bf16", "mixed_fp16" or "mixed_bf16".
AETHER2ONNX_API std::string_view to_string(Precision precision) noexcept;

/// The types of the graph's input and output.
enum class IoType {
  same,  ///< That of the convolutions: float16 or bfloat16, float32 in fp32.
  fp32,
};

/// "same" or "fp32".
AETHER2ONNX_API std::string_view to_string(IoType type) noexcept;

/// How the graph is put together.
enum class GraphForm {
  /// LayerNormalization over the last axis, between transposes.
  standard,
  /// Neither Transpose nor Reshape: the normalization is made of elementwise operators and means
  /// over the channel axis.
  channels_first,
};

/// "standard" or "channels_first".
AETHER2ONNX_API std::string_view to_string(GraphForm form) noexcept;

/// One axis of the input: a fixed size, or a range that TensorRT is told as min, opt and max.
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

/// The input's shape, NCHW; C is the network's own. Height and width are low-resolution pixels.
/// Each size is 1 to 65536 and min <= opt <= max. Default: static, 1 x C x 64 x 64.
struct InputShape {
  Axis batch = Axis::fixed(1);
  Axis height = Axis::fixed(64);
  Axis width = Axis::fixed(64);

  /// Every axis dynamic, with the ranges that the reference script has as its defaults:
  /// batch 1/1/4 (min/opt/max), height and width 32/64/256.
  static constexpr InputShape dynamic_defaults() {
    return {Axis::range(1, 1, 4), Axis::range(32, 64, 256), Axis::range(32, 64, 256)};
  }
  bool is_dynamic() const { return batch.dynamic || height.dynamic || width.dynamic; }
  friend bool operator==(const InputShape&, const InputShape&) = default;
};

/// Smallest and largest ONNX opset that can be written.
inline constexpr int kMinOpset = 11;
inline constexpr int kMaxOpset = 24;
/// The first one whose Conv takes bfloat16.
inline constexpr int kMinOpsetOfBfloat16 = 22;

/// The opset that is written where none is asked for: 17, and 22 for bf16 and mixed_bf16.
AETHER2ONNX_API int default_opset(Precision precision) noexcept;
/// The graph's edges where nothing is asked for: as the precision for fp32 and fp16 (as the
/// reference script does), fp32 for the others, since few programs can feed bfloat16 and the mixed
/// modes subtract the mean in float32.
AETHER2ONNX_API IoType default_io_type(Precision precision) noexcept;

/// What to convert to. The defaults are those of the reference script, except that what describes
/// the checkpoint is read from it where it isn't given.
struct Options : CheckpointOptions {
  InputShape shape;
  /// Opset of the default ONNX domain, kMinOpset to kMaxOpset. Unset: default_opset().
  std::optional<int> opset_version;
  Precision precision = Precision::fp32;
  /// Unset: default_io_type().
  std::optional<IoType> io_type;
  GraphForm graph_form = GraphForm::standard;
  /// Keeps the large depthwise convolutions float32, whatever the precision.
  bool depthwise_fp32 = false;
  /// Parts of the network that stay float32, whatever the precision: module paths, "layers.0.3"
  /// with everything in it, "conv_last". A path that isn't there is an error.
  std::vector<std::string> fp32_blocks;

  int opset() const { return opset_version.value_or(default_opset(precision)); }
  IoType edges() const { return io_type.value_or(default_io_type(precision)); }

  /// A model whose file would be larger than this many bytes gets its weights written to a second
  /// file beside it (ONNX external data). The default is protobuf's limit of 2 GiB - 1.
  std::uint64_t external_data_threshold = 0x7fffffff;
};

/// Throws Error(usage), naming the option as the program spells it, where `options` has a value
/// that is out of range or contradicts another. The convert functions call it first.
AETHER2ONNX_API void validate(const Options& options);

/// A graph input or output.
struct TensorInfo {
  std::string name;
  std::string dtype;               ///< "float32" or "float16"; of files of others also other types.
  std::vector<std::string> shape;  ///< Decimal numbers or names of dynamic axes.
};

/// What was read, recognised and written.
struct Report {
  struct Source {
    std::string name;
    std::string container;  ///< For example "PyTorch zip".
    std::string wrapper;    ///< Where in the file the state dict was, "" if at the root.
    /// Where else in the file there is one, for Options::params_key; "" for the root.
    std::vector<std::string> other_wrappers;
    std::string params_key;  ///< CheckpointOptions::params_key, "" where it was unset.
    /// Lower-case hex, of the whole file; of a sharded checkpoint of the index and then the shards,
    /// in the order of their names.
    std::string sha256;
    std::uint64_t bytes = 0;  ///< Of all files.
    std::uint64_t tensors = 0;
    std::uint64_t parameters = 0;
    std::string dtype;  ///< "float32", or "float16 + float32" where tensors differ.
  } source;

  struct Network {
    std::string architecture;  ///< "AetherNet".
    std::string generation;    ///< "G1" to "G7d"; docs/support.md lists them.
    std::string model_type;    ///< A named variant, or "custom".
    std::int64_t scale = 0;
    std::int64_t input_channels = 0;
    std::int64_t embed_dim = 0;
    std::vector<std::int64_t> depths;
    std::int64_t hidden_dim = 0;
    std::int64_t large_kernel = 0;
    /// 0 where the checkpoint is fused and doesn't say what from, as those of fuse() do.
    std::int64_t small_kernel = 0;
    bool fused = false;  ///< Whether the checkpoint was fused already.
    /// "layernorm", or "deployment": a factor and an offset for each channel, with statistics from
    /// training.
    std::string norm_type;
    /// The epsilon of deployment norms; 0 where they are folded into weight and bias already, and
    /// where there are none.
    double norm_eps = 0;
    /// The same as a fused checkpoint notes it; 0 where it doesn't.
    double noted_norm_eps = 0;
    bool channel_attention = false;
    bool spatial_attention = false;
    double res_scale = 1;  ///< The factor of what each block adds.
    double img_range = 1;  ///< The range of the network's values.
    /// "qat": saved in quantization-aware training, and read as the float network that it is.
    /// "int8": converted to int8, and its weights dequantized. "" otherwise.
    std::string quantization;
    /// How it was decided what the network is.
    std::vector<Evidence> evidence;
  } network;

  struct Graph {
    int opset_version = 0;
    int ir_version = 0;
    Precision precision = Precision::fp32;
    IoType io_type = IoType::same;
    GraphForm form = GraphForm::standard;
    bool depthwise_fp32 = false;
    std::vector<std::string> fp32_blocks;  ///< As asked for.
    /// Convolutions that stay float32 because a weight is beyond float16's range, by their path.
    std::vector<std::string> fp32_for_weights;
    InputShape shape;
    std::uint64_t nodes = 0;
    std::vector<std::pair<std::string, std::uint64_t>> operators;  ///< Most frequent first.
    std::uint64_t initializers = 0;
    std::uint64_t parameters = 0;
    std::vector<TensorInfo> inputs;
    std::vector<TensorInfo> outputs;
  } graph;

  struct Output {
    std::filesystem::path path;                ///< Empty where the model was written to memory.
    std::uint64_t bytes = 0;                   ///< Of the .onnx file.
    std::filesystem::path external_data_path;  ///< Empty where there is none.
    std::uint64_t external_data_bytes = 0;
  } output;

  /// Weights that fp16 can hold only as a subnormal number, and those that became zero.
  std::uint64_t weights_subnormal = 0;
  std::uint64_t weights_flushed_to_zero = 0;

  std::vector<Stage> stages;
  std::vector<std::string> warnings;
};

/// Converts the checkpoint in `input` and writes the ONNX model to `output`.
///
/// The model has one input `input` (N, C, H, W) and one output `output` (N, C, scale*H, scale*W),
/// both of the precision asked for, values nominally in [0, 1] and not clamped. Dynamic axes are
/// named batch_size, height, width, output_height and output_width.
///
/// Throws Error; what was written to `output` until then is to be thrown away.
AETHER2ONNX_API Report convert(const Input& input, const OutputFiles& output,
                               const Options& options, const Context& context = {});

/// Looks at the finished ONNX file before it is put in place: `candidate` is the complete file
/// under a temporary name, beside its external data. Throws to refuse it.
using BeforeSave =
    std::function<void(const Report& report, const std::filesystem::path& candidate)>;

/// Converts the file `input`, beside which the shards lie where it is the index of a sharded
/// checkpoint (*.safetensors.index.json), to the file `output`, whose folders are created where
/// they are missing. An empty `output` stands for default_output_name() beside the input.
///
/// The output appears at once and whole: it is written aside and renamed at the end, so that on
/// any failure no output file exists, or the old one is still there unchanged.
///
/// @throws Error(io) also where `output` is a folder, is the input itself, or can't be written.
AETHER2ONNX_API Report convert_file(const std::filesystem::path& input,
                                    const std::filesystem::path& output, const Options& options,
                                    const Context& context = {},
                                    const BeforeSave& before_save = {});

/// Everything of convert_file() but the weights and the writing: reads, recognises, checks the
/// options against the checkpoint and builds the graph. In the report output.path is where the
/// model would go, output.bytes is 0 and source.sha256 is empty, since the file isn't read whole.
/// What only the weights tell (that one is NaN or beyond fp16's range) isn't found out, nor whether
/// the model can be written.
///
/// @throws Error as convert_file() does.
AETHER2ONNX_API Report plan_file(const std::filesystem::path& input,
                                 const std::filesystem::path& output, const Options& options,
                                 const Context& context = {});

/// Whether the file at `planned.output.path` is what convert_file() would make: an ONNX file whose
/// metadata has the SHA-256 of `input`, these options and this version of aether2onnx, with the
/// inputs and outputs planned, and its external data beside it. The source's name doesn't count,
/// nor are weights compared. Returns "" where that is so, else what differs, in a few words, for
/// example "its opset_version is 17, not 20". `planned` comes from plan_file().
/// `more_fp32_blocks`: a file with more parts in float32 than planned is no other one, as where a
/// verification finds out which must be.
///
/// @throws Error(io) where `input` can't be read.
AETHER2ONNX_API std::string why_outdated(const std::filesystem::path& input, const Report& planned,
                                         bool more_fp32_blocks = false,
                                         const Context& context = {});

/// The checkpoint's file name without its ending, "net" of net.pth and of
/// net.safetensors.index.json.
AETHER2ONNX_API std::string checkpoint_stem(const std::filesystem::path& checkpoint);

/// `{scale}x_{stem}_{precision}_op{N}.onnx`, for example "2x_net_g_50000_fp16_op17.onnx"; in
/// another form than the standard one with its name behind, "…_op17_channels_first.onnx".
AETHER2ONNX_API std::string default_output_name(std::int64_t scale, std::string_view stem,
                                                Precision precision, int opset_version,
                                                GraphForm form = GraphForm::standard);

}  // namespace aether2onnx
