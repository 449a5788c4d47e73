/*
 * The scan: where in a run of bytes does the content call for a cut? One signature for every instruction set, so that
 * each path can be forced, tested against the others and measured. docs/formats/chunking.md defines what it computes;
 * the cut points are a stored format, so a path may be faster than another but never differ from it in one cut.
 * May include: the public header, native/digest/bytes.h. Included by: native/chunk, native/test.
 */
#ifndef AS_CHUNK_SCAN_H
#define AS_CHUNK_SCAN_H

#include "artifactstore.h"
#include "digest/bytes.h"

enum {
  AS_CHUNK_WINDOW = 64,                    /* bytes that decide on a cut: the last of the chunk and 63 before it */
  AS_CHUNK_HISTORY = AS_CHUNKER_HISTORY,   /* bytes before its first candidate that a scan may read */
  AS_CHUNK_FILTER_BITS = 12                /* at most this many bits are asked of the filter, the others of the judge */
};

/* The filter's multiplier, and its powers for the doubling steps. Small enough that its first four powers are signed
 * bytes: one multiply-and-add instruction then hashes two bytes. */
_Static_assert((int)AS_CHUNK_HISTORY == (int)AS_CHUNK_WINDOW, "vector loads reach 64 bytes back");
#define AS_CHUNK_FACTOR (-5)
#define AS_CHUNK_FACTOR_2 ((uint16_t)25)
#define AS_CHUNK_FACTOR_4 ((uint16_t)625)
#define AS_CHUNK_FACTOR_8 ((uint16_t)((uint32_t)AS_CHUNK_FACTOR_4 * AS_CHUNK_FACTOR_4))
#define AS_CHUNK_FACTOR_16 ((uint16_t)((uint32_t)AS_CHUNK_FACTOR_8 * AS_CHUNK_FACTOR_8))
#define AS_CHUNK_FACTOR_32 ((uint16_t)((uint32_t)AS_CHUNK_FACTOR_16 * AS_CHUNK_FACTOR_16))

/* Looks at `count` candidates, bytes[0] to bytes[count - 1], for a cut right after one of them, with a probability of
 * 2^-bits each. Returns the index of the first byte to cut after, or `count`. bytes[-AS_CHUNK_HISTORY] and what follows
 * must be readable; nothing at or beyond bytes[count] is read. `bits` is 1 to 36. */
typedef size_t as_chunk_scan_fn(const uint8_t *bytes, size_t count, unsigned bits);

typedef struct as_chunk_scanner {
  const char *name;
  uint32_t features; /* what it needs of the CPU: AS_CPU_… of native/digest/cpu.h */
  as_chunk_scan_fn *scan;
} as_chunk_scanner;

extern const as_chunk_scanner as_chunk_scanner_portable;
#if defined(__x86_64__)
extern const as_chunk_scanner as_chunk_scanner_avx2;
#endif

/* The path in use, chosen on first use. Cheap, and safe from any thread. */
const as_chunk_scanner *as_chunk_scanner_in_use(void);

/* What both stages ask of a candidate, from the bits of the rule. */
typedef struct as_chunk_rule {
  int16_t above;   /* the filter passes values greater than this, as signed numbers: 0 and then ones on top */
  unsigned judged; /* top bits of the judge that must be zero */
} as_chunk_rule;

static inline as_chunk_rule as_chunk_rule_of(unsigned bits) {
  unsigned filtered = bits < AS_CHUNK_FILTER_BITS ? bits : AS_CHUNK_FILTER_BITS;
  return (as_chunk_rule){(int16_t)(INT16_MAX - (1 << (16 - filtered))), bits - filtered};
}

/* The second stage, for the one candidate in thousands that the filter passes: sixteen bits are too few for large
 * averages, and wider lanes would halve the speed. `last` is the candidate, the last byte of its window. */
static inline int as_chunk_judge(const uint8_t *last, unsigned judged) {
  /* The first eight 64-bit words of the fraction of pi, made odd. */
  static const uint64_t factors[8] = {0x243f6a8885a308d3, 0x13198a2e03707345, 0xa4093822299f31d1, 0x082efa98ec4e6c89,
                                      0x452821e638d01377, 0xbe5466cf34e90c6d, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917};
  if (judged == 0) {
    return 1;
  }
  const uint8_t *window = last - (AS_CHUNK_WINDOW - 1);
  uint64_t sum = 0;
  for (int i = 0; i < 8; i++) {
    uint64_t low = as_load32_little(window + 8 * i), high = as_load32_little(window + 8 * i + 4);
    sum += (low | high << 32) * factors[i];
  }
  return sum >> (64 - judged) == 0;
}

#endif
