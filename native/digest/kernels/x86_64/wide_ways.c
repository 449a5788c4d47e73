/*
 * The two ways to SHA-256 beside BLAKE3 in sixteen lanes.
 * May include: native/digest headers. Called by: many_avx512.c, many_equal_avx512.c.
 */
#if defined(__ELF__)
#include "digest/kernels/x86_64/wide.h"

/* Two sets at a time; where their number is odd, the last goes with lanes that nobody looks at. */
static void padding_in_lanes(as_wide_lanes *lanes, size_t sets, const uint32_t words[64]) {
  for (size_t set = 0; set < sets; set += 2) {
    as_sha256_padding_avx512(&lanes[set], words);
  }
}

const as_wide_way as_wide_in_lanes = {
    .begin = as_sha256_begin_avx512,
    .absorb = as_dual_wide_avx512,
    .absorb_padding = padding_in_lanes,
    .absorb_endings = as_sha256_endings_avx512,
    .values = as_sha256_values_avx512,
    .places = {0, 16, 32, 48, 64, 80, 96, 112},
    .apart = 1,
};

/* BLAKE3's part of this step means nothing: where a lane has padding alone, its chunks have ended. */
static void endings_in_chains(as_wide_lanes *lanes) {
  static const as_wide_row flags[1];
  as_dual_wide_avx512_shani(lanes, 1, 1, flags);
}

const as_wide_way as_wide_in_chains = {
    .begin = as_sha256_begin_shani,
    .absorb = as_dual_wide_avx512_shani,
    .absorb_padding = as_sha256_padding_shani,
    .absorb_endings = endings_in_chains,
    .values = as_sha256_values_shani,
    .places = {3, 2, 7, 6, 1, 0, 5, 4},
    .apart = 8,
};

#endif
