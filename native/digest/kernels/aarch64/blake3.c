/*
 * Any number of BLAKE3 chunks or parents from the kernel that takes four, and from single compressions.
 * May include: native/digest headers, the C library. Called through the kernel tables, and by dual.c and many.c of this
 * folder.
 */
#include <string.h>

#include "digest/kernels/aarch64/lanes.h"

/* One to LANES messages, of which only `count` chaining values may be written. */
static void hash_quad(const as_quad *quad, size_t count, const uint32_t key[8], uint8_t *cvs) {
  uint8_t all[LANES * AS_DIGEST_SIZE];
  if (count == LANES) {
    as_blake3_quad_neon(quad, key, cvs);
  } else {
    as_blake3_quad_neon(quad, key, all);
    memcpy(cvs, all, count * AS_DIGEST_SIZE);
  }
}

/* A message by itself. A single compression is 826 integer instructions for a block, a quad 1,088 of which most are
 * vector ones, and those run fewer in a cycle; from two messages on the quad is ahead. */
static void hash_single(const as_quad *quad, const uint32_t key[8], uint8_t *cv) {
  uint64_t counter = (uint64_t)quad->counter_high[0] << 32 | quad->counter_low[0];
  uint32_t words[8];
  memcpy(words, key, sizeof words);
  for (uint64_t block = 0; block < quad->blocks; block++) {
    uint32_t flags = quad->all | (block == 0 ? quad->first : 0) | (block + 1 == quad->blocks ? quad->last : 0);
    as_blake3_compress_neon(words, quad->messages[0] + block * AS_BLAKE3_BLOCK, AS_BLAKE3_BLOCK, counter, flags, words);
  }
  memcpy(cv, words, sizeof words); /* little-endian, as the whole file is */
}

static void hash_messages(const as_quad *quad, size_t count, const uint32_t key[8], uint8_t *cvs) {
  if (count == 1) {
    hash_single(quad, key, cvs);
  } else {
    hash_quad(quad, count, key, cvs);
  }
}

void as_blake3_chunks_neon(const uint8_t *chunks, size_t count, const uint32_t key[8], uint64_t counter, uint32_t flags,
                           uint8_t *cvs) {
  for (size_t i = 0; i < count; i += LANES) {
    size_t taken = count - i < LANES ? count - i : LANES;
    as_quad quad = as_quad_of_chunks(chunks + i * AS_BLAKE3_CHUNK, taken, counter + i, flags);
    hash_messages(&quad, taken, key, cvs + i * AS_DIGEST_SIZE);
  }
}

void as_blake3_parents_neon(const uint8_t *blocks, size_t count, const uint32_t key[8], uint32_t flags, uint8_t *cvs) {
  as_quad quad = {.blocks = 1, .all = flags | AS_BLAKE3_PARENT};
  for (size_t i = 0; i < count; i += LANES) {
    size_t taken = count - i < LANES ? count - i : LANES;
    for (size_t lane = 0; lane < LANES; lane++) {
      quad.messages[lane] = blocks + (i + (lane < taken ? lane : taken - 1)) * AS_BLAKE3_BLOCK;
    }
    hash_messages(&quad, taken, key, cvs + i * AS_DIGEST_SIZE);
  }
}
