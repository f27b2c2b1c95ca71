/// @file
/// aether2onnx: AetherNet checkpoints (PyTorch `.pth`) in, ONNX files out, without PyTorch.
///
/// This header includes one header for each task: convert.h, fuse.h, inspect.h, check.h, scan.h,
/// engine.h. The shortest use converts one file:
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

#include <aether2onnx/api.h>
#include <aether2onnx/check.h>
#include <aether2onnx/context.h>
#include <aether2onnx/convert.h>
#include <aether2onnx/engine.h>
#include <aether2onnx/error.h>
#include <aether2onnx/fuse.h>
#include <aether2onnx/inspect.h>
#include <aether2onnx/io.h>
#include <aether2onnx/network.h>
#include <aether2onnx/scan.h>
