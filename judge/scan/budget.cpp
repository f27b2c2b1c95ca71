#include "judge/scan/budget.h"

#include <algorithm>
#include <string>

namespace aether2onnx::judge::scan {

bool Budget::take(std::uint64_t work) {
  if (work > left_) {
    spent_ = true;
    return false;
  }
  left_ -= work;
  return true;
}

bool Budget::take_inflation(std::uint64_t packed, std::uint64_t size) {
  constexpr std::uint64_t free_of_charge = 4;
  if (size / free_of_charge <= packed) return true;
  return take((size - free_of_charge * packed) * cost::kInflatedByte);
}

pickle::Document Budget::parse(const Input& input, std::uint64_t offset) {
  // The scan's budget limits the work. The pickle may have as many bytes as half of the remaining
  // budget allows, and as many values as the other half allows.
  Context lowered = context_;
  Limits& limits = lowered.limits;
  const std::uint64_t rest = take(cost::kPickle) ? left_ : 0;
  const auto lower = [&](std::uint64_t& limit, std::uint64_t each) {
    limit = std::min(limit, rest / 2 / each);
  };
  lower(limits.pickle_bytes, cost::kPickleByte);
  lower(limits.pickle_values, cost::kPickleValue);
  constexpr std::uint64_t of_every_pickle = 16;  // enough for None, True, … that every parser makes
  limits.pickle_values = std::max(limits.pickle_values, of_every_pickle);
  pickle::Document document = pickle::Document::parse_as_far_as_possible(input, offset, lowered);
  const std::string& exceeded = document.exceeded_limit();
  if ((exceeded == "pickle_bytes" && limits.pickle_bytes < context_.limits.pickle_bytes) ||
      (exceeded == "pickle_values" && limits.pickle_values < context_.limits.pickle_values)) {
    spent_ = true;
  }
  const std::uint64_t work =
      document.consumed() * cost::kPickleByte + document.value_count() * cost::kPickleValue;
  left_ -= std::min(work, left_);
  largest_pickle_ = std::max(largest_pickle_, work);
  return document;
}

}  // namespace aether2onnx::judge::scan
