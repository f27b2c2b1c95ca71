/// @file
/// What a pickle would do if Python loaded it. Private to this stage.
#pragma once

#include <cstdint>
#include <string>

#include "formats/pickle/pickle.h"
#include "judge/scan/collector.h"

namespace aether2onnx::scans {

/// Judges the names and calls of pickles, and of pickles within their texts.
class PickleScanner {
 public:
  PickleScanner(Collector& collector, const Context& context)
      : collector_(collector), context_(context) {}

  /// What one() found.
  struct Outcome {
    std::uint64_t end = 0;  ///< Behind its STOP, or where it can't be read further.
    bool whole = false;     ///< It was read to its STOP.
    bool imports = false;   ///< It names globals or calls something.
  };
  /// The pickle at byte `offset` of `input`; `where` says which it is.
  Outcome one(const Input& input, std::uint64_t offset, const std::string& where);

  /// The pickle that should fill `input` from `offset` on. What follows it is looked at as well:
  /// loaders read one, scanners one or all.
  void all(const Input& input, std::uint64_t offset, const std::string& where);

  /// Bytes that should be no pickle: says so where they are one that names anything. Gives whether
  /// they are.
  bool unexpected(const Input& input, const std::string& where);

 private:
  void look_at(const pickle::Document& document, const std::string& where, int depth);
  void judge_call(const pickle::Document& document, pickle::ValueId call, const std::string& where);
  void judge_reference(const pickle::Document& document, pickle::ValueId reference,
                       const std::string& where);
  void look_into_text(std::string_view text, bool is_bytes, const std::string& where, int depth);
  bool nested(std::string_view bytes, const std::string& where, int depth);

  Collector& collector_;
  const Context& context_;
  std::size_t pickles_ = 0;
};

}  // namespace aether2onnx::scans
