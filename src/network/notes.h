/// @file
/// The names of the notes in a fused checkpoint: texts with settings that the tensors do not show.
///
/// `fuse` writes these notes, recognition reads them, and `scan` allows only these notes.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace aether2onnx::network {

inline constexpr std::string_view kFusedFromNote = "fused_from";
inline constexpr std::string_view kGenerationNote = "generation";
inline constexpr std::string_view kResScaleNote = "res_scale";
inline constexpr std::string_view kImgRangeNote = "img_range";

/// This note lists the settings that were assumptions during fusion, for example
/// "generation,res_scale". In the fused checkpoint, these settings are still assumptions.
inline constexpr std::string_view kAssumedNote = "assumed";

inline constexpr std::array kNotes = {kFusedFromNote, kGenerationNote, kResScaleNote, kImgRangeNote,
                                      kAssumedNote};

constexpr bool is_note(std::string_view name) {
  return std::find(kNotes.begin(), kNotes.end(), name) != kNotes.end();
}

}  // namespace aether2onnx::network
