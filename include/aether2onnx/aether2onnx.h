/// @file
/// aether2onnx: AetherNet checkpoints (PyTorch `.pth`) in, ONNX files out, without PyTorch.
///
/// This is the library's only public header. The shortest use converts one file:
///
/// @code
///   #include <aether2onnx/aether2onnx.h>
///
///   aether2onnx::Options options;
///   options.shape = aether2onnx::InputShape::dynamic_defaults();
///   options.precision = aether2onnx::Precision::fp16;
///   aether2onnx::Report report = aether2onnx::convert_file("model.pth", "model.onnx", options);
/// @endcode
///
/// Everything the program `aether2onnx` does goes through the functions below.
///
/// Errors. Every function that can fail throws aether2onnx::Error, whose what() is written for the
/// person who can fix the cause: what is wrong, in which file and tensor or option, what was
/// expected against what was found, what to do. Nothing is printed and the process is never ended.
///
/// Hostile input. A checkpoint is data: nothing in it is executed, imported or opened. Sizes are
/// checked before they are allocated, multiplied or used as an index.
///
/// Threads. No global state; separate conversions may run in separate threads.
///
/// Determinism. The same input and options give the same bytes on every machine.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(_WIN32)
#if defined(AETHER2ONNX_BUILDING_SHARED)
#define AETHER2ONNX_API __declspec(dllexport)
#elif defined(AETHER2ONNX_USING_SHARED)
#define AETHER2ONNX_API __declspec(dllimport)
#else
#define AETHER2ONNX_API
#endif
#else
#define AETHER2ONNX_API __attribute__((visibility("default")))
#endif

namespace aether2onnx {

/// The library's version, "major.minor.patch".
AETHER2ONNX_API std::string_view version() noexcept;

// ---------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------

/// What kind of thing went wrong, for programs that react to it. The text is in Error::what().
enum class ErrorKind {
  usage,         ///< An option is out of range or contradicts another one.
  io,            ///< A file can't be read, created or written.
  malformed,     ///< The file claims to be a checkpoint and is damaged or forged.
  unsupported,   ///< The file is something else, or a kind of checkpoint that is not read.
  mismatch,      ///< Keys or shapes don't fit the network, or contradict an option.
  precision,     ///< A weight can't be represented in the precision asked for.
  limit,         ///< A safety limit was reached.
  verification,  ///< The ONNX file isn't equal to the reference, or that could not be found out.
  engine,        ///< TensorRT's trtexec built no engine, or isn't there.
  internal,      ///< A defect of aether2onnx itself.
};

/// The kind's name as used in the program's JSON output, for example "malformed".
AETHER2ONNX_API std::string_view to_string(ErrorKind kind) noexcept;

/// The one exception type of the library.
class AETHER2ONNX_API Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message);
  /// `findings` holds one entry a finding where several were collected, for example every missing
  /// and unexpected key of a checkpoint; what() already contains them, one a line.
  Error(ErrorKind kind, const std::string& message, std::vector<std::string> findings);

  ErrorKind kind() const noexcept { return kind_; }
  const std::vector<std::string>& findings() const noexcept { return findings_; }

 private:
  ErrorKind kind_;
  std::vector<std::string> findings_;
};

// ---------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------

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

/// Limits on what a file may cost, by name.
using LimitChanges = std::vector<std::pair<std::string, std::uint64_t>>;

/// How to read a checkpoint, where the file itself doesn't say or says it wrong.
struct ReadOptions {
  /// Where in the file the state dict is: keys with '/' between them, "params" or
  /// "model/state_dict"; "/" for the root. If set and nothing is there, it is refused with what
  /// is on offer named. Unset: the usual keys are tried, an averaged copy (EMA) first.
  std::optional<std::string> params_key;
  /// The generation, "G1" to "G7d" (docs/support.md lists them), for files whose keys and shapes
  /// several have. If set and the keys are another generation's, it is refused with both named.
  /// Unset: by the evidence in the file.
  std::optional<std::string> generation;
  /// The factor of what each block adds, above 0; only for generations that have one. Unset: as the
  /// file says, or else the generation's rule.
  std::optional<double> res_scale;
  /// The epsilon of normalizations with stored statistics, above 0; only where they aren't folded
  /// into weight and bias yet. Unset: the generation's.
  std::optional<double> norm_eps;
  /// The range of the network's values, above 0. Unset: as the file says, or else 1.
  std::optional<double> img_range;
  /// Whether the weights of a network that was converted to int8 are taken as the float numbers
  /// that they stand for. Unset, such a file is refused.
  bool dequantize = false;
  /// Limits on what the file may cost that are changed for it, for the rare giant: name and value,
  /// {"pickle_values", 10'000'000}. src/base/limits.h has the names and what they are by default.
  LimitChanges limits;
};

/// What the checkpoint is expected to be, and what to call it.
struct CheckpointOptions : ReadOptions {
  /// "aether_mobile", "aether_tiny", "aether_small", "aether_medium", "aether_large", "aether_pro"
  /// or "aether_extreme". If set and the checkpoint is another variant, it is refused with both
  /// named. Unset: read from the checkpoint.
  std::optional<std::string> model_type;
  /// Upscale factor. If set and the checkpoint's is another, it is refused with both named.
  std::optional<std::int64_t> scale;
  /// Channels of the input image. If set and the checkpoint's is another, it is refused.
  std::optional<std::int64_t> input_channels;

  /// Name of the source in reports and metadata; convert_file() and fuse_file() fill in the file
  /// name (without its folder) where it is empty.
  std::string source_name;
};

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
AETHER2ONNX_API void validate(const ReadOptions& options);

// ---------------------------------------------------------------------------------------------
// What is told about a conversion
// ---------------------------------------------------------------------------------------------

/// How one question about the network was decided.
struct Evidence {
  std::string what;     ///< "generation", "res_scale", "norm_eps", "img_range", …
  std::string value;    ///< What it was decided to be, "G7d" or "0.1".
  std::string because;  ///< By what, in a few words.
  /// Whether the file (or an option) says so; else it is the documented preference.
  bool certain = true;
};

/// One step of a conversion: "read", "recognised", "fused", "written".
struct Stage {
  std::string name;
  std::string summary;  ///< What was found or done, one line.
  double seconds = 0;
};

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

/// Is told how a conversion goes on. Called on the converting thread; may throw to stop it.
class AETHER2ONNX_API Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer();

  /// A stage has ended.
  virtual void on_stage(const Stage& stage);
  /// `done` of `total` bytes of the stage under way.
  virtual void on_progress(std::string_view stage, std::uint64_t done, std::uint64_t total);
  /// Something the user should know, one line; it is in Report::warnings too.
  virtual void on_warning(const std::string& text);
};

// ---------------------------------------------------------------------------------------------
// Conversion: bytes in, bytes out
// ---------------------------------------------------------------------------------------------

/// Random access to the bytes of a checkpoint.
class AETHER2ONNX_API Input {
 public:
  Input() = default;
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  virtual ~Input();

  /// Length in bytes; must not change.
  virtual std::uint64_t size() const = 0;
  /// Fills `out` with the bytes from `offset` on. Called only with offset + out.size() <= size().
  /// Throws Error(io) where that can't be done in full.
  virtual void read(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

/// Bytes in memory; does not own them.
class AETHER2ONNX_API MemoryInput final : public Input {
 public:
  explicit MemoryInput(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  void read(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  std::span<const std::byte> bytes_;
};

/// A file, read through the operating system's positional read.
class AETHER2ONNX_API FileInput final : public Input {
 public:
  /// Throws Error(io) where `path` isn't a regular file that can be opened.
  explicit FileInput(const std::filesystem::path& path);
  ~FileInput() override;
  std::uint64_t size() const override { return size_; }
  void read(std::uint64_t offset, std::span<std::byte> out) const override;
  /// Throws Error(io) where the file was written to since it was opened, as far as its size and its
  /// time of modification tell.
  void check_unchanged() const;

 private:
  std::filesystem::path path_;
  std::uint64_t size_ = 0;
  std::int64_t modified_ = 0;  // in nanoseconds
  int descriptor_ = -1;
};

/// Takes the bytes of a file that is being written, in order.
class AETHER2ONNX_API Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  virtual ~Output();

  /// Throws Error(io) where the bytes can't be taken.
  virtual void write(std::span<const std::byte> bytes) = 0;
};

/// Where a model goes.
struct OutputFiles {
  /// Takes the ONNX file.
  Output* model = nullptr;
  /// Takes the weights of a model beyond Options::external_data_threshold. If null, such a model
  /// is refused with Error(limit).
  Output* external_data = nullptr;
  /// The name by which the ONNX file refers to the external data: a file name without a folder.
  std::string external_data_name;
};

/// Converts the checkpoint in `input` and writes the ONNX model to `output`.
///
/// The model has one input `input` (N, C, H, W) and one output `output` (N, C, scale*H, scale*W),
/// both of the precision asked for, values nominally in [0, 1] and not clamped. Dynamic axes are
/// named batch_size, height, width, output_height and output_width.
///
/// Throws Error; what was written to `output` until then is to be thrown away.
AETHER2ONNX_API Report convert(const Input& input, const OutputFiles& output,
                               const Options& options, Observer* observer = nullptr);

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
                                    Observer* observer = nullptr,
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
                                 Observer* observer = nullptr);

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
                                         bool more_fp32_blocks = false);

/// The checkpoint's file name without its ending, "net" of net.pth and of
/// net.safetensors.index.json.
AETHER2ONNX_API std::string checkpoint_stem(const std::filesystem::path& checkpoint);

/// `{scale}x_{stem}_{precision}_op{N}.onnx`, for example "2x_net_g_50000_fp16_op17.onnx"; in
/// another form than the standard one with its name behind, "…_op17_channels_first.onnx".
AETHER2ONNX_API std::string default_output_name(std::int64_t scale, std::string_view stem,
                                                Precision precision, int opset_version,
                                                GraphForm form = GraphForm::standard);

// ---------------------------------------------------------------------------------------------
// TensorRT, ONNX Runtime and players: from an ONNX file to an engine
// ---------------------------------------------------------------------------------------------

/// A version of TensorRT. A part that isn't said stands for the newest there is: {10} is "some
/// release of TensorRT 10" and comes after {10, 3, 0}.
struct TensorRtVersion {
  static constexpr int kNewest = 99;
  int major = 10;
  int minor = kNewest;
  int patch = kNewest;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the comparison's 0 for a pointer
  friend constexpr auto operator<=>(const TensorRtVersion&, const TensorRtVersion&) = default;
};

/// "10.3.0"; "10.3" or "10" where the rest isn't said.
AETHER2ONNX_API std::string to_string(const TensorRtVersion& version);

/// Reads "8.6", "10" or "10.3.0"; a fourth number, as in "10.3.0.26", is left out. Throws
/// Error(usage) where `text` is no version, or one before 8.4, the oldest whose options are known.
AETHER2ONNX_API TensorRtVersion parse_tensorrt_version(std::string_view text);

/// The version in what trtexec prints first, whatever it is asked for: "[TensorRT v8601]" is 8.6.1
/// and "[TensorRT v100300]" 10.3.0. Nothing where there is no such text.
/// Source: the macros of NvInferVersion.h, which count in hundreds up to 9 and in ten thousands
/// from 10 on.
AETHER2ONNX_API std::optional<TensorRtVersion> tensorrt_version_in(std::string_view printed);

/// What an engine is built from: an ONNX file with one input (N, C, H, W), whoever made it, as far
/// as runtimes must be told of it.
struct EngineModel {
  std::filesystem::path path;  ///< As it goes into commands.
  std::string input_name;
  std::string input_dtype;   ///< "float32", "float16" or "bfloat16".
  std::string output_dtype;  ///< Of the first output.
  std::int64_t channels = 0;
  /// Of the input. A dynamic axis has the range that TensorRT is told; where the file has none
  /// (`profile_problem` isn't empty) it is InputShape::dynamic_defaults().
  InputShape shape;
  /// Why a dynamic model has no profile of its own: its metadata have none, or one that doesn't fit
  /// its input. Engines are built only after the ranges were set by hand, and this was emptied.
  std::string profile_problem;
  int opset_version = 0;
  /// Which types are in the graph besides float32. A file with one of them is typed: it states
  /// itself what is computed in which precision.
  bool has_float16 = false;
  bool has_bfloat16 = false;
  bool is_quantized = false;  ///< Has QuantizeLinear or DequantizeLinear.
  bool has_layer_normalization = false;
  /// LayerNormalization in single steps, of which the squares may go beyond float16's range.
  bool has_decomposed_normalization = false;
  /// Files that hold weights, as the ONNX file names them; they must lie beside it.
  std::vector<std::string> external_files;
};

/// Reads the description of an ONNX file; its weights stay where they are, and nothing in it is
/// trusted.
///
/// Throws Error(io) also where external data isn't beside it; Error(unsupported) where it is no
/// ONNX file, or hasn't one input (N, C, H, W) of a floating-point type with C fixed;
/// Error(malformed, limit) where it is damaged.
AETHER2ONNX_API EngineModel read_engine_model(const std::filesystem::path& path);

/// The same of a model that convert_file() or plan_file() told of.
AETHER2ONNX_API EngineModel engine_model(const Report& report);

/// What the engine is to compute in.
enum class EnginePrecision {
  as_model,  ///< As the file says.
  fp16,      ///< TensorRT may use float16 for any layer of a float32 model. Up to TensorRT 10.
  bf16,      ///< The same with bfloat16. TensorRT 9 and 10.
};

/// "as_model", "fp16" or "bf16".
AETHER2ONNX_API std::string_view to_string(EnginePrecision precision) noexcept;

/// How to build the engine.
struct EngineOptions {
  TensorRtVersion version;
  EnginePrecision precision = EnginePrecision::as_model;
  /// Where the engine goes. Empty: default_engine_name() beside the model.
  std::filesystem::path engine;
  /// Memory that layers may use while they run, in MiB (1,048,576 bytes), 1 to 16,777,216. Unset:
  /// TensorRT takes what the GPU has.
  std::optional<std::int64_t> workspace;
  /// File in which TensorRT keeps what it measured, for later builds; created where it is missing.
  /// Empty: none.
  std::filesystem::path timing_cache;
  /// How long to look for fast kernels, 0 to 5; TensorRT's default is 3. TensorRT 8.6 or newer.
  std::optional<std::int64_t> builder_optimization_level;
  /// Which GPU, as CUDA counts them, 0 to 1023. Unset: the first.
  std::optional<std::int64_t> device;
};

/// How to build an engine with NVIDIA's trtexec.
struct EngineCommand {
  /// Without the program's own name and not quoted for any shell.
  std::vector<std::string> arguments;
  std::filesystem::path engine;
  /// What the user should know, one line each.
  std::vector<std::string> notes;
};

/// `{stem}[_{precision}]_trt{version}_{shapes}.engine`, for example
/// "2x_net_fp16_op17_trt10.3_1x3x64x64.engine"; of a dynamic model with the smallest and the
/// largest shape, "…_1x3x32x32-4x3x256x256.engine". The precision is there where it isn't the
/// model's own.
AETHER2ONNX_API std::string default_engine_name(const EngineModel& model,
                                                const EngineOptions& options);

/// The arguments that this version of trtexec takes and this model needs.
///
/// Throws Error(usage) where an option is out of range or contradicts the model; Error(unsupported)
/// where this version can't build it, saying what would do.
AETHER2ONNX_API EngineCommand trtexec_command(const EngineModel& model,
                                              const EngineOptions& options);

/// How to give the model to ONNX Runtime's TensorRT execution provider, which builds the engine
/// itself.
struct ProviderOptions {
  std::vector<std::pair<std::string, std::string>> options;
  std::string python;  ///< The argument `providers=[…]` of onnxruntime.InferenceSession.
  std::vector<std::string> notes;
};

/// The engine is kept in the folder of the model; EngineOptions::engine doesn't count, nor does the
/// name of the timing cache, only its folder. Throws as trtexec_command().
AETHER2ONNX_API ProviderOptions onnxruntime_options(const EngineModel& model,
                                                    const EngineOptions& options);

/// How to give the model to vs-mlrt's vsmlrt.py, in VapourSynth.
struct PlayerCall {
  std::string python;  ///< "vsmlrt.inference(clip, …)".
  std::vector<std::string> notes;
};

/// vsmlrt runs trtexec itself and names the engine and the timing cache, so these don't count.
/// Throws as trtexec_command(), and Error(unsupported) where vsmlrt can't run the model: it hands
/// over shapes always, which static models don't take, one picture of one or three channels at a
/// time, float32 or float16.
AETHER2ONNX_API PlayerCall vsmlrt_call(const EngineModel& model, const EngineOptions& options);

// ---------------------------------------------------------------------------------------------
// Fusion alone: a checkpoint in, a fused checkpoint out
// ---------------------------------------------------------------------------------------------

/// Element type of the weights in a fused checkpoint.
enum class WeightType {
  same,  ///< As each weight is stored in the source; a sum as PyTorch's sum of the stored types.
  float32,
  float16,
  bfloat16,
  float64,
};

/// File formats of a fused checkpoint.
enum class CheckpointFormat {
  pth,  ///< PyTorch's zip container with a bare state dict, for torch.load(weights_only=True).
  safetensors,  ///< With "format": "pt" in its metadata.
};

/// "same", "float32", …; "pth" or "safetensors".
AETHER2ONNX_API std::string_view to_string(WeightType type) noexcept;
AETHER2ONNX_API std::string_view to_string(CheckpointFormat format) noexcept;

/// How to write the fused checkpoint.
struct FuseOptions : CheckpointOptions {
  /// A sum is made in float64 and rounded once, to float32, or to float64 where a tensor in it is
  /// stored so; this is the number that the network fused in PyTorch has, and what convert() begins
  /// with too. From there, as every stored weight, it is rounded to the type asked for, to nearest
  /// even. A value beyond that type's range is an error.
  WeightType dtype = WeightType::same;
  /// Unset: safetensors where the output's name ends so, pth elsewhere.
  std::optional<CheckpointFormat> format;
};

/// As validate(const Options&).
AETHER2ONNX_API void validate(const FuseOptions& options);

/// What was read, recognised, fused and written.
struct FuseReport {
  Report::Source source;
  Report::Network network;  ///< Of the source.

  struct Output {
    std::filesystem::path path;  ///< Empty where the checkpoint was written to memory.
    CheckpointFormat format = CheckpointFormat::pth;
    std::uint64_t bytes = 0;
    std::uint64_t tensors = 0;
    std::uint64_t parameters = 0;
    std::string dtype;  ///< As in Report::Source.
  } output;

  /// Pairs of convolutions that became one each; 0 where the source is fused already.
  std::uint64_t convolutions = 0;
  /// Weights that became a subnormal number of float16 or bfloat16, and those that became zero.
  std::uint64_t weights_subnormal = 0;
  std::uint64_t weights_flushed_to_zero = 0;

  std::vector<Stage> stages;
  std::vector<std::string> warnings;
};

/// Fuses the checkpoint in `input` and writes the fused one to `output`: the state dict of the
/// network in its fused state, names without prefixes, nothing around it. An input that is fused
/// already is written in the format and type asked for.
///
/// Converting the fused checkpoint gives the same ONNX file as converting the unfused one, name and
/// hash of the source aside, unless it is written in a type that doesn't hold the weights (as
/// float16 for an ONNX file in fp32).
///
/// Throws Error; what was written to `output` until then is to be thrown away.
AETHER2ONNX_API FuseReport fuse(const Input& input, Output& output, const FuseOptions& options,
                                Observer* observer = nullptr);

/// Fuses the file `input` to the file `output`, which appears at once and whole, as with
/// convert_file(). An empty `output` stands for `{stem}_fused.pth` (or `.safetensors`) beside the
/// input.
///
/// @throws Error(usage) also where the output's name ends as one format's and the options have the
/// other; Error(io) as convert_file().
AETHER2ONNX_API FuseReport fuse_file(const std::filesystem::path& input,
                                     const std::filesystem::path& output,
                                     const FuseOptions& options, Observer* observer = nullptr);

// ---------------------------------------------------------------------------------------------
// Ending early
// ---------------------------------------------------------------------------------------------

// ---------------------------------------------------------------------------------------------
// Inspection: what a file is
// ---------------------------------------------------------------------------------------------

/// ReadOptions::dequantize doesn't matter: what a network in int8 is is told in any case.
struct InspectOptions : ReadOptions {
  /// Whether Inspection::tensors is wanted, for which every tensor is read, one at a time.
  bool tensors = false;
};

/// One tensor of a file.
struct InspectedTensor {
  std::string name;
  std::string dtype;  ///< As PyTorch calls it, "float32"; "" where it isn't known.
  std::vector<std::int64_t> shape;
  /// Why the elements weren't looked at, "" where they were: "is None", for example.
  std::string problem;
  std::uint64_t nan = 0;
  std::uint64_t infinite = 0;
  /// Of the finite elements; nothing where there are none. 64-bit integers are rounded to float64.
  std::optional<double> min;
  std::optional<double> max;
  std::optional<double> mean;
};

/// What a checkpoint or an ONNX file is.
struct Inspection {
  /// `source.container` is "ONNX" for an ONNX file; `tensors` and `parameters` are those of its
  /// weights, constants of formulas (scalars, shapes) left out.
  Report::Source source;

  /// The network, where the file is of one that can be converted.
  std::optional<Report::Network> network;
  /// Where it isn't: what the file is instead, or every difference. One to many lines.
  std::string not_recognised;
  /// One entry a difference, as in Error::findings().
  std::vector<std::string> findings;

  /// What running the network takes. A megapixel is 1,000,000 pixels of the output picture.
  struct Cost {
    std::uint64_t parameters = 0;
    /// Of convolutions and projections, biases left out.
    std::uint64_t multiply_adds_per_megapixel = 0;
    std::uint64_t weight_bytes = 0;
    /// Of all feature maps alive at once at the most, input and output included; a runtime takes
    /// more for rearranged copies and workspaces.
    std::uint64_t activation_bytes_per_megapixel = 0;
    /// In which the bytes are counted: the ONNX file's, or fp32 for a checkpoint.
    std::string precision;
  };
  /// As the network stands in the file, and, where it is unfused, as it is once fused.
  std::optional<Cost> cost;
  std::optional<Cost> fused_cost;

  /// How far the training had come, where the file says: key and number, "iter" and "50000".
  std::vector<std::pair<std::string, std::string>> training;

  struct Onnx {
    std::int64_t ir_version = 0;
    std::vector<std::pair<std::string, std::int64_t>>
        opsets;  ///< Domain ("" is ONNX's) and version.
    std::string producer_name;
    std::string producer_version;
    /// "fp32" or "fp16", where input and weights are all of that type; otherwise what they are.
    std::string precision;
    std::vector<TensorInfo> inputs;  ///< Those that have no value in the file.
    std::vector<TensorInfo> outputs;
    std::uint64_t nodes = 0;                                       ///< Constants left out.
    std::vector<std::pair<std::string, std::uint64_t>> operators;  ///< Most frequent first.
    std::vector<std::pair<std::string, std::string>> metadata;
    std::vector<std::string> external_files;  ///< That hold weights, as the file names them.
  };
  std::optional<Onnx> onnx;  ///< Of an ONNX file.

  std::vector<InspectedTensor> tensors;  ///< In the order of the file; see InspectOptions::tensors.
  /// What doesn't fit together, for example metadata that contradict the graph.
  std::vector<std::string> warnings;
};

/// Says what a file is: a checkpoint, or an ONNX file whoever made it. That it is of no network
/// that can be converted is no error.
///
/// Throws Error(unsupported, malformed, limit) where the file isn't one that is read, or damaged;
/// Error(usage) where an option is out of range.
AETHER2ONNX_API Inspection inspect(const Input& input, const InspectOptions& options,
                                   Observer* observer = nullptr);

/// The same for a file; the external data of an ONNX file are read where they lie beside it.
/// Throws Error(io) too.
AETHER2ONNX_API Inspection inspect_file(const std::filesystem::path& path,
                                        const InspectOptions& options,
                                        Observer* observer = nullptr);

// ---------------------------------------------------------------------------------------------
// Checks: what would stop or slow the programs that run an ONNX file
// ---------------------------------------------------------------------------------------------

/// A program that runs ONNX files.
enum class CheckTarget {
  tensorrt,     ///< NVIDIA's, as trtexec and its ONNX parser take the file.
  onnxruntime,  ///< On any of its execution providers.
  vsmlrt,       ///< The VapourSynth filters of vs-mlrt.
  videojanai,
};

/// In rising order.
enum class Severity {
  note,     ///< Good to know.
  warning,  ///< Slow, possibly a wrong picture, or it depends.
  error,    ///< The file doesn't run there.
};

/// "tensorrt", "onnxruntime", "vsmlrt" or "videojanai"; "note", "warning" or "error".
AETHER2ONNX_API std::string_view to_string(CheckTarget target) noexcept;
AETHER2ONNX_API std::string_view to_string(Severity severity) noexcept;

struct CheckOptions {
  struct Target {
    CheckTarget target = CheckTarget::tensorrt;
    /// "8.6.1", "8.6" (any 8.6) or "10" (any 10); only of TensorRT and ONNX Runtime. Empty: the
    /// versions in use, TensorRT 8.6 and ONNX Runtime 1.17 or newer.
    std::string version;
  };
  /// What the file is meant for. Empty: all targets.
  std::vector<Target> targets;
  LimitChanges limits;  ///< As ReadOptions::limits.
};

/// One thing that a check found.
struct Finding {
  struct Concern {
    CheckTarget target = CheckTarget::tensorrt;
    Severity severity = Severity::note;
    /// For which versions it holds, "below 8.6", "11.0 or newer"; "" for all.
    std::string versions;
  };

  /// The worst of the concerns. What holds for some of the versions asked for is a step less bad
  /// than what holds for all.
  Severity severity = Severity::note;
  std::string code;  ///< Stable, "layernorm-half"; docs/check.md has the list.
  std::string what;  ///< One line; names the first node or tensor where there are several.
  std::string remedy;
  std::uint64_t count = 1;  ///< Nodes, tensors or values that it is about.
  std::vector<Concern> concerns;
};

struct CheckReport {
  std::vector<Finding> findings;  ///< The worst first.

  AETHER2ONNX_API std::uint64_t count(Severity severity) const;
};

/// Says what in an ONNX file, whoever made it, would stop or slow the programs that run it. Nothing
/// is run; weights are read one at a time.
///
/// Throws Error(unsupported, malformed, limit) where the file is no ONNX file, or damaged beyond
/// reading; Error(usage) where a version in `options` is none.
AETHER2ONNX_API CheckReport check(const Input& input, const CheckOptions& options,
                                  Observer* observer = nullptr);

/// The same for a file; its external data are read where they lie beside it. Throws Error(io) too.
AETHER2ONNX_API CheckReport check_file(const std::filesystem::path& path,
                                       const CheckOptions& options, Observer* observer = nullptr);

// ---------------------------------------------------------------------------------------------
// Scans: whether a file holds anything but data
// ---------------------------------------------------------------------------------------------

/// What a name in a pickle, which loading it in Python would import, is worth. By a list of what is
/// allowed: what isn't on it is suspicious at least.
enum class Verdict {
  tensors,     ///< What PyTorch rebuilds tensors with.
  harmless,    ///< Plain containers, numbers, paths, dates, layers of torch.nn.
  suspicious,  ///< Anything else.
  dangerous,   ///< Known to run code, start programs or reach files and networks.
};

/// What a scan comes to, from best to worst.
enum class ScanResult {
  clean,    ///< All of the file is understood, and it is data.
  unclear,  ///< Something in it isn't understood, so nothing can be said.
  found,    ///< Loading it would do or could do more than make tensors; or it is built to deceive.
};

/// "tensors", "harmless", …; "clean", "unclear" or "found".
AETHER2ONNX_API std::string_view to_string(Verdict verdict) noexcept;
AETHER2ONNX_API std::string_view to_string(ScanResult result) noexcept;

struct ScanOptions {
  LimitChanges limits;  ///< As ReadOptions::limits.
};

/// What a scan found. Texts from the file are made printable and cut short.
struct ScanReport {
  ScanResult result = ScanResult::unclear;  ///< The worst of everything below.
  std::string container;                    ///< "PyTorch zip", "safetensors", "ONNX", "pickle", …

  /// A name that a pickle has loading import.
  struct Global {
    std::string name;  ///< "torch._utils._rebuild_tensor_v2"
    Verdict verdict = Verdict::suspicious;
    std::string where;  ///< The first place: "archive/data.pkl".
    std::uint64_t count = 1;
  };
  std::vector<Global> globals;  ///< The worst first.

  /// A call that loading would make, of what is suspicious or dangerous: "os.system('rm …')".
  struct Call {
    std::string text;
    Verdict verdict = Verdict::suspicious;
    std::string where;
  };
  std::vector<Call> calls;

  /// Anything else, such as what makes loaders and scanners see different things.
  struct Finding {
    ScanResult weight = ScanResult::unclear;  ///< clean: good to know.
    std::string code;                         ///< Stable; docs/security.md has the list.
    std::string what;                         ///< One line.
  };
  std::vector<Finding> findings;  ///< The worst first.

  /// How many globals, calls and findings there are beyond those listed.
  std::uint64_t not_listed = 0;
};

/// Says whether the file is data and nothing else, without loading it. What can't be read or isn't
/// understood makes the result unclear, never clean.
///
/// Throws Error(io) where bytes can't be read, Error(usage) for the options.
AETHER2ONNX_API ScanReport scan(const Input& input, const ScanOptions& options = {},
                                Observer* observer = nullptr);

/// The same for a file; the shards of an index are looked at where they lie beside it.
AETHER2ONNX_API ScanReport scan_file(const std::filesystem::path& path,
                                     const ScanOptions& options = {}, Observer* observer = nullptr);

/// Removes the temporary files of conversions under way. For signal handlers of programs that end
/// on a signal; async-signal-safe.
AETHER2ONNX_API void remove_temporary_files() noexcept;

}  // namespace aether2onnx
