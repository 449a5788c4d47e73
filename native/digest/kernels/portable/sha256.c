/*
 * SHA-256 blocks in portable C (FIPS 180-4, section 6.2.2).
 * May include: native/digest headers. Called through the kernel table.
 */
#include "digest/bytes.h"
#include "digest/kernels/portable/portable.h"

static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t rotate(uint32_t x, int right) {
  return x >> right | x << (32 - right);
}

/* The eight working variables rotate by name instead of moving: each use passes them one place on. `word` is W[t]. */
#define ROUND(a, b, c, d, e, f, g, h, word, t)                                            \
  do {                                                                                    \
    uint32_t sum = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +                   \
                   (((f ^ g) & e) ^ g) + round_constant[t] + (word);                      \
    d += sum;                                                                             \
    h = sum + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | ((a | b) & c)); \
  } while (0)

#define EIGHT_ROUNDS(WORD, t)                          \
  do {                                                 \
    ROUND(a, b, c, d, e, f, g, h, WORD(t), t);         \
    ROUND(h, a, b, c, d, e, f, g, WORD(t + 1), t + 1); \
    ROUND(g, h, a, b, c, d, e, f, WORD(t + 2), t + 2); \
    ROUND(f, g, h, a, b, c, d, e, WORD(t + 3), t + 3); \
    ROUND(e, f, g, h, a, b, c, d, WORD(t + 4), t + 4); \
    ROUND(d, e, f, g, h, a, b, c, WORD(t + 5), t + 5); \
    ROUND(c, d, e, f, g, h, a, b, WORD(t + 6), t + 6); \
    ROUND(b, c, d, e, f, g, h, a, WORD(t + 7), t + 7); \
  } while (0)

/* W[0..15] come from the block; each later word replaces the one sixteen places before it. */
#define LOADED(t) (w[(t) & 15] = as_load32_big(block + 4 * ((t) & 15)))
#define SMALL0(x) (rotate(x, 7) ^ rotate(x, 18) ^ (x) >> 3)
#define SMALL1(x) (rotate(x, 17) ^ rotate(x, 19) ^ (x) >> 10)
#define EXPANDED(t) (w[(t) & 15] += SMALL1(w[((t) + 14) & 15]) + w[((t) + 9) & 15] + SMALL0(w[((t) + 1) & 15]))

static void one_block(uint32_t state[8], const uint8_t *block) {
  uint32_t w[16];
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  EIGHT_ROUNDS(LOADED, 0);
  EIGHT_ROUNDS(LOADED, 8);
  EIGHT_ROUNDS(EXPANDED, 16);
  EIGHT_ROUNDS(EXPANDED, 24);
  EIGHT_ROUNDS(EXPANDED, 32);
  EIGHT_ROUNDS(EXPANDED, 40);
  EIGHT_ROUNDS(EXPANDED, 48);
  EIGHT_ROUNDS(EXPANDED, 56);
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

void as_sha256_blocks_portable(uint32_t state[8], const uint8_t *blocks, size_t count) {
  for (size_t i = 0; i < count; i++) {
    one_block(state, blocks + i * AS_SHA256_BLOCK);
  }
}
