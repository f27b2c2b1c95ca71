#include "candidate.h"

#include <algorithm>

#include "base/error.h"
#include "external_files.h"
#include "formats/onnx/emulate.h"
#include "port/files.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

Candidate::Candidate(const OnnxRuntime& runtime, const fs::path& path, const onnx::Model& model,
                     const Device& device, const std::atomic<bool>* cancelled)
    : runtime_(runtime),
      path_(path),
      model_(model),
      device_(device),
      cancelled_(cancelled),
      emulated_(device.provider == Provider::cpu && onnx::has_half_types(model)) {
  check_external_files(model);
  try {
    file_.emplace(runtime.open(path, device));
  } catch (const NotImplemented&) {
    // runtime.open() throws NotImplemented if ONNX Runtime has no operator for a 16-bit type. The
    // file is valid, because ONNX Runtime looks for operators only after it has checked types and
    // shapes. If `emulated_` is true, only the float32 copy below runs, which rounds every result
    // to 16 bits. Otherwise the caller gets the error.
    if (!emulated_) throw;
  }
  if (emulated_) {
    emulation_.emplace(runtime.open(bytes(), io::absolute(path).parent_path(), device));
  }
}

std::string Candidate::bytes(Results results) const {
  const io::FileInput input(path_);
  if (emulated_) {
    const io::FolderSiblings siblings(path_);
    return results == Results::rounded ? onnx::emulate_half_types(input, model_, &siblings)
                                       : onnx::widen_half_types(input, model_, &siblings);
  }
  std::string bytes(to_size(input.size()), '\0');
  input.read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

std::vector<FloatTensor> Candidate::run(const FloatTensor& input) const {
  std::vector<FloatTensor> outputs;
  if (file_) outputs.push_back(file_->run(input, cancelled_));
  if (emulation_) outputs.push_back(emulation_->run(input, cancelled_));
  return outputs;
}

std::vector<FloatTensor> Candidate::run_exposed(const FloatTensor& input,
                                                const std::vector<std::string>& values,
                                                Results results) const {
  std::vector<std::string> additional;
  for (const std::string& value : values) {
    const bool is_output = std::any_of(model_.outputs.begin(), model_.outputs.end(),
                                       [&](const auto& output) { return output.name == value; });
    const bool known = std::find(additional.begin(), additional.end(), value) != additional.end();
    if (!is_output && !known) additional.push_back(value);
  }
  std::vector<std::string> names = additional;
  for (const auto& output : model_.outputs) names.push_back(output.name);
  const std::vector<FloatTensor> outputs =
      runtime_
          .open(bytes(results) + onnx::additional_outputs(additional),
                io::absolute(path_).parent_path(), device_)
          .run(input, names, cancelled_);
  // Returns the outputs in the order of `values`, which may contain a name twice.
  std::vector<FloatTensor> wanted;
  wanted.reserve(values.size());
  for (const std::string& value : values) {
    const auto at = std::find(names.begin(), names.end(), value);
    wanted.push_back(outputs.at(static_cast<std::size_t>(at - names.begin())));
  }
  return wanted;
}

void Candidate::end_runs() {
  file_.reset();
  emulation_.reset();
}

std::string Candidate::description() const {
  std::string text = fmt::format("ONNX Runtime {}, {}", runtime_.version(), to_string(device_));
  if (device_.provider != Provider::cpu) text += device_.tf32 ? " with TF32" : " without TF32";
  if (emulated_) {
    text += file_ ? " (the model itself, and a copy of the model that computes in float32 and "
                    "rounds the model's 16-bit results to 16 bits)"
                  : " (a copy of the model that computes in float32 and rounds the model's 16-bit "
                    "results to 16 bits, because ONNX Runtime lacks operators for the model's "
                    "16-bit type)";
  }
  return text;
}

}  // namespace aether2onnx::verify
