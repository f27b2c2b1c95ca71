/// @file
/// Converts PyTorch checkpoints of AetherNet, a super-resolution network, to ONNX, without PyTorch.
///
/// This header includes all other headers. Each task has its own header: convert.h, fuse.h,
/// inspect.h, check.h, scan.h, engine.h. targets.h lists the programs that run ONNX files. This
/// example converts one checkpoint:
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
/// The command-line program `aether2onnx` also calls the functions of these headers.
///
/// Ownership. Options and reports are plain data, which the caller owns. The library uses the
/// arguments of a call only until the call returns.
///
/// Threads. The library has no global state. Calls in different threads are independent. Two calls
/// may share an Observer, Output or Input only if that object supports several threads. A call may
/// read a file on a second thread, but uses the caller's objects only on the calling thread.
///
/// Errors. Functions throw aether2onnx::Error. The error's text is for the person who can fix the
/// cause, the error's code is for programs. The library prints nothing and never ends the process.
///
/// Hostile input. The library treats a checkpoint as data: it executes, imports and opens nothing
/// that a checkpoint names. The library checks each size before it allocates, multiplies or indexes
/// with that size.
///
/// Determinism. The same input and options give the same output bytes on every machine.
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
