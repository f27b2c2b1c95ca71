/// @file
/// The names of the notes in a fused checkpoint: facts that its tensors do not show.
///
/// fuse writes the notes, recognition reads them, and scan accepts files with exactly these notes.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace aether2onnx::network {

inline constexpr std::string_view kFusedFromNote = "fused_from";
inline constexpr std::string_view kGenerationNote = "generation";
inline constexpr std::string_view kResScaleNote = "res_scale";
inline constexpr std::string_view kImgRangeNote = "img_range";

/// The names of the notes above whose values were assumptions, "generation,res_scale". They stay
/// assumptions after fusion.
inline constexpr std::string_view kAssumedNote = "assumed";

inline constexpr std::array kNotes = {kFusedFromNote, kGenerationNote, kResScaleNote, kImgRangeNote,
                                      kAssumedNote};

constexpr bool is_note(std::string_view name) {
  return std::find(kNotes.begin(), kNotes.end(), name) != kNotes.end();
}

}  // namespace aether2onnx::network
