// What the uses of a file (conversion, inspection) have in common.
#pragma once

#include <new>
#include <string>

#include "base/error.h"

namespace aether2onnx::pipeline {

/// Runs `work`, and puts the source's name before the message of what is wrong with its content.
template <typename Work>
auto naming(const std::string& source, Work work) {
  try {
    return work();
  } catch (const Error& error) {
    const bool of_content = error.kind() != ErrorKind::io && error.kind() != ErrorKind::usage &&
                            error.kind() != ErrorKind::internal &&
                            error.kind() != ErrorKind::verification;
    if (!of_content || source.empty()) throw;
    throw Error(error.kind(), fmt::format("{}: {}", source, error.what()), error.findings());
  } catch (const std::bad_alloc&) {
    fail(ErrorKind::limit, "{}: there isn't enough memory for the largest weight in it.",
         source.empty() ? "the checkpoint" : source);
  }
}

}  // namespace aether2onnx::pipeline
