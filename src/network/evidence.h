/// @file
/// Determines the settings of a network that the tensors do not show: from an option, else from
/// other data in the file, else from a default. Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/float_state_dict.h"
#include "network/network.h"

namespace aether2onnx::network {

/// The value that was determined for a setting (a number), and the reason for the value.
struct Decided {
  double value = 0;
  std::string because;
  bool certain = true;  ///< False if the value is an assumption.
  bool stated = true;   ///< False if only a default gives the value.
};

void add_evidence(NetworkInfo& facts, std::string what, std::string value, std::string because,
                  bool certain = true);
void add_evidence(NetworkInfo& facts, const char* what, const Decided& decided);

/// Returns whether the note "assumed" of a fused checkpoint lists the setting `what` ("res_scale").
/// The setting was then an assumption when the checkpoint was fused.
bool was_assumed(const FloatStateDict& file, std::string_view what);

/// An attribute of a network that was pickled as a Python object, or of one of its modules.
struct Attribute {
  std::string name;  ///< The attribute's path, "stages.0.0.norm.eps".
  std::string text;
};

/// Returns the attribute `suffix` ("norm.eps") of the blocks stages.<i>.<j>, and of the whole
/// network if `of_body`; nullopt if missing. Throws Error(unsupported) if two values differ.
std::optional<Attribute> attribute_of_blocks(const FloatStateDict& file, std::string_view suffix,
                                             bool of_body);

/// Returns "the attribute norm.eps of the pickled network" for "norm.eps", for messages.
std::string place_of_attribute(std::string_view name);

/// Returns res_scale from the first source that has a number above 0: the option, an attribute of a
/// pickled network, arch_config, the note in a fused checkpoint, `otherwise`. Adds a line to
/// `warnings` for each value in the file that is not a number above 0.
Decided decide_res_scale(const FloatStateDict& file, const ReadOptions& options, Decided otherwise,
                         std::vector<std::string>& warnings);
/// Returns img_range: from the option, an attribute, arch_config, metadata, a note, or else 1.
Decided decide_img_range(const FloatStateDict& file, const ReadOptions& options,
                         std::vector<std::string>& warnings);
/// Returns the epsilon of deployment norms: the option, an attribute norm.eps, or `otherwise`.
Decided decide_norm_eps(const FloatStateDict& file, const ReadOptions& options, Decided otherwise,
                        std::vector<std::string>& warnings);

/// Throws Error(mismatch) if the option is set, because the network does not use this option.
void refuse_res_scale(const ReadOptions& options, std::string_view generation);
void refuse_norm_eps(const ReadOptions& options, std::string_view reason);

/// Compares arch_config, metadata and the buffers `scale` and `scale_tensor` with the values that
/// follow from the shapes. Returns one line of text for each contradiction.
std::vector<std::string> contradictions(const FloatStateDict& file, const NetworkInfo& facts);

}  // namespace aether2onnx::network
