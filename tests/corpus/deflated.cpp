#include "deflated.h"

namespace aether2onnx::corpus {

std::string deflated(char byte, std::size_t count) {
  std::string out;
  unsigned pending = 0;
  unsigned bits = 0;
  const auto put = [&](unsigned value, unsigned width, bool reversed) {
    for (unsigned i = 0; i < width; ++i) {
      const unsigned bit = reversed ? value >> (width - 1 - i) & 1U : value >> i & 1U;
      pending |= bit << bits;
      if (++bits < 8) continue;
      out += static_cast<char>(pending);
      pending = 0;
      bits = 0;
    }
  };
  const unsigned literal = 0x30U + static_cast<unsigned char>(byte);
  put(3, 3, false);  // the last block, fixed codes
  put(literal, 8, true);
  for (std::size_t left = count - 1; left >= 258; left -= 258) {
    put(0xc5, 8, true);  // a match of 258 bytes
    put(0, 5, true);     // at distance 1
  }
  for (std::size_t i = 0; i < (count - 1) % 258; ++i) put(literal, 8, true);
  put(0, 7, true);  // the end
  if (bits > 0) out += static_cast<char>(pending);
  return out;
}

}  // namespace aether2onnx::corpus
