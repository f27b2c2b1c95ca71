/// @file
/// What the tensors don't tell, and how it is decided: by an option, by what the file says of
/// itself, by a rule, or else by preference. Private to this stage.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/network.h"
#include "network/view.h"

namespace aether2onnx::network {

/// A number and what it was decided by.
struct Decided {
  double value = 0;
  std::string because;
  bool certain = true;
};

/// Adds what was decided to the facts.
void add_evidence(NetworkInfo& facts, std::string what, std::string value, std::string because,
                  bool certain = true);
void add_evidence(NetworkInfo& facts, const char* what, const Decided& decided);

/// The option where it is given, else what arch_config or a fused checkpoint's note says, else
/// `otherwise`. A number in the file that isn't above 0 is told in `warnings` and left out.
Decided decide_res_scale(const View& view, const ReadOptions& options, Decided otherwise,
                         std::vector<std::string>& warnings);
Decided decide_img_range(const View& view, const ReadOptions& options,
                         std::vector<std::string>& warnings);

/// Throws Error(mismatch) where the option is given and the network has nothing to apply it to.
void refuse_res_scale(const ReadOptions& options, std::string_view generation);
void refuse_norm_eps(const ReadOptions& options, std::string_view reason);

/// Compares arch_config, metadata and the scale's buffers with the facts that follow from the
/// shapes; one line for each contradiction.
std::vector<std::string> contradictions(const View& view, const NetworkInfo& facts);

}  // namespace aether2onnx::network
