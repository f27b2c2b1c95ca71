/// @file
/// Makes the report of a comparison: one HTML file that needs no other file.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tensor.h"

namespace aether2onnx::verify {

/// The pictures that the report shows for one input. Each string except the title holds the bytes
/// of a PNG file. If the outputs have different shapes, `candidate` (the ONNX model's output) and
/// `difference` are empty.
struct PictureSet {
  std::string title;
  std::string input;
  std::string reference;
  std::string candidate;
  std::string difference;
  double amplification = 1;  ///< Factor by which `difference` is multiplied to become visible.
};

/// Returns pictures of the input, of both outputs and of the difference between the outputs. The
/// pictures show the first image of a batch. If an image is too large for the page, its picture
/// shows only the middle. If an image does not have 3 channels, its picture shows only channel 0.
PictureSet make_pictures(const std::string& title, const FloatTensor& input,
                         const DoubleTensor& reference, const FloatTensor& candidate);

/// Returns the HTML page. `details` is the JSON result of verify(), `facts` are the rows (name,
/// value) of the table about the model, and `command` is the command line. The function escapes
/// HTML in texts from files. The page has no script and loads no other file.
std::string html_report(const nlohmann::ordered_json& details,
                        const std::vector<std::pair<std::string, std::string>>& facts,
                        const std::vector<PictureSet>& pictures, const std::string& command);

}  // namespace aether2onnx::verify
