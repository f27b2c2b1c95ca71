/// @file
/// Plans the runs in which verification compares the ONNX model with the reference (reference.h),
/// and estimates the memory that these runs need.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "inputs.h"
#include "memory.h"
#include "network/network.h"
#include "tensor.h"
#include "verifier.h"

namespace aether2onnx::verify {

// A run compares the outputs of the ONNX model and of the reference (reference.h) for one input. To
// save memory, make() makes the input only when the run begins.
struct Run {
  std::string kind;  // "noise", "picture", or a file's name
  Sizes sizes{};
  std::function<FloatTensor()> make;

  std::string title() const {
    return fmt::format("{}x{}x{}x{}, {}", sizes[0], sizes[1], sizes[2], sizes[3], kind);
  }
};

/// Returns the runs that `request` asks for, in the order of the report. Each run compares the
/// outputs of the ONNX model and the reference for one input. `channels` is the network's number of
/// channels. Throws Error(mismatch) if a shape in the request has another number of channels.
std::vector<Run> plan(const Request& request, const onnx::Model& model, std::int64_t channels);

/// Returns the memory estimate for the run (comparison with one input) that needs the most memory.
/// Throws Error(limit) if a run needs more than `available` bytes even if freed memory returns to
/// the system at once (MemoryEstimate::frugal). `element_size` is the size in bytes of a number in
/// the reference: 4 or 8.
MemoryEstimate check_memory(const std::vector<Run>& runs, const network::Network& network,
                            std::size_t element_size, std::uint64_t available);

}  // namespace aether2onnx::verify
