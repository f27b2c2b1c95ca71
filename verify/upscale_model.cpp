#include "upscale_model.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <new>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "external_files.h"
#include "formats/file_kind.h"
#include "formats/onnx/onnx.h"
#include "metadata.h"
#include "network/onnx_outline.h"
#include "port/files.h"

namespace aether2onnx::verify {

namespace {

// The bytes of memory that ONNX Runtime takes for its libraries and a session. Measured with ONNX
// Runtime 1.30 and a picture of 8 x 8 pixels.
constexpr double kLibraryBytes = 250e6;
// The side of the trial picture in pixels. If a model has dynamic shapes, try_out() runs the model
// on this picture, and compares the sizes of input and output to find the scale.
constexpr std::int64_t kTrialSize = 32;
constexpr std::int64_t kLargestScale = 16;

class TextOutput final : public Output {
 public:
  void write(std::span<const std::byte> bytes) override {
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// Collects the warnings of a conversion as lines of text.
class WarningList final : public Observer {
 public:
  explicit WarningList(std::vector<std::string>& lines) : lines_(lines) {}
  void on_warning(const Diagnostic& warning) override { lines_.push_back(warning.text); }

 private:
  std::vector<std::string>& lines_;
};

// Returns the number of a GPU: 1 for "cuda:1", and 0 if `device` has no number.
int number_of_gpu(const std::string& device) {
  int number = 0;
  const std::size_t colon = device.find(':');
  if (colon == std::string::npos) return number;
  std::from_chars(device.data() + colon + 1, device.data() + device.size(), number);
  return number;
}

[[noreturn]] void no_picture_model(const std::string& what, const std::string& expected,
                                   const std::string& found) {
  fail({ErrorKind::unsupported, "upscale-model", "", expected, found},
       "The model cannot enlarge pictures: {}.\nA model needs one input and one output of batch x "
       "channels x height x width, with 1 channel (grey) or 3 (RGB).",
       what);
}

// Returns the largest number of channels of any convolution or matrix product, at least 64.
double widest_layer(const onnx::Model& model) {
  std::int64_t widest = 64;
  for (const onnx::Tensor& tensor : model.initializers) {
    constexpr std::int64_t most = 1 << 16;
    if (tensor.dims.size() == 4) widest = std::max(widest, std::min(tensor.dims[0], most));
    if (tensor.dims.size() == 2) {
      widest = std::max({widest, std::min(tensor.dims[0], most), std::min(tensor.dims[1], most)});
    }
  }
  return static_cast<double>(widest);
}

double bytes_of_weights(const onnx::Model& model) {
  double elements = 0;
  for (const onnx::Tensor& tensor : model.initializers) {
    double count = 1;
    for (const std::int64_t size : tensor.dims) count *= static_cast<double>(size);
    elements += count;
  }
  return elements * sizeof(float);
}

// Returns whether ONNX Runtime's message reports a lack of memory. Only these words in the message
// distinguish a lack of memory from other failures.
bool is_lack_of_memory(const std::string& message) {
  constexpr std::array words = {"llocate memory", "out of memory", "bad_alloc", "bad allocation",
                                "std::length_error"};
  return std::any_of(words.begin(), words.end(),
                     [&](const char* text) { return message.find(text) != std::string::npos; });
}

// Returns the summary of the network up to the first "; ". The rest of the summary states how the
// program found the network's generation (version of AetherNet).
std::string network_text(const NetworkInfo& network) {
  const std::string text = summary(network);
  return text.substr(0, text.find("; "));
}

// Returns the size of an axis; nullopt for a dynamic axis, whose size is -1.
std::optional<std::int64_t> fixed_size(std::int64_t size) {
  return size > 0 ? std::optional(size) : std::nullopt;
}

// Returns the options of a conversion to a model that accepts every height and width.
ConvertOptions options_for_any_size(const ReadOptions& reading) {
  constexpr std::int64_t largest = 65536;
  constexpr std::int64_t usual = 64;
  ConvertOptions options;
  options.read = reading;
  options.shape.height = options.shape.width = Axis::range(1, usual, largest);
  return options;
}

}  // namespace

UpscaleModel::UpscaleModel(const UpscaleModelRequest& request, const std::atomic<bool>* cancelled)
    : cancelled_(cancelled), runtime_(OnnxRuntime::load(request.onnxruntime_library)) {
  choose_device(request.device);
  const Context context{request.limits, nullptr, cancelled};
  const io::FileInput file(request.model, cancelled);
  if (formats::sniff(file) == formats::FileKind::onnx) {
    open_file(request, onnx::read(file, context), file);
  } else {
    const std::string bytes = convert(request);
    session_.emplace(runtime_.open(bytes, {}, device_));
    describe(onnx::read(MemoryInput(std::as_bytes(std::span(bytes))), context));
  }
  read_shapes();
  try_out();
}

void UpscaleModel::choose_device(const std::string& device) {
  if (device == "cpu") return;
  const Device gpu{Provider::cuda, number_of_gpu(device)};
  try {
    runtime_.check(gpu);
    device_ = gpu;
  } catch (const Error& error) {
    if (device != "auto" || must_pass_on(error)) throw;
  }
}

std::string UpscaleModel::convert(const UpscaleModelRequest& request) {
  TextOutput output;
  WarningList warnings(notes_);
  const ConvertReport report =
      convert_file_to(request.model, {&output, nullptr, {}}, options_for_any_size(request.reading),
                      {request.limits, &warnings, cancelled_, {}});
  files_ = report.source.files;
  description_ = network_text(report.network);
  return output.take();
}

void UpscaleModel::open_file(const UpscaleModelRequest& request, const onnx::Model& model,
                             const Input& file) {
  check_external_files(model);
  files_.push_back(request.model);
  for (const std::string& name : onnx::external_files(model)) {
    files_.push_back(request.model.parent_path() / name);
  }
  try {
    session_.emplace(runtime_.open(request.model, device_));
  } catch (const NotImplemented&) {
    if (!onnx::has_half_types(model)) throw;
    const io::FolderSiblings siblings(request.model, cancelled_);
    session_.emplace(runtime_.open(onnx::emulate_half_types(file, model, &siblings),
                                   io::absolute(request.model).parent_path(), device_));
    notes_.emplace_back(
        "ONNX Runtime lacks operators for the model's 16-bit type. The model runs in float32, and "
        "every result is rounded to 16 bits.");
  }
  describe(model);
}

void UpscaleModel::describe(const onnx::Model& model) {
  fixed_bytes_ = kLibraryBytes + 2 * bytes_of_weights(model);
  const auto known = network::recognise(network::outline_of(model), metadata::network(model));
  // ONNX Runtime computes 16-bit types in float32 and holds the values in both types.
  const double copies = onnx::has_half_types(model) ? 1.5 : 1;
  if (!known) {
    // How many feature maps an unknown network is assumed to hold in memory at the same time. Small
    // maps have the size of the input, large maps have the size of the output. The large maps are
    // assumed to have 64 channels and the scale 4, like the maps of a usual upsampler.
    constexpr double small_maps = 6;
    constexpr double large_maps = 3;
    constexpr double usual_width = 64;
    constexpr double usual_scale = 4;
    bytes_per_pixel_ =
        copies * sizeof(float) *
        (small_maps * widest_layer(model) + large_maps * usual_width * usual_scale * usual_scale);
    return;
  }
  const network::Cost cost = network::cost_of(*known);
  bytes_per_pixel_ = copies * sizeof(float) *
                     (cost.live_elements_with_copies + cost.input_elements + cost.output_elements);
  reach_ = network::reach_of(*known);
  if (description_.empty()) description_ = network_text(known->facts);
}

void UpscaleModel::read_shapes() {
  const std::vector<ModelValue>& inputs = session_->inputs();
  const std::vector<ModelValue>& outputs = session_->outputs();
  if (inputs.size() != 1 || outputs.size() != 1) {
    const std::string found =
        fmt::format("{} and {}", plural(inputs.size(), "input"), plural(outputs.size(), "output"));
    no_picture_model(fmt::format("the model has {}", found), "1 input and 1 output", found);
  }
  const std::vector<std::int64_t>& shape = inputs[0].shape;
  if (shape.size() != 4) {
    const std::string found = plural(shape.size(), "axis");
    no_picture_model(fmt::format("its input has {} axes", shape.size()), "4 axes", found);
  }
  const std::string& type = inputs[0].dtype;
  if (type != "float32" && type != "float16" && type != "bfloat16") {
    no_picture_model(fmt::format("its input has the type {}", type), "a floating-point type", type);
  }
  batch_ = fixed_size(shape[0]).value_or(1);
  channels_ = fixed_size(shape[1]).value_or(3);
  fixed_height_ = fixed_size(shape[2]);
  fixed_width_ = fixed_size(shape[3]);
  if (channels_ != 1 && channels_ != 3) {
    const std::string found = fmt::format("{}", channels_);
    no_picture_model(fmt::format("its input has {} channels", channels_), "1 or 3", found);
  }
}

// Finds the scale of the model. If the shapes are dynamic, runs the model on a trial picture: the
// size of the output shows the scale, and the duration of the run gives the time per pixel.
void UpscaleModel::try_out() {
  const std::vector<std::int64_t>& output = session_->outputs()[0].shape;
  const bool is_static = fixed_height_ && fixed_width_ && output.size() == 4 && output[1] > 0 &&
                         output[2] > 0 && output[3] > 0;
  std::vector<std::int64_t> shape = output;
  const std::int64_t height = fixed_height_.value_or(kTrialSize);
  const std::int64_t width = fixed_width_.value_or(kTrialSize);
  if (!is_static) {
    const FloatTensor grey{
        {1, channels_, height, width},
        std::vector<float>(to_size(static_cast<std::uint64_t>(channels_ * height * width)), 0.5F)};
    const auto timed_run = [&] {
      const auto started = std::chrono::steady_clock::now();
      shape = run(grey).shape;
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    };
    double seconds = timed_run();
    if (seconds < 1) seconds = timed_run();  // the first run takes longer than later runs
    seconds_per_pixel_ = seconds / static_cast<double>(height * width);
  }
  const std::string found = join(shape, "x");
  if (shape.size() != 4 || shape[1] != channels_) {
    no_picture_model(fmt::format("its output has the shape {}", found),
                     fmt::format("{} channels", channels_), found);
  }
  scale_ = shape[2] / height;
  if (scale_ < 1 || scale_ > kLargestScale || shape[2] != scale_ * height ||
      shape[3] != scale_ * width) {
    no_picture_model(
        fmt::format(
            "it turns {}x{} pixels into {}x{}, but the factor must be a whole number from 1 to {}",
            height, width, shape[2], shape[3], kLargestScale),
        "a whole factor", found);
  }
  if (description_.empty()) {
    description_ = fmt::format("an unknown network, x{}, {}", scale_,
                               plural(static_cast<std::uint64_t>(channels_), "channel"));
  }
}

FloatTensor UpscaleModel::run(const FloatTensor& input) const {
  FloatTensor filled;
  const FloatTensor* taken = &input;
  if (batch_ > 1) {  // fills the fixed batch with black pictures
    filled = input;
    filled.shape[0] = batch_;
    filled.values.resize(count_elements(filled.shape));
    taken = &filled;
  }
  FloatTensor output;
  try {
    output = session_->run(*taken, cancelled_);
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(ErrorKind::limit,
                      {"upscale-memory", "", "", "", "There is not enough memory."});
  } catch (const Error& error) {
    if (must_pass_on(error) || !is_lack_of_memory(error.diagnostic.text)) throw;
    throw OutOfMemory(ErrorKind::limit, error.diagnostic);
  }
  if (batch_ > 1 && output.shape.size() == 4 && output.shape[0] == batch_) {
    output.shape[0] = 1;
    output.values.resize(count_elements(output.shape));
  }
  return output;
}

}  // namespace aether2onnx::verify
