/// @file
/// The names of the notes in a fused checkpoint. A note is a short text with a setting that the
/// tensors do not show.
///
/// `fuse` writes these notes, and recognise() reads them. `scan` accepts them as entries of a
/// PyTorch zip file, and reports entries with unknown names.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace aether2onnx::network {

inline constexpr std::string_view kFusedFromNote = "fused_from";
inline constexpr std::string_view kGenerationNote = "generation";
inline constexpr std::string_view kResScaleNote = "res_scale";
inline constexpr std::string_view kImgRangeNote = "img_range";

/// This note lists the settings that the original checkpoint did not show, for example
/// "generation,res_scale". `fuse` used a default or an option for these settings. So recognise()
/// treats the values in the fused checkpoint as assumptions, too.
inline constexpr std::string_view kAssumedNote = "assumed";

inline constexpr std::array kNotes = {kFusedFromNote, kGenerationNote, kResScaleNote, kImgRangeNote,
                                      kAssumedNote};

constexpr bool is_note(std::string_view name) {
  return std::find(kNotes.begin(), kNotes.end(), name) != kNotes.end();
}

}  // namespace aether2onnx::network
