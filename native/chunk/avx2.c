/*
 * The scan with AVX2: 32 candidates a step in 33 vector instructions, none of which looks a byte up in a table.
 * May include: native/chunk/scan.h, native/digest/cpu.h. Called by: native/chunk through the scanner table.
 *
 * Layout. AVX2 shifts bytes within halves of a register only. So the candidates are taken in pieces, and the two halves
 * of every register work on the two halves of a piece, here called the near and the far run: a shift towards later
 * bytes is then one vpalignr with the register of the step before. (One run, with a vperm2i128 before every vpalignr,
 * took 1.4 times as long on Zen 3.) A step hashes 16 candidates of either run into two registers of 16-bit lanes,
 * `even` for those at even places and `odd` for the others; a shift by 2n candidates is one by n lanes.
 *
 * Doubling. hash(2n)(i) = hash(n)(i) + factor^n * hash(n)(i - n). The first two doublings are vpmaddubsw and one
 * addition, because the factors -5, 25 and -125 are signed bytes; the factors of one instruction have opposite signs,
 * so its sums cannot saturate. A shift by 16 candidates is the register of the step before as it is.
 */
#include "chunk/scan.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "digest/cpu.h"

#define TARGET __attribute__((target("avx2")))
#define INLINE TARGET static inline __attribute__((always_inline))

enum {
  STEP = 16,         /* candidates of one run in one register */
  LOAD = 2 * STEP,   /* candidates of one run in one load, so in one round */
  RUN = 4096         /* candidates of one run: the 64 bytes before it, hashed twice, cost 1.6% */
};

typedef struct pair {
  __m256i even, odd;
} pair;

/* What a step takes from the one before: its bytes, its hashes of 4 to 32 bytes; and of the one before that. */
typedef struct state {
  __m256i bytes;
  pair hash4, hash8, hash16, hash32, older_hash32;
} state;

typedef struct factors {
  __m256i last_two, two_before, by4, by8, by16, by32;
} factors;

/* A number in all lanes. The compiler must not see it: gcc 12 replaces a multiplication by shifts and additions. */
INLINE __m256i in_all_lanes(int number) {
  __m256i lanes = _mm256_set1_epi16((short)number);
  __asm__("" : "+x"(lanes));
  return lanes;
}

/* Multiplies two bytes a lane for vpmaddubsw: the earlier byte is in the lower half. */
INLINE __m256i for_bytes(int earlier, int later) {
  return in_all_lanes(later * 256 | (earlier & 255));
}

/* sum + factor * shifted, lane by lane */
INLINE pair widened(pair sum, __m256i factor, __m256i even, __m256i odd) {
  return (pair){_mm256_add_epi16(sum.even, _mm256_mullo_epi16(even, factor)),
                _mm256_add_epi16(sum.odd, _mm256_mullo_epi16(odd, factor))};
}

INLINE __m256i hash_of_4(__m256i last_two, __m256i two_before, const factors *f) {
  return _mm256_add_epi16(_mm256_maddubs_epi16(last_two, f->last_two), _mm256_maddubs_epi16(two_before, f->two_before));
}

/* The filter's values for the 32 candidates in `bytes`, 16 of either run. */
INLINE pair step(state *before, __m256i bytes, const factors *f) {
  __m256i bytes1 = _mm256_alignr_epi8(bytes, before->bytes, 15);
  __m256i bytes2 = _mm256_alignr_epi8(bytes, before->bytes, 14);
  __m256i bytes3 = _mm256_alignr_epi8(bytes, before->bytes, 13);
  pair hash4 = {hash_of_4(bytes1, bytes3, f), hash_of_4(bytes, bytes2, f)};
  pair hash8 = widened(hash4, f->by4, _mm256_alignr_epi8(hash4.even, before->hash4.even, 12),
                       _mm256_alignr_epi8(hash4.odd, before->hash4.odd, 12));
  pair hash16 = widened(hash8, f->by8, _mm256_alignr_epi8(hash8.even, before->hash8.even, 8),
                        _mm256_alignr_epi8(hash8.odd, before->hash8.odd, 8));
  pair hash32 = widened(hash16, f->by16, before->hash16.even, before->hash16.odd);
  pair hash64 = widened(hash32, f->by32, before->older_hash32.even, before->older_hash32.odd);
  *before = (state){bytes, hash4, hash8, hash16, hash32, before->hash32};
  return hash64;
}

/* Two steps: the 32 candidates from near[0] on into the lower halves, those from far[0] on into the upper halves. */
INLINE void round_of(state *before, const uint8_t *near, const uint8_t *far, const factors *f, pair filter[2]) {
  __m256i low = _mm256_loadu_si256((const __m256i *)near), high = _mm256_loadu_si256((const __m256i *)far);
  filter[0] = step(before, _mm256_permute2x128_si256(low, high, 0x20), f);
  filter[1] = step(before, _mm256_permute2x128_si256(low, high, 0x31), f);
}

/* The bytes of the next piece, which the processor does not foresee well (from memory, 1.25 times the speed with this
 * on Zen 3). Beyond the end of the buffer a prefetch does nothing. */
INLINE void prefetch(const uint8_t *near, const uint8_t *far) {
  size_t piece = 2 * (size_t)(far - near);
  _mm_prefetch((const char *)((uintptr_t)near + piece), _MM_HINT_T0);
  _mm_prefetch((const char *)((uintptr_t)far + piece), _MM_HINT_T0);
}

INLINE int any_passes(const pair filter[2], __m256i above) {
  __m256i greatest = _mm256_max_epi16(_mm256_max_epi16(filter[0].even, filter[0].odd),
                                      _mm256_max_epi16(filter[1].even, filter[1].odd));
  __m256i passed = _mm256_cmpgt_epi16(greatest, above);
  return !_mm256_testz_si256(passed, passed);
}

/* Which candidates of a step pass: 16 bits for the near run, then 16 for the far run. */
INLINE uint32_t passing(pair filter, __m256i above) {
  uint32_t even = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi16(filter.even, above));
  uint32_t odd = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi16(filter.odd, above));
  return (even & 0x55555555) | (odd & 0xaaaaaaaa);
}

/* The first of the candidates marked in `passed` that the judge passes too; LOAD if none. */
static size_t first_judged(const uint8_t *bytes, uint32_t passed, unsigned judged) {
  for (; passed; passed &= passed - 1) {
    size_t i = (size_t)__builtin_ctz(passed);
    if (as_chunk_judge(bytes + i, judged)) {
      return i;
    }
  }
  return LOAD;
}

/* A piece of 2 * `run` candidates; `run` is a multiple of LOAD. A cut in the near run ends the search. One in the far
 * run has to wait for the rest of the near run. */
TARGET static size_t scan_piece(const uint8_t *bytes, size_t run, as_chunk_rule rule) {
  factors f = {for_bytes(-5, 1),
               for_bytes(-125, 25),
               in_all_lanes(AS_CHUNK_FACTOR_4),
               in_all_lanes(AS_CHUNK_FACTOR_8),
               in_all_lanes(AS_CHUNK_FACTOR_16),
               in_all_lanes(AS_CHUNK_FACTOR_32)};
  __m256i above = in_all_lanes(rule.above);
  const uint8_t *near = bytes, *far = bytes + run;
  size_t cut = 2 * run;
  __m256i zero = _mm256_setzero_si256();
  pair filter[2], zeros = {zero, zero};
  state before = {zero, zeros, zeros, zeros, zeros, zeros};
  /* What precedes the runs; a window reaches no further. */
  round_of(&before, near - 2 * LOAD, far - 2 * LOAD, &f, filter);
  round_of(&before, near - LOAD, far - LOAD, &f, filter);
  for (size_t i = 0; i < run; i += LOAD) {
    prefetch(near + i, far + i);
    round_of(&before, near + i, far + i, &f, filter);
    if (__builtin_expect(any_passes(filter, above), 0)) {
      uint32_t first = passing(filter[0], above), second = passing(filter[1], above);
      size_t in_near = first_judged(near + i, (first & 0xffff) | second << 16, rule.judged);
      if (in_near < LOAD) {
        return i + in_near;
      }
      size_t in_far = cut < 2 * run ? LOAD : first_judged(far + i, first >> 16 | (second & 0xffff0000), rule.judged);
      cut = in_far < LOAD ? run + i + in_far : cut;
    }
  }
  return cut;
}

/* Fewer candidates than the shortest piece: in a copy, so that nothing beyond them is read. */
static size_t scan_rest(const uint8_t *bytes, size_t count, as_chunk_rule rule) {
  uint8_t copy[AS_CHUNK_HISTORY + 2 * LOAD] = {0};
  memcpy(copy, bytes - AS_CHUNK_HISTORY, AS_CHUNK_HISTORY + count);
  size_t cut = scan_piece(copy + AS_CHUNK_HISTORY, LOAD, rule);
  return cut < count ? cut : count;
}

static size_t as_chunk_scan_avx2(const uint8_t *bytes, size_t count, unsigned bits) {
  as_chunk_rule rule = as_chunk_rule_of(bits);
  size_t done = 0;
  while (count - done >= 2 * LOAD) {
    size_t run = (count - done) / (2 * LOAD) * LOAD;
    run = run < RUN ? run : RUN;
    size_t cut = scan_piece(bytes + done, run, rule);
    if (cut < 2 * run) {
      return done + cut;
    }
    done += 2 * run;
  }
  return done < count ? done + scan_rest(bytes + done, count - done, rule) : count;
}

const as_chunk_scanner as_chunk_scanner_avx2 = {"avx2", AS_CPU_AVX2, as_chunk_scan_avx2};

#endif
