/*
 * The scan in portable C, for any machine: the doubling steps over arrays, one plain loop a step, which compilers turn
 * into whatever vector instructions the target has.
 * May include: native/chunk/scan.h. Called by: native/chunk through the scanner table.
 */
#include "chunk/scan.h"

enum {
  BLOCK = 1024,                    /* candidates at a time: the two arrays stay in the first-level cache */
  LEAD = AS_CHUNK_WINDOW - 1,      /* bytes hashed before the first candidate of a block */
  STRIDE = 64                      /* candidates tested together */
};

/* From hashes of `span` bytes to hashes of twice as many. Entries before 2 * span - 1 have no whole window. */
static void widen(const uint16_t *restrict in, uint16_t *restrict out, size_t size, size_t span, uint16_t factor) {
  for (size_t i = 2 * span - 1; i < size; i++) {
    out[i] = (uint16_t)(in[i] + (uint32_t)factor * in[i - span]);
  }
}

/* filter[LEAD + i] becomes the filter's value for the candidate bytes[i]. */
static void hash_block(const uint8_t *bytes, size_t count, uint16_t filter[LEAD + BLOCK]) {
  uint16_t other[LEAD + BLOCK];
  size_t size = LEAD + count;
  const uint8_t *first = bytes - LEAD;
  for (size_t i = 1; i < size; i++) {
    other[i] = (uint16_t)(first[i] + AS_CHUNK_FACTOR * first[i - 1]);
  }
  widen(other, filter, size, 2, AS_CHUNK_FACTOR_2);
  widen(filter, other, size, 4, AS_CHUNK_FACTOR_4);
  widen(other, filter, size, 8, AS_CHUNK_FACTOR_8);
  widen(filter, other, size, 16, AS_CHUNK_FACTOR_16);
  widen(other, filter, size, 32, AS_CHUNK_FACTOR_32);
}

static size_t first_cut(const uint8_t *bytes, const uint16_t *filter, size_t count, as_chunk_rule rule) {
  for (size_t i = 0; i < count; i++) {
    if ((int16_t)filter[i] > rule.above && as_chunk_judge(bytes + i, rule.judged)) {
      return i;
    }
  }
  return count;
}

static int any_passes(const uint16_t *filter, as_chunk_rule rule) {
  int16_t greatest = INT16_MIN;
  for (size_t i = 0; i < STRIDE; i++) {
    greatest = (int16_t)filter[i] > greatest ? (int16_t)filter[i] : greatest;
  }
  return greatest > rule.above;
}

static size_t scan_block(const uint8_t *bytes, size_t count, as_chunk_rule rule) {
  uint16_t filter[LEAD + BLOCK];
  hash_block(bytes, count, filter);
  size_t i = 0;
  for (; i + STRIDE <= count; i += STRIDE) {
    if (any_passes(filter + LEAD + i, rule)) {
      size_t cut = first_cut(bytes + i, filter + LEAD + i, STRIDE, rule);
      if (cut < STRIDE) {
        return i + cut;
      }
    }
  }
  return i + first_cut(bytes + i, filter + LEAD + i, count - i, rule);
}

static size_t as_chunk_scan_portable(const uint8_t *bytes, size_t count, unsigned bits) {
  as_chunk_rule rule = as_chunk_rule_of(bits);
  for (size_t done = 0; done < count; done += BLOCK) {
    size_t size = count - done < BLOCK ? count - done : BLOCK;
    size_t cut = scan_block(bytes + done, size, rule);
    if (cut < size) {
      return done + cut;
    }
  }
  return count;
}

const as_chunk_scanner as_chunk_scanner_portable = {"portable", 0, as_chunk_scan_portable};
