/*
 * What the assembly and the C of this folder share: arguments in memory, whose layout the assembly knows by number, and
 * the kernels by name.
 * May include: native/digest headers. Included by: the .c files of this folder.
 */
#ifndef AS_DIGEST_KERNELS_AARCH64_LANES_H
#define AS_DIGEST_KERNELS_AARCH64_LANES_H

#include "digest/kernels/aarch64/sets.h"

enum {
  LANES = 4, /* words in a NEON register */
  QUAD_SIZE = LANES * AS_BLAKE3_CHUNK,
  GROUP_QUADS = AS_GROUP_SIZE / QUAD_SIZE
};

/* Four BLAKE3 messages of whole blocks, all of the same length. Lanes may repeat a message. */
typedef struct as_quad {
  const uint8_t *messages[LANES];
  uint32_t counter_low[LANES], counter_high[LANES];
  uint64_t blocks;           /* of each message, at least 1 */
  uint32_t all, first, last; /* flags of every block, and more for the first and the last */
} as_quad;

_Static_assert(offsetof(as_quad, counter_low) == 32 && offsetof(as_quad, blocks) == 64 && offsetof(as_quad, all) == 72,
               "QUAD_… in blake3_lanes.inc");

/* The chaining values of four messages. `cvs` may overlap them. */
void as_blake3_quad_neon(const as_quad *quad, const uint32_t key[8], uint8_t cvs[LANES * AS_DIGEST_SIZE]);

/* The same for four chunks that lie one after the other; `sha256_state` absorbs their bytes meanwhile. */
void as_dual_quad_neon_sha2(uint32_t sha256_state[8], const as_quad *quad, const uint32_t key[8],
                            uint8_t cvs[LANES * AS_DIGEST_SIZE]);

/* Four independent objects, of which each hash takes one block. */
typedef struct as_lanes {
  const uint8_t *blake3_blocks[LANES];
  const uint8_t *sha256_blocks[LANES];
  uint32_t cvs[8][LANES]; /* word by word */
  uint32_t counter_low[LANES], counter_high[LANES], block_size[LANES], flags[LANES];
  uint32_t sha256_states[LANES][8];
} as_lanes;

_Static_assert(offsetof(as_lanes, sha256_blocks) == 32 && offsetof(as_lanes, cvs) == 64 &&
                   offsetof(as_lanes, counter_low) == 192 && offsetof(as_lanes, block_size) == 224 &&
                   offsetof(as_lanes, sha256_states) == 256,
               "LANES_… in dual_neon_sha2.S");

void as_dual_lanes_neon_sha2(as_lanes *lanes);

as_blake3_compress_fn as_blake3_compress_neon;
as_blake3_compress_xof_fn as_blake3_compress_xof_neon;
as_blake3_chunks_fn as_blake3_chunks_neon;
as_blake3_parents_fn as_blake3_parents_neon;
as_sha256_blocks_fn as_sha256_blocks_neon_sha2;
as_dual_groups_fn as_dual_groups_neon;
as_dual_groups_fn as_dual_groups_neon_sha2;
as_dual2_groups_fn as_dual2_groups_neon;
as_dual2_groups_fn as_dual2_groups_neon_sha2;
as_dual_many_fn as_dual_many_neon;
as_dual_many_fn as_dual_many_neon_sha2;

/* The quad of `count` chunks, at most LANES, that lie one after the other. Lanes without a chunk repeat the last. */
static inline as_quad as_quad_of_chunks(const uint8_t *chunks, size_t count, uint64_t counter, uint32_t flags) {
  as_quad quad = {.blocks = AS_BLAKE3_CHUNK / AS_BLAKE3_BLOCK,
                  .all = flags,
                  .first = AS_BLAKE3_CHUNK_START,
                  .last = AS_BLAKE3_CHUNK_END};
  for (size_t lane = 0; lane < LANES; lane++) {
    size_t chunk = lane < count ? lane : count - 1;
    quad.messages[lane] = chunks + chunk * AS_BLAKE3_CHUNK;
    quad.counter_low[lane] = (uint32_t)(counter + chunk);
    quad.counter_high[lane] = (uint32_t)((counter + chunk) >> 32);
  }
  return quad;
}

#endif
