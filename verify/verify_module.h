/// @file
/// The interface between the program and the verification module, libaether2onnx_verify.so. The
/// program loads the module when the user asks for a verification. The interface is plain C with
/// JSON texts, so that the program needs no type of libtorch or ONNX Runtime.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

/// JSON holds characters, and file names are bytes: each byte of a name is the character of its
/// number, U+0000 to U+00FF. Returns that text.
inline std::string a2o_text_of_bytes(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80U) {
      text += c;
    } else {
      text += static_cast<char>(0xc0U | (byte >> 6U));
      text += static_cast<char>(0x80U | (byte & 0x3fU));
    }
  }
  return text;
}

/// The bytes of such a text.
inline std::string a2o_bytes_of_text(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80U || i + 1 == text.size()) {
      bytes += text[i];
    } else {
      const auto next = static_cast<unsigned char>(text[++i]);
      bytes += static_cast<char>((lead << 6U) | (next & 0x3fU));
    }
  }
  return bytes;
}

extern "C" {

/// Called before each run with its index, the number of runs, the share of the work that is done (0
/// to 1) and the name of the run. May be null.
using A2oVerifyProgress = void (*)(std::size_t index, std::size_t count, double share,
                                   const char* what, void* user);

enum A2oVerdict { kA2oPassed = 0, kA2oFailed = 1, kA2oError = 2 };

/// Checks that ONNX Runtime and the device are available.
/// `settings` is a JSON object:
///   onnxruntime_library  file name (see a2o_text_of_bytes(), also for the file names below); ""
///                        searches the usual places
///   device               "auto", "cpu", "cuda" or "cuda:N"
///   provider             "auto", "cpu", "cuda" or "tensorrt"
/// Returns kA2oPassed and describes the runtime and device in `*answer`, or returns kA2oError and
/// puts an error there.
using A2oVerifyReady = int (*)(const char* settings, char** answer);

/// Compares. `request` is a JSON object with the settings above and
///   checkpoint           file name
///   params_key, generation, res_scale, norm_eps, img_range, dequantize
///                        as in ReadOptions; null if unset; params_key as a file name
///   limits               object, as in Limits
///   model                file name of the ONNX file
///   model_name           the model's name in the report
///   inputs               list of file names: files that the report may not replace, beside those
///                        that the comparison reads
///   shapes               list of [N, C, H, W]; empty: the shapes in the model's metadata
///   images               folder of pictures, "" for none
///   atol, rtol           tolerances; null: the defaults for the model's precision
///   reference_precision  "fp32" or "fp64"
///   seed                 of the noise
///   report               file name for an HTML report, "" for none
///   fp32_blocks          the parts of a mixed precision model that are float32, if the caller
///                        wants a list of further parts that should be; otherwise null
///   command              the command line, for the report
/// If `*cancelled` becomes true, the comparison ends soon, with kA2oError; may be null. Returns a
/// verdict. For kA2oPassed and kA2oFailed, `*answer` holds the details as a JSON object; for
/// kA2oError, it holds an error. If the request has fp32_blocks, the details list further parts
/// that should be float32, and no report is written if there are any. The caller frees every answer
/// with aether2onnx_verify_free().
using A2oVerify = int (*)(const char* request, A2oVerifyProgress progress, void* user,
                          const std::atomic<bool>* cancelled, char** answer);
using A2oVerifyFree = void (*)(char* answer);
}

/// The names of the functions. Their number changes with the interface.
inline constexpr const char* kA2oVerifySymbol = "aether2onnx_verify_7";
inline constexpr const char* kA2oVerifyFreeSymbol = "aether2onnx_verify_free_7";
inline constexpr const char* kA2oVerifyReadySymbol = "aether2onnx_verify_ready_7";
