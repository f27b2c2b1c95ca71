/// @file
/// The report of a comparison: one HTML file that contains everything it shows.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tensor.h"

namespace aether2onnx::verify {

/// The pictures of one run. Each string holds the bytes of a PNG file.
struct PictureSet {
  std::string title;
  std::string input;
  std::string reference;
  std::string candidate;
  std::string difference;
  double amplification = 1;  ///< The factor that makes the difference visible.
};

/// Makes the pictures of one run from the first image of the batch. Large pictures are cut to their
/// middle. If the tensors have neither 1 nor 3 channels, the pictures show the first channel.
PictureSet make_pictures(const std::string& title, const FloatTensor& input,
                         const DoubleTensor& reference, const FloatTensor& candidate);

/// Makes the HTML page. `details` is the JSON result of the verification, `facts` are names and
/// values about the model, `command` is the command line. Texts from files are escaped. The page
/// has no script and loads nothing.
std::string html_report(const nlohmann::ordered_json& details,
                        const std::vector<std::pair<std::string, std::string>>& facts,
                        const std::vector<PictureSet>& pictures, const std::string& command);

}  // namespace aether2onnx::verify
