/// @file
/// Reads EXIF's orientation and the ICC profile of a JPEG file, and writes an ICC profile.
///
/// Sources: JPEG, ITU-T T.81, B.1.1; EXIF 2.32, 4.6.4 (tag 274); ICC.1:2010, B.4.
#pragma once

#include <string>
#include <string_view>

namespace aether2onnx::verify::pictures {

struct JpegMarkers {
  /// The orientation from EXIF. 1: upright. 3: upside down. 6 and 8: turned by 90 degrees. 2 and 4:
  /// mirrored. 5 and 7: mirrored and turned by 90 degrees.
  int orientation = 1;
  std::string icc_profile;  ///< Empty if there is no profile, or only a part of a profile.
};

/// Reads the segments in front of the pixel data of a JPEG file. Never fails: ignores damaged EXIF
/// data and incomplete profiles, and stops reading where no valid segment begins.
JpegMarkers read_markers(std::string_view file);

/// Returns a JPEG file with an ICC profile. Returns `file` unchanged if it does not begin with a
/// JFIF segment, or if the profile is empty or too long for JPEG (16 MB).
std::string with_profile(std::string_view file, std::string_view icc_profile);

}  // namespace aether2onnx::verify::pictures
