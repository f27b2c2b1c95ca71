/// @file
/// The interface between the program and the verification module, libaether2onnx_verify.so, which
/// the program loads when it is asked to verify. Plain C with JSON texts, so that neither libtorch
/// nor ONNX Runtime nor any of their types is known on the other side.
#pragma once

#include <cstddef>

extern "C" {

/// Told before each run: which of how many, the share of the work that is done (0 to 1), and what
/// is about to be run. May be null.
using A2oVerifyProgress = void (*)(std::size_t index, std::size_t count, double share,
                                   const char* what, void* user);

enum A2oVerdict { kA2oPassed = 0, kA2oFailed = 1, kA2oError = 2 };

/// Finds out whether verification can run as asked for: ONNX Runtime is there, and the device.
/// `settings` is a JSON object:
///   onnxruntime_library  file name, "" to look for it
///   device               "auto", "cpu", "cuda" or "cuda:N"
///   provider             "auto", "cpu", "cuda" or "tensorrt"
/// Gives kA2oPassed, with what will be used in `*answer`, or kA2oError and a message there.
using A2oVerifyReady = int (*)(const char* settings, char** answer);

/// Compares. `request` is a JSON object with the settings above and
///   checkpoint           file name
///   params_key, generation, res_scale, norm_eps, img_range, dequantize
///                        as ReadOptions; null for what is unset
///   limits               object, as ReadOptions::limits
///   model                file name of the ONNX file
///   model_name           what it is called in the report
///   shapes               list of [N, C, H, W]; empty: what the model is for
///   images               folder of pictures, "" for none
///   atol, rtol           tolerances, null for the defaults of the model's precision
///   reference_precision  "fp32" or "fp64"
///   seed                 of the noise
///   report               file name for an HTML report, "" for none
///   fp32_blocks          null; or the parts that a mixed precision model has in float32, where
///                        others are wanted that should be
///   command              the command line, for the report
/// Gives a verdict; `*answer` is set to the details as a JSON object (kA2oPassed, kA2oFailed) or to
/// a message (kA2oError). The object's fp32_blocks lists parts that should be float32, too, where
/// the request had some; no report is written then. Every answer is to be given to
/// aether2onnx_verify_free().
using A2oVerify = int (*)(const char* request, A2oVerifyProgress progress, void* user,
                          char** answer);
using A2oVerifyFree = void (*)(char* answer);
}

/// The functions' names; the number changes with the interface.
inline constexpr const char* kA2oVerifySymbol = "aether2onnx_verify_5";
inline constexpr const char* kA2oVerifyFreeSymbol = "aether2onnx_verify_free_5";
inline constexpr const char* kA2oVerifyReadySymbol = "aether2onnx_verify_ready_5";
