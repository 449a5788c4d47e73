/*
 * The chunking of docs/formats/chunking.md, written from its text: every sum in full, no step shared with the code
 * under test. And the inputs that the chunk tests share.
 * May include: the public header, the test headers. Included by: chunk_*_test.c.
 */
#ifndef AS_TEST_CHUNK_REFERENCE_H
#define AS_TEST_CHUNK_REFERENCE_H

#include "artifactstore.h"
#include "digest_support.h"

enum { REFERENCE_WINDOW = 64 };

/* The filter of the 64 bytes that end with *last. */
static inline uint16_t reference_filter(const uint8_t *last) {
  uint32_t sum = 0, factor = 1;
  for (int back = 0; back < REFERENCE_WINDOW; back++) {
    sum += factor * last[-back];
    factor *= (uint32_t)-5;
  }
  return (uint16_t)sum;
}

static inline uint64_t reference_judge(const uint8_t *last) {
  static const uint64_t factors[8] = {0x243f6a8885a308d3, 0x13198a2e03707345, 0xa4093822299f31d1, 0x082efa98ec4e6c89,
                                      0x452821e638d01377, 0xbe5466cf34e90c6d, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917};
  uint64_t sum = 0;
  for (int word = 0; word < 8; word++) {
    uint64_t value = 0;
    for (int byte = 7; byte >= 0; byte--) {
      value = value << 8 | last[word * 8 + byte - 63];
    }
    sum += value * factors[word];
  }
  return sum;
}

/* Whether a rule of that many bits cuts after *last. */
static inline int reference_cuts(const uint8_t *last, unsigned bits) {
  unsigned filtered = bits < 12 ? bits : 12, judged = bits - filtered;
  if (reference_filter(last) >> (16 - filtered) != (1 << (filtered - 1)) - 1) {
    return 0;
  }
  return judged == 0 || reference_judge(last) >> (64 - judged) == 0;
}

/* The size of the first chunk of `bytes`. */
static inline size_t reference_chunk_size(const uint8_t *bytes, size_t size, const as_chunk_sizes *sizes) {
  unsigned bits = 0;
  while (1u << bits < sizes->average) {
    bits++;
  }
  for (size_t length = sizes->minimum; length < size; length++) {
    if (length == sizes->maximum ||
        reference_cuts(bytes + length - 1, length < sizes->average ? bits + 2 : bits - 2)) {
      return length;
    }
  }
  return size;
}

/* The input of the worked example: the top bytes of a linear congruential generator modulo 2^64 (Knuth's MMIX). */
static inline uint8_t *generated_bytes(size_t size) {
  uint8_t *bytes = malloc(size + 1);
  uint64_t state = 0;
  CHECK(bytes != NULL, "no memory for %zu bytes", size);
  for (size_t i = 0; i < size; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    bytes[i] = (uint8_t)(state >> 56);
  }
  return bytes;
}

/* Inputs that chunkers stumble over, by number; 0 to PATTERNS - 1. */
enum { PATTERNS = 12 };

static inline void fill_pattern(uint8_t *bytes, size_t size, int pattern) {
  static const uint8_t runs[] = {0x00, 0xff, 0x80, 0x7f};
  static const uint8_t periods[] = {2, 3, 5, 16, 64, 251};
  uint8_t period[251];
  for (size_t i = 0; i < sizeof period; i++) {
    period[i] = (uint8_t)random_below(256);
  }
  for (size_t i = 0; i < size; i++) {
    if (pattern < 4) {
      bytes[i] = runs[pattern];
    } else if (pattern < 10) {
      bytes[i] = period[i % periods[pattern - 4]];
    } else if (pattern == 10) {
      bytes[i] = (uint8_t)(i / 4 >> 8 * (i % 4)); /* ascending 32-bit numbers */
    } else {
      bytes[i] = (uint8_t)("etaoin shrdlu\n"[random_below(14)]);
    }
  }
}

/* Runs a test once with each scan that this machine has. */
static inline void with_every_scan(void (*test)(void)) {
  for (const char *const *name = as_chunk_kernel_names(); *name; name++) {
    CHECK_INT(as_chunk_kernel_select(*name), 0);
    CHECK_STRING(as_chunk_kernel_name(), *name);
    test();
  }
}

#endif
