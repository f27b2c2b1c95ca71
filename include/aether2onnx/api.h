/// @file
/// The macro that exports functions and classes from the shared library, and version().
#pragma once

#include <string_view>

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

/// Returns the library's version as "major.minor.patch".
AETHER2ONNX_API std::string_view version() noexcept;

}  // namespace aether2onnx
