/// @file
/// aether2onnx converts AetherNet checkpoints (PyTorch `.pth`) to ONNX files, without PyTorch.
///
/// This header includes one header for each task: convert.h, fuse.h, inspect.h, check.h, scan.h,
/// engine.h. targets.h lists the programs that run the files. The shortest program converts one
/// file:
///
/// @code
///   #include <aether2onnx/aether2onnx.h>
///
///   aether2onnx::ConvertOptions options;
///   options.shape = aether2onnx::InputShape::dynamic_defaults();
///   options.precision = aether2onnx::Precision::fp16;
///   aether2onnx::convert_file("model.pth", "model.onnx", options);
/// @endcode
///
/// The program `aether2onnx` does all its work through these headers.
///
/// Ownership. Options and reports are plain data, which the caller owns. A call refers to its
/// arguments only until it returns.
///
/// Threads. The library has no global state. Calls in different threads are independent, but must
/// not share an Observer, an Output or an Input that isn't made for several threads. A call may
/// read a file on a second thread; it calls the caller's objects only on the thread of the call.
///
/// Errors. Functions that fail throw aether2onnx::Error. Its text is written for the person who can
/// fix the cause; its code is for programs. Nothing is printed, and the process is never ended.
///
/// Hostile input. A checkpoint is data: nothing in it is executed, imported or opened. Sizes are
/// checked before they are allocated, multiplied or used as an index.
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
#include <aether2onnx/report.h>
#include <aether2onnx/scan.h>
#include <aether2onnx/targets.h>
