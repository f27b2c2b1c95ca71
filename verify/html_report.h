/// @file
/// Makes the report of a comparison: one HTML file that needs no other file.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tensor.h"

namespace aether2onnx::verify {

/// The pictures of one compared input in the report. Each string holds the bytes of a PNG file.
struct PictureSet {
  std::string title;
  std::string input;
  std::string reference;
  std::string candidate;
  std::string difference;
  double amplification = 1;  ///< Factor of the values in `difference`, to make them visible.
};

/// Returns pictures of the input, both outputs and their difference, for the first image of a
/// batch. Shows only the middle of large pictures, and only channel 0 unless there are 3 channels.
PictureSet make_pictures(const std::string& title, const FloatTensor& input,
                         const DoubleTensor& reference, const FloatTensor& candidate);

/// Returns the HTML page. `details` is the JSON result of verify(), `facts` are the rows (name,
/// value) of the table about the model, and `command` is the command line. Texts from files are
/// escaped. The page has no script and loads no other file.
std::string html_report(const nlohmann::ordered_json& details,
                        const std::vector<std::pair<std::string, std::string>>& facts,
                        const std::vector<PictureSet>& pictures, const std::string& command);

}  // namespace aether2onnx::verify
