/*
 * Chunks and parents in the lanes of a vector kernel: filling the lanes, and taking the results out.
 * May include: native/digest headers, the C library. Called by: the sets of native/digest/kernels/x86_64.
 */
#if defined(__ELF__)
#include "digest/kernels/x86_64/lanes.h"

#include <string.h>

#include "digest/bytes.h"

_Static_assert(offsetof(as_blake3_lanes, counter_low) == 512, "lanes.inc");
_Static_assert(offsetof(as_blake3_lanes, counter_high) == 544, "lanes.inc");
_Static_assert(offsetof(as_blake3_lanes, block_size) == 576, "lanes.inc");
_Static_assert(offsetof(as_blake3_lanes, at) == 608, "lanes.inc");
_Static_assert(offsetof(as_blake3_lanes, used) == 672, "lanes.inc");
_Static_assert(sizeof(as_blake3_lanes) == 704, "lanes.inc");
_Static_assert(sizeof(as_chunk_flags) == 512, "lanes.inc");

/* One row of lanes: stores and operators on it are single instructions. */
typedef uint32_t row __attribute__((vector_size(4 * AS_LANES), may_alias, aligned(4)));

static inline void fill_row(uint32_t to[AS_LANES], uint32_t word) {
  *(row *)to = word + (row){0};
}

void as_chunk_flags_fill(as_chunk_flags *flags, uint32_t mode) {
  for (int step = 0; step < AS_CHUNK_STEPS; step++) {
    fill_row(flags->step[step], mode);
  }
  fill_row(flags->step[0], mode | AS_BLAKE3_CHUNK_START);
  fill_row(flags->step[AS_CHUNK_STEPS - 1], mode | AS_BLAKE3_CHUNK_END);
}

/* Messages of `size` bytes one after the other; message i has counter + i * counts. */
static void start(as_blake3_lanes *lanes, const uint8_t *messages, size_t size, size_t count, const uint32_t key[8],
                  uint64_t counter, uint32_t counts) {
  for (int i = 0; i < 8; i++) {
    fill_row(lanes->state[i], key[i]);
  }
  fill_row(lanes->block_size, AS_BLAKE3_BLOCK);
  for (size_t lane = 0; lane < AS_LANES; lane++) {
    uint64_t own = counter + counts * lane;
    lanes->counter_low[lane] = (uint32_t)own;
    lanes->counter_high[lane] = (uint32_t)(own >> 32);
    lanes->at[lane] = messages + size * (lane < count ? lane : count - 1);
  }
  lanes->used = count;
}

void as_lanes_start_chunks(as_blake3_lanes *lanes, const uint8_t *chunks, size_t count, const uint32_t key[8],
                           uint64_t counter) {
  start(lanes, chunks, AS_BLAKE3_CHUNK, count, key, counter, 1);
}

void as_lanes_values(const as_blake3_lanes *lanes, size_t count, uint8_t *cvs) {
  for (size_t lane = 0; lane < count; lane++) {
    for (int i = 0; i < 8; i++) {
      as_store32_little(cvs + AS_DIGEST_SIZE * lane + 4 * i, lanes->state[i][lane]);
    }
  }
}

static size_t lanes_for(size_t left) {
  return left < AS_LANES ? left : AS_LANES;
}

void as_lanes_chunks(as_blake3_steps_fn *steps, const uint8_t *chunks, size_t count, const uint32_t key[8],
                     uint64_t counter, uint32_t flags, uint8_t *cvs) {
  as_blake3_lanes lanes;
  as_chunk_flags chunk_flags;
  as_chunk_flags_fill(&chunk_flags, flags);
  for (size_t i = 0; i < count; i += AS_LANES) {
    size_t used = lanes_for(count - i);
    as_lanes_start_chunks(&lanes, chunks + i * AS_BLAKE3_CHUNK, used, key, counter + i);
    steps(&lanes, AS_CHUNK_STEPS, chunk_flags.step);
    as_lanes_values(&lanes, used, cvs + i * AS_DIGEST_SIZE);
  }
}

void as_lanes_parents(as_blake3_steps_fn *steps, const uint8_t *blocks, size_t count, const uint32_t key[8],
                      uint32_t flags, uint8_t *cvs) {
  as_blake3_lanes lanes;
  uint32_t parent_flags[1][AS_LANES];
  fill_row(parent_flags[0], flags | AS_BLAKE3_PARENT);
  for (size_t i = 0; i < count; i += AS_LANES) {
    size_t used = lanes_for(count - i);
    start(&lanes, blocks + i * AS_BLAKE3_BLOCK, AS_BLAKE3_BLOCK, used, key, 0, 0);
    steps(&lanes, 1, parent_flags);
    as_lanes_values(&lanes, used, cvs + i * AS_DIGEST_SIZE);
  }
}

#endif
