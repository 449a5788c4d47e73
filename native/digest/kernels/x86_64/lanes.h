/*
 * Eight BLAKE3 compressions side by side, each message in a lane of its own: what the x86-64 kernels share between
 * assembly, which only compresses, and C, which knows chunks and trees.
 * May include: native/digest headers. Included by: native/digest/kernels/x86_64.
 */
#ifndef AS_DIGEST_KERNELS_X86_64_LANES_H
#define AS_DIGEST_KERNELS_X86_64_LANES_H

#include "digest/kernels.h"

enum { AS_LANES = 8, AS_CHUNK_STEPS = AS_BLAKE3_CHUNK / AS_BLAKE3_BLOCK };

/* The assembly knows this layout: lanes.inc. */
typedef struct as_blake3_lanes {
  uint32_t state[16][AS_LANES]; /* word by word: eight of chaining value, in and out, then eight of work space */
  uint32_t counter_low[AS_LANES];
  uint32_t counter_high[AS_LANES];
  uint32_t block_size[AS_LANES];
  const uint8_t *at[AS_LANES]; /* the next block of each lane; moves on with every step. An idle lane reads here too. */
  uint64_t used;               /* lanes from this one on are idle: their results mean nothing and may not be computed */
} __attribute__((aligned(64))) as_blake3_lanes;

/* Every lane absorbs `steps` blocks, at least one; flags[step][lane]. */
typedef void as_blake3_steps_fn(as_blake3_lanes *lanes, size_t steps, const uint32_t (*flags)[AS_LANES]);

as_blake3_steps_fn as_blake3_steps_avx2, as_blake3_steps_sse41;

/* Two SHA-256 messages, and where the next block of each lies. The assembly knows this layout. */
typedef struct as_sha256_pair {
  uint32_t *state[2];
  const uint8_t *at[2];
} as_sha256_pair;

as_sha256_blocks_fn as_sha256_blocks_shani, as_sha256_blocks_avx2, as_sha256_blocks_ssse3;
void as_sha256_pair_shani(as_sha256_pair *pair, size_t count);

/* The flags of every lane in each step of a chunk. */
typedef struct as_chunk_flags {
  uint32_t step[AS_CHUNK_STEPS][AS_LANES];
} as_chunk_flags;

/* A step of sixteen lanes, and in its shadow sixteen blocks of one SHA-256 message. At most AS_CHUNK_STEPS steps. */
void as_dual_steps_avx2_shani(as_blake3_lanes lanes[2], size_t steps, const as_chunk_flags flags[2],
                              uint32_t sha256_state[8], const uint8_t *blocks);

/* A step of sixteen lanes, and eight blocks of each of two SHA-256 messages. */
void as_dual2_steps_avx2_shani(as_blake3_lanes lanes[2], size_t steps, const as_chunk_flags flags[2],
                               as_sha256_pair *pair);

as_blake3_compress_fn as_blake3_compress_sse41;
as_blake3_compress_xof_fn as_blake3_compress_xof_sse41;

/* Those of whole chunks, the same in every lane. */
void as_chunk_flags_fill(as_chunk_flags *flags, uint32_t mode);

/* Lanes 0 to count - 1 start on chunks that lie one after the other; the idle ones repeat the last. */
void as_lanes_start_chunks(as_blake3_lanes *lanes, const uint8_t *chunks, size_t count, const uint32_t key[8],
                           uint64_t counter);

/* The chaining values of lanes 0 to count - 1. */
void as_lanes_values(const as_blake3_lanes *lanes, size_t count, uint8_t *cvs);

/* Whole chunks and parents in lanes: blake3_chunks and blake3_parents of the kernel table, with the steps as the first
 * argument. */
void as_lanes_chunks(as_blake3_steps_fn *steps, const uint8_t *chunks, size_t count, const uint32_t key[8],
                     uint64_t counter, uint32_t flags, uint8_t *cvs);
void as_lanes_parents(as_blake3_steps_fn *steps, const uint8_t *blocks, size_t count, const uint32_t key[8],
                      uint32_t flags, uint8_t *cvs);

as_dual_groups_fn as_dual_groups_avx2_shani;
as_dual2_groups_fn as_dual2_groups_avx2_shani;
as_dual_many_fn as_dual_many_avx2_shani;

#endif
