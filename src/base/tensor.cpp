#include "base/tensor.h"

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx {

namespace {

// Returns the position of the element with the row-major `index` as a text: "[3, 0, 1, 1]".
std::string position_text(std::uint64_t index, std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> position(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    const auto size = static_cast<std::uint64_t>(shape[axis]);
    position[axis] = static_cast<std::int64_t>(index % size);
    index /= size;
  }
  return fmt::format("[{}]", join(position, ", "));
}

const char* short_name(DType dtype) {
  switch (dtype) {
    case DType::float16:
      return "fp16";
    case DType::bfloat16:
      return "bf16";
    case DType::float64:
      return "fp64";
    default:
      return "fp32";
  }
}

}  // namespace

void check_loss(const ConversionLoss& loss, std::string_view name,
                std::span<const std::int64_t> shape, DType to, std::string_view remedy) {
  if (loss.not_finite > 0) {
    fail({ErrorKind::precision, "weight-not-finite", std::string(name)},
         "the weight {} has {} that {} NaN or infinite, the first at {}.\n"
         "The checkpoint is broken (the training diverged). Take an earlier checkpoint.",
         name, plural(loss.not_finite, "element"), loss.not_finite == 1 ? "is" : "are",
         position_text(loss.first_not_finite_index, shape));
  }
  if (loss.overflows > 0) {
    const char* largest = to == DType::float16 ? "65504" : "3.4e38";
    fail({ErrorKind::precision, "weight-range", std::string(name),
          fmt::format("at most {}", largest), fmt::format("{}", loss.first_overflow_value)},
         "the weight {} has {} beyond the range of {} (at most {}), the first with the value {} at "
         "{}.\n{}",
         name, plural(loss.overflows, "element"), short_name(to), largest,
         loss.first_overflow_value, position_text(loss.first_overflow_index, shape), remedy);
  }
}

}  // namespace aether2onnx
