#include "engine_failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include "base/text.h"

namespace aether2onnx::cli {

namespace {

constexpr std::size_t kShownLines = 3;
constexpr std::size_t kShownBytes = 300;

// A known reason why building an engine fails. `texts` are parts of messages, in lower case.
// trtexec, TensorRT for RTX, their libraries or the dynamic linker print these messages. If the
// output matches several rows of kSymptoms, the first of these rows explains the failure. Some
// errors cause further errors, so the row of a cause must come before the rows of its effects. In
// `what` and `remedy`, {0} is the builder's name, and {1} is "GPU" or "computer", the device whose
// memory is full. Sources: the code of trtexec and TensorRT, issues in NVIDIA/TensorRT, the builder
// of TensorRT for RTX 1.7.1.
struct Symptom {
  std::array<std::string_view, 5> texts;
  const char* what = "";
  const char* remedy = "";
};

constexpr std::array kSymptoms = {
    Symptom{{"error while loading shared libraries", "cannot open shared object file"},
            "{0} can't find a library that it needs",
            "Add the lib folder of TensorRT to LD_LIBRARY_PATH."},
    Symptom{{"cuda initialization failure", "driver version is insufficient",
             "no cuda-capable device", "cannot find any cuda device", "invalid device ordinal"},
            "{0} finds no usable GPU, or the GPU's driver is too old",
            "Check that nvidia-smi lists the GPU. --device chooses among several GPUs."},
    Symptom{{"unsupported sm", "no kernel image is available"},
            "this GPU is too old or too new for this TensorRT",
            "Use a TensorRT version that supports the GPU."},
    Symptom{{"hw-specific datatypes"},
            "the model contains a data type that one of the GPUs does not support",
            "Convert the checkpoint with --fp_mode mixed_fp16, or leave the GPU out of "
            "--compute_capabilities."},
    Symptom{{"shiftisallzeros", "scale coefficients must all be positive"},
            "the model's quantization is not symmetric, or a scale is not positive",
            "Quantize again with int8 zero points of 0."},
    Symptom{{"must be of same type", "must have the same type"},
            "an operator of the model has inputs of several types",
            "Convert the checkpoint again. For a 16-bit model, use --fp_mode fp16 or mixed_fp16. "
            "aether2onnx adds the casts between types."},
    Symptom{{"static model does not take explicit shapes"},
            "the model's size is fixed, but the command line gives sizes",
            "Convert the checkpoint with --shape 1x3xHxW, or leave the sizes out."},
    Symptom{{"out of memory", "outofmemory", "insufficient memory", "std::bad_alloc",
             "cudaerrormemoryallocation"},
            "the {1} has too little memory",
            "Lower --max_height, --max_width or --max_batch_size, limit the memory with "
            "--workspace (in MiB, for example 2048), or close other programs that use the {1}."},
    Symptom{
        {"no importer registered for op", "unsupported_node", "plugin not found",
         "unsupported onnx opset", "unsupported opset"},
        "this TensorRT does not support an operator or the opset of the model",
        "Convert with a lower --opset_version (17 for TensorRT 8.6, 20 for 10.0), or use a newer "
        "TensorRT."},
    Symptom{{"no low-precision conv kernel available"},
            "this TensorRT has no kernel for a depthwise convolution in 16 bits "
            "(NVIDIA/TensorRT#4838)",
            "Convert the checkpoint with --depthwise_fp32, which keeps these convolutions in "
            "float32."},
    Symptom{{"could not find any implementation"},
            "TensorRT found no implementation for a layer",
            "Try one size instead of a range (--shape 1x3x720x1280), a larger --workspace, another "
            "--builder_optimization_level, or a newer TensorRT."},
    Symptom{{"failed to parse onnx", "failed to parse the onnx", "parse onnx file failed",
             "modelimporter.cpp"},
            "{0} can't read the model",
            "See the log. To see the content of the model, run aether2onnx inspect."},
    Symptom{{"no space left on device", "disk quota exceeded"},
            "the disk is full",
            "Free some space, or give a path on another disk with --save_engine."},
};

std::string in_lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    const bool is_event = line.starts_with('{');  // a JSON event of rtx_builder.py
    if (!is_event && line.find_first_not_of(" \t\r") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

// Returns the lines of the builder's output that are errors ([E]) or fatal errors ([F]).
std::vector<std::string> errors_of(const std::vector<std::string>& lines) {
  std::vector<std::string> errors;
  std::copy_if(lines.begin(), lines.end(), std::back_inserter(errors), [](const std::string& line) {
    return line.find("[E]") != std::string::npos || line.find("[F]") != std::string::npos;
  });
  return errors;
}

// Returns the option that trtexec refused (the name after "Unknown option: "), or "" if none.
std::string unknown_option(const std::vector<std::string>& lines) {
  constexpr std::string_view before = "Unknown option: ";
  for (const std::string& line : lines) {
    const std::size_t at = line.find(before);
    if (at == std::string::npos) continue;
    const std::size_t begin = at + before.size();
    return printable(line.substr(begin, line.find_first_of(" \r", begin) - begin));
  }
  return {};
}

const Symptom* find_symptom(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += in_lower_case(line) + "\n";
  const auto found = std::find_if(kSymptoms.begin(), kSymptoms.end(), [&](const Symptom& symptom) {
    return std::any_of(symptom.texts.begin(), symptom.texts.end(), [&](std::string_view part) {
      return !part.empty() && text.find(part) != std::string::npos;
    });
  });
  return found == kSymptoms.end() ? nullptr : &*found;
}

std::string told(const char* text, const EngineBuilder& builder) {
  return fmt::format(fmt::runtime(text), builder.name, builder.machine);
}

void explain_signal(const EngineBuilder& builder, const port::ProcessEnd& end,
                    EngineFailure& failure) {
  failure.what = end.signal + " ended " + builder.name;
  if (end.killed) {
    failure.what += ", perhaps because the computer's memory ran out";
    failure.remedy = "Close other programs, or lower --max_height and --max_width.";
  } else if (end.crashed) {
    failure.what += " (a crash)";
  }
}

}  // namespace

EngineFailure explain_failure(const EngineBuilder& builder, const std::string& log,
                              const port::ProcessEnd& end) {
  EngineFailure failure;
  const std::vector<std::string> lines = lines_of(log);
  const std::vector<std::string> errors = errors_of(lines);
  const std::vector<std::string>& telling = errors.empty() ? lines : errors;
  const std::size_t first = telling.size() - std::min(telling.size(), kShownLines);
  for (std::size_t i = first; i < telling.size(); ++i) {
    failure.lines.push_back(printable(telling[i], kShownBytes));
  }

  const std::string option = unknown_option(lines);
  const Symptom* symptom = find_symptom(telling);
  if (!option.empty()) {
    failure.what =
        fmt::format("trtexec does not know the option {}, although it reports TensorRT {}", option,
                    to_string(builder.version));
    failure.remedy = "Leave the option out, or give another program with --trtexec.";
  } else if (symptom != nullptr) {
    failure.what = told(symptom->what, builder);
    failure.remedy = told(symptom->remedy, builder);
  }
  if (!end.signal.empty() && symptom == nullptr) explain_signal(builder, end, failure);
  if (failure.what.empty()) {
    failure.what = end.exit_code == 0
                       ? fmt::format("{} reports success, but there is no engine", builder.name)
                       : fmt::format("the exit code is {}", end.exit_code);
  }
  return failure;
}

}  // namespace aether2onnx::cli
