/// @file
/// Determines the settings of a network that the tensors do not show: from an option, else from
/// other data in the file, else from a default. Private to this folder.
///
/// res_scale is the factor of each block's output. img_range is the factor between pixel values and
/// the numbers with which the network computes. arch_config and metadata are dicts of settings that
/// some checkpoints contain. A note is a text with a setting; the task `fuse` writes notes into the
/// fused checkpoint.
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

/// Returns whether the note "assumed" in a fused checkpoint lists the setting `what` ("res_scale").
/// `fuse` lists a setting in this note if the setting's value was an assumption during fusion.
bool was_assumed(const FloatStateDict& file, std::string_view what);

/// An attribute of a network that was pickled as a Python object, or of one of its modules.
struct Attribute {
  std::string name;  ///< The attribute's path, "stages.0.0.norm.eps".
  std::string text;
};

/// Searches every block stages.<i>.<j> for the attribute `suffix` ("norm.eps"), and the network
/// itself if `of_body`. Returns the first attribute that is found; nullopt if none is found. Throws
/// Error(unsupported) if two of the attributes that are found have different values.
std::optional<Attribute> attribute_of_blocks(const FloatStateDict& file, std::string_view suffix,
                                             bool of_body);

/// Returns a text for messages. If `name` is "norm.eps", the text is "the attribute norm.eps of the
/// pickled network".
std::string place_of_attribute(std::string_view name);

/// Returns res_scale, the factor of each block's output. Uses the first of these values that
/// exists: the option, an attribute of a pickled network, an entry of the dict arch_config in the
/// file, the note that `fuse` wrote into the file, `otherwise`. Ignores values in the file that are
/// not a number above 0, and adds a line to `warnings` for each of these values.
Decided decide_res_scale(const FloatStateDict& file, const ReadOptions& options, Decided otherwise,
                         std::vector<std::string>& warnings);
/// Returns img_range, the factor between pixel values and the network's numbers. Uses the first of
/// these values that exists: the option, an attribute of a pickled network, an entry of the dict
/// arch_config in the file, an entry of the dict metadata in the file, the note that `fuse` wrote
/// into the file. The default is 1.
Decided decide_img_range(const FloatStateDict& file, const ReadOptions& options,
                         std::vector<std::string>& warnings);
/// Returns the epsilon of deployment norms (norms with stored mean and variance). Uses the option,
/// else the attribute norm.eps of a pickled network, else `otherwise`.
Decided decide_norm_eps(const FloatStateDict& file, const ReadOptions& options, Decided otherwise,
                        std::vector<std::string>& warnings);

/// These functions throw Error(mismatch) if the option res_scale (or norm_eps) is set, because the
/// network does not use this setting.
void refuse_res_scale(const ReadOptions& options, std::string_view generation);
void refuse_norm_eps(const ReadOptions& options, std::string_view reason);

/// Compares settings in the file's dicts arch_config and metadata, and in the file's tensors
/// `scale` and `scale_tensor`, with the values that the shapes of the tensors show. Returns one
/// line of text for each difference.
std::vector<std::string> contradictions(const FloatStateDict& file, const NetworkInfo& facts);

}  // namespace aether2onnx::network
