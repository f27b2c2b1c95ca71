/// @file
/// The interface between the program and the verification module, libaether2onnx_verify.so, which
/// the program loads when it is asked to verify. Plain C, so that neither libtorch nor ONNX Runtime
/// nor any of their types is known on the other side.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

/// What is to be compared. Strings are file names in the system's encoding, or "" for none.
struct A2oVerifyRequest {
  const char* checkpoint;
  const char* onnx;
  const char* onnxruntime_library;
  /// As Options::params_key; null where it is unset.
  const char* params_key;
  /// `shape_count` input shapes, four sizes (N, C, H, W) each.
  const std::int64_t* shapes;
  std::size_t shape_count;
  double atol;
  double rtol;
  std::uint64_t seed;
  /// Told before each shape: its index, and `user`. May be null.
  void (*progress)(std::size_t index, void* user);
  void* user;
};

enum A2oVerdict { kA2oPassed = 0, kA2oFailed = 1, kA2oError = 2 };

/// Compares; gives an A2oVerdict. `*json` is set to the details as a JSON object (kA2oPassed,
/// kA2oFailed) or to a message (kA2oError); it is to be given to aether2onnx_verify_free().
using A2oVerify = int (*)(const A2oVerifyRequest* request, char** json);
using A2oVerifyFree = void (*)(char* json);
/// Gives null where ONNX Runtime can be loaded, or else a message, to be freed likewise.
using A2oVerifyReady = char* (*)(const char* onnxruntime_library);
}

/// The functions' names; the number changes with the interface.
inline constexpr const char* kA2oVerifySymbol = "aether2onnx_verify_2";
inline constexpr const char* kA2oVerifyFreeSymbol = "aether2onnx_verify_free_2";
inline constexpr const char* kA2oVerifyReadySymbol = "aether2onnx_verify_ready_2";
