/// @file
/// Questions that the tensors leave open. An option decides them, then the file's own words, then a
/// rule. Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/float_state_dict.h"
#include "network/network.h"

namespace aether2onnx::network {

/// A number, and the reason for it.
struct Decided {
  double value = 0;
  std::string because;
  bool certain = true;
  bool stated = true;
};

void add_evidence(NetworkInfo& facts, std::string what, std::string value, std::string because,
                  bool certain = true);
void add_evidence(NetworkInfo& facts, const char* what, const Decided& decided);

/// Whether a fused checkpoint notes that the answer to a question was an assumption when the
/// checkpoint was fused.
bool was_assumed(const FloatStateDict& file, std::string_view what);

/// An attribute of a pickled network.
struct Attribute {
  std::string name;  ///< "stages.0.0.norm.eps"
  std::string text;
};

/// The attribute `suffix` ("norm.eps") of the blocks stages.<i>.<j>; if `of_body`, of the network
/// itself too. Returns nullopt if no block has it. Throws Error(unsupported) if two of them differ.
std::optional<Attribute> attribute_of_blocks(const FloatStateDict& file, std::string_view suffix,
                                             bool of_body);

/// "the attribute norm.eps of the pickled network"
std::string place_of_attribute(std::string_view name);

/// The option if it is set, else the number in a pickled network's attributes, in arch_config or in
/// a fused checkpoint's note, else `otherwise`. A number in the file that is not above 0 is left
/// out, with a line in `warnings`.
Decided decide_res_scale(const FloatStateDict& file, const ReadOptions& options, Decided otherwise,
                         std::vector<std::string>& warnings);
Decided decide_img_range(const FloatStateDict& file, const ReadOptions& options,
                         std::vector<std::string>& warnings);
/// Of deployment norms: the option, else the attribute of a pickled network, else `otherwise`.
Decided decide_norm_eps(const FloatStateDict& file, const ReadOptions& options, Decided otherwise,
                        std::vector<std::string>& warnings);

/// Throws Error(mismatch) if the option is set. The network has no use for it.
void refuse_res_scale(const ReadOptions& options, std::string_view generation);
void refuse_norm_eps(const ReadOptions& options, std::string_view reason);

/// Compares arch_config, metadata and the scale's buffers with the facts that follow from the
/// shapes. Returns one line for each contradiction.
std::vector<std::string> contradictions(const FloatStateDict& file, const NetworkInfo& facts);

}  // namespace aether2onnx::network
