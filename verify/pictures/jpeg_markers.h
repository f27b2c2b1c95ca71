/// @file
/// Reads EXIF's orientation and the ICC profile of a JPEG file, and writes an ICC profile.
///
/// Sources: JPEG, ITU-T T.81, B.1.1; EXIF 2.32, 4.6.4 (tag 274); ICC.1:2010, B.4.
#pragma once

#include <string>
#include <string_view>

namespace aether2onnx::verify::pictures {

struct JpegMarkers {
  /// 1 to 8 as in EXIF: 1 upright, 3 upside down, 6 and 8 on a side, the others mirrored.
  int orientation = 1;
  std::string icc_profile;  ///< Empty if there is no profile, or only a part of a profile.
};

/// Reads the segments of a JPEG file before its pixels. Never fails: damaged segments are left out.
JpegMarkers read_markers(std::string_view file);

/// Returns a JPEG file with an ICC profile. Returns `file` unchanged if it does not begin with a
/// JFIF segment, or if the profile is empty or too long for JPEG (16 MB).
std::string with_profile(std::string_view file, std::string_view icc_profile);

}  // namespace aether2onnx::verify::pictures
