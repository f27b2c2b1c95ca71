#include "base/sha256.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__ARM_FEATURE_SHA2)
#include <arm_neon.h>
#endif

namespace aether2onnx {

namespace {

using State = Sha256::State;

// The initial hash value of SHA-256: fractional parts of the square roots of the first 8 primes.
constexpr State kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// The constants of the 64 rounds: fractional parts of the cube roots of the first 64 primes.
constexpr std::array<std::uint32_t, 64> kRounds = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// Computes one round of SHA-256. Instead of moving the eight words, the caller changes the order of
// the arguments from round to round.
inline void one_round(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t& d,
                      std::uint32_t e, std::uint32_t f, std::uint32_t g, std::uint32_t& h,
                      std::uint32_t word_and_constant) {
  const std::uint32_t choice = g ^ (e & (f ^ g));
  const std::uint32_t majority = (a & b) | (c & (a | b));
  h += (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + choice + word_and_constant;
  d += h;
  h += (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + majority;
}

void compress_portable(State& state, std::span<const std::byte> blocks) {
  std::array<std::uint32_t, 64> w{};
  for (; !blocks.empty(); blocks = blocks.subspan(Sha256::kBlock)) {
    for (std::size_t t = 0; t < 16; ++t) {
      w[t] = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        w[t] = w[t] << 8U | std::to_integer<std::uint32_t>(blocks[4 * t + i]);
      }
    }
    for (std::size_t t = 16; t < 64; ++t) {
      const std::uint32_t w2 = w[t - 2];
      const std::uint32_t w15 = w[t - 15];
      w[t] = (std::rotr(w2, 17) ^ std::rotr(w2, 19) ^ w2 >> 10U) + w[t - 7] +
             (std::rotr(w15, 7) ^ std::rotr(w15, 18) ^ w15 >> 3U) + w[t - 16];
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t t = 0; t < 64; t += 8) {
      one_round(a, b, c, d, e, f, g, h, kRounds[t] + w[t]);
      one_round(h, a, b, c, d, e, f, g, kRounds[t + 1] + w[t + 1]);
      one_round(g, h, a, b, c, d, e, f, kRounds[t + 2] + w[t + 2]);
      one_round(f, g, h, a, b, c, d, e, kRounds[t + 3] + w[t + 3]);
      one_round(e, f, g, h, a, b, c, d, kRounds[t + 4] + w[t + 4]);
      one_round(d, e, f, g, h, a, b, c, kRounds[t + 5] + w[t + 5]);
      one_round(c, d, e, f, g, h, a, b, kRounds[t + 6] + w[t + 6]);
      one_round(b, c, d, e, f, g, h, a, kRounds[t + 7] + w[t + 7]);
    }
    const State sum = {a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < state.size(); ++i) state[i] += sum[i];
  }
}

#if defined(__x86_64__)

#define AETHER2ONNX_SHA __attribute__((target("sha,sse4.1")))

// Computes four rounds with the four message words in `w` and the four constants at `k`.
AETHER2ONNX_SHA inline void four_rounds(__m128i& abef, __m128i& cdgh, __m128i w,
                                        const std::uint32_t* k) {
  const __m128i sum = _mm_add_epi32(w, _mm_loadu_si128(reinterpret_cast<const __m128i*>(k)));
  cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
  abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_srli_si128(sum, 8));
}

// Extends the message: replaces the four words in `w0` by the words 16 positions later, computed
// from the 16 words in `w0` to `w3`.
AETHER2ONNX_SHA inline void extend(__m128i& w0, __m128i w1, __m128i w2, __m128i w3) {
  w0 = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
  w0 = _mm_sha256msg2_epu32(w0, w3);
}

AETHER2ONNX_SHA inline __m128i load(const std::byte* bytes) {
  const __m128i big_endian = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
  return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)), big_endian);
}

AETHER2ONNX_SHA void compress_accelerated(State& state, std::span<const std::byte> blocks) {
  // The SHA instructions take the state as words A, B, E, F and C, D, G, H, with A and C highest.
  const auto words = [&](std::size_t i) { return static_cast<int>(state[i]); };
  __m128i abef = _mm_set_epi32(words(0), words(1), words(4), words(5));
  __m128i cdgh = _mm_set_epi32(words(2), words(3), words(6), words(7));
  for (; !blocks.empty(); blocks = blocks.subspan(Sha256::kBlock)) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i w0 = load(blocks.data());
    __m128i w1 = load(blocks.data() + 16);
    __m128i w2 = load(blocks.data() + 32);
    __m128i w3 = load(blocks.data() + 48);
    for (std::size_t t = 0; t < 48; t += 16) {
      four_rounds(abef, cdgh, w0, &kRounds[t]);
      extend(w0, w1, w2, w3);
      four_rounds(abef, cdgh, w1, &kRounds[t + 4]);
      extend(w1, w2, w3, w0);
      four_rounds(abef, cdgh, w2, &kRounds[t + 8]);
      extend(w2, w3, w0, w1);
      four_rounds(abef, cdgh, w3, &kRounds[t + 12]);
      extend(w3, w0, w1, w2);
    }
    four_rounds(abef, cdgh, w0, &kRounds[48]);
    four_rounds(abef, cdgh, w1, &kRounds[52]);
    four_rounds(abef, cdgh, w2, &kRounds[56]);
    four_rounds(abef, cdgh, w3, &kRounds[60]);
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  std::array<std::uint32_t, 8> feba_hgdc{};
  _mm_storeu_si128(reinterpret_cast<__m128i*>(feba_hgdc.data()), abef);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(feba_hgdc.data() + 4), cdgh);
  const auto [f, e, b, a, h, g, d, c] = feba_hgdc;
  state = {a, b, c, d, e, f, g, h};
}

bool has_instructions() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_SSE4_1) == 0) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}

#elif defined(__ARM_FEATURE_SHA2)

inline void four_rounds(uint32x4_t& abcd, uint32x4_t& efgh, uint32x4_t w, const std::uint32_t* k) {
  const uint32x4_t sum = vaddq_u32(w, vld1q_u32(k));
  const uint32x4_t abcd_before = abcd;
  abcd = vsha256hq_u32(abcd, efgh, sum);
  efgh = vsha256h2q_u32(efgh, abcd_before, sum);
}

inline uint32x4_t load(const std::byte* bytes) {
  return vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(reinterpret_cast<const std::uint8_t*>(bytes))));
}

void compress_accelerated(State& state, std::span<const std::byte> blocks) {
  uint32x4_t abcd = vld1q_u32(state.data());
  uint32x4_t efgh = vld1q_u32(state.data() + 4);
  for (; !blocks.empty(); blocks = blocks.subspan(Sha256::kBlock)) {
    const uint32x4_t abcd_before = abcd;
    const uint32x4_t efgh_before = efgh;
    std::array<uint32x4_t, 4> w = {load(blocks.data()), load(blocks.data() + 16),
                                   load(blocks.data() + 32), load(blocks.data() + 48)};
    for (std::size_t i = 0; i < 16; ++i) {
      uint32x4_t& words = w[i % 4];
      four_rounds(abcd, efgh, words, &kRounds[4 * i]);
      words =
          vsha256su1q_u32(vsha256su0q_u32(words, w[(i + 1) % 4]), w[(i + 2) % 4], w[(i + 3) % 4]);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(state.data(), abcd);
  vst1q_u32(state.data() + 4, efgh);
}

bool has_instructions() { return true; }

#else

constexpr auto compress_accelerated = compress_portable;
bool has_instructions() { return false; }

#endif

}  // namespace

bool Sha256::is_accelerated() {
  static const bool found = has_instructions();
  return found;
}

Sha256::Sha256(bool portable)
    : compress_(portable || !is_accelerated() ? compress_portable : compress_accelerated),
      state_(kInitial) {}

void Sha256::update(std::span<const std::byte> bytes) {
  const auto held = static_cast<std::size_t>(size_ % kBlock);
  size_ += bytes.size();
  if (held > 0) {
    const auto first = bytes.first(std::min(bytes.size(), kBlock - held));
    std::copy(first.begin(), first.end(), pending_.begin() + static_cast<std::ptrdiff_t>(held));
    bytes = bytes.subspan(first.size());
    if (held + first.size() < kBlock) return;
    compress_(state_, pending_);
  }
  const auto whole = bytes.first(bytes.size() - bytes.size() % kBlock);
  compress_(state_, whole);
  const auto rest = bytes.subspan(whole.size());
  std::copy(rest.begin(), rest.end(), pending_.begin());
}

std::string Sha256::finish() {
  const std::uint64_t bits = size_ * 8;
  // The end of the message is padded to a full block: a 1 bit, zeros, and the message's length in
  // bits.
  std::array<std::byte, kBlock + 8> padding = {std::byte{0x80}};
  const auto zeros = static_cast<std::size_t>((2 * kBlock - 9 - size_ % kBlock) % kBlock);
  for (std::size_t i = 0; i < 8; ++i) {
    padding[1 + zeros + i] = static_cast<std::byte>(bits >> (56 - 8 * i) & 0xffU);
  }
  update(std::span(padding).first(1 + zeros + 8));
  std::string hex;
  for (const std::uint32_t word : state_) hex += fmt::format("{:08x}", word);
  state_ = kInitial;
  size_ = 0;
  return hex;
}

}  // namespace aether2onnx
