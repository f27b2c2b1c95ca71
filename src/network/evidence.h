/// @file
/// Decides facts that the tensors do not show. An option decides first, then other data of the
/// file, then a default. Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/float_state_dict.h"
#include "network/network.h"

namespace aether2onnx::network {

/// A number, and the reason for the number. `certain` and `stated` are as in Evidence.
struct Decided {
  double value = 0;
  std::string because;
  bool certain = true;
  bool stated = true;
};

void add_evidence(NetworkInfo& facts, std::string what, std::string value, std::string because,
                  bool certain = true);
void add_evidence(NetworkInfo& facts, const char* what, const Decided& decided);

/// Returns whether a note of the fused checkpoint lists the fact `what` ("res_scale") as an
/// assumption. The assumption was made when the checkpoint was fused.
bool was_assumed(const FloatStateDict& file, std::string_view what);

/// An attribute of a pickled network.
struct Attribute {
  std::string name;  ///< "stages.0.0.norm.eps"
  std::string text;
};

/// Returns the attribute `suffix` ("norm.eps") of the blocks stages.<i>.<j>, and of the network if
/// `of_body`; nullopt if the attribute is missing. Throws Error(unsupported) if two values differ.
std::optional<Attribute> attribute_of_blocks(const FloatStateDict& file, std::string_view suffix,
                                             bool of_body);

/// Returns "the attribute norm.eps of the pickled network" for "norm.eps".
std::string place_of_attribute(std::string_view name);

/// Returns the first number that exists: the option, an attribute of a pickled network,
/// arch_config, a fused checkpoint's note, `otherwise`. Skips a value in the file that is not a
/// number above 0, and adds a line to `warnings`.
Decided decide_res_scale(const FloatStateDict& file, const ReadOptions& options, Decided otherwise,
                         std::vector<std::string>& warnings);
/// As decide_res_scale(), but also reads metadata, before the note. The default is 1.
Decided decide_img_range(const FloatStateDict& file, const ReadOptions& options,
                         std::vector<std::string>& warnings);
/// As decide_res_scale(), for the epsilon of deployment norms. Reads the attributes norm.eps only.
Decided decide_norm_eps(const FloatStateDict& file, const ReadOptions& options, Decided otherwise,
                        std::vector<std::string>& warnings);

/// Throws Error(mismatch) if the option is set. The network does not use this option.
void refuse_res_scale(const ReadOptions& options, std::string_view generation);
void refuse_norm_eps(const ReadOptions& options, std::string_view reason);

/// Compares arch_config, metadata and the buffers `scale` and `scale_tensor` with the facts that
/// follow from the shapes. Returns one line for each contradiction.
std::vector<std::string> contradictions(const FloatStateDict& file, const NetworkInfo& facts);

}  // namespace aether2onnx::network
