/// @file
/// The names of the notes in a fused checkpoint. A note is a fact that the tensors do not show.
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

/// This note lists the facts that were assumptions during fusion, for example
/// "generation,res_scale". In the fused checkpoint, these facts are still assumptions.
inline constexpr std::string_view kAssumedNote = "assumed";

inline constexpr std::array kNotes = {kFusedFromNote, kGenerationNote, kResScaleNote, kImgRangeNote,
                                      kAssumedNote};

constexpr bool is_note(std::string_view name) {
  return std::find(kNotes.begin(), kNotes.end(), name) != kNotes.end();
}

}  // namespace aether2onnx::network
