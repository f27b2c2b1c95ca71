/// @file
/// The report that a person looks at: one HTML file with everything in it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tensor.h"

namespace aether2onnx::verify {

/// The pictures of one input, each a PNG file's bytes: what went in and what came out.
struct PictureSet {
  std::string title;
  std::string input;
  std::string reference;
  std::string candidate;
  std::string difference;
  double amplification = 1;  ///< What the difference was multiplied by to be seen.
};

/// Makes the pictures of one run, from the first image of the batch; larger ones are cut to the
/// middle. Channels other than 1 or 3 are shown by their first one.
PictureSet make_pictures(const std::string& title, const FloatTensor& input,
                         const DoubleTensor& reference, const FloatTensor& candidate);

/// The page. `details` is the verification's result object, `facts` what is told of the model, name
/// and text each. Texts from files are escaped; the page has no script and loads nothing.
std::string html_report(const nlohmann::ordered_json& details,
                        const std::vector<std::pair<std::string, std::string>>& facts,
                        const std::vector<PictureSet>& pictures, const std::string& command);

}  // namespace aether2onnx::verify
