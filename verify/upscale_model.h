/// @file
/// A model that enlarges pictures: a checkpoint or an ONNX file, loaded in ONNX Runtime.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "network/network.h"
#include "onnxruntime.h"
#include "tensor.h"

namespace aether2onnx::verify {

struct UpscaleModelRequest {
  /// A checkpoint, or an ONNX file that any exporter made. The ONNX file must have one input and
  /// one output (N, C, H, W).
  std::filesystem::path model;
  ReadOptions reading;  ///< How to read a checkpoint.
  Limits limits;
  std::filesystem::path onnxruntime_library;  ///< Empty: see OnnxRuntime::load().
  std::string device = "auto";                ///< "auto", "cpu", "cuda" or "cuda:N".
};

/// Thrown if the device has too little memory to run the model on a picture or on a tile (a part)
/// of a picture. The run may succeed with smaller tiles.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

class UpscaleModel {
 public:
  /// Loads the model; a checkpoint is converted in memory. Throws Error if the file cannot be read,
  /// ONNX Runtime is missing or refuses the model, or the model does not enlarge pictures of 1 or 3
  /// channels. If `cancelled`, which may be null, becomes true, loading and runs end with
  /// Error(cancelled).
  UpscaleModel(const UpscaleModelRequest& request, const std::atomic<bool>* cancelled);

  /// Enlarges a picture (1, C, H, W). Throws OutOfMemory if the device lacks memory, and Error if
  /// the run fails for another reason.
  FloatTensor run(const FloatTensor& input) const;

  std::int64_t channels() const { return channels_; }
  std::int64_t scale() const { return scale_; }
  /// The only height or width that the model accepts; nullopt if the model accepts any.
  std::optional<std::int64_t> fixed_height() const { return fixed_height_; }
  std::optional<std::int64_t> fixed_width() const { return fixed_width_; }
  /// The receptive field: how far around a pixel the network looks. nullopt if the program does not
  /// recognise the network.
  const std::optional<network::Reach>& reach() const { return reach_; }
  /// Bytes that a run on `pixels` input pixels needs in addition to the weights: an upper bound for
  /// networks that were recognised, an estimate for other networks.
  double bytes_for(double pixels) const { return bytes_per_pixel_ * pixels; }
  /// Bytes of the libraries and the weights, independent of the number of pixels.
  double fixed_bytes() const { return fixed_bytes_; }
  /// Seconds of a run per pixel of the input, measured in a small trial run; 0 without a trial run.
  double seconds_per_pixel() const { return seconds_per_pixel_; }

  /// The network: "AetherNet G1, aether_small x2, …" or "an unknown network, x2, 3 channels".
  const std::string& description() const { return description_; }
  const Device& device() const { return device_; }
  const OnnxRuntime& runtime() const { return runtime_; }
  /// Notes for the user, one line each.
  const std::vector<std::string>& notes() const { return notes_; }
  /// All files that were read to load the model.
  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  void choose_device(const std::string& device);
  std::string convert(const UpscaleModelRequest& request);
  void open_file(const UpscaleModelRequest& request, const onnx::Model& model, const Input& file);
  void describe(const onnx::Model& model);
  void read_shapes();
  void try_out();

  const std::atomic<bool>* cancelled_;
  const OnnxRuntime& runtime_;
  Device device_;
  std::optional<Session> session_;
  std::int64_t batch_ = 1;
  std::int64_t channels_ = 0;
  std::int64_t scale_ = 0;
  std::optional<std::int64_t> fixed_height_;
  std::optional<std::int64_t> fixed_width_;
  std::optional<network::Reach> reach_;
  double bytes_per_pixel_ = 0;
  double fixed_bytes_ = 0;
  double seconds_per_pixel_ = 0;
  std::string description_;
  std::vector<std::string> notes_;
  std::vector<std::filesystem::path> files_;
};

}  // namespace aether2onnx::verify
